import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { advised } from '../../src/probes/advice.ts';
import { type KernelTypes, resolveArguments } from '../../src/probes/btf-args.ts';
import { tooMuch } from '../../src/probes/choose.ts';
import { Symbols } from '../../src/probes/kernel.ts';
import { eventName, parseArgument, parseProbe } from '../../src/probes/parse.ts';
import { NoProbe } from '../../src/probes/probe.ts';
import { usdtArgument, usdtArguments } from '../../src/probes/usdt.ts';
import { Btf } from '../../src/vmcore/kernel/btf.ts';

const NOWHERE = { path: '', returns: false, isEvent: (name: string) => name === 'sched:sched_switch' };

const why = (use: () => unknown): string => {
  try {
    use();
  } catch (error) {
    if (error instanceof NoProbe) return error.message;
    throw error;
  }
  return '';
};

describe('what is typed', () => {
  const FUNCTION = {
    form: 'function',
    name: '',
    path: '',
    module: '',
    offset: 0,
    returns: false,
    arguments: [],
  };

  test.each([
    ['do_sys_openat2', { ...FUNCTION, symbol: 'do_sys_openat2' }],
    ['vfs_read+0x1c', { ...FUNCTION, symbol: 'vfs_read', offset: 28 }],
    ['mine=vfs_read%return', { ...FUNCTION, name: 'mine', symbol: 'vfs_read', returns: true }],
    ['ext4:ext4_sync_file', { ...FUNCTION, module: 'ext4', symbol: 'ext4_sync_file' }],
    ['do_tcp.isra.0', { ...FUNCTION, symbol: 'do_tcp.isra.0' }],
    ['/bin/bash:readline', { ...FUNCTION, path: '/bin/bash', symbol: 'readline' }],
    ['/bin/bash:0xc6c20', { ...FUNCTION, path: '/bin/bash', symbol: '', offset: 0xc6c20 }],
    ['sched:sched_switch', { form: 'event', event: 'sched:sched_switch' }],
    ['sdt /bin/x a:b__c', { form: 'usdt', name: '', path: '/bin/x', provider: 'a', marker: 'b__c' }],
    [
      'p:myopen do_sys_openat2 file=+0(%si):string x=%di',
      {
        form: 'tracefs',
        letter: 'p',
        slots: 0,
        group: '',
        name: 'myopen',
        place: 'do_sys_openat2',
        arguments: 'file=+0(%si):string x=%di',
      },
    ],
    [
      'r8:g/e vfs_read $retval',
      {
        form: 'tracefs',
        letter: 'r',
        slots: 8,
        group: 'g',
        name: 'e',
        place: 'vfs_read',
        arguments: '$retval',
      },
    ],
    [
      'p vfs_read',
      { form: 'tracefs', letter: 'p', slots: 0, group: '', name: '', place: 'vfs_read', arguments: '' },
    ],
  ])('%s', (text, expected) => expect(parseProbe(text, NOWHERE)).toEqual(expected));

  test.each([
    ['filename:string', { name: '', value: 'filename', type: 'string' }],
    [
      'n=file->f_path.dentry->d_name.name:string',
      { name: 'n', value: 'file->f_path.dentry->d_name.name', type: 'string' },
    ],
    ['file=+0(+8(%si)):ustring', { name: 'file', value: '+0(+8(%si))', type: 'ustring' }],
    ['$retval', { name: '', value: '$retval', type: '' }],
    ['skb->cb[3]:x8', { name: '', value: 'skb->cb[3]', type: 'x8' }],
    ['x=%di:u8[4]', { name: 'x', value: '%di', type: 'u8[4]' }],
    ['b=%di:b4@0/32', { name: 'b', value: '%di', type: 'b4@0/32' }],
  ])('the argument %s', (text, expected) => expect(parseArgument(text)).toEqual(expected));

  test.each([
    '',
    'a b c:',
    '/bin/bash',
    'vfs_read+',
    'p:x',
    'sdt python:gc',
    'sdt /x nothing',
    '0x1234',
    'vfs read()!',
  ])('%j is a usage error or has arguments', (text) => {
    const said = why(() => parseProbe(text, NOWHERE));
    if (text === 'a b c:' || text === 'vfs read()!') expect(said).toBe('');
    else expect(said).toMatch(/; |needs/);
  });

  test('an event has its own fields', () => {
    expect(why(() => parseProbe('sched:sched_switch prev_pid', NOWHERE))).toContain('leave "prev_pid" out');
  });

  test('names of events are C identifiers', () => {
    expect(['do_tcp.isra.0', '__x64_sys_open', '0x12', '', '/usr/bin/x:y'].map(eventName)).toEqual([
      'do_tcp_isra_0',
      'x64_sys_open',
      'p_0x12',
      'probe',
      'usr_bin_x_y',
    ]);
  });
});

