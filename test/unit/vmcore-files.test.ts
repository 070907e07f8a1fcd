/** Cores as files: every format, cut off, damaged, and the page codecs. */
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { CoreError } from '../../src/vmcore/file/bytes.ts';
import { CoreFile } from '../../src/vmcore/file/core-file.ts';
import { lzoDecompress } from '../../src/vmcore/file/lzo.ts';
import { parseNotes } from '../../src/vmcore/file/notes.ts';
import { snappyDecompress } from '../../src/vmcore/file/snappy.ts';
import {
  type Compression,
  compressPage,
  type Dump,
  flatten,
  note,
  PAGE,
  toElf,
  toKdump,
} from '../helpers/vmcore/formats.ts';

const directory = mkdtempSync(join(tmpdir(), 'ktop-cores-'));
afterAll(() => rmSync(directory, { recursive: true, force: true }));

function fileOf(bytes: Buffer, name = 'core'): string {
  const path = join(directory, `${name}-${Math.random().toString(36).slice(2)}`);
  writeFileSync(path, bytes);
  return path;
}

function withCore<T>(bytes: Buffer, use: (core: CoreFile) => T): T {
  const core = new CoreFile(fileOf(bytes));
  try {
    return use(core);
  } finally {
    core.close();
  }
}

/** Pages that compress and pages that do not, with holes between. */
const pages = new Map(
  [0, 1, 2, 40, 41, 3000, 70_001].map((pfn) => {
    const page = Buffer.alloc(PAGE);
    let state = pfn + 1;
    for (let i = 0; i < PAGE; i++) {
      state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
      page[i] = pfn % 2 === 0 ? state >>> 24 : i % 7;
    }
    return [pfn, page] as const;
  }),
);
const dump: Dump = { pages, vmcoreinfo: 'OSRELEASE=6.9\n', registers: [{ 16: 0x1234n }, { 16: 0x5678n }] };

function expectAllPages(core: CoreFile): void {
  for (const [pfn, page] of pages) expect(core.page(pfn)?.equals(page), `page ${pfn}`).toBe(true);
  for (const pfn of [3, 39, 42, 2999, 3001, 70_000, 70_002, 1e9]) expect(core.page(pfn)).toBeUndefined();
  expect(core.facts().pages).toBe(pages.size);
  expect(core.vmcoreinfo).toBe('OSRELEASE=6.9\n');
  expect(core.notes.prstatus.map(({ registers, pid }) => [registers.rip, pid])).toEqual([
    [0x1234n, 1],
    [0x5678n, 2],
  ]);
  expect(core.facts().truncated).toBe(false);
}

describe('formats', () => {
  test('ELF', () => {
    withCore(toElf(dump), (core) => {
      expectAllPages(core);
      expect(core.facts()).toMatchObject({ format: 'elf', shape: 'proc-vmcore', compression: 'none' });
    });
  });

  test.each(['none', 'zlib', 'lzo', 'snappy', 'zstd'] as const)('kdump, pages %s', (how: Compression) => {
    withCore(toKdump(dump, how), (core) => {
      expectAllPages(core);
      expect(core.facts()).toMatchObject({ format: 'kdump', compression: how });
    });
  });

  test.each([1000, 4096, 100_000])('flattened, in records of %i bytes', (record) => {
    withCore(flatten(toKdump(dump, 'zlib'), record), (core) => {
      expectAllPages(core);
      expect(core.facts().format).toBe('flattened kdump');
    });
    withCore(flatten(toElf(dump), record), (core) => {
      expectAllPages(core);
      expect(core.facts().format).toBe('flattened elf');
    });
  });

  test('the same page is given again', () => {
    withCore(toKdump(dump, 'zlib'), (core) => {
      const first = core.page(40);
      expect(core.page(41)).toBeDefined();
      expect(core.page(40)).toBe(first);
      expect(core.reads).toBe(2);
    });
  });

  test('a scan gives every page once, in order', () => {
    for (const bytes of [toElf(dump), toKdump(dump, 'zlib')])
      withCore(bytes, (core) => expect([...core.scan()].map(([pfn]) => pfn)).toEqual([...pages.keys()]));
  });
});

