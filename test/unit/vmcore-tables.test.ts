/** Symbols, types and page tables, on tables made up after their descriptions. */
import { describe, expect, test } from 'vitest';
import { Btf } from '../../src/vmcore/kernel/btf.ts';
import { Kallsyms } from '../../src/vmcore/kernel/kallsyms.ts';
import { BtfBuilder } from '../helpers/vmcore/btf.ts';
import { type MadeSymbol, makeKallsyms } from '../helpers/vmcore/kallsyms.ts';

const BASE = 0xffffffff81000000n;

function read(symbols: readonly MadeSymbol[], plain = false): Kallsyms {
  const made = makeKallsyms(symbols, BASE, plain);
  const offsets = new Int32Array(made.count);
  new Uint8Array(offsets.buffer).set(made.offsets);
  const tokens = Array.from({ length: 256 }, (_, token) => {
    const start = made.tokenIndex.readUInt16LE(token * 2);
    return made.tokenTable.toString('latin1', start, made.tokenTable.indexOf(0, start));
  });
  return new Kallsyms({ names: made.names, tokens, offsets, base: BASE });
}

describe('kallsyms', () => {
  const long = `__pfx_${'x'.repeat(300)}`;
  const symbols: readonly MadeSymbol[] = [
    { name: '_text', address: BASE },
    { name: 'startup_64', address: BASE },
    { name: 'init_task', address: BASE + 0x100n, type: 'D' },
    { name: 'task_lock', address: BASE + 0x180n, type: 't' },
    { name: 'Tin', address: BASE + 0x200n, type: 'T' },
    { name: long, address: BASE + 0x300n, type: 't' },
    { name: 'twice', address: BASE + 0x400n, type: 't' },
    { name: 'twice', address: BASE + 0x500n, type: 't' },
    { name: '_end', address: BASE + 0x3000000n, type: 'B' },
    { name: 'runqueues', address: 0x31980n, type: 'A', absolute: true },
  ];

  test.each([false, true])('by name and by address; offsets plain: %s', (plain) => {
    const table = read(plain ? symbols.filter(({ absolute }) => absolute !== true) : symbols, plain);
    for (const { name, address, absolute } of symbols) {
      if (name === 'twice' || (plain && absolute === true)) continue;
      expect(table.find(name), name).toBe(address);
    }
    expect(table.find('twice')).toBe(BASE + 0x400n);
    for (const missing of ['', 'nothing', 'twic', 'twicee', 'T_text', 'init_tas'])
      expect(table.find(missing)).toBeUndefined();
    expect(table.at(BASE + 0x17fn)).toEqual({
      name: 'init_task',
      address: BASE + 0x100n,
      size: 0x80,
      type: 'D',
    });
    expect(table.at(BASE + 0x3ffn)?.name).toBe(long);
    expect(table.at(BASE + 0x40n)?.name).toBe('_text');
    expect(table.at(BASE - 1n)).toBeUndefined();
    expect(table.at(BASE + 0x3000010n)).toMatchObject({ name: '_end', size: 0 });
    expect(table.complete).toBe(true);
  });

  test('thousands of names, none confused with another', () => {
    const many = Array.from({ length: 5000 }, (_, i) => ({
      name: `fn_${(i * 7919) % 5000}_${i % 13}`,
      address: BASE + BigInt(i * 16),
    }));
    const table = read(many);
    for (const { name, address } of many) expect(table.find(name)).toBe(address);
    for (const { name, address } of many) expect(table.at(address + 15n)?.name).toBe(name);
  });

  test('a table that is cut off or out of order is not complete, and never throws', () => {
    const made = makeKallsyms(symbols, BASE);
    const offsets = new Int32Array(made.count);
    new Uint8Array(offsets.buffer).set(made.offsets);
    const tokens = Array.from({ length: 256 }, (_, byte) => String.fromCharCode(byte));
    for (let cut = 0; cut < made.names.length; cut++) {
      const table = new Kallsyms({ names: made.names.subarray(0, cut), tokens, offsets, base: BASE });
      expect(table.complete).toBe(false);
      table.find('init_task');
      table.at(BASE + 0x123n);
    }
    const swapped = Int32Array.from(offsets).reverse();
    expect(new Kallsyms({ names: made.names, tokens, offsets: swapped, base: BASE }).complete).toBe(false);
  });
});

