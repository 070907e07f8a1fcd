/**
 * Builds dist/: the bundles and the native addon; with the word `bundles` only those, which need no compiler. Everything
 * it prints goes to stderr.
 */
import { spawn, spawnSync } from 'node:child_process';
import { chmodSync, copyFileSync, mkdirSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { build } from 'esbuild';
import { has, ROOT, say } from './setup.mjs';

const DIST = join(ROOT, 'dist');

/** What is run: an older Node cannot even load the rest, and would show its source instead of a reason. */
const FRONT = `#!/usr/bin/env node
const [major, minor] = process.versions.node.split('.').map(Number);
if (major < 22 || (major === 22 && minor < 15)) {
  process.stderr.write(
    \`ktop: Node.js 22.15 or newer is needed, this is \${process.versions.node}; npm start in the project brings its own\\n\`,
  );
  process.exit(3);
}
await import('./main.mjs');
`;

/** Ink asks for its debugging bridge only in development: it stays out of the bundle. */
const noDevtools = {
  name: 'no-devtools',
  setup(bundler) {
    bundler.onResolve({ filter: /^react-devtools-core$/ }, ({ path }) => ({ path, namespace: 'none' }));
    bundler.onLoad({ filter: /.*/, namespace: 'none' }, () => ({ contents: 'export default {};' }));
  },
};

async function bundles() {
  const result = await build({
    absWorkingDir: ROOT,
    entryPoints: {
      main: 'src/cli.ts',
      worker: 'src/worker/main.ts',
      'vmcore-reader': 'src/vmcore/batch/worker.ts',
      'vmcore-screen': 'src/vmcore/screen/main.ts',
    },
    outdir: DIST,
    outExtension: { '.js': '.mjs' },
    chunkNames: 'chunks/[name]-[hash]',
    bundle: true,
    // The dashboard becomes a chunk of its own, loaded when it is needed.
    splitting: true,
    format: 'esm',
    platform: 'node',
    target: 'node22.15',
    jsx: 'automatic',
    minify: true,
    keepNames: false,
    legalComments: 'linked',
    define: {
      'process.env.NODE_ENV': '"production"',
      'process.env.DEV': '"false"',
      KTOP_COMMIT: JSON.stringify(commit()),
    },
    banner: {
      js: "import{createRequire as ktopRequire}from'node:module';const require=ktopRequire(import.meta.url);",
    },
    plugins: [noDevtools],
    logLevel: 'warning',
    metafile: true,
  });
  removeOldChunks(new Set(Object.keys(result.metafile.outputs)));
  writeFileSync(join(DIST, 'ktop.mjs'), FRONT, { mode: 0o755 });
  chmodSync(join(DIST, 'ktop.mjs'), 0o755);
}

/** Of the sources, if they are a checkout; `+` when they have been changed since. */
function commit() {
  const git = (...args) => spawnSync('git', ['-C', ROOT, ...args], { encoding: 'utf8' });
  const head = git('rev-parse', '--short=12', 'HEAD');
  if (head.status !== 0) return '';
  return `${head.stdout.trim()}${git('status', '--porcelain').stdout === '' ? '' : '+'}`;
}

function removeOldChunks(current) {
  const directory = join(DIST, 'chunks');
  mkdirSync(directory, { recursive: true });
  for (const name of readdirSync(directory)) {
    if (!current.has(`dist/chunks/${name}`)) rmSync(join(directory, name));
  }
}

async function addon() {
  for (const tool of ['make', 'g++']) {
    if (!has(tool)) throw new Error(`${tool} is missing; install it (on Debian: apt-get install make g++)`);
  }
  await new Promise((resolve, reject) => {
    const make = spawn('make', ['-C', 'native', '-j2', '--no-print-directory', '-s'], {
      cwd: ROOT,
      stdio: ['ignore', 2, 2],
    });
    make.on('error', reject);
    make.on('exit', (code) =>
      code === 0 ? resolve() : reject(new Error('the native addon does not compile')),
    );
  });
  // Without debugging information, which stays in build/: a twentieth of the size.
  const [full, shipped] = [join(ROOT, 'build/ktop.node'), join(DIST, 'ktop.node.new')];
  if (spawnSync('strip', ['-S', '-o', shipped, full]).status !== 0) copyFileSync(full, shipped);
  // Renamed into place: a running ktop keeps the file it has mapped.
  renameSync(join(DIST, 'ktop.node.new'), join(DIST, 'ktop.node'));
}

try {
  mkdirSync(DIST, { recursive: true });
  await Promise.all(process.argv[2] === 'bundles' ? [bundles()] : [bundles(), addon()]);
} catch (error) {
  say(error instanceof Error ? (error.message.split('\n')[0] ?? 'the build failed') : String(error));
  process.exit(1);
}
