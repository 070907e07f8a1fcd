/** Programs to compare with that only the benchmarks need: Debian packages, unpacked below build/, never installed. */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT } from './lib.mjs';

const PEERS = join(ROOT, 'build/bench/peers');
const LIBBPF = 'libbpf-tools';

/** Path of a program by its package, or undefined where the package cannot be had. */
function peer(name, path) {
  const tree = join(PEERS, name);
  if (!existsSync(tree) && !unpack(name, tree)) return undefined;
  const file = join(tree, path);
  return existsSync(file) ? file : undefined;
}

export const btop = () => peer('btop', 'usr/bin/btop');
export const atop = () => peer('atop', 'usr/bin/atop');
/** One of the tools that bring their BPF program compiled; many need kprobes, which not every kernel has. */
export const libbpfTool = (name) => peer(LIBBPF, `usr/sbin/${name}`);

function unpack(name, tree) {
  const work = `${tree}.partial`;
  rmSync(work, { recursive: true, force: true });
  mkdirSync(work, { recursive: true });
  const run = (file, args) =>
    spawnSync(file, args, { cwd: work, stdio: ['ignore', 'ignore', 2] }).status === 0;
  try {
    if (!run('apt-get', ['-q', '-o', 'APT::Sandbox::User=root', 'download', name])) return false;
    const archive = readdirSync(work).find((file) => file.endsWith('.deb'));
    if (archive === undefined || !run('dpkg', ['-x', archive, 'tree'])) return false;
    renameSync(join(work, 'tree'), tree);
    return true;
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}
