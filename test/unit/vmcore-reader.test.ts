/** The whole reader on a made-up kernel, in which most of what a real one has is missing. */
import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { reportJson, reportText } from '../../src/output/vmcore-report.ts';
import { numberAt, textAt } from '../../src/sources/snapshot.ts';
import type { OpenOptions } from '../../src/vmcore/core.ts';
import { openCore } from '../../src/vmcore/open.ts';
import type { Report } from '../../src/vmcore/report.ts';
import { flatten, toElf, toKdump } from '../helpers/vmcore/formats.ts';
import { BASE, BUILD_ID, MiniKernel, type MiniOptions, RELEASE } from '../helpers/vmcore/mini-kernel.ts';

const directory = mkdtempSync(join(tmpdir(), 'ktop-reader-'));
afterAll(() => rmSync(directory, { recursive: true, force: true }));
let files = 0;

function fileOf(bytes: Buffer): string {
  files += 1;
  const path = join(directory, `core-${files}`);
  writeFileSync(path, bytes);
  return path;
}

async function reportOf(bytes: Buffer, cache = ''): Promise<Report> {
  const core = openCore(fileOf(bytes), { cache });
  try {
    return await core.report();
  } finally {
    core.close();
  }
}

const mini = (options?: MiniOptions) => toElf(new MiniKernel(options).dump());

const names = (report: Report): string[] => {
  const table = report.sections.tasks?.tables.tasks;
  return Array.from({ length: table?.length ?? 0 }, (_, row) => textAt(table?.columns.comm, row)).sort();
};
const TASKS = ['evil\x1b[31m', 'init', 'swapper/0', 'swapper/1', 'worker'];
const log = (report: Report): string[] => (report.sections.dmesg?.logs.dmesg ?? []).map(({ text }) => text);

/** What must be the same however the core came to be: without times and places. */
const essence = ({ kernel, crash, sections, failures, status }: Report) => ({
  kernel: { ...kernel, phys_base: '', page_levels: 0 },
  crash,
  failures,
  status,
  sections: Object.fromEntries(
    Object.entries(sections).map(([name, { tables, logs }]) => [name, { tables, logs }]),
  ),
});

describe('a kernel with hardly anything in it', () => {
  test('is read in full; what is missing is unknown, not wrong', async () => {
    const report = await reportOf(mini());
    expect(report.failures).toEqual([]);
    expect(report.status).toBe('full');
    expect(report.kernel).toMatchObject({
      release: RELEASE,
      build_id: BUILD_ID,
      hostname: 'mini',
      machine: 'x86_64',
      cpus: 2,
      cpus_online: 1,
      page_levels: 4,
      tasks: 3,
      crash_time: 1_700_000_000_000,
    });
    expect(report.crash).toMatchObject({
      class: 'panic',
      panic_line: 'Kernel panic - not syncing: test',
      panic_string: 'test',
      panic_cpu: 0,
      panic_task: { pid: 1, comm: 'init' },
    });
    expect(names(report)).toEqual(TASKS);
    const cpus = report.sections.cpus?.tables.cpus;
    const column = (name: string) => [0, 1].map((row) => numberAt(cpus?.columns[name], row));
    expect(column('pid')).toEqual([1, 0]);
    expect(column('hardirq')).toEqual([Number.NaN, Number.NaN]);
    expect(report.sections.cgroups?.tables.cgroups?.length).toBe(0);
    expect(report.sections.modules?.tables.modules?.length).toBe(0);
    expect(report.crash.panic_stack[0]).toMatchObject({ function: 'panic', offset: 0x10 });
  });

  test('as text and JSON; names are harmless', async () => {
    const report = await reportOf(mini());
    const text = reportText(report);
    expect(text).not.toContain('\x1b');
    expect(text).toContain('Kernel panic - not syncing: test');
    const json = JSON.parse(reportJson(report)) as {
      status: string;
      sections: Record<string, { rows?: readonly Record<string, unknown>[]; log?: readonly unknown[] }>;
    };
    expect(json.status).toBe('full');
    expect(json.sections.tasks?.rows?.map((row) => row.comm)).toContain('evil\x1b[31m');
    expect(json.sections.dmesg?.log).toHaveLength(2);
    expect(json.sections.cpus?.rows?.[0]?.hardirq).toBeNull();
  });
});

