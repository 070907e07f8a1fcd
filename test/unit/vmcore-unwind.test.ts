/** Unwinding on made-up code: what each kind of ORC entry means, old and new numbering, and ways to end. */
import { describe, expect, test } from 'vitest';
import type { Mem } from '../../src/vmcore/kernel/mem.ts';
import { Orc } from '../../src/vmcore/kernel/orc.ts';
import type { Types } from '../../src/vmcore/kernel/types.ts';
import { type Names, type Start, unwind } from '../../src/vmcore/kernel/unwind.ts';

const TEXT = 0xffffffff81000000n;
const TABLES = 0xffffffff82000000n;
const STACK = 0xffffc90000010000n;
const SIZE = 65_536;

/** Two regions of memory. */
class FakeMemory {
  readonly tables = Buffer.alloc(SIZE);
  readonly stack = Buffer.alloc(SIZE);

  view(address: bigint, length: number): Buffer | undefined {
    for (const [base, bytes] of [
      [TABLES, this.tables],
      [STACK, this.stack],
    ] as const) {
      const at = address - base;
      if (at >= 0n && at + BigInt(length) <= BigInt(SIZE))
        return bytes.subarray(Number(at), Number(at) + length);
    }
    return undefined;
  }

  u8 = (address: bigint) => this.view(address, 1)?.[0];
  u32 = (address: bigint) => this.view(address, 4)?.readUInt32LE();
  i32 = (address: bigint) => this.view(address, 4)?.readInt32LE();
  u64 = (address: bigint) => this.view(address, 8)?.readBigUInt64LE();

  push(offset: number, ...words: readonly bigint[]): void {
    for (const [i, word] of words.entries())
      this.stack.writeBigUInt64LE(BigInt.asUintN(64, word), offset + i * 8);
  }
}

type Layout = 'old' | 'typed' | 'renumbered';
interface Entry {
  readonly name: string;
  readonly sp: readonly [register: string, offset: number];
  readonly bp?: readonly [register: string, offset: number];
  readonly type: 'call' | 'regs' | 'partial' | 'end' | 'undefined';
  readonly signal?: boolean;
}

const NUMBERS: Readonly<Record<Layout, readonly string[]>> = {
  old: ['undefined', 'prev', 'dx', 'di', 'bp', 'sp', 'r10', 'r13', 'bp*', 'sp*'],
  typed: ['undefined', 'prev', 'dx', 'di', 'bp', 'sp', 'r10', 'r13', 'bp*', 'sp*'],
  renumbered: ['undefined', 'ax', 'dx', 'sp', 'bp', 'di', 'r10', 'r13', 'prev', 'sp*', 'bp*'],
};
const FUNCTION = 0x100;

/** A function every 256 bytes, each with one entry. */
function machine(layout: Layout, entries: readonly Entry[], blocks = false) {
  const memory = new FakeMemory();
  const [ips, orcs, fp, lookup] = [0, 4096, 8192, 12_288];
  const write = (at: number, { sp, bp = ['undefined', 0], type, signal = false }: Entry) => {
    const number = (name: string) => NUMBERS[layout].indexOf(name);
    memory.tables.writeInt16LE(sp[1], at);
    memory.tables.writeInt16LE(bp[1], at + 2);
    memory.tables[at + 4] = number(sp[0]) | (number(bp[0]) << 4);
    memory.tables[at + 5] =
      layout === 'old'
        ? ((['call', 'regs', 'partial'].indexOf(type) & 3) * Number(type !== 'end' && type !== 'undefined')) |
          (type === 'end' ? 4 : 0)
        : ['undefined', 'end', 'call', 'regs', 'partial'].indexOf(type) | (signal ? 8 : 0);
  };
  for (const [i, entry] of entries.entries()) {
    const ip = TEXT + BigInt(i * FUNCTION);
    memory.tables.writeInt32LE(Number(ip - (TABLES + BigInt(ips + i * 4))), ips + i * 4);
    write(orcs + i * 6, entry);
    memory.tables.writeUInt32LE(i, lookup + i * 4);
  }
  memory.tables.writeUInt32LE(entries.length - 1, lookup + entries.length * 4);
  write(fp, { name: '', sp: ['bp', 16], bp: ['prev', -16], type: 'call' });
  const symbols: Record<string, bigint> = {
    __start_orc_unwind_ip: TABLES + BigInt(ips),
    __start_orc_unwind: TABLES + BigInt(orcs),
    __stop_orc_unwind: TABLES + BigInt(orcs + entries.length * 6),
    orc_fp_entry: TABLES + BigInt(fp),
    _stext: TEXT,
    ...(blocks
      ? {
          orc_lookup: TABLES + BigInt(lookup),
          orc_lookup_end: TABLES + BigInt(lookup + entries.length * 4 + 4),
        }
      : {}),
  };
  const types = {
    sizeOf: () => 6,
    member: (_: string, path: string) =>
      path === 'type'
        ? { bits: layout === 'old' ? 2 : 3 }
        : path === 'signal' && layout !== 'old'
          ? {}
          : undefined,
  } as unknown as Types;
  const orc = new Orc(memory as unknown as Mem, types, (name) => symbols[name], []);
  const end = TEXT + BigInt(entries.length * FUNCTION);
  const names: Names = {
    frameName: (ip, interrupted) => {
      const at = Number((interrupted ? ip : ip - 1n) - TEXT);
      return { name: entries[Math.floor(at / FUNCTION)]?.name ?? `0x${ip.toString(16)}` };
    },
    isText: (ip) => ip >= TEXT && ip < end,
  };
  const code = (name: string, offset = 0x10) =>
    TEXT + BigInt(entries.findIndex((entry) => entry.name === name) * FUNCTION + offset);
  const run = (start: Partial<Start> & { ip: bigint }) =>
    unwind(memory as unknown as Mem, orc, names, { sp: STACK, bp: 0n, interrupted: true, ...start });
  return { memory, code, run };
}

