/**
 * BTF: the kernel's types as it carries them itself (CONFIG_DEBUG_INFO_BTF). The bytes are walked once for where each
 * type begins; names are hashed, strings made only of what is asked for.
 */

import type { MemberInfo } from '../core.ts';
import { CoreError } from '../file/bytes.ts';

const MAGIC = 0xeb9f;
const KIND = {
  int: 1,
  pointer: 2,
  array: 3,
  struct: 4,
  union: 5,
  enum: 6,
  forward: 7,
  typedef: 8,
  volatile: 9,
  const: 10,
  restrict: 11,
  func: 12,
  funcProto: 13,
  variable: 14,
  section: 15,
  float: 16,
  declTag: 17,
  typeTag: 18,
  enum64: 19,
} as const;
/** Bytes after the 12 of every type: fixed, and per element. */
const EXTRA: readonly (readonly [number, number])[] = [
  ...([
    [0, 0],
    [4, 0],
    [0, 0],
    [12, 0],
    [0, 12],
    [0, 12],
    [0, 8],
    [0, 0],
    [0, 0],
    [0, 0],
  ] as const),
  ...([
    [0, 0],
    [0, 0],
    [0, 0],
    [0, 8],
    [4, 0],
    [0, 12],
    [0, 0],
    [4, 0],
    [0, 0],
    [0, 12],
  ] as const),
];
const DEEPEST = 16;
/** Members looked at for one question; a damaged type may contain itself. */
const MOST_STEPS = 500_000;
const PART = /^([A-Za-z_]\w*)?((?:\[\d+\])*)$/;

/** What a function takes and gives. */
export interface Prototype {
  readonly parameters: readonly { readonly name: string; readonly value: MemberInfo }[];
  /** Undefined: nothing. */
  readonly returns: MemberInfo | undefined;
}

interface Found {
  /** Bits from the start of the outermost struct. */
  readonly bit: number;
  readonly type: number;
  /** Of a bit field; 0 = none. */
  readonly bits: number;
}

export class Btf {
  /** All of it could be walked: what is found in it can be remembered. */
  readonly complete: boolean;
  readonly #words: Uint32Array;
  readonly #strings: Buffer;
  /** Word where a type begins; type 0 is void. */
  readonly #places: Uint32Array;
  readonly #count: number;
  /** Of structs, unions and typedefs by name: open addressing, type id, 0 = empty. */
  readonly #named: Uint32Array;
  readonly #enums: readonly number[];
  readonly #constants = new Map<string, number | undefined>();
  #steps = 0;

