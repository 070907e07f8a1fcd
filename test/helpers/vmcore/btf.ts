/** BTF made up for tests, after Documentation/bpf/btf.rst. */

/** `u64`, `*name` (a pointer), `name[3]`, `name`; or a struct without a name. */
export type TypeName = string | { readonly anonymous: Members; readonly union?: boolean };
export type Members = readonly (readonly [
  name: string,
  type: TypeName,
  bits?: { readonly at: number; readonly width: number },
])[];

interface Laid {
  readonly id: number;
  readonly size: number;
}

const INTS: Readonly<Record<string, readonly [size: number, signed: boolean]>> = {
  u8: [1, false],
  char: [1, true],
  u16: [2, false],
  s16: [2, true],
  u32: [4, false],
  int: [4, true],
  u64: [8, false],
  s64: [8, true],
};

export class BtfBuilder {
  readonly #types: Buffer[] = [];
  #strings = Buffer.from([0]);
  readonly #named = new Map<string, Laid>();
  #count = 0;

  struct(name: string, members: Members, union = false): this {
    this.#named.set(name, this.#layout(name, members, union));
    return this;
  }

  /** Made after all: a pointer may be to it before. */
  typedef(name: string, type: TypeName): this {
    const laid = this.#of(type);
    this.#named.set(name, { id: this.#add(name, 8, 0, laid.id), size: laid.size });
    return this;
  }

  enumeration(name: string, values: Readonly<Record<string, number>>, wide = false): this {
    const entries = Object.entries(values);
    const body = Buffer.alloc(entries.length * (wide ? 12 : 8));
    for (const [i, [key, value]] of entries.entries()) {
      const at = i * (wide ? 12 : 8);
      body.writeUInt32LE(this.#string(key), at);
      body.writeInt32LE(value, at + 4);
    }
    const id = this.#add(name, wide ? 19 : 6, entries.length, wide ? 8 : 4, body);
    this.#named.set(name, { id, size: wide ? 8 : 4 });
    return this;
  }

  size(name: string): number {
    return this.#of(name).size;
  }

  bytes(): Buffer {
    const types = Buffer.concat(this.#types);
    const header = Buffer.alloc(24);
    header.writeUInt16LE(0xeb9f, 0);
    header.writeUInt8(1, 2);
    header.writeUInt32LE(24, 4);
    header.writeUInt32LE(types.length, 12);
    header.writeUInt32LE(types.length, 16);
    header.writeUInt32LE(this.#strings.length, 20);
    return Buffer.concat([header, types, this.#strings]);
  }

  #layout(name: string, members: Members, union: boolean): Laid {
    const body = Buffer.alloc(members.length * 12);
    let [at, size] = [0, 0];
    const flagged = members.some(([, , bits]) => bits !== undefined);
    for (const [i, [member, type, bits]] of members.entries()) {
      const laid = this.#of(type);
      const align = Math.min(8, Math.max(1, laid.size % 8 === 0 ? 8 : laid.size));
      const start = bits !== undefined ? bits.at : union ? 0 : Math.ceil(at / align) * align * 8;
      body.writeUInt32LE(member === '' ? 0 : this.#string(member), i * 12);
      body.writeUInt32LE(laid.id, i * 12 + 4);
      body.writeUInt32LE(flagged ? ((bits?.width ?? 0) << 24) | start : start, i * 12 + 8);
      if (!union) at = Math.ceil((start + (bits?.width ?? laid.size * 8)) / 8);
      size = Math.max(size, union ? laid.size : at);
    }
    const whole = Math.ceil(size / 8) * 8;
    return { id: this.#add(name, union ? 5 : 4, members.length, whole, body, flagged), size: whole };
  }

  #of(type: TypeName): Laid {
    if (typeof type !== 'string') return this.#layout('', type.anonymous, type.union ?? false);
    const array = /^(.*)\[(\d+)\]$/.exec(type);
    if (array !== null) {
      const [element, count] = [this.#of(array[1] ?? ''), Number(array[2])];
      const body = Buffer.alloc(12);
      body.writeUInt32LE(element.id, 0);
      body.writeUInt32LE(element.id, 4);
      body.writeUInt32LE(count, 8);
      return { id: this.#add('', 3, 0, 0, body), size: element.size * count };
    }
    const known = this.#named.get(type);
    if (known !== undefined) return known;
    if (type.startsWith('*')) {
      const target = this.#named.get(type.slice(1));
      // To something that comes later, or never: a forward declaration of that name.
      const id = target?.id ?? (type === '*' ? 0 : this.#add(type.slice(1), 7, 0, 0));
      return { id: this.#add('', 2, 0, id), size: 8 };
    }
    const int = INTS[type];
    if (int === undefined) throw new Error(`no type ${type}`);
    const [size, signed] = int;
    const body = Buffer.alloc(4);
    body.writeUInt32LE(((signed ? 1 : 0) << 24) | (size * 8), 0);
    const laid = { id: this.#add(type, 1, 0, size, body), size };
    this.#named.set(type, laid);
    return laid;
  }

  #add(
    name: string,
    kind: number,
    count: number,
    size: number,
    body = Buffer.alloc(0),
    flag = false,
  ): number {
    const head = Buffer.alloc(12);
    head.writeUInt32LE(name === '' ? 0 : this.#string(name), 0);
    head.writeUInt32LE((((flag ? 1 : 0) << 31) | (kind << 24) | count) >>> 0, 4);
    head.writeUInt32LE(size, 8);
    this.#types.push(Buffer.concat([head, body]));
    this.#count += 1;
    return this.#count;
  }

  #string(text: string): number {
    const known = this.#strings.indexOf(`\0${text}\0`);
    if (known >= 0) return known + 1;
    const at = this.#strings.length;
    this.#strings = Buffer.concat([this.#strings, Buffer.from(`${text}\0`)]);
    return at;
  }
}