describe('page tables', () => {
  const variants: readonly (readonly [string, MiniOptions])[] = [
    ['five levels', { levels: 5 }],
    ['one large page', { large: true }],
    ['loaded below where it was linked', { physBase: -0x800000n }],
    ['loaded above', { physBase: 0x1_2340_0000n }],
    ['five levels, large page, moved', { levels: 5, large: true, physBase: 0x1_4000_0000n }],
  ];

  test.each(variants)('%s: the same report', async (_, options) => {
    const [moved, plain] = [await reportOf(mini(options)), await reportOf(mini())];
    expect(essence(moved)).toEqual(essence(plain));
    expect(moved.kernel.page_levels).toBe(options.levels ?? 4);
  });
});

describe('files', () => {
  test('the same report from every format, and without the note', async () => {
    const kernel = new MiniKernel();
    const plain = essence(await reportOf(toElf(kernel.dump())));
    for (const bytes of [
      toKdump(kernel.dump(), 'zlib'),
      toKdump(kernel.dump(), 'zstd'),
      flatten(toKdump(kernel.dump(), 'none'), 5000),
    ])
      expect(essence(await reportOf(bytes))).toEqual(plain);
    const found = await reportOf(toKdump(kernel.dump(false), 'zlib'));
    expect(essence(found)).toEqual(plain);
    expect(found.sections.dmesg?.warnings.join()).toContain('found in memory');
  });

  test('cut off: a report every time, with a reason', async () => {
    const whole = toKdump(new MiniKernel().dump(), 'zlib');
    for (let size = 0; size < whole.length; size += 1500) {
      const report = await reportOf(whole.subarray(0, size));
      expect(report.failures.length > 0 || report.file.truncated, `${size}`).toBe(true);
      expect(reportText(report)).not.toBe('');
      for (const { text } of report.failures) expect(text).not.toContain('internal error');
    }
  });
});

describe('symbols and types from a file beside the core', () => {
  const without = /kallsyms/;
  const core = fileOf(mini({ without }));
  const beside = async (bytes: Buffer | string, of = core): Promise<Report> => {
    const open = openCore(of, { cache: '', vmlinux: fileOf(Buffer.from(bytes)) });
    const report = await open.report();
    open.close();
    return report;
  };
  const kernel = new MiniKernel({ without });

  test.each([0n, 0x80_0000n])('a System.map and a vmlinux, linked %s lower', async (shift) => {
    const plain = essence(await reportOf(mini()));
    for (const bytes of [kernel.systemMap(shift), kernel.vmlinux(BUILD_ID, shift)])
      expect(essence(await beside(bytes))).toEqual(plain);
  });

  test('of another kernel, no kernel, or missing: the reason, and what can be read', async () => {
    const moved = kernel.systemMap().replace(/^\S+ D init_uts_ns/m, 'ffffffff81009000 D init_uts_ns');
    const cases: readonly (readonly [Buffer | string, string])[] = [
      [kernel.vmlinux('ff'.repeat(20)), 'build-id is ffff'],
      [moved, 'has init_uts_ns elsewhere'],
      ['hello\n', 'neither a vmlinux nor a System.map'],
      ['', 'neither a vmlinux nor a System.map'],
      [kernel.vmlinux(BUILD_ID).subarray(0, -200), 'has no symbols'],
    ];
    for (const [bytes, reason] of cases) {
      const report = await beside(bytes);
      expect(report.failures.map(({ text }) => text).join(), reason).toContain(reason);
      expect(report.status).toBe('log');
    }
    const open = openCore(core, { cache: '', vmlinux: join(directory, 'nothing') });
    expect((await open.report()).failures[0]).toMatchObject({ stage: 'vmlinux' });
    open.close();
  });

  test('a core that has its own goes by them, whatever is given', async () => {
    const whole = fileOf(mini());
    const report = await beside(kernel.vmlinux('ff'.repeat(20)), whole);
    expect(report.status).toBe('partial');
    expect(names(report)).toEqual(TASKS);
  });

  test('found by its build-id: in a directory that is given, and where debug packages are', async () => {
    const plain = essence(await reportOf(mini()));
    const root = mkdtempSync(join(directory, 'debug-'));
    const place = (name: string, id: string) => {
      mkdirSync(dirname(join(root, name)), { recursive: true });
      writeFileSync(join(root, name), kernel.vmlinux(id));
    };
    // Of another build, where it is looked for first.
    place(`.build-id/${BUILD_ID.slice(0, 2)}/${BUILD_ID.slice(2)}.debug`, 'ff'.repeat(20));
    const ask = async (options: OpenOptions): Promise<Report> => {
      const open = openCore(core, { cache: '', ...options });
      const report = await open.report();
      open.close();
      return report;
    };
    for (const options of [{ vmlinux: root }, { debug: root }]) {
      const none = await ask(options);
      expect(none.status).toBe('log');
      expect(none.failures[0]?.text).toContain('does not name kallsyms_names');
    }
    place(`vmlinux-${RELEASE}`, BUILD_ID);
    place(`boot/vmlinux-${RELEASE}`, BUILD_ID);
    for (const options of [{ vmlinux: root }, { debug: root }]) {
      const found = await ask(options);
      expect(found.sections.dmesg?.warnings.at(-1)).toMatch(/^symbols and types come from .*vmlinux-/);
      expect(essence(found)).toEqual(plain);
    }
  });

  test('types from the vmlinux, where the core has none', async () => {
    const bare = new MiniKernel();
    const types = bare.btf.bytes();
    bare.memory.fill(0, bare.memory.indexOf(types), bare.memory.indexOf(types) + 24);
    expect((await reportOf(toElf(bare.dump()))).failures[0]?.text).toContain('no BTF');
    const report = await beside(bare.vmlinux(BUILD_ID), fileOf(toElf(bare.dump())));
    expect(names(report)).toEqual(TASKS);
  });
});