describe('what is no core, or not all of it', () => {
  const reason = (bytes: Buffer): string => {
    try {
      withCore(bytes, () => undefined);
    } catch (error) {
      expect(error).toBeInstanceOf(CoreError);
      return (error as CoreError).message;
    }
    throw new Error('this is read as a core');
  };

  test('one clear reason', () => {
    expect(reason(Buffer.alloc(0))).toContain('is empty');
    expect(reason(Buffer.from('hello'))).toContain('is no vmcore');
    expect(reason(Buffer.alloc(100_000, 0xa5))).toContain('is no vmcore');
    expect(reason(Buffer.from('KDUMP   '))).toContain('ends within the header');
    expect(reason(Buffer.from('\x7fELF\x02\x01', 'latin1'))).toContain('ends within its ELF header');
    expect(reason(flatten(Buffer.alloc(8192, 1), 4096))).toContain('flattened dump whose header is missing');
    const small = toElf(dump);
    small[4] = 1;
    expect(reason(small)).toContain('only x86-64');
    const executable = toElf(dump);
    executable.writeUInt16LE(2, 16);
    expect(reason(executable)).toContain('no core');
  });

  test('a pipe that nobody writes to is not waited for', () => {
    const pipe = join(directory, 'pipe');
    execFileSync('mkfifo', [pipe]);
    expect(() => new CoreFile(pipe)).toThrow('is no regular file');
  });

  test('a file that is missing, a directory, a file that may not be read', () => {
    expect(() => new CoreFile(join(directory, 'nothing'))).toThrow('there is no such file');
    expect(() => new CoreFile(directory)).toThrow(CoreError);
    if (process.getuid?.() === 0) return;
    const path = fileOf(toElf(dump));
    chmodSync(path, 0);
    expect(() => new CoreFile(path)).toThrow('permission denied');
  });

  test.each([
    ['ELF', toElf(dump)],
    ['kdump', toKdump(dump, 'zlib')],
    ['flattened', flatten(toKdump(dump, 'zlib'), 3000)],
  ])('cut off anywhere: a reason, or what is there (%s)', (_, whole) => {
    for (let size = 0; size < whole.length; size += 97) {
      try {
        withCore(whole.subarray(0, size), (core) => {
          expect(core.facts().truncated, `${size} of ${whole.length}`).toBe(true);
          for (const [pfn, page] of pages) expect(core.page(pfn) ?? page).toEqual(page);
        });
      } catch (error) {
        expect(error).toBeInstanceOf(CoreError);
      }
    }
  });

  test.each([1, 1500])('cut off where the last %i pages are zeroes, which lie at the beginning', (count) => {
    const zeroes = Array.from({ length: count }, (_, i) => [80_000 + i, Buffer.alloc(PAGE)] as const);
    const whole = toKdump({ ...dump, pages: new Map([...pages, ...zeroes]) }, 'zlib');
    withCore(whole, (core) => {
      expect(core.facts().truncated).toBe(false);
      expect(core.page(80_000)?.equals(Buffer.alloc(PAGE))).toBe(true);
      expect(core.page(70_001)?.equals(pages.get(70_001) as Buffer)).toBe(true);
    });
    withCore(whole.subarray(0, -10), (core) => {
      expect(core.facts().truncated).toBe(true);
      expect(core.page(70_001)).toBeUndefined();
      expect(core.page(80_000)?.equals(Buffer.alloc(PAGE))).toBe(true);
    });
  });

  test('nothing but zeroes', () => {
    const nothing = new Map(Array.from({ length: 3000 }, (_, pfn) => [pfn, Buffer.alloc(PAGE)] as const));
    withCore(toKdump({ ...dump, pages: nothing }, 'zlib'), (core) =>
      expect(core.facts().truncated).toBe(false),
    );
  });

  describe('a damaged chain of records', () => {
    const RECORD = 4096;
    const whole = () => flatten(toKdump(dump, 'none'), RECORD, false);
    /** Behind the bitmaps and descriptors. */
    const place = (record: number) => RECORD + (16 + RECORD) * record;
    const last = Math.floor((whole().length - RECORD) / (16 + RECORD)) - 1;

    test.each<readonly [string, number, bigint]>([
      ['a length that is none', 8, -5n],
      ['a length up to the end and beyond', 8, 1n << 30n],
      ['a length that is too short', 8, 54n],
      ['an offset that is none', 0, -7n],
    ])('%s: goes on behind it, and says so', (_, member, value) => {
      const [bytes, good] = [whole(), whole()];
      const at = place(last - 3);
      bytes.writeBigInt64BE(value, at + member);
      const pagesOf = (file: Buffer) => {
        let pages: number[] = [];
        withCore(file, (core) => {
          pages = [...core.scan()].map(([pfn]) => pfn);
          expect(core.facts().truncated).toBe(false);
          if (file === good) expect(core.warnings).toEqual([]);
          else
            expect(core.warnings[0]).toMatch(/^the file is damaged: .* at byte \d+; one record is lost, and/);
        });
        return pages;
      };
      const [found, all] = [pagesOf(bytes), pagesOf(good)];
      // A record here holds one page.
      expect(all.length - found.length).toBeLessThanOrEqual(2);
      expect(found.at(-1)).toBe(all.at(-1));
    });

    test('noise to the end: what is before it is read', () => {
      const bytes = whole();
      const at = place(last - 3);
      bytes.fill(0xa5, at);
      withCore(bytes, (core) => {
        expect(core.warnings[0]).toContain(`broken at byte ${at}; what follows it cannot be read`);
        expect(core.facts().truncated).toBe(true);
      });
    });
  });

  test('a compressed page that is damaged is missing', () => {
    const bytes = toKdump(dump, 'zlib');
    withCore(bytes, (core) => expect(core.page(70_001)).toBeDefined());
    bytes.fill(0x55, bytes.length - 40);
    withCore(bytes, (core) => {
      expect(core.page(70_001)).toBeUndefined();
      expect(core.page(3000)?.equals(pages.get(3000) as Buffer)).toBe(true);
    });
  });

  test('one part of a split dump', () => {
    const bytes = toKdump({ ...dump, pages: new Map([...pages].filter(([pfn]) => pfn >= 40)) }, 'none');
    // split, from page 40 to page 3000; descriptors are of these only, the bitmap is of all.
    bytes.writeInt32LE(1, PAGE + 12);
    bytes.writeBigUInt64LE(40n, PAGE + 80);
    bytes.writeBigUInt64LE(3001n, PAGE + 88);
    withCore(bytes, (core) => {
      expect(core.page(41)?.equals(pages.get(41) as Buffer)).toBe(true);
      expect(core.page(3000)?.equals(pages.get(3000) as Buffer)).toBe(true);
      expect(core.page(70_001)).toBeUndefined();
      expect(core.warnings.join()).toContain('--reassemble');
    });
  });
});

