/** The kernel's lists and trees, whole and damaged, and the log of older kernels; on a piece of made-up memory. */
import { describe, expect, test } from 'vitest';
import { walkHlist, walkList, walkTree, walkXarray } from '../../src/vmcore/kernel/containers.ts';
import { readLog } from '../../src/vmcore/kernel/dmesg.ts';
import type { Mem } from '../../src/vmcore/kernel/mem.ts';
import type { Types } from '../../src/vmcore/kernel/types.ts';
import { VmcoreInfo } from '../../src/vmcore/kernel/vmcoreinfo.ts';

const BASE = 0xffff888000000000n;

class Piece {
  readonly bytes = Buffer.alloc(64 * 1024);

  view(address: bigint, length: number): Buffer | undefined {
    const at = address - BASE;
    return at >= 0n && at + BigInt(length) <= BigInt(this.bytes.length)
      ? this.bytes.subarray(Number(at), Number(at) + length)
      : undefined;
  }
  u8 = (address: bigint) => this.view(address, 1)?.[0];
  u32 = (address: bigint) => this.view(address, 4)?.readUInt32LE();
  u64 = (address: bigint) => this.view(address, 8)?.readBigUInt64LE();
  put(address: bigint, ...words: readonly bigint[]): void {
    for (const [i, word] of words.entries())
      this.bytes.writeBigUInt64LE(word, Number(address - BASE) + i * 8);
  }
  get mem(): Mem {
    return this as unknown as Mem;
  }
}

const at = (n: number): bigint => BASE + BigInt(n * 64);

describe('lists', () => {
  const ring = (...places: readonly bigint[]): Piece => {
    const piece = new Piece();
    for (const [i, place] of places.entries())
      piece.put(place, places[(i + 1) % places.length] as bigint, places.at(i - 1) as bigint);
    return piece;
  };

  test('all of it, or so many', () => {
    const { mem } = ring(at(0), at(1), at(2), at(3));
    expect(walkList(mem, at(0))).toEqual({ nodes: [at(1), at(2), at(3)], end: 'complete' });
    expect(walkList(mem, at(0), 2)).toEqual({ nodes: [at(1), at(2)], end: 'cut' });
    expect(walkList(ring(at(0)).mem, at(0))).toEqual({ nodes: [], end: 'complete' });
  });

  test('a broken link, a circle without the head, memory that is missing', () => {
    const broken = ring(at(0), at(1), at(2), at(3));
    broken.put(at(3), at(0), at(9));
    expect(walkList(broken.mem, at(0))).toEqual({ nodes: [at(1), at(2)], end: 'damaged' });
    const circle = ring(at(0), at(1), at(2), at(3));
    circle.put(at(3), at(1));
    expect(walkList(circle.mem, at(0)).end).toBe('damaged');
    const far = ring(at(0), at(1));
    far.put(at(1), BASE + 0x10000000n);
    expect(walkList(far.mem, at(0))).toEqual({ nodes: [at(1)], end: 'missing' });
    far.put(at(1), 0x1000n);
    expect(walkList(far.mem, at(0)).end).toBe('damaged');
    expect(walkList(far.mem, 0n).end).toBe('missing');
  });

  test('hash lists, with a circle, and ended as nulls lists are', () => {
    const piece = new Piece();
    piece.put(at(0), at(1));
    piece.put(at(1), at(2));
    expect(walkHlist(piece.mem, at(0))).toEqual({ nodes: [at(1), at(2)], end: 'complete' });
    piece.put(at(2), 0x1fn);
    expect(walkHlist(piece.mem, at(0))).toEqual({ nodes: [at(1), at(2)], end: 'complete' });
    piece.put(at(2), at(1));
    expect(walkHlist(piece.mem, at(0))).toEqual({ nodes: [at(1), at(2)], end: 'damaged' });
  });
});

describe('red-black trees', () => {
  const tree = (): Piece => {
    const piece = new Piece();
    // 4 with 2 (1, 3) on the left and 5 on the right: parent, right, left.
    piece.put(at(0), at(4));
    piece.put(at(4), 1n, at(5), at(2));
    piece.put(at(2), at(4), at(3), at(1));
    return piece;
  };

  test('in order', () => {
    expect(walkTree(tree().mem, at(0))).toEqual({ nodes: [1, 2, 3, 4, 5].map(at), end: 'complete' });
    expect(walkTree(tree().mem, at(0), 3)).toEqual({ nodes: [1, 2, 3].map(at), end: 'cut' });
    expect(walkTree(new Piece().mem, at(0))).toEqual({ nodes: [], end: 'complete' });
  });

  test('circles to the left and to the right end', () => {
    const left = tree();
    left.put(at(1), 0n, 0n, at(4));
    expect(walkTree(left.mem, at(0)).end).toBe('damaged');
    const right = tree();
    right.put(at(5), 0n, at(4), 0n);
    expect(walkTree(right.mem, at(0), 10_000)).toMatchObject({ end: 'damaged' });
  });
});