const shown = ({ frames, exact, stopped }: ReturnType<typeof unwind>) => ({
  frames: frames.map(({ function: name, kind }) => (kind === 'normal' ? name : `${name} <${kind}>`)),
  exact,
  stopped,
});

const ENTRIES: readonly Entry[] = [
  { name: 'leaf', sp: ['sp', 8], type: 'call' },
  { name: 'caller', sp: ['sp', 32], bp: ['prev', -16], type: 'call' },
  { name: 'framed', sp: ['bp', 16], bp: ['prev', -16], type: 'call' },
  { name: 'asm_exc_page_fault', sp: ['sp', 0], type: 'regs', signal: true },
  { name: 'asm_sysvec_apic_timer_interrupt', sp: ['sp', 0], type: 'regs', signal: true },
  { name: 'asm_exc_nmi', sp: ['sp', 0], type: 'partial', signal: true },
  { name: 'switch_stack', sp: ['sp*', 8], type: 'call' },
  { name: 'realigned', sp: ['r10', 0], type: 'call' },
  { name: 'by_pointer', sp: ['bp*', -8], type: 'call' },
  { name: 'thread_start', sp: ['undefined', 0], type: 'end' },
  { name: 'unknown_code', sp: ['undefined', 0], type: 'undefined' },
];

const pt_regs = (values: Readonly<Record<string, bigint>>): bigint[] => {
  const order = [
    'r15',
    'r14',
    'r13',
    'r12',
    'bp',
    'bx',
    'r11',
    'r10',
    'r9',
    'r8',
    'ax',
    'cx',
    'dx',
    'si',
    'di',
  ];
  return [...order, 'orig', 'ip', 'cs', 'flags', 'sp', 'ss'].map((name) => values[name] ?? 0n);
};

