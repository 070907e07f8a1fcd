/**
 * Finds the vmlinux of a core. What decides is the build-id, never a name: crash given another kernel's vmlinux ends
 * after 8 s without a word. Reading the headers of the file takes milliseconds.
 */
import { closeSync, constants, fstatSync, openSync, readSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { CrashError } from './crash-error.ts';

export interface Vmlinux {
  readonly path: string;
  /** Lower-case hexadecimal; `''` when the file has none. */
  readonly build_id: string;
  /** It has DWARF, without which crash does not start. */
  readonly dwarf: boolean;
  /** It has gdb's index, with which crash starts in half the time. */
  readonly indexed: boolean;
}

/** What is known of the core. */
export interface Wanted {
  readonly release?: string;
  readonly build_id?: string;
  /** A vmlinux, or a directory with some, named by the user. */
  readonly given?: string;
  /** Where debug packages are installed. Default: /usr/lib/debug. */
  readonly debug?: string;
}

const HEADER_BYTES = 64;
const SECTION_BYTES = 64;
const MOST_SECTIONS = 65_536;
const LONGEST_NAMES = 16 * 2 ** 20;
const LONGEST_NOTES = 2 ** 20;
const SHT_NOBITS = 8;
const NT_GNU_BUILD_ID = 3;
const LITTLE_64 = Buffer.from('\x7fELF\x02\x01', 'latin1');
const DEBUG = '/usr/lib/debug';

interface SectionHeader {
  readonly name: string;
  readonly type: number;
  readonly offset: number;
  readonly size: number;
}

/** Throws a CrashError when it cannot be read or is no ELF file. */
export function inspectVmlinux(path: string): Vmlinux {
  let file: number;
  try {
    // A pipe that nobody writes to would be waited for.
    file = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  } catch (error) {
    throw new CrashError(
      `vmlinux ${path} cannot be opened (${(error as NodeJS.ErrnoException).code}); give one that you may read`,
    );
  }
  try {
    if (!fstatSync(file).isFile()) throw new CrashError(`vmlinux ${path} is no file; give a vmlinux`);
    const sections = readSections(file, path);
    const has = (name: string) =>
      sections.some((section) => section.name === name && section.type !== SHT_NOBITS && section.size > 0);
    return {
      path,
      build_id: readBuildId(file, sections),
      dwarf: has('.debug_info') || has('.zdebug_info'),
      indexed: has('.gdb_index'),
    };
  } finally {
    closeSync(file);
  }
}

function readAt(file: number, offset: number, bytes: number): Buffer | undefined {
  const buffer = Buffer.alloc(bytes);
  return readSync(file, buffer, 0, bytes, offset) === bytes ? buffer : undefined;
}

function readSections(file: number, path: string): SectionHeader[] {
  const bad = (why: string) => new CrashError(`${path} is no vmlinux (${why}); give the uncompressed one`);
  const header = readAt(file, 0, HEADER_BYTES);
  if (header?.subarray(0, LITTLE_64.length).equals(LITTLE_64) !== true) throw bad('no 64-bit ELF file');
  const table = Number(header.readBigUInt64LE(40));
  const [entry, count, names] = [header.readUInt16LE(58), header.readUInt16LE(60), header.readUInt16LE(62)];
  if (entry !== SECTION_BYTES || count === 0 || count > MOST_SECTIONS) throw bad('no sections');
  const headers = Number.isSafeInteger(table) ? readAt(file, table, count * SECTION_BYTES) : undefined;
  if (headers === undefined) throw bad('it ends before its section headers');
  const raw = Array.from({ length: count }, (_, index) => {
    const at = index * SECTION_BYTES;
    return {
      name: headers.readUInt32LE(at),
      type: headers.readUInt32LE(at + 4),
      offset: Number(headers.readBigUInt64LE(at + 24)),
      size: Number(headers.readBigUInt64LE(at + 32)),
    };
  });
  const strings = raw[names];
  const text =
    strings !== undefined && strings.size <= LONGEST_NAMES
      ? readAt(file, strings.offset, strings.size)
      : undefined;
  if (text === undefined) throw bad('its sections have no names');
  return raw.map((section) => ({
    ...section,
    name: text.toString('latin1', section.name, Math.max(section.name, text.indexOf(0, section.name))),
  }));
}

function readBuildId(file: number, sections: readonly SectionHeader[]): string {
  // `.notes` of a vmlinux holds them all; `.note.gnu.build-id` is that of a debug file.
  for (const { name, offset, size } of sections) {
    if (!/^\.notes?(\.gnu\.build-id)?$/.test(name) || size > LONGEST_NOTES) continue;
    const id = buildIdOf(readAt(file, offset, size) ?? Buffer.alloc(0));
    if (id !== '') return id;
  }
  return '';
}

/** `''` when these notes hold none. */
function buildIdOf(notes: Buffer): string {
  const padded = (bytes: number) => (bytes + 3) & ~3;
  for (let at = 0; at + 12 <= notes.length; ) {
    const [nameBytes, bytes, type] = [
      notes.readUInt32LE(at),
      notes.readUInt32LE(at + 4),
      notes.readUInt32LE(at + 8),
    ];
    const from = at + 12 + padded(nameBytes);
    if (from + bytes > notes.length) return '';
    if (type === NT_GNU_BUILD_ID && notes.toString('latin1', at + 12, at + 15) === 'GNU')
      return notes.toString('hex', from, from + bytes);
    at = from + padded(bytes);
  }
  return '';
}

export const isDirectory = (path: string): boolean => {
  try {
    return statSync(path).isDirectory();
  } catch {
    return false;
  }
};

const exists = (path: string): boolean => {
  try {
    return statSync(path).isFile();
  } catch {
    return false;
  }
};

const byBuildId = (id: string): string => join('.build-id', id.slice(0, 2), `${id.slice(2)}.debug`);
/** A name of a release that could lead out of a directory is none. */
const plain = (release: string | undefined): release is string =>
  release !== undefined && /^[\w.+~-]+$/.test(release) && !release.startsWith('.');

/** Where a vmlinux may be, the surest first. */
export function places({ release, build_id = '', given, debug = DEBUG }: Wanted): string[] {
  const id = /^[0-9a-f]{8,}$/.test(build_id) ? byBuildId(build_id) : undefined;
  const within = (directory: string): string[] => [
    ...(id === undefined ? [] : [join(directory, id), join(directory, id.replace(/^\.build-id\//, ''))]),
    ...(plain(release) ? [join(directory, `vmlinux-${release}`), join(directory, release, 'vmlinux')] : []),
    join(directory, 'vmlinux'),
  ];
  if (given !== undefined) return isDirectory(given) ? within(given) : [given];
  return [
    ...(id === undefined ? [] : [join(debug, id)]),
    ...(plain(release)
      ? [
          join(debug, 'boot', `vmlinux-${release}`),
          join(debug, 'lib/modules', release, 'vmlinux'),
          join(debug, 'usr/lib/modules', release, 'vmlinux'),
          join('/lib/modules', release, 'build/vmlinux'),
          join('/boot', `vmlinux-${release}`),
        ]
      : []),
  ];
}

/** The first that is of this build, with debugging information or without; undefined where there is none. */
export function findByBuildId(wanted: Wanted & { readonly build_id: string }): string | undefined {
  return places(wanted).find((path) => {
    try {
      return exists(path) && inspectVmlinux(path).build_id === wanted.build_id;
    } catch {
      return false;
    }
  });
}

const short = (id: string): string => `${id.slice(0, 12)}…`;

/** The first of these that fits; throws a CrashError that says why none does. */
export function findVmlinux(wanted: Wanted): Vmlinux {
  const { build_id = '', release = 'this kernel', given } = wanted;
  const found = places(wanted).filter((path) => exists(path) || path === given);
  const reasons: string[] = [];
  for (const path of found) {
    let vmlinux: Vmlinux;
    try {
      vmlinux = inspectVmlinux(path);
    } catch (error) {
      if (!(error instanceof CrashError)) throw error;
      reasons.push(error.message);
      continue;
    }
    if (build_id !== '' && vmlinux.build_id === '')
      reasons.push(
        `${path} has no build-id to compare with that of the core; give the vmlinux of ${release}`,
      );
    else if (build_id !== '' && vmlinux.build_id !== build_id)
      reasons.push(
        `${path} is another kernel's (build-id ${short(vmlinux.build_id)}, the core's is ${short(build_id)}); give the vmlinux of ${release}`,
      );
    else if (!vmlinux.dwarf)
      reasons.push(
        `${path} has no debug information (DWARF), which crash needs; give the unstripped vmlinux`,
      );
    else return vmlinux;
  }
  if (reasons.length > 0) throw new CrashError(reasons[0]);
  throw new CrashError(
    given === undefined
      ? `no vmlinux of ${release} under ${DEBUG}; install its debug package, or name one with --vmlinux`
      : `no vmlinux of ${release} in ${given}; name the file`,
  );
}
