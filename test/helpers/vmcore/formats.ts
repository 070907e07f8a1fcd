/** Memory as files: ELF and compressed kdump, whole and flattened. */
import { deflateSync, zstdCompressSync } from 'node:zlib';

export const PAGE = 4096;

/** Physical page number → its bytes. */
export type Pages = ReadonlyMap<number, Buffer>;
export type Compression = 'none' | 'zlib' | 'lzo' | 'snappy' | 'zstd';

export interface Dump {
  readonly pages: Pages;
  readonly vmcoreinfo: string | undefined;
  /** Registers of each CPU as prstatus has them, by their place in user_regs_struct. */
  readonly registers?: readonly Readonly<Record<number, bigint>>[];
}

export function note(name: string, type: number, data: Buffer): Buffer {
  const pad = (bytes: Buffer) => Buffer.concat([bytes, Buffer.alloc((4 - (bytes.length % 4)) % 4)]);
  const head = Buffer.alloc(12);
  const text = Buffer.from(`${name}\0`);
  head.writeUInt32LE(text.length, 0);
  head.writeUInt32LE(data.length, 4);
  head.writeUInt32LE(type, 8);
  return Buffer.concat([head, pad(text), pad(data)]);
}

function notesOf({ vmcoreinfo, registers = [] }: Dump): Buffer {
  const status = registers.map((values, cpu) => {
    const data = Buffer.alloc(336);
    data.writeInt32LE(cpu + 1, 32);
    for (const [index, value] of Object.entries(values))
      data.writeBigUInt64LE(value, 112 + Number(index) * 8);
    return note('CORE', 1, data);
  });
  const info = vmcoreinfo === undefined ? [] : [note('VMCOREINFO', 0, Buffer.from(vmcoreinfo))];
  return Buffer.concat([...status, ...info]);
}

/** Runs of pages that follow each other are one segment. */
export function toElf(dump: Dump): Buffer {
  const numbers = [...dump.pages.keys()].sort((a, b) => a - b);
  const runs: number[][] = [];
  for (const pfn of numbers) {
    const last = runs.at(-1);
    if (last !== undefined && (last.at(-1) as number) + 1 === pfn) last.push(pfn);
    else runs.push([pfn]);
  }
  const notes = notesOf(dump);
  const headers = Buffer.alloc(56 * (runs.length + 1));
  const start = 64 + headers.length;
  const first = Math.ceil((start + notes.length) / PAGE) * PAGE;
  const program = (index: number, type: number, offset: number, phys: number, size: number) => {
    const at = index * 56;
    headers.writeUInt32LE(type, at);
    headers.writeBigUInt64LE(BigInt(offset), at + 8);
    headers.writeBigUInt64LE(BigInt(phys), at + 24);
    headers.writeBigUInt64LE(BigInt(size), at + 32);
    headers.writeBigUInt64LE(BigInt(size), at + 40);
  };
  program(0, 4, start, 0, notes.length);
  let at = first;
  const parts: Buffer[] = [];
  for (const [i, run] of runs.entries()) {
    program(i + 1, 1, at, (run[0] as number) * PAGE, run.length * PAGE);
    parts.push(...run.map((pfn) => dump.pages.get(pfn) as Buffer));
    at += run.length * PAGE;
  }
  const elf = Buffer.alloc(64);
  elf.write('\x7fELF\x02\x01\x01', 0, 'latin1');
  elf.writeUInt16LE(4, 16);
  elf.writeUInt16LE(62, 18);
  elf.writeBigUInt64LE(64n, 32);
  elf.writeUInt16LE(56, 54);
  elf.writeUInt16LE(runs.length + 1, 56);
  return Buffer.concat([elf, headers, notes, Buffer.alloc(first - start - notes.length), ...parts]);
}

const FLAGS: Readonly<Record<Compression, number>> = { none: 0, zlib: 1, lzo: 2, snappy: 4, zstd: 0x20 };

/** As makedumpfile does: a page that does not become smaller stays as it is. */
export function compressPage(page: Buffer, how: Compression): Buffer {
  const small = squeeze(page, how);
  return small.length < PAGE ? small : page;
}

/** A run of literals and one long match: what a page of this period needs. */
export const PERIOD = 7;