describe('xarrays', () => {
  const types = {
    offset: (_: string, path: string) => ({ xa_head: 0, shift: 0 })[path],
    member: () => ({ offset: 16, count: 64 }),
  } as unknown as Types;
  const node = (piece: Piece, place: bigint, shift: number, slots: Readonly<Record<number, bigint>>) => {
    piece.bytes[Number(place - BASE)] = shift;
    for (const [slot, value] of Object.entries(slots))
      piece.put(place + 16n + BigInt(Number(slot) * 8), value);
  };

  test('entries by index, over two levels; a single entry without a node', () => {
    const piece = new Piece();
    const [top, low] = [at(16), at(32)];
    piece.put(at(0), top + 2n);
    node(piece, top, 6, { 0: low + 2n, 2: at(100) });
    node(piece, low, 0, { 1: at(101), 63: at(102) });
    expect(walkXarray(piece.mem, types, at(0))).toEqual([
      [1, at(101)],
      [63, at(102)],
      [128, at(100)],
    ]);
    expect(walkXarray(piece.mem, types, at(0), 2)).toHaveLength(2);
    piece.put(at(0), at(100));
    expect(walkXarray(piece.mem, types, at(0))).toEqual([[0, at(100)]]);
    piece.put(at(0), 0n);
    expect(walkXarray(piece.mem, types, at(0))).toEqual([]);
  });

  test('nodes that contain themselves and each other', () => {
    const piece = new Piece();
    const [one, two] = [at(16), at(32)];
    piece.put(at(0), one + 2n);
    const all = (entry: bigint) => Object.fromEntries(Array.from({ length: 64 }, (_, i) => [i, entry]));
    node(piece, one, 54, all(two + 2n));
    node(piece, two, 48, all(one + 2n));
    expect(walkXarray(piece.mem, types, at(0))).toEqual([]);
  });
});

describe('the log of kernels before 5.10', () => {
  const HEADER = 16;
  const made = (
    records: readonly (readonly [place: number, text: string, ns: bigint, level: number])[],
    next: number,
  ) => {
    const piece = new Piece();
    const words = { log_buf: 0, log_buf_len: 8, log_first_idx: 16, log_next_idx: 24 };
    const buffer = at(64);
    piece.put(BASE, buffer);
    piece.bytes.writeUInt32LE(4096, words.log_buf_len);
    piece.bytes.writeUInt32LE(records[0]?.[0] ?? 0, words.log_first_idx);
    piece.bytes.writeUInt32LE(next, words.log_next_idx);
    for (const [place, text, ns, level] of records) {
      const start = Number(buffer - BASE) + place;
      piece.bytes.writeBigUInt64LE(ns, start);
      piece.bytes.writeUInt16LE(Math.ceil((HEADER + text.length) / 4) * 4, start + 8);
      piece.bytes.writeUInt16LE(text.length, start + 10);
      piece.bytes.writeUInt8(level << 5, start + 15);
      piece.bytes.write(text, start + HEADER);
    }
    const info = new VmcoreInfo(
      [
        ...Object.entries(words).map(
          ([name, offset]) => `SYMBOL(${name})=${(BASE + BigInt(offset)).toString(16)}`,
        ),
        'SIZE(printk_log)=16',
        'OFFSET(printk_log.ts_nsec)=0',
        'OFFSET(printk_log.len)=8',
        'OFFSET(printk_log.text_len)=10',
      ].join('\n'),
    );
    return readLog(piece.mem, info);
  };

  test('records in order, over the end of the buffer', () => {
    const { entries, warnings } = made(
      [
        [100, 'first', 1_000_000n, 6],
        [124, 'second', 2_000_000n, 3],
        // A record of no length stands where the rest did not fit; it goes on at the start.
        [0, 'third\nfourth', 3_000_000n, 4],
      ],
      28,
    );
    expect(warnings).toEqual([]);
    expect(entries.map(({ text, at_ms, level }) => [text, at_ms, level])).toEqual([
      ['first', 1, 6],
      ['second', 2, 3],
      ['third', 3, 4],
      ['fourth', 3, 4],
    ]);
  });

  test('nothing in it, and damage', () => {
    expect(made([], 0).entries).toEqual([]);
    expect(made([[8, 'x', 1n, 1]], 7).entries.length).toBeLessThan(3);
    expect(readLog(new Piece().mem, new VmcoreInfo('')).warnings).toHaveLength(1);
  });
});
