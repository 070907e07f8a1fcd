/**
 * What `npm start` and `npm test` do first: dependencies and build products, only when they are missing or stale.
 * Runs on any Node from 18 on and needs no package. Everything it prints goes to stderr.
 */
import { spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const ROOT = fileURLToPath(new URL('..', import.meta.url));
/** The Node that npm brings (devDependency `node`): the one everything of ours runs on. */
export const NODE = join(ROOT, 'node_modules/.bin/node');
const MODULES_STAMP = join(ROOT, 'node_modules/.ktop-stamp');
const BUILD_STAMP = join(ROOT, 'dist/.stamp');
/** Of the bundles alone. */
const BUNDLES_STAMP = join(ROOT, 'dist/.stamp-bundles');
const BUILD_INPUTS = ['src', 'native', 'scripts/build.mjs', 'package.json', 'tsconfig.json'];

/** Ends the set-up with one line for the user: cause; remedy. */
export class SetupError extends Error {}

/**
 * Installs the dependencies and builds, where needed; throws a SetupError. Costs a few ms when nothing is to do. `addon`
 * false: the native addon is not needed, nor a compiler.
 */
export async function setUp({ addon = true } = {}) {
  const modules = modulesHash();
  const fresh = () => read(MODULES_STAMP) === modules && existsSync(NODE);
  const built = (inputs) => read(BUILD_STAMP) === inputs || (!addon && read(BUNDLES_STAMP) === inputs);
  if (fresh() && built(buildHash())) return;
  await alone(async () => {
    if (!fresh()) await install(modules);
    const inputs = buildHash();
    if (built(inputs)) return;
    say('building');
    const script = [join(ROOT, 'scripts/build.mjs'), ...(addon ? [] : ['bundles'])];
    await run(NODE, script, 'the build failed; see the messages above');
    writeFileSync(addon ? BUILD_STAMP : BUNDLES_STAMP, inputs);
  });
}

/** One line on stderr. */
export function say(text) {
  process.stderr.write(`ktop: ${text}\n`);
}

/** Runs a program with its output on stderr; throws a SetupError with `failed` unless it ends with 0. */
export function run(program, args, failed, env = process.env) {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { cwd: ROOT, env, stdio: ['ignore', 2, 2] });
    child.on('error', (error) =>
      reject(new SetupError(`${program} does not start (${error.message}); ${failed}`)),
    );
    child.on('exit', (code) => (code === 0 ? resolve() : reject(new SetupError(failed))));
  });
}

/** True when the program is on the PATH. */
export function has(program) {
  return (process.env.PATH ?? '').split(':').some((directory) => existsSync(join(directory || '.', program)));
}

async function install(hash) {
  if (!has('npm')) throw new SetupError('npm is missing; install it (on Debian: apt-get install npm)');
  say('installing the dependencies (npm install)');
  // Not `npm ci`: it refuses a lock file from a registry that lacks some optional packages of other platforms.
  // With --no-save the versions are those of the lock file all the same, and the lock file stays as it is.
  const args = ['install', '--no-save', '--no-audit', '--no-fund', '--loglevel=error'];
  await run(
    'npm',
    args,
    'npm install failed; check that the package registry can be reached (network, proxy), then run this again',
  );
  if (spawnSync(NODE, ['--version']).status !== 0) {
    throw new SetupError(
      'npm did not bring its own Node; allow install scripts (npm config set ignore-scripts false), then run this again',
    );
  }
  writeFileSync(MODULES_STAMP, hash);
}

/** The lock file and the parts of the manifest that decide what is installed. */
function modulesHash() {
  const manifest = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'));
  const { dependencies, devDependencies, optionalDependencies, overrides, allowScripts } = manifest;
  const parts = { dependencies, devDependencies, optionalDependencies, overrides, allowScripts };
  return createHash('sha256')
    .update(JSON.stringify(parts))
    .update(readFileSync(join(ROOT, 'package-lock.json')))
    .digest('hex');
}

/** Name, size and time of every input of the build, and of what the dependencies were. */
function buildHash() {
  const hash = createHash('sha256').update(read(MODULES_STAMP) ?? '');
  const add = (path) => {
    const stat = statSync(join(ROOT, path), { throwIfNoEntry: false });
    if (stat === undefined) return;
    if (stat.isDirectory() && path !== 'native/test')
      for (const name of readdirSync(join(ROOT, path)).sort()) add(`${path}/${name}`);
    else hash.update(`${path} ${stat.size} ${stat.mtimeMs}\n`);
  };
  for (const input of BUILD_INPUTS) add(input);
  return hash.digest('hex');
}

/** One set-up at a time: a second one waits for the first instead of building over it. */
async function alone(work) {
  const lock = join(ROOT, '.setup-lock');
  const owner = join(lock, 'pid');
  for (let told = false; ; ) {
    try {
      mkdirSync(lock);
      writeFileSync(owner, String(process.pid));
      break;
    } catch (error) {
      if (error.code !== 'EEXIST') {
        throw new SetupError(`cannot write to ${ROOT} (${error.code}); run npm start once as its owner`);
      }
      const pid = Number(read(owner) ?? 0);
      const age_ms = Date.now() - (statSync(lock, { throwIfNoEntry: false })?.mtimeMs ?? Date.now());
      // A lock whose owner is dead is removed; one without a pid yet gets a moment.
      if (pid > 0 ? !existsSync(`/proc/${pid}`) : age_ms > 2000)
        rmSync(lock, { recursive: true, force: true });
      else {
        if (!told) say(`waiting for another set-up (pid ${pid})`);
        told = true;
        await new Promise((resolve) => setTimeout(resolve, 200));
      }
    }
  }
  const unlock = () => rmSync(lock, { recursive: true, force: true });
  process.once('exit', unlock);
  try {
    await work();
  } finally {
    unlock();
    process.removeListener('exit', unlock);
  }
}

function read(path) {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
}