describe('what is missing is said', () => {
  test.each([
    ['symbols', /kallsyms_names/, 'log', 'does not name kallsyms_names'],
    ['page tables', /swapper_pg_dir/, 'header', 'lacks phys_base, swapper_pg_dir or init_uts_ns'],
    ['the release', /OSRELEASE/, 'header', 'names no release'],
  ] as const)('%s', async (_, without, status, reason) => {
    const report = await reportOf(mini({ without }));
    expect(report.status).toBe(status);
    expect(report.failures[0]?.text).toContain(reason);
    if (status === 'log') expect(log(report)).toHaveLength(2);
  });

  test('no log: the rest is there', async () => {
    const report = await reportOf(mini({ without: /SYMBOL\(prb\)/ }));
    expect(names(report)).toEqual(TASKS);
    expect(report.sections.dmesg?.warnings.join()).toContain('does not say where the log is');
    const part = await reportOf(mini({ without: /printk_info\.text_len/ }));
    expect(part.sections.dmesg?.warnings.join()).toContain('lacks printk_info.text_len');
  });

  test('no file at all', async () => {
    const core = openCore(join(directory, 'nothing'), { cache: '' });
    expect(core.head().status).toBe('none');
    expect((await core.report()).failures[0]?.text).toContain('there is no such file');
    expect(core.ctx()).toBeUndefined();
    core.close();
  });
});

describe('the log', () => {
  test('of more records than the ring holds the newest are left', async () => {
    const lines = Array.from({ length: 40 }, (_, i) => `line ${i} ${'x'.repeat(i)}`);
    const report = await reportOf(mini({ log: lines }));
    expect(log(report)).toEqual(lines.slice(-16));
    const entries = report.sections.dmesg?.logs.dmesg ?? [];
    expect(entries.at(-1)).toMatchObject({ at_ms: 40, tid: 42, cpu: -1, level: 6 });
    expect(entries.at(-2)).toMatchObject({ at_ms: 39, tid: 0, cpu: 1 });
  });

  test('a record of several lines is several entries; invalid UTF-8 and controls stay harmless', async () => {
    const report = await reportOf(mini({ log: ['one\ntwo', '\x1b[2J\u202e', ''] }));
    expect(log(report)).toEqual(['one', 'two', '\x1b[2J\u202e', '']);
    for (const control of ['\x1b', '\u202e']) expect(reportText(report)).not.toContain(control);
  });
});

