/** Monitors of one line: what they become, what of it is refused, and whose files are taken. */
import { chmodSync, chownSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { parseWatch } from '../../src/cli/watch.ts';
import { type EventFormat, parseEventFormat } from '../../src/filter/event-format.ts';
import { numberAt, type Table, textAt, textColumn } from '../../src/monitors/monitor.ts';
import { monitorOf, withCustom } from '../../src/watch/custom.ts';
import { type Declaration, declare, type Source } from '../../src/watch/declare.ts';
import { declarationOf, findMonitors, loadMonitor } from '../../src/watch/files.ts';
import { formatOfProbe } from '../../src/watch/source.ts';
import type { WatchSpec } from '../../src/watch/watch-monitor.ts';

const FIELDS = [
  '\tfield:long ret;\toffset:8;\tsize:8;\tsigned:1;',
  '\tfield:char name[8];\toffset:16;\tsize:8;\tsigned:0;',
  '\tfield:const char * path;\toffset:24;\tsize:8;\tsigned:0;',
  '\tfield:unsigned long call_site;\toffset:32;\tsize:8;\tsigned:0;',
  '\tfield:u32 list[4];\toffset:40;\tsize:16;\tsigned:0;',
].join('\n');

const KNOWN = ['syscalls:sys_enter_read', 'syscalls:sys_exit_read', 'a:go_start', 'a:go_done', 'a:alone'];

function formatOf(event: string): EventFormat {
  if (!KNOWN.includes(event)) throw new Error(`no event ${event}`);
  return parseEventFormat(event, FIELDS);
}

const sourceOf = async ([name = '', ...args]: readonly string[]): Promise<Source> =>
  name.startsWith('/')
    ? {
        name,
        probe: {
          id: 'f',
          spec: { kind: 'uprobe', definition: `${name} ${args.join(' ')}` },
          end: { kind: 'uretprobe', definition: name },
        },
        format: formatOfProbe(name, `${name} ${args.join(' ')}`),
        args: [],
        notes: [],
      }
    : { name, format: formatOf(name), args, notes: [] };

const made = (from: Partial<Declaration>, self?: number) =>
  declare({ name: 'watch', title: 'Watch', watch: 'a:alone', ...from }, sourceOf, formatOf, self);
const spec = async (from: Partial<Declaration>): Promise<WatchSpec> => {
  const { kind, spec: of } = await made(from);
  if (kind !== 'watch') throw new Error('a histogram');
  return of;
};

describe('declarations', () => {
  test('a list with a filter that is divided', async () => {
    expect(await spec({ watch: 'a:alone if ret<0 and pid=7' })).toMatchObject({
      mode: 'list',
      start: { name: 'a:alone' },
      filter: 'ret < 0',
      where: '$pid == 7',
      notes: ['filter in the kernel: ret<0; in ktop: pid=7'],
    });
  });

  test('counts by fields, of the task, and on the rows', async () => {
    const counted = await spec({ watch: 'a:alone ret if count>3', count: ['name'], by: 'comm', top: 5 });
    expect(counted.keys.map(({ id, expr }) => `${id} ${expr}`)).toEqual([
      'name name:text',
      'ret ret',
      'comm $comm:text',
    ]);
    expect(counted).toMatchObject({ rows: 'count>3', top: 5 });
    expect((await spec({ count: ['call_site'] })).keys[0]?.expr).toBe('call_site:ksym');
    expect((await spec({ count: ['ret:hex'] })).keys[0]?.expr).toBe('ret:hex');
  });

  test('latency finds its end', async () => {
    expect(await spec({ watch: 'syscalls:sys_enter_read', lat: true })).toMatchObject({
      end: { name: 'syscalls:sys_exit_read' },
      pair: '$tid',
    });
    expect(await spec({ watch: 'a:go_start', lat: true })).toMatchObject({ end: { name: 'a:go_done' } });
    expect(await spec({ watch: '/bin/x:f', lat: true })).toMatchObject({
      end: { id: 'f__end', probe: { kind: 'uretprobe' } },
    });
  });

  test('probes: what they fetch can be filtered and counted', async () => {
    const probe = await spec({ watch: '/bin/x:f size=%di:u32 file=+0(%si):ustring if size>4', count: [] });
    expect(probe.filter).toBe('size > 4');
    expect(probe.keys).toEqual([
      { id: 'size', expr: 'size', text: false },
      { id: 'file', expr: 'file:text', text: true },
    ]);
    expect(probe.start).toMatchObject({ id: 'f', probe: { kind: 'uprobe' } });
  });

  test('a histogram is one of hist', async () => {
    expect(await made({ watch: 'a:alone if name=x', hist: 'ret', by: 'cpu' }, 12)).toMatchObject({
      kind: 'hist',
      spec: { event: 'a:alone', field: 'ret', signed: true, filter: 'name == "x"', by: 'cpu', self: 12 },
    });
  });

  test.each([
    [{ watch: ' ' }, /nothing is said to be watched/],
    [{ watch: 'a:alone if ' }, /the filter behind "if" is missing/],
    [{ watch: 'a:alone ret' }, /"ret" is not needed, a list has all fields of a:alone/],
    [{ count: ['rett'] }, /a:alone has no field "rett"; did you mean ret\?/],
    [{ count: ['path'] }, /path of a:alone points into the memory of a program/],
    [{ count: ['list'] }, /list of a:alone is neither a number nor text/],
    [{ count: ['ret', 'ret'] }, /ret is named twice/],
    [{ count: ['ret:oct'] }, /"oct" is no way to show a number/],
    [{ list: true, lat: true }, /exclude each other/],
    [{ lat: true }, /what ends a:alone is not known/],
    [{ watch: 'syscalls:sys_enter_read', lat: true, by: 'stack' }, /not told apart by stack/],
    [{ hist: 'name' }, /name of a:alone is no number/],
    [{ hist: 'ret', by: 'stack' }, /not told apart by stack/],
    [{ by: 'uid' }, /"uid" is not known; give one of pid, tid, comm, cpu, stack/],
    [{ watch: 'a:alone if rett>1' }, /there is no field of a:alone "rett"; did you mean ret\? \(at 1\)/],
    [{ watch: 'a:alone if count>1' }, /no field of a:alone "count"/],
  ])('refused: %j', async (from, why) => {
    await expect(made(from)).rejects.toThrow(why);
  });
});

test('the same declaration as a built-in monitor: events, operators, panels', async () => {
  const monitor = monitorOf(await made({ watch: 'a:alone if ret<0', count: ['name'], top: 2 }, 99));
  expect(monitor.plan({ interval_ms: 1000 })).toMatchObject({
    events: [{ id: 'start', names: ['a:alone'], filter: 'ret < 0' }],
    operators: [
      {
        op: 'count',
        name: 'rows',
        on: [{ event: 'start', where: '$pid != 99', key: { name: 'name:text' } }],
      },
    ],
  });
  const rows: Table = {
    length: 4,
    key: ['name'],
    columns: { name: textColumn(['a', 'b', 'c', 'd']), count: Float64Array.of(1, 9, 3, 7) },
  };
  const kept = monitor.derive?.({ rows }, { interval_ms: 1000 }, 1000).rows;
  expect([0, 1].map((row) => textAt(kept?.columns.name, row))).toEqual(['b', 'd']);
  expect(kept?.length).toBe(2);
  const stacked = monitorOf(await made({ count: ['name'], by: 'stack' }));
  const two: Table = {
    length: 3,
    key: ['name', 'stack'],
    columns: {
      name: textColumn(['a', 'a', 'b']),
      stack: textColumn(['x;y', 'x;z', 'x;y']),
      count: Float64Array.of(1, 2, 4),
    },
  };
  const both = stacked.derive?.({ rows: two }, { interval_ms: 1000 }, 1000);
  expect(both?.stacks?.length).toBe(3);
  expect([0, 1].map((row) => numberAt(both?.rows?.columns.count, row))).toEqual([3, 4]);
  expect(withCustom([monitor], [await made({ list: true })]).length).toBe(1);
});

test('the command line', () => {
  expect(
    parseWatch([
      'a:b',
      'x',
      'if',
      'c=1',
      '--count',
      'x, y',
      '--by',
      'pid',
      '--top',
      '3',
      '-n',
      '2',
      '--every',
      '500ms',
      '--json',
    ]),
  ).toEqual({
    yes: false,
    argv: ['watch', '--json', '--interval=500', '--count=2'],
    declaration: {
      name: 'watch',
      title: 'Watch',
      watch: 'a:b x if c=1',
      count: ['x', 'y'],
      by: 'pid',
      top: 3,
    },
  });
  expect(parseWatch(['a:b', '--by', 'comm']).declaration.count).toEqual([]);
  expect(() => parseWatch(['a:b', '--count', 'x,'])).toThrow('--count: a field is missing');
  expect(() => parseWatch(['a:b', '--top', '0'])).toThrow('--top: 0 is out of range');
});

describe('files', () => {
  const directory = mkdtempSync(join(tmpdir(), 'ktop-own-'));
  afterAll(() => rmSync(directory, { recursive: true, force: true }));
  const write = (name: string, text: string): string => {
    const path = join(directory, name);
    writeFileSync(path, text, { mode: 0o600 });
    return path;
  };

  test.each([
    ['[]', 'it holds no object'],
    ['{"name":"x"}', '"watch" is missing; give SRC'],
    ['{"name":"X y","watch":"a:b"}', '"name" is not right; give a word such as opens'],
    ['{"name":"x","watch":"a:b","cout":"c"}', '"cout" is not known; did you mean count?'],
    ['{"name":"x","watch":"a:b","top":0}', '"top" is not right; give a number of rows'],
    ['{"name":"x","watch":"a:b","title":"much too long"}', '"title" is not right; give up to 10 characters'],
    ['{"name":"x","watch":"a:b","__proto__":{"by":"pid"}}', '"__proto__" is not known'],
  ])('%s', (text, why) => {
    expect(() => declarationOf(JSON.parse(text))).toThrow(why);
  });

  test('count may be one text or several', () => {
    expect(declarationOf({ name: 'x', watch: 'a:b', count: 'c, d' }).count).toEqual(['c', 'd']);
    expect(declarationOf({ name: 'x', watch: 'a:b', count: ['c'] }).count).toEqual(['c']);
  });

  test('whoever else could have written it is not trusted', async () => {
    const path = write('open.json', '{"name":"x","watch":"sched:sched_switch"}');
    chmodSync(path, 0o666);
    expect(await loadMonitor(path, 1)).toMatch(/can be changed by others; chmod go-w it/);
    if (process.getuid?.() === 0) {
      chmodSync(path, 0o600);
      chownSync(path, 12_345, 0);
      expect(await loadMonitor(path, 1)).toMatch(/belongs to user 12345/);
    }
    const shared = join(directory, 'shared');
    mkdirSync(shared);
    chmodSync(shared, 0o777);
    writeFileSync(join(shared, 'a.json'), '{}', { mode: 0o600 });
    expect(await loadMonitor(join(shared, 'a.json'), 1)).toMatch(/can be changed by others/);
    rmSync(path);
  });

  test('what is no JSON is said, and a missing directory is none', async () => {
    write('broken.json', '{"name":');
    const { customs, refused } = await findMonitors([], 1, directory);
    expect(customs).toEqual([]);
    expect(refused).toEqual([expect.stringMatching(/broken\.json is no JSON/)]);
    expect(await findMonitors([], 1, join(directory, 'none'))).toEqual({ customs: [], refused: [] });
  });
});
