/** Makes cores, or finds them made: build/vmcores/NAME holds the files, truth.json, console.log and the key. */
import { createHash } from 'node:crypto';
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { command } from '../../helpers/command.ts';
import { withLock } from '../../helpers/lock.ts';
import { paths } from '../../helpers/paths.ts';
import { drive } from '../../lab/guest.ts';
import { findKernels, type Kernel } from '../../lab/kernels.ts';
import type { Entry } from './archive.ts';
import type { CoreFormat, Crash } from './crashes.ts';
import { emptyDisk } from './disk.ts';
import { CrashGuest } from './guest.ts';
import { baseEntries, CULPRIT, initramfs, kdumpEntries, TELLER } from './initramfs.ts';
import { recompress } from './recompress.ts';
import { readTruth, readVmcoreSize, type Truth } from './truth.ts';

export interface Core {
  readonly truth: Truth;
  readonly directory: string;
}

export interface MakeOptions {
  /** How many at once. */
  readonly guests: number;
  readonly say?: (line: string) => void;
}

const ATTEMPTS = 2;
/**
 * Which pages makedumpfile leaves out: zero, cached, private cached, of users, free. Debian's takes pages of newer
 * kernels for users' that are not.
 */
const DUMP_LEVELS: Readonly<Record<string, string>> = { '6.1': '31', '6.12': '23' };
/** Of a guest with kdump. */
const DISK = 'disk.raw';

/** The sources that decide what is in a core; how it is checked does not. */
const SOURCES = [
  'archive.ts',
  'cores.ts',
  'guest.ts',
  'init.sh',
  'initramfs.ts',
  'kdump-init.sh',
  'recompress.ts',
  'truth.ts',
];

function sourceDigest(): string {
  const hash = createHash('sha256');
  for (const name of SOURCES) hash.update(readFileSync(fileURLToPath(new URL(name, import.meta.url))));
  for (const name of readdirSync(CULPRIT.sources).sort())
    hash.update(readFileSync(join(CULPRIT.sources, name)));
  return hash.digest('hex');
}

const keyOf = (crash: Crash, kernel: Kernel, sources: string) =>
  createHash('sha256')
    .update(JSON.stringify([{ ...crash, message: crash.message.source }, kernel.release, sources]))
    .digest('hex');

/** Takes no disk for what is zero, of which there is much. */
function dig(file: string): void {
  command('fallocate', ['--dig-holes', file]);
}

async function writeCore(
  guest: CrashGuest,
  { series }: Crash,
  format: CoreFormat,
  directory: string,
): Promise<string> {
  const level = DUMP_LEVELS[series] ?? '1';
  const at = (made: CoreFormat) => join(directory, `vmcore.${made}`);
  const file = at(format);
  switch (format) {
    case 'flat':
      await guest.dump(file, 'kdump-zlib');
      break;
    case 'elf':
      await guest.dump(file, 'elf');
      dig(file);
      break;
    case 'kdump':
      command('sh', ['-c', 'makedumpfile -R "$2" <"$1"', 'sh', at('flat'), file]);
      break;
    case 'proc':
      // The disk that the second kernel wrote on; it has told how far.
      renameSync(join(directory, DISK), file);
      truncateSync(file, readVmcoreSize(guest.console()));
      dig(file);
      break;
    case 'zlib':
      command('makedumpfile', ['-c', '-d', level, at('proc'), file]);
      break;
    case 'lzo':
      command('makedumpfile', ['-l', '-d', level, at('proc'), file]);
      break;
    case 'flat-lzo':
      command('sh', ['-c', 'makedumpfile -F -l -d "$1" "$2" >"$3"', 'sh', level, at('proc'), file]);
      break;
    case 'zstd':
    case 'snappy':
      recompress(at('zlib'), file, format);
      break;
  }
  return `vmcore.${format}`;
}

