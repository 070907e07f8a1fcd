/** Programs that the tests need and npm cannot bring: Debian packages, installed when root may. */
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { has, ROOT, say } from './setup.mjs';

/** Lists of what the tests need. */
export const PACKAGES = ['test/lab/packages.txt'];
const OURS = ['clang-format', 'util-linux'];

/** Installs what is missing, all output to stderr. What cannot be had is named; the tests that need it then fail. */
export async function installPackages(lists = PACKAGES) {
  if (!has('dpkg') || !has('apt-get')) return;
  const missing = wanted(lists).filter((name) => !installed(name));
  if (missing.length === 0) return;
  if (process.getuid?.() !== 0) {
    say(`not installed: ${missing.join(' ')}; run this as root, or apt-get install them`);
    return;
  }
  say(`installing ${missing.join(' ')}`);
  if (install(missing)) return;
  aptGet(['update']);
  if (install(missing)) return;
  // One unknown name fails them all: names differ between releases.
  for (const name of missing)
    if (!install([name])) say(`apt-get cannot install ${name}; tests that need it will fail`);
}

function wanted(lists) {
  const listed = lists.map((list) => join(ROOT, list)).filter((path) => existsSync(path));
  const names = listed.flatMap((path) => readFileSync(path, 'utf8').replace(/#.*/g, '').split(/\s+/));
  return [...new Set([...OURS, ...names])].filter((name) => name !== '');
}

function installed(name) {
  const { stdout } = spawnSync('dpkg', ['-s', name], { encoding: 'utf8' });
  return /^Status: \S+ ok installed$/m.test(stdout);
}

function install(names) {
  return aptGet(['install', '-y', '--no-install-recommends', ...names]);
}

function aptGet(args) {
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  return spawnSync('apt-get', ['-q', ...args], { env, stdio: ['ignore', 2, 2] }).status === 0;
}
