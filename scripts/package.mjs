/**
 * `npm run package`: what others carry, in build/package: a single executable that needs no Node, and a package for npm
 * that needs no compiler. With `--arch arm64` also the addon for that machine, where its g++ is installed.
 */
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  chmodSync,
  copyFileSync,
  cpSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { join, relative } from 'node:path';
import { has, NODE, ROOT, run, SetupError, say, setUp } from './setup.mjs';

const OUT = join(ROOT, 'build/package');
/** Marks where Node looks for what is embedded; the same for every program of this kind. */
const FUSE = 'NODE_SEA_FUSE_fce680ab2cc467b6e072b8b5df1996b2';
const CARRIED = ['dist', 'demo-recordings'];
const CROSS = { arm64: 'aarch64-linux-gnu' };

try {
  await setUp();
  const manifest = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'));
  rmSync(OUT, { recursive: true, force: true });
  mkdirSync(OUT, { recursive: true });
  const arches = process.argv.flatMap((word, at) => (word === '--arch' ? [process.argv[at + 1]] : []));
  const addons = [];
  for (const arch of arches) addons.push(await crossBuilt(arch));
  const executable = await singleExecutable(manifest.version);
  const archive = await npmPackage(manifest, addons);
  for (const file of [executable, archive])
    process.stdout.write(`${relative(ROOT, file)}  ${(statSync(file).size / 2 ** 20).toFixed(1)} MB\n`);
} catch (error) {
  say(error instanceof SetupError ? error.message : (error.stack ?? String(error)));
  process.exit(1);
}

/** Files below a directory of the project, as paths from its root; stamps of the build are none of them. */
function filesOf(directory) {
  return readdirSync(join(ROOT, directory), { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile() && !entry.name.startsWith('.'))
    .map((entry) => relative(ROOT, join(entry.parentPath, entry.name)))
    .sort();
}

async function singleExecutable(version) {
  const start = join(OUT, 'start.cjs');
  writeFileSync(start, "import('./main.mjs');\n");
  const assets = { ...Object.fromEntries(CARRIED.flatMap(filesOf).map((file) => [file, join(ROOT, file)])) };
  assets['dist/start.cjs'] = start;
  const hash = createHash('sha256');
  for (const [name, file] of Object.entries(assets)) hash.update(`${name}\n`).update(readFileSync(file));
  const id = `${version}-${hash.digest('hex').slice(0, 16)}`;
  const manifest = join(OUT, 'manifest.json');
  writeFileSync(manifest, JSON.stringify({ id, files: Object.keys(assets) }));
  const config = join(OUT, 'sea.json');
  const blob = join(OUT, 'sea.blob');
  writeFileSync(
    config,
    JSON.stringify({
      main: join(ROOT, 'scripts/package/front.cjs'),
      output: blob,
      disableExperimentalSEAWarning: true,
      assets: { ...assets, manifest },
    }),
  );
  await run(NODE, ['--experimental-sea-config', config], 'Node cannot make the part to embed');
  const executable = join(OUT, `ktop-${version}-linux-${process.arch}`);
  copyFileSync(realpathSync(NODE), executable);
  chmodSync(executable, 0o755);
  // A quarter of the size are symbols for debuggers; what a Node addon needs is in the dynamic table.
  if (has('strip')) spawnSync('strip', ['-s', executable]);
  const postject = join(ROOT, 'node_modules/postject/dist/cli.js');
  const args = [postject, executable, 'NODE_SEA_BLOB', blob, '--sentinel-fuse', FUSE];
  await run(NODE, args, 'the program cannot be put into the executable');
  for (const file of [start, manifest, config, blob]) rmSync(file);
  return executable;
}

/** What `npm install -g` needs: no scripts, no dependencies, the addon as it was built here. */
async function npmPackage(manifest, addons) {
  const stage = join(OUT, 'npm');
  for (const file of [...CARRIED.flatMap(filesOf), 'README.md']) {
    mkdirSync(join(stage, file, '..'), { recursive: true });
    cpSync(join(ROOT, file), join(stage, file));
  }
  for (const { arch, file } of addons) {
    mkdirSync(join(stage, 'dist', arch));
    cpSync(file, join(stage, 'dist', arch, 'ktop.node'));
  }
  const said = (...args) => spawnSync(NODE, [join(ROOT, 'dist/ktop.mjs'), ...args]).stdout;
  const texts = { 'man/ktop.1': said('manual') };
  for (const shell of ['bash', 'zsh', 'fish']) texts[`completion/ktop.${shell}`] = said('completion', shell);
  for (const [file, text] of Object.entries(texts)) {
    mkdirSync(join(stage, file, '..'), { recursive: true });
    writeFileSync(join(stage, file), text);
  }
  const { name, version, description, license, type, bin, engines } = manifest;
  const cpu = [process.arch, ...addons.map(({ arch }) => arch)];
  const own = {
    name,
    version,
    description,
    license,
    type,
    bin,
    engines,
    man: ['man/ktop.1'],
    os: ['linux'],
    cpu,
  };
  writeFileSync(join(stage, 'package.json'), `${JSON.stringify(own, undefined, 2)}\n`);
  await run('npm', ['pack', '--silent', '--pack-destination', OUT, stage], 'npm cannot pack');
  rmSync(stage, { recursive: true });
  return join(OUT, `${name}-${version}.tgz`);
}

/** The addon for another machine. */
async function crossBuilt(arch) {
  const target = CROSS[arch];
  if (target === undefined)
    throw new SetupError(`--arch: ${arch} is none of ${Object.keys(CROSS).join(', ')}`);
  if (!has(`${target}-g++`))
    throw new SetupError(`${target}-g++ is missing; install it (on Debian: apt-get install g++-${target})`);
  const build = join(ROOT, 'build', arch);
  const args = ['-C', 'native', '-j2', '--no-print-directory', '-s', `BUILD=${build}`, `CXX=${target}-g++`];
  await run('make', args, `the addon does not compile for ${arch}`);
  const file = join(build, 'ktop.node');
  if (has(`${target}-strip`)) spawnSync(`${target}-strip`, ['-S', file]);
  return { arch, file };
}
