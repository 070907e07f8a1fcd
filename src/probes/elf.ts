/**
 * Programs and libraries: where in the file a function or a marker lies. Little-endian ELF of 64 and 32 bits. Everything in a
 * file is untrusted: bounded, checked, and a file that makes no sense is a NoProbe.
 */
import { closeSync, existsSync, fstatSync, openSync, readSync } from 'node:fs';
import { dirname } from 'node:path';
import { NoProbe } from './probe.ts';
import { NotXz, unpackXz } from './xz.ts';

const PT_LOAD = 1;
const PF_X = 1;
const SHT_SYMTAB = 2;
const SHT_NOTE = 7;
const SHT_NOBITS = 8;
const SHT_DYNSYM = 11;
const STT_FUNC = 2;
const STB_GLOBAL = 1;
const STT_IFUNC = 10;
const MOST_SECTIONS = 65_000;
const MOST_BYTES = 512 * 2 ** 20;
const MOST_UNPACKED = 64 * 2 ** 20;

interface Section {
  readonly name: string;
  readonly type: number;
  readonly address: number;
  /** The same where it needs all of 64 bits, as in a kernel. */
  readonly start: bigint;
  readonly offset: number;
  readonly size: number;
  readonly link: number;
  /** Nothing of it is in the file. */
  readonly empty: boolean;
}

interface Segment {
  readonly executable: boolean;
  readonly offset: number;
  readonly address: number;
  readonly size: number;
}

export interface FunctionPlace {
  readonly name: string;
  /** Where it is in the file. */
  readonly offset: number;
  /** Bytes; 0 = not known. */
  readonly size: number;
}

/** A symbol as the table has it. */
export interface ElfSymbol {
  readonly name: string;
  /** Address; within its section in a file that is still to be linked, such as a module. */
  readonly value: bigint;
  readonly size: number;
  readonly isFunction: boolean;
  readonly isGlobal: boolean;
  /** Index of its section. */
  readonly section: number;
}

/** A USDT marker. Offsets are into the file. */
export interface Marker {
  readonly provider: string;
  readonly name: string;
  readonly offset: number;
  /** Counter that tells the program that somebody looks; 0 = none. */
  readonly semaphore: number;
  readonly arguments: string;
}

/** Opens the file for the time of `use`. Throws a NoProbe (host) for what cannot be read or is no program. */
export function withElf<T>(path: string, use: (elf: Elf) => T): T {
  let file: number;
  try {
    file = openSync(path, 'r');
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    const why = code === 'ENOENT' ? 'there is no such file' : message;
    throw new NoProbe('host', `${path} cannot be read: ${why}; give a program or library`);
  }
  try {
    return use(new Elf(file, path));
  } finally {
    closeSync(file);
  }
}

export class Elf {
  readonly machine: number;
  /** A descriptor, or all of its bytes. */
  readonly #file: number | Buffer;
  readonly #path: string;
  readonly #size: number;
  readonly #wide: boolean;
  readonly #segments: readonly Segment[];
  readonly #sections: readonly Section[];

  constructor(file: number | Buffer, path: string) {
    this.#file = file;
    this.#path = path;
    if (typeof file === 'number') {
      const facts = fstatSync(file);
      if (!facts.isFile()) throw this.#bad('it is no file');
      this.#size = facts.size;
    } else this.#size = file.length;
    const head = this.#read(0, 64, true);
    if (head.length < 52 || head.toString('latin1', 0, 4) !== '\x7fELF') throw this.#bad('it is no ELF file');
    if (head[5] !== 1) throw this.#bad('it is of a big-endian machine');
    this.#wide = head[4] === 2;
    this.machine = head.readUInt16LE(18);
    this.#segments = this.#readSegments(head);
    this.#sections = this.#readSections(head);
  }

  /** Functions by name, in the file itself or in what was stripped from it (`root`: where debug files are). */
  functions(name: string | RegExp, root = '/usr/lib/debug'): FunctionPlace[] {
    const own = this.#symbols(name);
    if (own.length > 0 && typeof name === 'string') return own;
    const inside = this.#packedSymbols(name).filter(
      (one) => !own.some(({ name: found }) => found === one.name),
    );
    if (inside.length > 0) own.push(...inside);
    if (own.length > 0 && typeof name === 'string') return own;
    const debug = this.#debugFile(root);
    if (debug === undefined) return own;
    const more = withElf(debug, (elf) => elf.#symbols(name, this));
    return [...own, ...more.filter(({ name: found }) => !own.some((one) => one.name === found))];
  }