function squeeze(page: Buffer, how: Compression): Buffer {
  if (how === 'zlib') return deflateSync(page, { level: 1 });
  if (how === 'zstd') return zstdCompressSync(page);
  const rest = PAGE - PERIOD;
  const start = page.subarray(0, PERIOD);
  if (how === 'none' || !page.every((byte, i) => byte === page[i % PERIOD])) return page;
  if (how === 'lzo') {
    const zeros = Math.floor((rest - 33 - 1) / 255);
    return Buffer.concat([
      Buffer.from([17 + PERIOD]),
      start,
      Buffer.from([32, ...Array(zeros).fill(0), rest - 33 - zeros * 255, (PERIOD - 1) << 2, 0]),
      Buffer.from([0x11, 0, 0]),
    ]);
  }
  const copies: number[] = [];
  for (let left = rest; left > 0; left -= 64) copies.push(2 | ((Math.min(64, left) - 1) << 2), PERIOD, 0);
  return Buffer.concat([Buffer.from([0x80, 0x20, (PERIOD - 1) << 2]), start, Buffer.from(copies)]);
}

export function toKdump(dump: Dump, how: Compression): Buffer {
  const numbers = [...dump.pages.keys()].sort((a, b) => a - b);
  const most = (numbers.at(-1) ?? 0) + 1;
  const half = Math.ceil(Math.ceil(most / 8) / PAGE);
  const head = Buffer.alloc(PAGE);
  head.write('KDUMP   ', 0, 'latin1');
  head.writeInt32LE(6, 8);
  head.write('x86_64', 12 + 4 * 65, 'latin1');
  head.writeInt32LE(PAGE, 428);
  head.writeInt32LE(1, 432);
  head.writeUInt32LE(half * 2, 436);
  head.writeUInt32LE(most, 440);
  const notes = notesOf(dump);
  const bitmap = Buffer.alloc(half * PAGE);
  for (const pfn of numbers) bitmap[pfn >> 3] = (bitmap[pfn >> 3] as number) | (1 << (pfn & 7));
  const descriptorsAt = (2 + half * 2) * PAGE;
  const descriptors = Buffer.alloc(numbers.length * 24);
  const dataAt = descriptorsAt + descriptors.length + notes.length;
  const sub = Buffer.alloc(PAGE);
  sub.writeBigUInt64LE(BigInt(descriptorsAt + descriptors.length), 48);
  sub.writeBigUInt64LE(BigInt(notes.length), 56);
  sub.writeBigUInt64LE(BigInt(most), 96);
  // All pages of zeroes are one, before the others.
  const zeroes = Buffer.alloc(PAGE);
  const zero = [...dump.pages.values()].some((page) => page.equals(zeroes))
    ? compressPage(zeroes, how)
    : Buffer.alloc(0);
  let at = dataAt + zero.length;
  const parts = numbers.map((pfn, index) => {
    const page = dump.pages.get(pfn) as Buffer;
    const bytes = page.equals(zeroes) ? zero : compressPage(page, how);
    descriptors.writeBigUInt64LE(BigInt(bytes === zero ? dataAt : at), index * 24);
    descriptors.writeUInt32LE(bytes.length, index * 24 + 8);
    descriptors.writeUInt32LE(bytes.length < PAGE ? FLAGS[how] : 0, index * 24 + 12);
    if (bytes === zero) return Buffer.alloc(0);
    at += bytes.length;
    return bytes;
  });
  return Buffer.concat([head, sub, bitmap, bitmap, descriptors, notes, zero, ...parts]);
}

/** In records of so many bytes. With `late` the header is garbage at first and written over at the end. */
export function flatten(file: Buffer, record: number, late = true): Buffer {
  const head = Buffer.alloc(PAGE);
  head.write('makedumpfile', 0, 'latin1');
  head.writeBigInt64BE(1n, 16);
  head.writeBigInt64BE(1n, 24);
  const entry = (offset: number, bytes: Buffer): Buffer => {
    const mark = Buffer.alloc(16);
    mark.writeBigInt64BE(BigInt(offset), 0);
    mark.writeBigInt64BE(BigInt(bytes.length), 8);
    return Buffer.concat([mark, bytes]);
  };
  const header = file.subarray(0, PAGE);
  const parts: Buffer[] = [entry(0, late ? Buffer.alloc(header.length, 0xee) : header)];
  for (let at = PAGE; at < file.length; at += record) parts.push(entry(at, file.subarray(at, at + record)));
  if (late) parts.push(entry(0, header));
  const mark = Buffer.alloc(16);
  mark.writeBigInt64BE(-1n, 0);
  mark.writeBigInt64BE(-1n, 8);
  return Buffer.concat([head, ...parts, mark]);
}