describe('own questions', () => {
  test('memory, symbols, types, lists and per-CPU data by the API of commands', () => {
    const kernel = new MiniKernel();
    const core = openCore(fileOf(toElf(kernel.dump())), { cache: '' });
    const ctx = core.ctx();
    if (ctx === undefined) throw new Error('the kernel cannot be read');
    expect(ctx.version).toEqual([6, 9, 0]);
    expect(ctx.sym('panic')).toBe(BASE + 0x200n);
    expect(ctx.symbolText(BASE + 0x210n)).toMatch(/^panic\+0x10\/0x/);
    expect(ctx.symbolText(0x1000n)).toBe('0x0000000000001000');
    const init = ctx.sym('init_task') as bigint;
    expect(ctx.struct('task_struct', init).text('comm')).toBe('swapper/0');
    const head = ctx.struct('task_struct', init).addressOf('tasks') as bigint;
    expect([...ctx.list(head, 'task_struct', 'tasks')].map((task) => task.num('pid'))).toEqual([1, 7, 9]);
    expect([...ctx.list(head, 'task_struct', 'tasks', 2)]).toHaveLength(2);
    expect(ctx.percpu('runqueues', 1)).toBe(kernel.percpu(0x40n, 1));
    expect(ctx.percpu('runqueues', 99)).toBeUndefined();
    expect(ctx.task(7)).toMatchObject({ comm: 'worker', state: 'D' });
    expect(ctx.taskAt(ctx.task(7)?.addr ?? 0n)?.pid).toBe(7);
    const struct = ctx.struct('task_struct', init);
    expect([
      struct.has('no'),
      struct.num('no'),
      struct.ptr('no'),
      struct.text('no'),
      struct.deref('no'),
    ]).toEqual([false, Number.NaN, undefined, '', undefined]);
    expect(struct.deref('signal')?.type).toBe('signal_struct');
    for (const address of [
      0n,
      8n,
      0x6b6b6b6b6b6b6b6bn,
      -8n,
      2n ** 64n - 1n,
      2n ** 70n,
      0xffff800000000000n,
    ]) {
      expect(ctx.read(address, 64)).toBeUndefined();
      expect(ctx.u64(address)).toBeUndefined();
      expect(ctx.cstring(address)).toBeUndefined();
      expect(ctx.struct('task_struct', address).num('pid')).toBeNaN();
      expect([...ctx.list(address, 'task_struct', 'tasks')]).toEqual([]);
      expect([...ctx.rbtree(address, 'task_struct', 'tasks')]).toEqual([]);
      expect([...ctx.hlist(address, 'task_struct', 'tasks')]).toEqual([]);
    }
    expect(ctx.read(BASE, 2 ** 30)).toBeUndefined();
    core.close();
  });
});