  /** All that are defined in the file itself, in the order of the table: a kernel has some 200,000. */
  symbols(): ElfSymbol[] {
    const found: ElfSymbol[] = [];
    const entry = this.#wide ? 24 : 16;
    for (const table of this.#sections) {
      if (table.type !== SHT_SYMTAB) continue;
      const names = this.#sections[table.link];
      if (names === undefined) continue;
      const strings = this.#read(names.offset, names.size);
      const symbols = this.#read(table.offset, table.size);
      for (let at = 0; at + entry <= symbols.length; at += entry) {
        const info = symbols[at + (this.#wide ? 4 : 12)] as number;
        const section = symbols.readUInt16LE(at + (this.#wide ? 6 : 14));
        const kind = info & 15;
        const nameAt = symbols.readUInt32LE(at);
        if (section === 0 || kind > STT_FUNC || nameAt === 0) continue;
        const end = strings.indexOf(0, nameAt);
        found.push({
          name: strings.toString('latin1', nameAt, end < 0 ? strings.length : end),
          value: this.#wide ? symbols.readBigUInt64LE(at + 8) : BigInt(symbols.readUInt32LE(at + 4)),
          size: this.#word(symbols, at + (this.#wide ? 16 : 8)),
          isFunction: kind === STT_FUNC,
          isGlobal: info >> 4 === STB_GLOBAL,
          section,
        });
      }
    }
    return found;
  }

  /** `''`: there is no such section. */
  sectionName(index: number): string {
    return this.#sections[index]?.name ?? '';
  }

  /** In the file itself, or in one that its build-id or its link leads to. */
  hasDebugInfo(root = '/usr/lib/debug'): boolean {
    return this.hasSection('.debug_info') || this.#debugFile(root) !== undefined;
  }

  hasSection(name: string): boolean {
    return this.#sections.some((one) => one.name === name && !one.empty);
  }

  /** All of a section; undefined where the file has none, or nothing of it. */
  section(name: string): Buffer | undefined {
    const section = this.#sections.find((one) => one.name === name && !one.empty);
    return section === undefined ? undefined : this.#read(section.offset, section.size);
  }

  /** At most `size` bytes from where a symbol lies; empty where the file does not have them. */
  bytesAt({ section: index, value }: ElfSymbol, size: number): Buffer {
    const section = this.#sections[index];
    if (section === undefined || section.empty) return Buffer.alloc(0);
    const by = Number(value - section.start);
    if (by < 0 || by >= section.size) return Buffer.alloc(0);
    return this.#read(section.offset + by, Math.min(size, section.size - by));
  }

  /** Its USDT markers. */
  markers(): Marker[] {
    const base = this.#sections.find(({ name }) => name === '.stapsdt.base')?.address;
    const found: Marker[] = [];
    for (const section of this.#sections) {
      if (section.name !== '.note.stapsdt' || section.type !== SHT_NOTE) continue;
      const notes = this.#read(section.offset, section.size);
      for (let at = 0; at + 12 <= notes.length; ) {
        const [named, length, type] = [0, 4, 8].map((by) => notes.readUInt32LE(at + by)) as [
          number,
          number,
          number,
        ];
        const start = at + 12 + align4(named);
        if (start + length > notes.length) break;
        if (type === 3) {
          const marker = this.#marker(notes.subarray(start, start + length), base);
          if (marker !== undefined) found.push(marker);
        }
        at = start + align4(length);
      }
    }
    return found;
  }

  /** Hexadecimal; `''` = none. */
  get buildId(): string {
    for (const { type, offset, size } of this.#sections) {
      if (type !== SHT_NOTE || size > 2 ** 20) continue;
      const notes = this.#read(offset, size);
      for (let at = 0; at + 12 <= notes.length; ) {
        const [named, length, kind] = [0, 4, 8].map((by) => notes.readUInt32LE(at + by)) as [
          number,
          number,
          number,
        ];
        const start = at + 12 + align4(named);
        if (start + length > notes.length) break;
        if (kind === 3 && notes.toString('latin1', at + 12, at + 16) === 'GNU\0')
          return notes.toString('hex', start, start + length);
        at = start + align4(length);
      }
    }
    return '';
  }

  #marker(note: Buffer, base: number | undefined): Marker | undefined {
    const word = this.#wide ? 8 : 4;
    if (note.length < 3 * word) return undefined;
    const [location, noted, semaphore] = [0, 1, 2].map((i) => this.#word(note, i * word)) as [
      number,
      number,
      number,
    ];
    const [provider = '', name = '', args = ''] = note.toString('utf8', 3 * word).split('\0');
    // Prelinking moves the code and leaves the notes as they were: the base section tells by how much.
    const moved = base === undefined || noted === 0 ? 0 : base - noted;
    const offset = this.#fileOffset(location + moved);
    if (offset === undefined || provider === '' || name === '') return undefined;
    const counter = semaphore === 0 ? 0 : this.#fileOffset(semaphore + moved);
    return { provider, name, offset, semaphore: counter ?? 0, arguments: args };
  }

  /** `places`: the file whose segments tell where things are; a debug file has other ones. */
  #symbols(wanted: string | RegExp, places: Elf = this): FunctionPlace[] {
    const found = new Map<string, FunctionPlace>();
    const entry = this.#wide ? 24 : 16;
    for (const table of this.#sections) {
      if (table.type !== SHT_SYMTAB && table.type !== SHT_DYNSYM) continue;
      const names = this.#sections[table.link];
      if (names === undefined) continue;
      const strings = this.#read(names.offset, names.size);
      const symbols = this.#read(table.offset, table.size);
      const bytes = typeof wanted === 'string' ? Buffer.from(`${wanted}\0`) : undefined;
      for (let at = 0; at + entry <= symbols.length; at += entry) {
        const info = symbols[at + (this.#wide ? 4 : 12)] as number;
        const kind = info & 15;
        if (kind !== STT_FUNC && kind !== STT_IFUNC) continue;
        if (symbols.readUInt16LE(at + (this.#wide ? 6 : 14)) === 0) continue;
        const nameAt = symbols.readUInt32LE(at);
        if (
          bytes !== undefined &&
          strings.compare(bytes, 0, bytes.length, nameAt, Math.min(strings.length, nameAt + bytes.length)) !==
            0
        )
          continue;
        const end = strings.indexOf(0, nameAt);
        // Names of versions (memcpy@@GLIBC_2.14) stand in .symtab.
        const name = strings.toString('utf8', nameAt, end < 0 ? strings.length : end).replace(/@.*/, '');
        if (bytes === undefined && !(wanted as RegExp).test(name)) continue;
        const address = this.#word(symbols, at + (this.#wide ? 8 : 4));
        const size = this.#word(symbols, at + (this.#wide ? 16 : 8));
        const offset = places.#fileOffset(address);
        if (offset !== undefined) found.set(`${name}@${offset}`, { name, offset, size });
      }
    }
    return [...found.values()];
  }

  /** Functions that were stripped and stand, packed, in the file itself: what Fedora and its kin call MiniDebugInfo. */
  #packedSymbols(name: string | RegExp): FunctionPlace[] {
    const section = this.#sections.find((one) => one.name === '.gnu_debugdata');
    if (section === undefined) return [];
    try {
      const unpacked = unpackXz(this.#read(section.offset, section.size), MOST_UNPACKED);
      return new Elf(unpacked, `${this.#path} (.gnu_debugdata)`).#symbols(name, this);
    } catch (error) {
      // The file itself is sound all the same.
      if (error instanceof NotXz || error instanceof NoProbe) return [];
      throw error;
    }
  }

  /** Where the debug file of this one is: by build-id, or by name beside it and below the root. */
  #debugFile(root: string): string | undefined {
    const id = this.buildId;
    const link = this.#sections.find(({ name }) => name === '.gnu_debuglink');
    const names: string[] = [];
    if (id !== '') names.push(`${root}/.build-id/${id.slice(0, 2)}/${id.slice(2)}.debug`);
    if (link !== undefined && link.size < 4096) {
      const name = this.#read(link.offset, link.size).toString('utf8').split('\0')[0] ?? '';
      const here = dirname(this.#path);
      if (name !== '' && !name.includes('/')) names.push(`${here}/.debug/${name}`, `${root}${here}/${name}`);
    }
    return names.find((path) => existsSync(path));
  }

  /** Whether what lies there in the file is run. */
  isCode(offset: number): boolean {
    return this.#segments.some(
      (one) => one.executable && offset >= one.offset && offset < one.offset + one.size,
    );
  }

  /** The address of what lies there in the file. */
  addressAt(offset: number): number | undefined {
    const segment = this.#segments.find((one) => offset >= one.offset && offset < one.offset + one.size);
    return segment === undefined ? undefined : offset - segment.offset + segment.address;
  }

  /** Where an address is in the file: by its segment, not by a base. */
  #fileOffset(address: number): number | undefined {
    const segment = this.#segments.find((one) => address >= one.address && address < one.address + one.size);
    return segment === undefined ? undefined : address - segment.address + segment.offset;
  }

  #readSegments(head: Buffer): Segment[] {
    const [at, entry, count] = this.#wide
      ? [this.#word(head, 32), head.readUInt16LE(54), head.readUInt16LE(56)]
      : [head.readUInt32LE(28), head.readUInt16LE(42), head.readUInt16LE(44)];
    if (entry < (this.#wide ? 56 : 32)) return [];
    const headers = this.#read(at, entry * count);
    const segments: Segment[] = [];
    for (let i = 0; (i + 1) * entry <= headers.length; i += 1) {
      const one = headers.subarray(i * entry, (i + 1) * entry);
      if (one.readUInt32LE(0) !== PT_LOAD) continue;
      segments.push(
        this.#wide
          ? {
              executable: (one.readUInt32LE(4) & PF_X) !== 0,
              offset: this.#word(one, 8),
              address: this.#word(one, 16),
              size: this.#word(one, 32),
            }
          : {
              executable: (one.readUInt32LE(24) & PF_X) !== 0,
              offset: one.readUInt32LE(4),
              address: one.readUInt32LE(8),
              size: one.readUInt32LE(16),
            },
      );
    }
    return segments;
  }

  #readSections(head: Buffer): Section[] {
    const [at, entry, count, texts] = this.#wide
      ? [this.#word(head, 40), head.readUInt16LE(58), head.readUInt16LE(60), head.readUInt16LE(62)]
      : [head.readUInt32LE(32), head.readUInt16LE(46), head.readUInt16LE(48), head.readUInt16LE(50)];
    if (at === 0 || count > MOST_SECTIONS || entry < (this.#wide ? 64 : 40)) return [];
    const headers = this.#read(at, entry * count);
    const raw: (Omit<Section, 'name' | 'empty'> & { name: number })[] = [];
    for (let i = 0; (i + 1) * entry <= headers.length; i += 1) {
      const one = headers.subarray(i * entry, (i + 1) * entry);
      raw.push({
        name: one.readUInt32LE(0),
        type: one.readUInt32LE(4),
        address: this.#wide ? this.#word(one, 16) : one.readUInt32LE(12),
        start: this.#wide ? one.readBigUInt64LE(16) : BigInt(one.readUInt32LE(12)),
        offset: this.#wide ? this.#word(one, 24) : one.readUInt32LE(16),
        size: this.#wide ? this.#word(one, 32) : one.readUInt32LE(20),
        link: one.readUInt32LE(this.#wide ? 40 : 24),
      });
    }
    const names = raw[texts];
    if (names === undefined) return [];
    const strings = this.#read(names.offset, names.size);
    return raw
      .map((section) => {
        const end = strings.indexOf(0, section.name);
        return { ...section, name: strings.toString('latin1', section.name, end < 0 ? strings.length : end) };
      })
      .map((section) => {
        const empty = section.type === SHT_NOBITS;
        return { ...section, empty, size: empty ? 0 : section.size };
      });
  }

  /** Addresses and sizes of programs are far below 2^53. */
  #word(from: Buffer, at: number): number {
    return this.#wide ? from.readUInt32LE(at) + from.readUInt32LE(at + 4) * 2 ** 32 : from.readUInt32LE(at);
  }

  #read(offset: number, size: number, short = false): Buffer {
    if (!short && (offset + size > this.#size || size > MOST_BYTES)) throw this.#bad('it is cut off');
    const file = this.#file;
    if (typeof file !== 'number') return file.subarray(offset, Math.min(file.length, offset + size));
    const buffer = Buffer.alloc(Math.min(size, Math.max(0, this.#size - offset)));
    let got = 0;
    while (got < buffer.length) {
      const n = readSync(file, buffer, got, buffer.length - got, offset + got);
      if (n === 0) break;
      got += n;
    }
    return buffer.subarray(0, got);
  }

  #bad(why: string): NoProbe {
    return new NoProbe(
      'host',
      `${this.#path} cannot be read as a program: ${why}; give an ELF program or library`,
    );
  }
}

const align4 = (n: number): number => (n + 3) & ~3;