test('notes: those of QEMU, empty ones, and a cut-off end', () => {
  const state = Buffer.alloc(440);
  state.writeBigUInt64LE(0xabcn, 8 + 16 * 8);
  state.writeBigUInt64LE(0x777n, 8 + 18 * 8 + 10 * 24 + 3 * 8);
  const bytes = Buffer.concat([
    Buffer.alloc(12),
    note('QEMU', 0, state),
    note('VMCOREINFO', 0, Buffer.from('A=1\0\0')),
    note('CORE', 1, Buffer.alloc(20)),
    note('CORE', 1, Buffer.alloc(336)).subarray(0, 100),
  ]);
  const { qemu, prstatus, vmcoreinfo } = parseNotes(bytes);
  expect(qemu.map(({ registers }) => [registers.rip, registers.cr3])).toEqual([[0xabcn, 0x777n]]);
  expect(prstatus).toEqual([]);
  expect(vmcoreinfo).toBe('A=1');
});

describe('page codecs', () => {
  /** Pages of a real kernel as makedumpfile -l wrote them, and the digest of what they hold by its ELF core. */
  const REAL: readonly (readonly [string, string])[] = JSON.parse(
    readFileSync(new URL('fixtures/vmcore-lzo-pages.json', import.meta.url), 'utf8'),
  );

  test.each(REAL)('LZO of real pages', (text, digest) => {
    const page = lzoDecompress(Buffer.from(text, 'base64'), PAGE);
    expect(page?.length).toBe(PAGE);
    expect(
      createHash('sha256')
        .update(page ?? '')
        .digest('hex'),
    ).toMatch(new RegExp(`^${digest}`));
  });

  test('LZO: cut off or with bits changed gives nothing or a page, never an error', () => {
    const whole = Buffer.from(REAL[0]?.[0] ?? '', 'base64');
    for (let size = 0; size < whole.length - 3; size++)
      expect(lzoDecompress(whole.subarray(0, size), PAGE)).toBeUndefined();
    for (let bit = 0; bit < whole.length * 8; bit++) {
      const changed = Buffer.from(whole);
      changed[bit >> 3] = (changed[bit >> 3] as number) ^ (1 << (bit & 7));
      const page = lzoDecompress(changed, PAGE);
      if (page !== undefined) expect(page.length).toBe(PAGE);
    }
  });

  test('snappy: literals, and the three kinds of copies, overlapping too', () => {
    const size = (n: number) => (n < 128 ? [n] : [(n & 127) | 128, n >> 7]);
    const literal = (text: string) => [(text.length - 1) << 2, ...Buffer.from(text)];
    const near = (distance: number, length: number) => [
      1 | ((length - 4) << 2) | ((distance >> 8) << 5),
      distance & 255,
    ];
    const far = (distance: number, length: number) => [
      2 | ((length - 1) << 2),
      distance & 255,
      distance >> 8,
    ];
    const farthest = (distance: number, length: number) =>
      [...far(distance, length), 0, 0].with(0, 3 | ((length - 1) << 2));
    const stream = Buffer.from([
      ...size(4 + 8 + 12 + 20 + 5),
      ...literal('abcd'),
      ...near(4, 8),
      ...near(1, 11),
      ...literal('X'),
      ...far(24, 20),
      ...farthest(2, 5),
    ]);
    const [first, second] = ['abcdabcdabcd', 'ddddddddddd'];
    const third = `${first}${second}X`;
    const want = `${third}${third.slice(0, 20)}`;
    const end = `${want}${want.at(-2)}${want.at(-1)}${want.at(-2)}${want.at(-1)}${want.at(-2)}`;
    expect(snappyDecompress(stream, end.length)?.toString()).toBe(end);
    expect(snappyDecompress(stream, end.length + 1)).toBeUndefined();
    for (let cut = 0; cut < stream.length; cut++)
      expect(snappyDecompress(stream.subarray(0, cut), end.length)).toBeUndefined();
  });

  test('snappy: a copy from before the beginning is refused', () => {
    expect(snappyDecompress(Buffer.from([8, 0, 65, 1 | (3 << 2), 2]), 8)).toBeUndefined();
    expect(snappyDecompress(Buffer.from([8, 0, 65, 1 | (3 << 2), 0]), 8)).toBeUndefined();
    expect(snappyDecompress(Buffer.from([8, 0, 65, 1 | (3 << 2), 1]), 8)?.toString()).toBe('AAAAAAAA');
  });

  test('what the helpers write is what the codecs read', () => {
    const page = pages.get(41) as Buffer;
    expect(lzoDecompress(compressPage(page, 'lzo'), PAGE)?.equals(page)).toBe(true);
    expect(snappyDecompress(compressPage(page, 'snappy'), PAGE)?.equals(page)).toBe(true);
  });
});