describe.each(['old', 'typed', 'renumbered'] as const)('%s entries', (layout) => {
  test('calls by stack and by frame pointer, to the end of the thread', () => {
    const { memory, code, run } = machine(layout, ENTRIES);
    // leaf: return to caller. caller: 24 bytes, the last but one the old frame pointer. framed: by that pointer.
    memory.push(0, code('caller'), 0n, 0n, STACK + 0x100n, code('framed'));
    memory.push(0x100, 0x1234n, code('thread_start'));
    expect(shown(run({ ip: code('leaf') }))).toEqual({
      frames: ['leaf', 'caller', 'framed', 'thread_start'],
      exact: true,
      stopped: 'end',
    });
  });

  test('through an exception, an interrupt and an NMI', () => {
    const { memory, code, run } = machine(layout, ENTRIES);
    memory.push(0, code('asm_exc_nmi'), 0n);
    memory.push(8, code('asm_sysvec_apic_timer_interrupt'), 0x10n, 0n, STACK + 0x200n, 0n);
    memory.push(
      0x200,
      ...pt_regs({ ip: code('leaf', 0), cs: 0x10n, sp: STACK + 0x400n, bp: STACK + 0x500n }),
    );
    memory.push(0x400, code('asm_exc_page_fault'));
    memory.push(0x408, ...pt_regs({ ip: code('framed'), cs: 0x10n, sp: STACK + 0x600n, bp: STACK + 0x700n }));
    memory.push(0x700, 0n, code('thread_start'));
    expect(shown(run({ ip: code('leaf') }))).toEqual({
      frames: [
        'leaf',
        'asm_exc_nmi',
        'asm_sysvec_apic_timer_interrupt <nmi>',
        'leaf <irq>',
        'asm_exc_page_fault',
        'framed <exception>',
        'thread_start',
      ],
      exact: true,
      stopped: 'end',
    });
  });

  test('it ends where user code was interrupted', () => {
    const { memory, code, run } = machine(layout, ENTRIES);
    memory.push(0, code('asm_exc_page_fault'), ...pt_regs({ ip: 0x401000n, cs: 0x33n, sp: 0x7ffd0000n }));
    expect(shown(run({ ip: code('leaf') }))).toEqual({
      frames: ['leaf', 'asm_exc_page_fault'],
      exact: true,
      stopped: 'user',
    });
  });

  test('to another stack, by a saved pointer, and by r10 of the registers given', () => {
    const { memory, code, run } = machine(layout, ENTRIES);
    memory.push(0, code('switch_stack'), STACK + 0x800n);
    memory.push(0x800, code('by_pointer'));
    memory.push(0x8f8, STACK + 0xa00n);
    memory.push(0x9f8, code('thread_start'));
    expect(shown(run({ ip: code('leaf'), bp: STACK + 0x900n })).frames).toEqual([
      'leaf',
      'switch_stack',
      'by_pointer',
      'thread_start',
    ]);
    memory.push(0xb00, code('thread_start'));
    const registers = { r10: STACK + 0xb08n };
    expect(shown(run({ ip: code('realigned'), registers })).frames).toEqual(['realigned', 'thread_start']);
    // After a call r10 is no longer what it was.
    memory.push(0, code('realigned'));
    expect(shown(run({ ip: code('leaf'), registers }))).toMatchObject({
      exact: false,
      frames: ['leaf', 'realigned'],
    });
  });

  test('a call of NULL: what called is on top of the stack', () => {
    const { memory, code, run } = machine(layout, ENTRIES);
    memory.push(0, code('caller'), 0n, 0n, 0n, code('thread_start'));
    expect(shown(run({ ip: 0n }))).toEqual({
      frames: ['0x0', 'caller', 'thread_start'],
      exact: true,
      stopped: 'end',
    });
  });

  test('code without an entry is passed by its frame pointer, and the result is not certain', () => {
    const { memory, code, run } = machine(layout, ENTRIES);
    memory.push(0, code('unknown_code'));
    memory.push(0x100, 0n, code('thread_start'));
    expect(shown(run({ ip: code('leaf'), bp: STACK + 0x100n }))).toEqual({
      frames: ['leaf', 'unknown_code', 'thread_start'],
      exact: false,
      stopped: 'end',
    });
  });

  test('damaged stacks end it, with the reason', () => {
    const { memory, code, run } = machine(layout, ENTRIES);
    memory.push(0, 0xdeadn);
    expect(run({ ip: code('leaf') }).stopped).toContain('is no code');
    expect(run({ ip: code('leaf'), sp: 0x10n }).stopped).toContain('not readable');
    // A frame pointer that leads to itself.
    memory.push(0, code('framed'));
    memory.push(0x100, STACK + 0x100n, code('framed'));
    const circle = run({ ip: code('leaf'), bp: STACK + 0x100n });
    expect(circle.exact).toBe(false);
    expect(circle.frames.length).toBeLessThan(10);
    // An exception frame that leads to itself.
    memory.push(0, ...pt_regs({ ip: code('asm_exc_page_fault'), cs: 0x10n, sp: STACK }));
    expect(run({ ip: code('asm_exc_page_fault') }).frames.length).toBeLessThan(10);
  });
});

test("the kernel's index by blocks leads to the same entries", () => {
  for (const blocks of [false, true]) {
    const { memory, code, run } = machine('typed', ENTRIES, blocks);
    memory.push(0, code('caller'), 0n, 0n, STACK + 0x100n, code('framed'));
    memory.push(0x100, 0n, code('thread_start'));
    expect(shown(run({ ip: code('leaf') })).frames).toEqual(['leaf', 'caller', 'framed', 'thread_start']);
  }
});

test('random stacks never hang', () => {
  const { memory, code, run } = machine('typed', ENTRIES);
  let seed = 1;
  const random = () => {
    seed = (Math.imul(seed, 1_664_525) + 1_013_904_223) >>> 0;
    return seed / 2 ** 32;
  };
  for (let round = 0; round < 500; round++) {
    for (let at = 0; at < 2048; at += 8) {
      const pick = random();
      const entry = ENTRIES[Math.floor(random() * ENTRIES.length)] as Entry;
      const word =
        pick < 0.5
          ? code(entry.name, 1 + Math.floor(random() * 200))
          : pick < 0.8
            ? STACK + BigInt(Math.floor(random() * 256) * 8)
            : 0x10n;
      memory.push(at, word);
    }
    const { frames, stopped } = run({ ip: code('leaf'), bp: STACK + 64n });
    expect(frames.length).toBeLessThanOrEqual(1024);
    expect(stopped).not.toBe('');
  }
});