/** What came of one boot. Where it is not the crash that was wanted: throws. */
async function crashOnce(guest: CrashGuest, crash: Crash, directory: string): Promise<Truth> {
  try {
    await (crash.kdump ? guest.end() : guest.crash());
    const truth = readTruth(crash, guest.console());
    if (!crash.message.test(truth.message)) throw new Error(`it crashed of something else: ${truth.message}`);
    const files: Partial<Record<CoreFormat, string>> = {};
    for (const format of crash.formats) files[format] = await writeCore(guest, crash, format, directory);
    return { ...truth, files };
  } finally {
    await guest.kill();
    rmSync(join(directory, 'initramfs.cpio'), { force: true });
    rmSync(join(directory, DISK), { force: true });
  }
}

/** Disks of a guest. */
function devicesOf(crash: Crash, directory: string): string[] {
  if (crash.disk) return drive(emptyDisk(), 'frozen');
  if (!crash.kdump) return [];
  const disk = join(directory, DISK);
  writeFileSync(disk, '');
  truncateSync(disk, crash.memory_mb * 1024 * 1024);
  return drive(disk, 'vmcore');
}

/** An emulated machine that does not get its share of a busy host now and then fails to boot. */
async function makeCore(
  crash: Crash,
  kernel: Kernel,
  base: readonly Entry[],
  directory: string,
): Promise<Truth> {
  const modules = crash.note ? [TELLER, CULPRIT.name] : [CULPRIT.name];
  const entries = crash.kdump ? [...base, ...kdumpEntries(kernel)] : base;
  const archive = initramfs(entries, crash.setting + crash.script, modules);
  for (let attempt = 1; ; attempt++) {
    rmSync(directory, { recursive: true, force: true });
    mkdirSync(directory, { recursive: true });
    const { cpus, memory_mb, cpu, commandLine, nmi } = crash;
    const devices = devicesOf(crash, directory);
    const guest = new CrashGuest({
      ...{ kernel, archive, cpus, memory_mb, cpu, commandLine, nmi, devices },
      work: directory,
    });
    try {
      return await crashOnce(guest, crash, directory);
    } catch (error) {
      if (attempt === ATTEMPTS)
        throw new Error(`${crash.name}: ${(error as Error).message}; see ${directory}/console.log`);
    }
  }
}

/** Of each crash its core, in the same order. */
export function makeCores(crashes: readonly Crash[], options: MakeOptions): Promise<Core[]> {
  return withLock(join(paths.vmcores, 'lock'), () => findOrMake(crashes, options));
}

async function findOrMake(crashes: readonly Crash[], options: MakeOptions): Promise<Core[]> {
  const kernels = new Map(findKernels().map((kernel) => [kernel.series, kernel]));
  const bases = new Map<string, readonly Entry[]>();
  const sources = sourceDigest();
  const cores: Core[] = [];

  const one = async (crash: Crash): Promise<Core> => {
    const kernel = kernels.get(crash.series);
    if (kernel === undefined) throw new Error(`apt has no cloud kernel ${crash.series}`);
    const directory = join(paths.vmcores, crash.name);
    const key = keyOf(crash, kernel, sources);
    const keyFile = join(directory, 'key');
    if (existsSync(keyFile) && readFileSync(keyFile, 'utf8') === key)
      return { truth: JSON.parse(readFileSync(join(directory, 'truth.json'), 'utf8')), directory };
    const base = bases.get(kernel.release) ?? baseEntries(kernel);
    bases.set(kernel.release, base);
    const partial = `${directory}.partial`;
    const started = Date.now();
    const truth = await makeCore(crash, kernel, base, partial);
    writeFileSync(join(partial, 'truth.json'), `${JSON.stringify(truth, undefined, 1)}\n`);
    writeFileSync(join(partial, 'key'), key);
    rmSync(directory, { recursive: true, force: true });
    renameSync(partial, directory);
    options.say?.(`${crash.name}: ${((Date.now() - started) / 1000).toFixed(1)} s`);
    return { truth, directory };
  };

  const failures: string[] = [];
  let next = 0;
  const lane = async () => {
    for (let at = next++; at < crashes.length; at = next++) {
      try {
        cores[at] = await one(crashes[at] as Crash);
      } catch (error) {
        failures.push((error as Error).message);
        options.say?.((error as Error).message);
      }
    }
  };
  await Promise.all(Array.from({ length: options.guests }, lane));
  if (failures.length > 0) throw new Error(`no core of ${failures.length} crashes: ${failures.join('; ')}`);
  return cores;
}