  /** Throws a CoreError when these are no types. */
  constructor(bytes: Buffer) {
    if (bytes.length < 24 || bytes.readUInt16LE(0) !== MAGIC)
      throw new CoreError('types', 'no BTF where the kernel should have it');
    const header = bytes.readUInt32LE(4);
    const [typeAt, typeBytes, stringAt, stringBytes] = [8, 12, 16, 20].map((at) =>
      bytes.readUInt32LE(at),
    ) as [number, number, number, number];
    const start = header + typeAt;
    if (header < 24 || start + typeBytes > bytes.length || header + stringAt + stringBytes > bytes.length)
      throw new CoreError('types', 'the BTF of the kernel is cut off');
    const words = new Uint32Array(Math.floor(typeBytes / 4));
    new Uint8Array(words.buffer).set(bytes.subarray(start, start + words.length * 4));
    this.#words = words;
    this.#strings = bytes.subarray(header + stringAt, header + stringAt + stringBytes);

    const places = new Uint32Array(Math.floor(words.length / 3) + 2);
    const named: number[] = [];
    const enums: number[] = [];
    let count = 1;
    let end = 0;
    for (let at = 0; at + 3 <= words.length; end = at) {
      const info = words[at + 1] as number;
      const kind = (info >>> 24) & 31;
      const extra = EXTRA[kind];
      if (extra === undefined || kind === 0) break;
      places[count] = at;
      if (kind === KIND.struct || kind === KIND.union || kind === KIND.typedef) {
        if (words[at] !== 0) named.push(count);
      } else if (kind === KIND.enum || kind === KIND.enum64) enums.push(count);
      count += 1;
      at += 3 + (extra[0] + extra[1] * (info & 0xffff)) / 4;
    }
    this.complete = end === words.length;
    this.#places = places;
    this.#count = count;
    this.#enums = enums;
    this.#named = new Uint32Array(2 ** Math.ceil(Math.log2(named.length * 2 + 2)));
    for (const id of named) {
      let slot = this.#hashAt(words[places[id] as number] as number) & (this.#named.length - 1);
      while (this.#named[slot] !== 0) slot = (slot + 1) & (this.#named.length - 1);
      this.#named[slot] = id;
    }
  }

  get count(): number {
    return this.#count;
  }

  /** A struct or union of that name, else what a typedef of that name stands for; `#12` is type 12. 0 = none. */
  type(name: string): number {
    if (name.startsWith('#')) {
      const id = Number(name.slice(1));
      return id > 0 && id < this.#count ? this.#bare(id) : 0;
    }
    const wanted = Buffer.from(`${name}\0`);
    let typedef = 0;
    const mask = this.#named.length - 1;
    for (let slot = hashBytes(wanted, 0) & mask; this.#named[slot] !== 0; slot = (slot + 1) & mask) {
      const id = this.#named[slot] as number;
      const at = this.#word(id, 0);
      if (!this.#is(at, name)) continue;
      if (this.#kind(id) !== KIND.typedef) return id;
      if (typedef === 0) typedef = this.#bare(id);
    }
    return typedef;
  }

  sizeOf(name: string): number | undefined {
    const id = this.type(name);
    return id === 0 ? undefined : this.#size(id);
  }

  member(type: string, path: string): MemberInfo | undefined {
    const id = this.type(type);
    if (id === 0) return undefined;
    let found: Found = { bit: 0, type: id, bits: 0 };
    this.#steps = 0;
    for (const part of path.split('.')) {
      const match = PART.exec(part);
      if (match === null || part === '') return undefined;
      const [, name, indices = ''] = match;
      if (name !== undefined) {
        const next = this.#find(this.#bare(found.type), name, found.bit, 0);
        if (next === undefined) return undefined;
        found = next;
      }
      for (const [, digits] of indices.matchAll(/\[(\d+)\]/g)) {
        const next = this.#element(found, Number(digits));
        if (next === undefined) return undefined;
        found = next;
      }
    }
    return this.#describe(found);
  }

  /** Parameters of a function, in order, and what it returns; undefined: no function of that name. Offsets are 0. */
  prototype(name: string): Prototype | undefined {
    const wanted = this.#stringAt(name);
    if (wanted < 0) return undefined;
    // The last of that name: behind the kernel's own, those of a module.
    for (let id = this.#count - 1; id > 0; id--) {
      if (this.#kind(id) !== KIND.func || this.#word(id, 0) !== wanted) continue;
      const proto = this.#word(id, 2);
      if (this.#kind(proto) !== KIND.funcProto) return undefined;
      const count = this.#word(proto, 1) & 0xffff;
      const parameters = Array.from({ length: count }, (_, i) => ({
        name: this.#string(this.#word(proto, 3 + 2 * i)),
        value: this.#describe({ bit: 0, type: this.#word(proto, 4 + 2 * i), bits: 0 }),
      }));
      const returns = this.#word(proto, 2);
      return {
        parameters,
        returns: returns === 0 ? undefined : this.#describe({ bit: 0, type: returns, bits: 0 }),
      };
    }
    return undefined;
  }

  /** Value of an enumerator of any enum. */
  enumValue(name: string): number | undefined {
    if (this.#constants.has(name)) return this.#constants.get(name);
    const value = this.#searchConstant(name);
    this.#constants.set(name, value);
    return value;
  }

  enumeration(type: string): ReadonlyMap<string, number> | undefined {
    const wanted = this.#stringAt(type);
    if (wanted < 0) return undefined;
    let id = this.#enums.find((candidate) => this.#word(candidate, 0) === wanted);
    if (id === undefined) {
      const typedef = this.type(type);
      if (typedef !== 0 && this.#isEnum(typedef)) id = typedef;
    }
    if (id === undefined) return undefined;
    const values = new Map<string, number>();
    for (const [name, value] of this.#enumerators(id)) values.set(this.#string(name), value);
    return values;
  }

  #searchConstant(name: string): number | undefined {
    const wanted = this.#stringAt(name);
    if (wanted < 0) return undefined;
    for (const id of this.#enums)
      for (const [at, value] of this.#enumerators(id)) if (at === wanted) return value;
    return undefined;
  }

  *#enumerators(id: number): Iterable<readonly [number, number]> {
    const at = this.#places[id] as number;
    const info = this.#words[at + 1] as number;
    const wide = this.#kind(id) === KIND.enum64;
    const signed = info >>> 31 === 1;
    const step = wide ? 3 : 2;
    for (let i = 0; i < (info & 0xffff); i++) {
      const item = at + 3 + i * step;
      const low = this.#words[item + 1];
      if (low === undefined) return;
      const value = wide ? low + (this.#words[item + 2] ?? 0) * 2 ** 32 : signed || !wide ? low | 0 : low;
      yield [this.#words[item] as number, value];
    }
  }

  /** A member by name, also within anonymous structs and unions. */
  #find(id: number, name: string, base: number, depth: number): Found | undefined {
    const kind = this.#kind(id);
    if ((kind !== KIND.struct && kind !== KIND.union) || depth > DEEPEST) return undefined;
    const at = this.#places[id] as number;
    const info = this.#words[at + 1] as number;
    const flagged = info >>> 31 === 1;
    for (let i = 0; i < (info & 0xffff); i++) {
      const item = at + 3 + i * 3;
      const [nameAt, type, where] = [this.#words[item], this.#words[item + 1], this.#words[item + 2]];
      if (nameAt === undefined || type === undefined || where === undefined) return undefined;
      if (++this.#steps > MOST_STEPS) return undefined;
      const bit = base + (flagged ? where & 0xffffff : where);
      if (nameAt === 0) {
        const inner = this.#find(this.#bare(type), name, bit, depth + 1);
        if (inner !== undefined) return inner;
      } else if (this.#is(nameAt, name)) {
        return { bit, type, bits: flagged ? where >>> 24 : this.#oldBits(type) };
      }
    }
    return undefined;
  }

  /** Bit fields of old BTF: the width is with the integer. */
  #oldBits(type: number): number {
    const bare = this.#bare(type);
    if (this.#kind(bare) !== KIND.int) return 0;
    const bits = this.#word(bare, 3) & 0xff;
    return bits === this.#size(bare) * 8 ? 0 : bits;
  }

  #element({ bit, type }: Found, index: number): Found | undefined {
    const bare = this.#bare(type);
    if (this.#kind(bare) !== KIND.array) return undefined;
    const element = this.#word(bare, 3);
    const count = this.#word(bare, 5);
    // A flexible array has no count.
    if (count > 0 && index >= count) return undefined;
    return { bit: bit + index * this.#size(element) * 8, type: element, bits: 0 };
  }

  #describe({ bit, type, bits }: Found): MemberInfo {
    const bare = this.#bare(type);
    const kind = this.#kind(bare);
    const inner =
      kind === KIND.array ? this.#word(bare, 3) : kind === KIND.pointer ? this.#word(bare, 2) : bare;
    const count = kind === KIND.array ? this.#word(bare, 5) : 1;
    const size = this.#size(bare);
    const byte = Math.floor(bit / 8);
    return {
      offset: byte,
      size,
      bit_offset: bit - byte * 8,
      bits,
      kind: kindName(kind),
      signed: this.#signed(kind === KIND.array ? this.#bare(inner) : bare),
      type: this.#nameOf(inner),
      count,
      element: kind === KIND.array ? this.#size(inner) : size,
    };
  }

  /** Name of a struct; `#id` of one that has none; `''` of void and functions. */
  #nameOf(id: number): string {
    const bare = this.#bare(id);
    const kind = this.#kind(bare);
    if (bare === 0 || kind === KIND.func || kind === KIND.funcProto) return '';
    const name = this.#string(this.#word(bare, 0));
    // By name only where the name leads back here: several structs may share one.
    return name === '' || (kind !== KIND.int && kind !== KIND.forward && this.type(name) !== bare)
      ? `#${bare}`
      : name;
  }

  #signed(id: number): boolean {
    const kind = this.#kind(id);
    if (kind === KIND.int) return ((this.#word(id, 3) >>> 24) & 1) === 1;
    return kind === KIND.enum && this.#word(id, 1) >>> 31 === 1;
  }

  #size(id: number): number {
    let factor = 1;
    let at = id;
    for (let depth = 0; depth < DEEPEST * 2; depth++) {
      const bare = this.#bare(at);
      const kind = this.#kind(bare);
      if (kind === KIND.pointer) return factor * 8;
      if (kind !== KIND.array) {
        const sized =
          kind === KIND.int ||
          kind === KIND.struct ||
          kind === KIND.union ||
          kind === KIND.enum ||
          kind === KIND.enum64 ||
          kind === KIND.float;
        return sized ? factor * this.#word(bare, 2) : 0;
      }
      factor *= this.#word(bare, 5);
      at = this.#word(bare, 3);
    }
    return 0;
  }

  /** Without const, volatile, restrict, typedef and tags. */
  #bare(id: number): number {
    let at = id;
    for (let depth = 0; depth < DEEPEST * 2; depth++) {
      const kind = this.#kind(at);
      const passes =
        kind === KIND.typedef ||
        kind === KIND.volatile ||
        kind === KIND.const ||
        kind === KIND.restrict ||
        kind === KIND.typeTag;
      if (!passes) return at;
      at = this.#word(at, 2);
    }
    return 0;
  }

  #isEnum(id: number): boolean {
    return this.#kind(id) === KIND.enum || this.#kind(id) === KIND.enum64;
  }

  #kind(id: number): number {
    return id > 0 && id < this.#count ? (this.#word(id, 1) >>> 24) & 31 : 0;
  }

  #word(id: number, index: number): number {
    return this.#words[(this.#places[id] ?? 0) + index] ?? 0;
  }

  #is(at: number, name: string): boolean {
    const strings = this.#strings;
    for (let i = 0; i < name.length; i++) if (strings[at + i] !== name.charCodeAt(i)) return false;
    return strings[at + name.length] === 0;
  }

  #string(at: number): string {
    if (at === 0 || at >= this.#strings.length) return '';
    const end = this.#strings.indexOf(0, at);
    return this.#strings.toString('utf8', at, end < 0 ? this.#strings.length : end);
  }

  /** Where a string is; each is there once. -1 = nowhere. */
  #stringAt(text: string): number {
    if (text === '') return -1;
    const at = this.#strings.indexOf(`\0${text}\0`, 0, 'latin1');
    return at < 0 ? -1 : at + 1;
  }

  #hashAt(at: number): number {
    return hashBytes(this.#strings, at);
  }
}

/**
 * The types of a module go on where those of the kernel end, in numbers and in strings: both as one, for `Btf`. Throws a
 * CoreError when either is no BTF.
 */
export function joinBtf(kernel: Buffer, module: Buffer): Buffer {
  const parts = [kernel, module].map((bytes) => {
    if (bytes.length < 24 || bytes.readUInt16LE(0) !== MAGIC)
      throw new CoreError('types', 'no BTF where the kernel should have it');
    const header = bytes.readUInt32LE(4);
    const [typeAt, typeBytes, stringAt, stringBytes] = [8, 12, 16, 20].map((at) =>
      bytes.readUInt32LE(at),
    ) as [number, number, number, number];
    if (header < 24 || header + Math.max(typeAt + typeBytes, stringAt + stringBytes) > bytes.length)
      throw new CoreError('types', 'the BTF of the kernel is cut off');
    return {
      types: bytes.subarray(header + typeAt, header + typeAt + typeBytes),
      strings: bytes.subarray(header + stringAt, header + stringAt + stringBytes),
    };
  });
  const types = Buffer.concat(parts.map((part) => part.types));
  const strings = Buffer.concat(parts.map((part) => part.strings));
  const head = Buffer.alloc(24);
  head.writeUInt16LE(MAGIC, 0);
  head[2] = 1;
  for (const [at, value] of [24, 0, types.length, types.length, strings.length].entries())
    head.writeUInt32LE(value, 4 + 4 * at);
  return Buffer.concat([head, types, strings]);
}

/** FNV-1a of the bytes up to a NUL. */
function hashBytes(bytes: Buffer, start: number): number {
  let hash = 0x811c9dc5;
  for (let at = start; at < bytes.length; at++) {
    const byte = bytes[at] as number;
    if (byte === 0) break;
    hash = Math.imul(hash ^ byte, 0x01000193);
  }
  return hash >>> 0;
}

function kindName(kind: number): MemberInfo['kind'] {
  switch (kind) {
    case KIND.int:
      return 'int';
    case KIND.pointer:
      return 'pointer';
    case KIND.struct:
    case KIND.union:
      return 'struct';
    case KIND.array:
      return 'array';
    case KIND.enum:
    case KIND.enum64:
      return 'enum';
    case KIND.float:
      return 'float';
    default:
      return 'other';
  }
}