describe('what is remembered of a build', () => {
  const cacheFile = (cache: string) => join(cache, `${BUILD_ID}.json`);
  const fresh = () => {
    const cache = join(directory, `cache-${Math.random().toString(36).slice(2)}`);
    return cache;
  };

  test('makes no difference to the report, and is the user’s own', async () => {
    const cache = fresh();
    const bytes = mini();
    const without = essence(await reportOf(bytes));
    expect(essence(await reportOf(bytes, cache))).toEqual(without);
    expect(readdirSync(cache)).toEqual([`${BUILD_ID}.json`]);
    expect(statSync(cache).mode & 0o777).toBe(0o700);
    expect(statSync(cacheFile(cache)).mode & 0o777).toBe(0o600);
    const kept = readFileSync(cacheFile(cache), 'utf8');
    expect(essence(await reportOf(bytes, cache))).toEqual(without);
    // Nothing new was asked: nothing is written.
    expect(readFileSync(cacheFile(cache), 'utf8')).toBe(kept);
  });

  test('where there can be no directory the report is the same', async () => {
    const bytes = mini();
    const without = essence(await reportOf(bytes));
    const file = join(directory, 'no-directory');
    writeFileSync(file, '');
    for (const cache of [file, join(file, 'below/it'), '/proc/ktop/vmcore', `/${'x'.repeat(5000)}`])
      expect(essence(await reportOf(bytes, cache)), cache).toEqual(without);
  });

  test('a file that is damaged, of another version or build, or full of nonsense is ignored and replaced', async () => {
    const cache = fresh();
    const bytes = mini();
    const right = essence(await reportOf(bytes, cache));
    const good = readFileSync(cacheFile(cache), 'utf8');
    const kept = JSON.parse(good);
    const bad = [
      '',
      'null',
      '{}',
      good.slice(0, good.length / 2),
      JSON.stringify({ ...kept, v: 99 }),
      JSON.stringify({ ...kept, build_id: 'ff' }),
      JSON.stringify({ ...kept, types: { ...kept.types, sizes: { task_struct: -5 } } }),
      JSON.stringify({
        ...kept,
        types: { ...kept.types, members: { 'task_struct pid': { offset: 'x' } } },
      }),
      JSON.stringify({ ...kept, names: { ...kept.names, symbols: { init_task: 'everywhere' } } }),
      // Marks of another table, symbols of another kernel.
      JSON.stringify({ ...kept, names: { ...kept.names, marks: { ...kept.names.marks, count: 1e6 } } }),
      JSON.stringify({
        ...kept,
        names: { ...kept.names, symbols: { ...kept.names.symbols, _stext: '+4096' } },
      }),
    ];
    for (const text of bad) {
      writeFileSync(cacheFile(cache), text);
      expect(essence(await reportOf(bytes, cache)), text.slice(0, 60)).toEqual(right);
    }
    expect(essence(await reportOf(bytes, cache))).toEqual(right);
  });

  test('a directory or file that others can write is not trusted, nor written to', async () => {
    const cache = fresh();
    mkdirSync(cache, { mode: 0o700 });
    chmodSync(cache, 0o777);
    await reportOf(mini(), cache);
    expect(readdirSync(cache)).toEqual([]);
    chmodSync(cache, 0o700);
    const right = essence(await reportOf(mini(), cache));
    const wrong = readFileSync(cacheFile(cache), 'utf8').replace(
      /"task_struct comm":\{"offset":\d+/,
      '"task_struct comm":{"offset":0',
    );
    writeFileSync(cacheFile(cache), wrong);
    expect(names(await reportOf(mini(), cache))).not.toEqual(TASKS);
    chmodSync(cacheFile(cache), 0o666);
    expect(essence(await reportOf(mini(), cache))).toEqual(right);
  });

  test('damaged tables are not remembered', async () => {
    const cache = fresh();
    const kernel = new MiniKernel();
    const types = kernel.btf.bytes();
    const at = kernel.memory.indexOf(types.subarray(0, 64));
    // The kind of a type near the end: the walk over the types ends there.
    kernel.memory.fill(0xff, at + types.length - 700, at + types.length - 690);
    await reportOf(toElf(kernel.dump()), cache);
    expect(() => readdirSync(cache)).toThrow();
  });
});

test('random damage: always a report, never an internal error, never a hang', async () => {
  let seed = 12_345;
  const random = (below: number) => {
    seed = (Math.imul(seed, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((seed / 2 ** 32) * below);
  };
  const kernel = new MiniKernel({ log: Array.from({ length: 12 }, (_, i) => `line ${i}`) });
  const clean = toElf(kernel.dump());
  const values = [0n, 1n, 0xffffffffffffffffn, 0x6b6b6b6b6b6b6b6bn, BASE, BASE + 0x2000n, 1n << 63n];
  for (let round = 0; round < 250; round++) {
    const bytes = Buffer.from(clean);
    for (let i = 0; i <= random(12); i++) {
      const at = random((bytes.length - 8) / 8) * 8;
      switch (random(4)) {
        case 0:
          bytes[at] = (bytes[at] as number) ^ (1 << random(8));
          break;
        case 1:
          bytes.writeBigUInt64LE(values[random(values.length)] as bigint, at);
          break;
        case 2:
          bytes.copy(bytes, at, random(bytes.length - 256), random(256));
          break;
        default:
          bytes.fill(random(256), at, at + random(4096));
      }
    }
    const report = await reportOf(bytes);
    for (const { text } of report.failures) expect(text, `round ${round}`).not.toContain('internal error');
    expect(reportText(report)).not.toContain('\x1b');
    JSON.parse(reportJson(report));
  }
});
