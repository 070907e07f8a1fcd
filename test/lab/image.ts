/**
 * The root disk of all guests: busybox, node, perf, and the kernel modules the tests need.
 * Built once; its name carries a digest of what went in.
 */
import { createHash } from 'node:crypto';
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { command, libraries } from '../helpers/command.ts';
import { paths } from '../helpers/paths.ts';
import { copyModule, type Kernel } from './kernels.ts';

const BUSYBOX = '/bin/busybox';
const PERF = '/usr/bin/perf';
const MODULES = ['kvm-amd'];
const SIZE_KB = 400 * 1024;
const SECTOR = 512;
/** Where the only partition begins. */
const START = 2048 * SECTOR;
/** Disk signature: it gives the partition a name that does not depend on the order of probing. */
const SIGNATURE = 0x6b746f70;
/** The root partition as the kernel's PARTUUID. */
export const ROOT_PARTITION = `${SIGNATURE.toString(16)}-01`;

function digest(kernels: readonly Kernel[], files: readonly string[]): string {
  const hash = createHash('sha256');
  for (const kernel of kernels) hash.update(kernel.release);
  for (const file of files) hash.update(`${file} ${statSync(file).size} ${statSync(file).mtimeMs}\n`);
  hash.update(readFileSync(paths.guestInit)).update(readFileSync(new URL(import.meta.url)));
  return hash.digest('hex').slice(0, 16);
}

/** Copy an executable and the libraries it needs into the tree. */
export function copyExecutable(file: string, root: string, as = join('usr/bin', basename(file))): void {
  const target = join(root, as);
  mkdirSync(dirname(target), { recursive: true });
  copyFileSync(file, target);
  for (const library of libraries(file)) {
    const place = join(root, library);
    if (existsSync(place)) continue;
    mkdirSync(dirname(place), { recursive: true });
    copyFileSync(library, place);
  }
}

function stage(kernels: readonly Kernel[], root: string): void {
  for (const directory of ['bin', 'proc', 'sys', 'dev', 'tmp', 'out', 'job', 'root', 'etc', 'usr/bin']) {
    mkdirSync(join(root, directory), { recursive: true });
  }
  copyFileSync(BUSYBOX, join(root, 'bin/busybox'));
  for (const applet of command(BUSYBOX, ['--list']).trim().split('\n')) {
    if (applet !== 'busybox') symlinkSync('busybox', join(root, 'bin', applet));
  }
  copyExecutable(paths.node(), root, 'usr/bin/node');
  copyExecutable(PERF, root);
  copyFileSync(paths.guestInit, join(root, 'init'));
  for (const kernel of kernels) {
    for (const module of MODULES) copyModule(kernel, module, root);
  }
}

/** A master boot record with one Linux partition. */
function bootRecord(): Buffer {
  const record = Buffer.alloc(SECTOR);
  record.writeUInt32LE(SIGNATURE, 440);
  record.writeUInt8(0x83, 446 + 4);
  record.writeUInt32LE(START / SECTOR, 446 + 8);
  record.writeUInt32LE((SIZE_KB * 1024) / SECTOR, 446 + 12);
  record.writeUInt16BE(0x55aa, 510);
  return record;
}

/** Path of the root disk for these kernels; ready to be booted with throw-away writes. */
export function rootDisk(kernels: readonly Kernel[]): string {
  for (const needed of [BUSYBOX, PERF]) {
    if (!existsSync(needed))
      throw new Error(`${needed} is missing; install the packages of test/lab/packages.txt`);
  }
  const image = join(paths.lab, `root-${digest(kernels, [BUSYBOX, PERF, paths.node()])}.img`);
  if (existsSync(image)) return image;
  const root = join(paths.lab, 'root');
  rmSync(root, { recursive: true, force: true });
  stage(kernels, root);
  rmSync(`${image}.partial`, { force: true });
  writeFileSync(`${image}.partial`, bootRecord());
  truncateSync(`${image}.partial`, START + SIZE_KB * 1024);
  const options = ['-q', '-F', '-t', 'ext4', '-O', '^has_journal', '-E', `offset=${START}`, '-d', root];
  command('mke2fs', [...options, `${image}.partial`, `${SIZE_KB}k`]);
  renameSync(`${image}.partial`, image);
  rmSync(root, { recursive: true });
  return image;
}
