/** Reading structs of the kernel: types say where a member is, memory what it holds. */
import type { Addr, MemberInfo, Struct } from '../core.ts';
import type { Mem } from './mem.ts';
import type { Types } from './types.ts';

export class StructView implements Struct {
  readonly type: string;
  readonly addr: Addr;
  readonly #mem: Mem;
  readonly #types: Types;

  constructor(mem: Mem, types: Types, type: string, addr: Addr) {
    this.#mem = mem;
    this.#types = types;
    this.type = type;
    this.addr = addr;
  }

  has(path: string): boolean {
    return this.#types.member(this.type, path) !== undefined;
  }

  num(path: string): number {
    const member = this.#types.member(this.type, path);
    if (member === undefined) return Number.NaN;
    const bytes = this.#mem.view(this.addr + BigInt(member.offset), wordSize(member));
    return bytes === undefined ? Number.NaN : numberOf(bytes, member);
  }

  big(path: string): bigint | undefined {
    const member = this.#types.member(this.type, path);
    if (member === undefined) return undefined;
    if (member.size === 8 && member.bits === 0) {
      const bytes = this.#mem.view(this.addr + BigInt(member.offset), 8);
      return member.signed ? bytes?.readBigInt64LE() : bytes?.readBigUInt64LE();
    }
    const value = this.num(path);
    return Number.isNaN(value) ? undefined : BigInt(value);
  }

  ptr(path: string): Addr | undefined {
    const member = this.#types.member(this.type, path);
    if (member === undefined || member.size < 8) return undefined;
    return this.#mem.view(this.addr + BigInt(member.offset), 8)?.readBigUInt64LE();
  }

  text(path: string): string {
    const member = this.#types.member(this.type, path);
    if (member === undefined) return '';
    if (member.kind === 'array') {
      const bytes = this.#mem.view(this.addr + BigInt(member.offset), Math.min(member.size, 4096));
      if (bytes === undefined) return '';
      const end = bytes.indexOf(0);
      return bytes.toString('utf8', 0, end < 0 ? bytes.length : end);
    }
    const pointer = this.ptr(path);
    return pointer === undefined || pointer === 0n ? '' : (this.#mem.cstring(pointer) ?? '');
  }

  at(path: string): StructView | undefined {
    const member = this.#types.member(this.type, path);
    if (member?.kind !== 'struct') return undefined;
    return new StructView(this.#mem, this.#types, member.type, this.addr + BigInt(member.offset));
  }

  deref(path: string, type?: string): StructView | undefined {
    const member = this.#types.member(this.type, path);
    const pointer = this.ptr(path);
    if (member === undefined || pointer === undefined || pointer === 0n) return undefined;
    const target = type ?? (member.kind === 'pointer' ? member.type : '');
    return target === '' ? undefined : new StructView(this.#mem, this.#types, target, pointer);
  }

  addressOf(path: string): Addr | undefined {
    const member = this.#types.member(this.type, path);
    return member === undefined ? undefined : this.addr + BigInt(member.offset);
  }
}

/** Bytes to read: of a bit field those that hold its bits. */
function wordSize({ size, bits, bit_offset }: MemberInfo): number {
  return bits > 0 ? Math.ceil((bit_offset + bits) / 8) : size;
}

function numberOf(bytes: Buffer, { bits, bit_offset, signed }: MemberInfo): number {
  if (bits > 0) {
    let value = 0n;
    for (let i = bytes.length - 1; i >= 0; i--) value = (value << 8n) | BigInt(bytes[i] as number);
    value = BigInt.asUintN(bits, value >> BigInt(bit_offset));
    return Number(signed ? BigInt.asIntN(bits, value) : value);
  }
  switch (bytes.length) {
    case 1:
      return signed ? bytes.readInt8() : bytes.readUInt8();
    case 2:
      return signed ? bytes.readInt16LE() : bytes.readUInt16LE();
    case 4:
      return signed ? bytes.readInt32LE() : bytes.readUInt32LE();
    case 8: {
      const high = signed ? bytes.readInt32LE(4) : bytes.readUInt32LE(4);
      return high * 2 ** 32 + bytes.readUInt32LE(0);
    }
    default:
      return Number.NaN;
  }
}
