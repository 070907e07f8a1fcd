/**
 * The kernel's own symbol table, compressed as scripts/kallsyms.c writes it: names as tokens, addresses as offsets.
 * Names are hashed token by token while the table is read once; strings are made only of names that are asked for.
 */
import { CoreError } from '../file/bytes.ts';
import type { Mem } from './mem.ts';
import type { VmcoreInfo } from './vmcoreinfo.ts';

const MOST_SYMBOLS = 8_000_000;
const LONGEST_NAMES = 48 * 2 ** 20;
/** Of the polynomial hash modulo 2³²: odd, so that it has an inverse. */
const BASE = 0x01000193;
/** Names between two marks. */
const MARK_STEP = 64;
const INVERSE = inverse(BASE);

/** The tables as they are in memory; all that a cache needs to keep. */
export interface KallsymsTables {
  /** Name of each symbol: length (ULEB), then tokens. */
  readonly names: Buffer;
  /** 256 texts. */
  readonly tokens: readonly string[];
  readonly offsets: Int32Array;
  readonly base: bigint;
}

export interface KernelSymbol {
  readonly name: string;
  readonly address: bigint;
  readonly size: number;
  /** As nm says it: T, t, D … */
  readonly type: string;
}

/** Where every so many names begin, and what else takes a walk over the table to know. */
export interface KallsymsMarks {
  readonly count: number;
  /** Symbols before this one are absolute values. */
  readonly first: number;
  readonly absolute_percpu: boolean;
  readonly places: readonly number[];
}

export class Kallsyms {
  readonly count: number;
  /** All names are there, all addresses in order: it can be remembered. */
  readonly complete: boolean;
  readonly base: bigint;
  readonly #names: Buffer;
  readonly #tokens: readonly string[];
  readonly #offsets: Int32Array;
  /** Where the tokens of a name begin. */
  readonly #places: Uint32Array;
  readonly #hashes: Int32Array;
  /** Open addressing: index + 1, 0 = empty. */
  readonly #table: Uint32Array;
  readonly #mask: number;
  /** Negative offsets are addresses, others absolute (per-CPU) values: CONFIG_KALLSYMS_ABSOLUTE_PERCPU. */
  readonly #absolutePercpu: boolean;
  /** Symbols before this one are absolute. */
  readonly #firstAddress: number;