describe('arguments of USDT markers', () => {
  test.each([
    ['8@%rbx', '%bx:u64'],
    ['-4@%eax', '%ax:s32'],
    ['-4@112(%rsp)', '+112(%sp):s32'],
    ['8@-16(%rbp)', '-16(%bp):u64'],
    ['8@(%rdi)', '+0(%di):u64'],
    ['8@$5', '\\5:u64'],
    ['-4@$-1', '\\-1:s32'],
    ['2@%r10w', '%r10:u16'],
    ['1@%dl', '%dx:u8'],
    ['8@x3', '%x3:u64'],
    ['-4@[sp, 24]', '+24(%sp):s32'],
    ['8@8(%rax,%rbx,4)', undefined],
    ['8@global(%rip)', undefined],
    ['rubbish', undefined],
  ])('%s', (text, expected) => expect(usdtArgument(text)).toBe(expected));

  test('what cannot be fetched is left out, and the others keep their numbers', () => {
    expect(usdtArguments('8@%rbx 8@sym(%rip) -4@%ecx')).toEqual({
      fetch: 'arg1=%bx:u64 arg3=%cx:s32',
      left: ['arg2 (8@sym(%rip))'],
    });
  });
});

describe('functions of the kernel', () => {
  const symbols = new Symbols(
    [
      'ffffffff81000000 T _stext',
      'ffffffff81000100 T vfs_read',
      'ffffffff81000180 t twice',
      'ffffffff81000200 T do_sys_open',
      'ffffffff81000240 T do_sys_openat2',
      'ffffffff81000280 t alone.isra.0',
      'ffffffff810002c0 T __x64_sys_read',
      'ffffffff81000300 D jiffies',
      'ffffffffc0000000 t twice\t[ext4]',
      'ffffffffc0000040 t ext4_readdir\t[ext4]',
      '',
    ].join('\n'),
  );

  test('where they are, how long they are, in which module', () => {
    expect(symbols.functions('vfs_read')).toEqual([{ address: 0xffffffff81000100n, module: '', size: 0x80 }]);
    expect(symbols.functions('twice').map(({ module }) => module)).toEqual(['', 'ext4']);
    expect(symbols.functions('twice', 'ext4').length).toBe(1);
    expect(symbols.functions('jiffies')).toEqual([]);
    expect(symbols.functions('vfs')).toEqual([]);
  });

  test.each([
    ['do_sys_open', 'do_sys_openat2', 'inlined'],
    ['sys_read', '__x64_sys_read', 'syscalls:sys_enter_read'],
    ['ext3_readdir', 'ext4_readdir', 'served by ext4'],
    ['alone', 'alone.isra.0', 'compiler'],
    ['vfs_read', 'vfs_read', ''],
    ['nosuch', 'nosuch', ''],
  ])('for %s there is %s', (typed, symbol, note) => {
    const advice = advised(typed, symbols);
    expect(advice.symbol).toBe(symbol);
    expect(advice.note).toContain(note);
  });
});