describe('BTF', () => {
  const builder = new BtfBuilder()
    .struct('list_head', [
      ['next', '*list_head'],
      ['prev', '*list_head'],
    ])
    .typedef('pid_t', 'int')
    .enumeration('color', { RED: 0, GREEN: 5, NEGATIVE: -3 })
    .enumeration('wide', { HUGE_ONE: 7 }, true)
    .struct('inner', [
      ['a', 'u32'],
      ['b', 'u64[3]'],
    ])
    .struct('outer', [
      ['flags', 'u32'],
      [
        '',
        {
          anonymous: [
            ['x', 'u64'],
            [
              '',
              {
                anonymous: [
                  ['y', 'u16'],
                  ['z', 's16'],
                ],
                union: true,
              },
            ],
          ],
        },
      ],
      ['in', 'inner'],
      ['many', 'inner[4]'],
      ['comm', 'char[16]'],
      ['color', 'color'],
      ['pid', 'pid_t'],
      ['to', '*inner'],
      ['list', 'list_head'],
      ['nothing', '*'],
      ['tail', 'u64[0]'],
    ])
    .struct('bits', [
      ['lo', 'u32', { at: 0, width: 3 }],
      ['mid', 'u32', { at: 3, width: 12 }],
      ['neg', 'int', { at: 20, width: 4 }],
    ]);
  const btf = new Btf(builder.bytes());

  test('members through anonymous structs, arrays and typedefs', () => {
    const offset = (path: string) => btf.member('outer', path)?.offset;
    expect(offset('flags')).toBe(0);
    expect(offset('x')).toBe(8);
    expect(offset('y')).toBe(16);
    expect(offset('z')).toBe(16);
    expect(offset('in.a')).toBe(24);
    expect(offset('in.b[2]')).toBe(24 + 8 + 16);
    expect(offset('many[3].b[1]')).toBe((offset('many') ?? 0) + 3 * builder.size('inner') + 16);
    expect(btf.member('outer', 'pid')).toMatchObject({ kind: 'int', size: 4, signed: true });
    expect(btf.member('outer', 'comm')).toMatchObject({
      kind: 'array',
      size: 16,
      count: 16,
      element: 1,
      type: 'char',
    });
    expect(btf.member('outer', 'to')).toMatchObject({ kind: 'pointer', size: 8, type: 'inner' });
    expect(btf.member('outer', 'nothing')).toMatchObject({ kind: 'pointer', type: '' });
    expect(btf.member('outer', 'color')).toMatchObject({ kind: 'enum', size: 4 });
    // A flexible array has any number of elements.
    expect(btf.member('outer', 'tail[5]')?.offset).toBe((offset('tail') ?? 0) + 40);
    expect(btf.sizeOf('outer')).toBe(builder.size('outer'));
    expect(btf.sizeOf('pid_t')).toBe(4);
  });

  test('what is not there is undefined', () => {
    for (const path of [
      '',
      'nothing.a',
      'in.c',
      'many[4]',
      'comm[16]',
      'flags[0]',
      'in..a',
      'x y',
      'in[0]',
      '[1]',
    ])
      expect(btf.member('outer', path), path).toBeUndefined();
    expect(btf.member('no_such', 'a')).toBeUndefined();
    expect(btf.sizeOf('no_such')).toBeUndefined();
    expect(btf.sizeOf('#99999')).toBeUndefined();
  });

  test('bit fields', () => {
    expect(btf.member('bits', 'lo')).toMatchObject({ offset: 0, bit_offset: 0, bits: 3 });
    expect(btf.member('bits', 'mid')).toMatchObject({ offset: 0, bit_offset: 3, bits: 12 });
    expect(btf.member('bits', 'neg')).toMatchObject({ offset: 2, bit_offset: 4, bits: 4, signed: true });
  });

  test('enumerators, by name and all of an enum', () => {
    expect(btf.enumValue('GREEN')).toBe(5);
    expect(btf.enumValue('NEGATIVE')).toBe(-3);
    expect(btf.enumValue('HUGE_ONE')).toBe(7);
    expect(btf.enumValue('REEN')).toBeUndefined();
    expect([...(btf.enumeration('color') ?? [])]).toEqual([
      ['RED', 0],
      ['GREEN', 5],
      ['NEGATIVE', -3],
    ]);
    expect(btf.enumeration('outer')).toBeUndefined();
  });

  test('an anonymous type has a name to ask for it again', () => {
    const made = new BtfBuilder().struct('s', [
      [
        'u',
        {
          anonymous: [
            ['a', 'u32'],
            ['b', 'u64'],
          ],
          union: true,
        },
      ],
    ]);
    const types = new Btf(made.bytes());
    const name = types.member('s', 'u')?.type ?? '';
    expect(name).toMatch(/^#\d+$/);
    expect(types.member(name, 'b')).toMatchObject({ offset: 0, size: 8 });
  });

  test('cut off or changed: an error that says so, or answers, never a hang', () => {
    const whole = builder.bytes();
    for (let size = 0; size < whole.length; size += 3)
      expect(() => new Btf(whole.subarray(0, size))).toThrow();
    for (let at = 24; at < whole.length; at++) {
      const changed = Buffer.from(whole);
      changed[at] = (changed[at] as number) ^ 0x55;
      const types = new Btf(changed);
      for (const path of ['in.b[2]', 'z', 'many[3].b[1]', 'color', 'list.next']) types.member('outer', path);
      types.enumValue('GREEN');
      types.enumeration('color');
      types.sizeOf('outer');
    }
  });
});
