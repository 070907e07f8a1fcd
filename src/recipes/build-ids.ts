/** Which build it is: of the running kernel, its modules, and programs. */
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { release } from 'node:os';
import { withElf } from '../probes/elf.ts';
import { NoProbe } from '../probes/probe.ts';
import { archOf, type Fingerprint } from './recipe.ts';

/** What runs here. */
export interface RunningKernel {
  readonly arch: string;
  readonly release: string;
  readonly version_string: string;
  /** `''`: /sys/kernel/notes cannot be read. */
  readonly build_id: string;
}

export function runningKernel(): RunningKernel {
  return {
    arch: archOf(process.arch),
    release: release(),
    version_string: text('/proc/version').trim(),
    build_id: buildIdOfNotes(bytes('/sys/kernel/notes')),
  };
}

/** `''`: not loaded, or it has none. */
export function moduleBuildId(module: string): string {
  const directory = `/sys/module/${module.replace(/-/g, '_')}/notes`;
  try {
    for (const name of readdirSync(directory)) {
      const found = buildIdOfNotes(bytes(`${directory}/${name}`));
      if (found !== '') return found;
    }
  } catch {
    // It has no notes.
  }
  return '';
}

export const isLoaded = (module: string): boolean =>
  existsSync(`/sys/module/${module.replace(/-/g, '_')}/initstate`);

/** Of a program or library; throws a NoProbe (host) for what is none, and for what has no build-id. */
export function programBuildId(path: string): { readonly build_id: string; readonly size: number } {
  const facts = statSync(path, { throwIfNoEntry: false });
  if (facts === undefined)
    throw new NoProbe('host', `${path} is not there; install it, or use the recipe elsewhere`);
  if (!facts.isFile()) throw new NoProbe('host', `${path} is no file; probes are in programs and libraries`);
  const build_id = withElf(path, (elf) => elf.buildId);
  if (build_id === '')
    throw new NoProbe(
      'host',
      `${path} has no build-id, so that nothing tells its builds apart; link it with -Wl,--build-id`,
    );
  return { build_id, size: facts.size };
}

/** The build-id among ELF notes: the one of "GNU" that is of type 3; hexadecimal, `''` = none. */
export function buildIdOfNotes(notes: Buffer): string {
  const align4 = (n: number) => (n + 3) & ~3;
  for (let at = 0; at + 12 <= notes.length; ) {
    const named = notes.readUInt32LE(at);
    const length = notes.readUInt32LE(at + 4);
    const start = at + 12 + align4(named);
    if (named > 1000 || start + length > notes.length) return '';
    if (notes.readUInt32LE(at + 8) === 3 && notes.toString('latin1', at + 12, at + 12 + named) === 'GNU\0')
      return notes.toString('hex', start, start + length);
    at = start + align4(length);
  }
  return '';
}

/** So many functions at each end of the kernel. */
const ENDS = 1000;

/** A function of the kernel itself, global, with its address. */
export interface Landmark {
  readonly name: string;
  readonly address: bigint;
}

/** What a kernel is known by where its build-id cannot be read. `landmarks`: its global functions between _stext and _etext. */
export function fingerprintOf(version_string: string, landmarks: readonly Landmark[]): Fingerprint | null {
  if (version_string === '' || landmarks.length < 2) return null;
  const sorted = landmarks.toSorted((a, b) =>
    a.address !== b.address ? (a.address < b.address ? -1 : 1) : a.name < b.name ? -1 : 1,
  );
  const hash = createHash('sha256');
  const chosen = [...sorted.slice(0, ENDS), ...sorted.slice(Math.max(ENDS, sorted.length - ENDS))];
  let before = chosen[0]?.address ?? 0n;
  for (const { name, address } of chosen) {
    hash.update(`${name} ${address - before}\n`);
    before = address;
  }
  return {
    version: createHash('sha256').update(version_string.trim()).digest('hex'),
    symbols: hash.digest('hex'),
  };
}

/** Of the running kernel; null where its addresses are hidden. */
export function runningFingerprint(): Fingerprint | null {
  const symbols = text('/proc/kallsyms');
  const addressOf = (name: string) =>
    BigInt(`0x${new RegExp(`^([0-9a-f]+) \\w ${name}$`, 'm').exec(symbols)?.[1] ?? 0}`);
  const [first, last] = [addressOf('_stext'), addressOf('_etext')];
  if (first === 0n || last === 0n) return null;
  const landmarks: Landmark[] = [];
  for (const match of symbols.matchAll(/^([0-9a-f]+) T (\S+)$/gm)) {
    const address = BigInt(`0x${match[1]}`);
    if (address >= first && address < last) landmarks.push({ name: match[2] ?? '', address });
  }
  return fingerprintOf(text('/proc/version'), landmarks);
}

function bytes(path: string): Buffer {
  try {
    return readFileSync(path);
  } catch {
    return Buffer.alloc(0);
  }
}

const text = (path: string): string => bytes(path).toString('utf8');