  constructor(tables: KallsymsTables) {
    const { names, tokens, offsets, base } = tables;
    this.#names = names;
    this.#tokens = tokens;
    this.#offsets = offsets;
    this.base = base;
    this.#absolutePercpu = (offsets.at(-1) ?? 0) < 0;
    let first = 0;
    if (this.#absolutePercpu) while (first < offsets.length && (offsets[first] as number) >= 0) first += 1;
    this.#firstAddress = first;

    const count = offsets.length;
    const places = new Uint32Array(count);
    const hashes = new Int32Array(count);
    const done = hashNames(names, tokens, places, hashes);
    // A table cut off keeps what it has.
    this.count = done;
    this.complete = done === count && isAscending(offsets, first, this.#absolutePercpu);
    this.#places = places;
    this.#hashes = hashes;
    const bits = Math.max(4, Math.ceil(Math.log2(done * 2 + 1)));
    const table = new Uint32Array(2 ** bits);
    const mask = table.length - 1;
    for (let i = 0; i < done; i++) {
      let at = mix(hashes[i] as number) & mask;
      while (table[at] !== 0) at = (at + 1) & mask;
      table[at] = i + 1;
    }
    this.#table = table;
    this.#mask = mask;
  }

  /** First of that name, in the order of the table. */
  find(name: string): bigint | undefined {
    const index = this.#indexOf(name);
    return index < 0 ? undefined : this.#address(index);
  }

  /** The symbol that holds the address; of aliases the first. */
  at(address: bigint): KernelSymbol | undefined {
    const wanted = Number(address - this.base);
    let low = this.#firstAddress;
    let high = this.count - 1;
    if (high < low || wanted < this.#relative(low)) return undefined;
    while (low < high) {
      const middle = (low + high + 1) >>> 1;
      if (this.#relative(middle) <= wanted) low = middle;
      else high = middle - 1;
    }
    let end = low + 1;
    const start = this.#relative(low);
    while (low > this.#firstAddress && this.#relative(low - 1) === start) low -= 1;
    while (end < this.count && this.#relative(end) === start) end += 1;
    const size = end < this.count ? this.#relative(end) - start : 0;
    const text = this.#text(low);
    return { name: text.slice(1), type: text[0] ?? '?', address: this.base + BigInt(start), size };
  }

  /** What is to be kept so that a table of the same kernel need not be walked again. */
  marks(): KallsymsMarks {
    const places = Array.from(
      { length: Math.ceil(this.count / MARK_STEP) },
      (_, i) => this.#places[i * MARK_STEP] as number,
    );
    return {
      count: this.count,
      first: this.#firstAddress,
      absolute_percpu: this.#absolutePercpu,
      places,
    };
  }

  /** Names with that beginning, with their addresses; reads the whole table. */
  *startingWith(prefix: string): Iterable<readonly [string, bigint]> {
    for (let i = 0; i < this.count; i++) {
      const name = this.#text(i).slice(1);
      if (name.startsWith(prefix)) yield [name, this.#address(i)];
    }
  }

  #indexOf(name: string): number {
    let hash = 0;
    for (let i = 0; i < name.length; i++) hash = (Math.imul(hash, BASE) + name.charCodeAt(i)) | 0;
    let best = -1;
    for (let at = mix(hash) & this.#mask; this.#table[at] !== 0; at = (at + 1) & this.#mask) {
      const index = (this.#table[at] as number) - 1;
      if (this.#hashes[index] !== hash || (best >= 0 && index > best)) continue;
      if (this.#text(index).slice(1) === name) best = index;
    }
    return best;
  }

  #address(index: number): bigint {
    if (index < this.#firstAddress) return BigInt(this.#offsets[index] as number);
    return this.base + BigInt(this.#relative(index));
  }

  #relative(index: number): number {
    const offset = this.#offsets[index] as number;
    return this.#absolutePercpu ? -1 - offset : offset >>> 0;
  }

  /** Type and name. */
  #text(index: number): string {
    let at = this.#places[index] as number;
    let length = this.#names[at++] as number;
    if (length >= 0x80) length = (length & 0x7f) | ((this.#names[at++] as number) << 7);
    let text = '';
    for (const end = Math.min(at + length, this.#names.length); at < end; at++)
      text += this.#tokens[this.#names[at] as number];
    return text;
  }
}

function isAscending(offsets: Int32Array, first: number, absolutePercpu: boolean): boolean {
  let last = -1;
  for (let i = first; i < offsets.length; i++) {
    const offset = offsets[i] as number;
    const relative = absolutePercpu ? -1 - offset : offset >>> 0;
    if (relative < last) return false;
    last = relative;
  }
  return true;
}

/**
 * Places of the names and hashes of them without the letter of the type; how many names were whole.
 * The hash of a text is that of its tokens put together: h(ab) = h(a)·B^|b| + h(b). The type's letter, the first of
 * all, weighs B^(length−1) and is taken off at the end.
 */
function hashNames(
  names: Buffer,
  tokens: readonly string[],
  places: Uint32Array,
  hashes: Int32Array,
): number {
  const hash = Int32Array.from(tokens, hashText);
  const power = Int32Array.from(tokens, (token) => powerOf(token.length));
  const letter = Int32Array.from(tokens, (token) => (token === '' ? 0 : token.charCodeAt(0)));
  let at = 0;
  for (let index = 0; index < places.length; index++) {
    places[index] = at;
    let length = names[at++] as number;
    if (length >= 0x80) length = (length & 0x7f) | ((names[at++] as number) << 7);
    const end = at + length;
    if (!(length > 0 && end <= names.length)) return index;
    const first = letter[names[at] as number] as number;
    let sum = 0;
    let weight = 1;
    for (; at < end; at++) {
      const token = names[at] as number;
      sum = (Math.imul(sum, power[token] as number) + (hash[token] as number)) | 0;
      weight = Math.imul(weight, power[token] as number);
    }
    hashes[index] = (sum - Math.imul(first, Math.imul(weight, INVERSE))) | 0;
  }
  return places.length;
}

function hashText(text: string): number {
  let hash = 0;
  for (let i = 0; i < text.length; i++) hash = (Math.imul(hash, BASE) + text.charCodeAt(i)) | 0;
  return hash;
}

function powerOf(exponent: number): number {
  let power = 1;
  for (let i = 0; i < exponent; i++) power = Math.imul(power, BASE);
  return power;
}

/** Spreads the high bits of a polynomial hash over the low ones. */
function mix(hash: number): number {
  return Math.imul(hash ^ (hash >>> 15), 0x2c1b3c6d) >>> 0;
}

/** Of an odd number, modulo 2³², by Newton's iteration. */
function inverse(odd: number): number {
  let x = odd;
  for (let i = 0; i < 5; i++) x = Math.imul(x, 2 - Math.imul(odd, x));
  return x;
}

/** Where the tables are, as VMCOREINFO says. */
interface Locations {
  readonly names: bigint;
  readonly tokens: bigint;
  readonly index: bigint;
  readonly offsets: bigint;
  readonly count: number;
  readonly base: bigint;
  /** Bytes that the names can have. */
  readonly most: number;
}

function locate(mem: Mem, info: VmcoreInfo): Locations {
  const place = (name: string): bigint => {
    const address = info.symbol(`kallsyms_${name}`);
    if (address === undefined)
      throw new CoreError(
        'symbols',
        `VMCOREINFO of ${info.release ?? 'this kernel'} does not name kallsyms_${name} (kernels do from 6.0 on, with CONFIG_KALLSYMS); give its vmlinux or System.map with --vmlinux`,
      );
    return address;
  };
  const at = {
    names: place('names'),
    count: place('num_syms'),
    tokens: place('token_table'),
    index: place('token_index'),
    offsets: place('offsets'),
    base: place('relative_base'),
  };
  const count = mem.u32(at.count);
  const base = mem.u64(at.base);
  if (count === undefined || base === undefined || count === 0 || count > MOST_SYMBOLS)
    throw new CoreError('symbols', 'the kernel symbol table is not in the file, or damaged');
  // The names end before the next table.
  const next = Object.values(at).reduce(
    (least, address) => (address > at.names && address < least ? address : least),
    at.names + BigInt(Math.min(LONGEST_NAMES, count * 64)),
  );
  return { ...at, count, base, most: Number(next - at.names) };
}

function readTokens(mem: Mem, at: Locations): string[] {
  const index = mem.read(at.index, 512);
  const table = mem.readSome(at.tokens, 16_384);
  if (index === undefined || table.length === 0)
    throw new CoreError('symbols', 'parts of the kernel symbol table are not in the file');
  return Array.from({ length: 256 }, (_, token) => {
    const start = index.readUInt16LE(token * 2);
    const end = table.indexOf(0, start);
    return end < 0 || end - start > 512 ? '' : table.toString('latin1', start, end);
  });
}

/** The tables of a core, found through VMCOREINFO. Throws a CoreError that says what is missing. */
export function readKallsyms(mem: Mem, info: VmcoreInfo): KallsymsTables {
  const at = locate(mem, info);
  const names = mem.readSome(at.names, at.most);
  const offsets = mem.read(at.offsets, at.count * 4);
  if (offsets === undefined || names.length === 0)
    throw new CoreError('symbols', 'parts of the kernel symbol table are not in the file');
  const aligned = new Int32Array(at.count);
  new Uint8Array(aligned.buffer).set(offsets);
  return { names, tokens: readTokens(mem, at), offsets: aligned, base: at.base };
}

/** Names by address, read from the core as they are asked for: with marks nothing needs to be walked. */
export class LazyKallsyms {
  readonly base: bigint;
  readonly #mem: Mem;
  readonly #at: Locations;
  readonly #marks: KallsymsMarks;
  #tokens: readonly string[] | undefined;

  /** Throws a CoreError when the marks are of another table. */
  constructor(mem: Mem, info: VmcoreInfo, marks: KallsymsMarks) {
    this.#mem = mem;
    this.#at = locate(mem, info);
    this.#marks = marks;
    this.base = this.#at.base;
    if (marks.count > this.#at.count || marks.places.length !== Math.ceil(marks.count / MARK_STEP))
      throw new CoreError('symbols', 'the marks kept of the symbol table do not belong to it');
  }

  at(address: bigint): KernelSymbol | undefined {
    const wanted = Number(address - this.base);
    const { first, count } = this.#marks;
    let low = first;
    let high = count - 1;
    if (high < low || !(wanted >= this.#relative(low))) return undefined;
    while (low < high) {
      const middle = (low + high + 1) >>> 1;
      if (this.#relative(middle) <= wanted) low = middle;
      else high = middle - 1;
    }
    const start = this.#relative(low);
    let end = low + 1;
    while (low > first && this.#relative(low - 1) === start) low -= 1;
    while (end < count && this.#relative(end) === start) end += 1;
    const size = end < count ? this.#relative(end) - start : 0;
    const text = this.#text(low);
    return { name: text.slice(1), type: text[0] ?? '?', address: this.base + BigInt(start), size };
  }

  #relative(index: number): number {
    const offset = this.#mem.i32(this.#at.offsets + BigInt(index * 4));
    if (offset === undefined) return Number.NaN;
    return this.#marks.absolute_percpu ? -1 - offset : offset >>> 0;
  }

  #text(index: number): string {
    const mark = Math.floor(index / MARK_STEP);
    const start = this.#marks.places[mark] as number;
    const end = Math.min(this.#marks.places[mark + 1] ?? start + MARK_STEP * 512, this.#at.most);
    const bytes = this.#mem.readSome(this.#at.names + BigInt(start), end - start);
    let at = 0;
    let length = 0;
    for (let skip = index % MARK_STEP; ; skip--) {
      length = bytes[at++] ?? 0;
      if (length >= 0x80) length = (length & 0x7f) | ((bytes[at++] ?? 0) << 7);
      if (skip === 0) break;
      at += length;
    }
    this.#tokens ??= readTokens(this.#mem, this.#at);
    let text = '';
    for (const stop = Math.min(at + length, bytes.length); at < stop; at++)
      text += this.#tokens[bytes[at] as number];
    return text;
  }
}