describe('arguments by name, from the types of this kernel', () => {
  const types: KernelTypes = new Btf(readFileSync('/sys/kernel/btf/vmlinux'));
  const of = (symbol: string, ...texts: string[]) =>
    resolveArguments(symbol, texts.map(parseArgument), types, false, 'x64').texts.join(' ');

  test('registers by position', () => {
    expect(of('vfs_read', 'count', 'buf', 'pos')).toBe('count=%dx:x64 buf=%si:x64 pos=%cx:x64');
    expect(of('vfs_read', '$params')).toBe('file=%di:x64 buf=%si:x64 count=%dx:x64 pos=%cx:x64');
  });

  test('members, through pointers and structs within structs, as this kernel has them', () => {
    const btf = types as Btf;
    const at = (type: string, path: string) => btf.member(type, path)?.offset;
    const path = `+${at('qstr', 'name')}`;
    expect(path).toMatch(/^\+\d+$/);
    const dentry = at('file', 'f_path.dentry');
    const name = (at('dentry', 'd_name') ?? 0) + (at('qstr', 'name') ?? 0);
    expect(of('vfs_read', 'file->f_path.dentry->d_name.name:string')).toBe(
      `name=+0(+${name}(+${dentry}(%di))):string`,
    );
    expect(of('vfs_read', 'mine=file->f_path.dentry->d_name.name')).toBe(
      `mine=+${name}(+${dentry}(%di)):x64`,
    );
  });

  test('bit fields are read as units of their type', () => {
    const bits = (types as Btf).member('sk_buff', 'pkt_type');
    if (bits === undefined) throw new Error('no sk_buff.pkt_type');
    expect(bits.bits).toBeGreaterThan(0);
    expect(of('netif_receive_skb', 'skb->pkt_type')).toBe(
      `pkt_type=+${bits.offset}(%di):b${bits.bits}@${bits.bit_offset}/8`,
    );
  });

  test('what is not there is said with what is', () => {
    expect(why(() => of('vfs_read', 'nothing'))).toContain('it has file, buf, count, pos');
    expect(why(() => of('vfs_read', 'file->nothing'))).toContain('has no ->nothing; it is a pointer to file');
    expect(why(() => of('vfs_read', 'count->x'))).toContain('has no ->x');
    expect(why(() => of('vfs_read', 'file->f_path'))).toContain('is a struct');
    expect(why(() => of('vfs_read', 'count:string'))).toContain('is no text');
    expect(why(() => of('no_such_function_here', 'x'))).toContain('do not tell the arguments');
  });

  test('at the return only the value is left', () => {
    expect(why(() => resolveArguments('vfs_read', [parseArgument('count')], types, true, 'x64'))).toContain(
      'gone',
    );
    expect(resolveArguments('vfs_read', [parseArgument('$retval')], types, true, 'x64').texts).toEqual([
      'ret=$retval:s64',
    ]);
  });

  test('without types there are registers', () => {
    expect(why(() => resolveArguments('f', [parseArgument('x')], undefined, false, 'x64'))).toContain(
      'no /sys/kernel/btf/vmlinux',
    );
    expect(
      resolveArguments('f', ['a=%di:u32', '+8(%si)', '$comm'].map(parseArgument), undefined, false, 'x64')
        .texts,
    ).toEqual(['a=%di:u32', '+8(%si)', 'comm=$comm']);
  });
});

describe('what a probe would cost', () => {
  test.each([
    ['kprobe', 1000, false],
    ['kprobe', 90_000, true],
    ['uprobe', 10_000, false],
    ['uprobe', 25_000, true],
    ['fprobe', 100_001, true],
    ['kprobe', Number.NaN, false],
  ] as const)('%s, %d a second', (kind, per_s, asks) => expect(tooMuch(kind, per_s)).toBe(asks));
});
