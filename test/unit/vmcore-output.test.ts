import { describe, expect, test } from 'vitest';
import { crashText } from '../../src/output/crash-text.ts';
import {
  BatchProgress,
  batchJson,
  batchText,
  diffJson,
  diffText,
  duration,
  membersText,
  similarText,
} from '../../src/output/vmcore-fleet.ts';
import { reportJson, reportJsonPart, reportText, reportTextPart } from '../../src/output/vmcore-report.ts';
import type { BatchResult } from '../../src/vmcore/batch/batch.ts';
import { type CoreRecord, featuresOfRecord, recordOf } from '../../src/vmcore/batch/record.ts';
import type { Store } from '../../src/vmcore/batch/store.ts';
import { Clusters } from '../../src/vmcore/cluster/clusters.ts';
import {
  clusterFacts,
  clusterNumber,
  diffCores,
  fleetOf,
  similarTable,
} from '../../src/vmcore/fleet/tables.ts';
import type { CrashClass, Report } from '../../src/vmcore/report.ts';
import { frames, report } from '../helpers/report.ts';

/** Controls but for the end of a line, and marks that turn text round. */
const HARMFUL = /(?!\n)[\p{Cc}\p{Cf}]/u;
const WHEN = Date.UTC(2026, 10, 20, 12, 30);
const HOSTILE = 'evil\x1b]0;\u202etitle\x07';

const full = report({
  kernel: {
    release: '6.12.5',
    crash_time: WHEN,
    uptime_s: 90_061,
    cpus: 2,
    load: [1, 2, 3.456],
    hostname: HOSTILE,
  },
  crash: {
    class: 'null-deref',
    panic_line: 'BUG: kernel NULL pointer dereference, address: 0000000000000010',
    panic_cpu: 1,
    panic_task: { task: '0xffff888001000000', pid: 101, comm: HOSTILE },
    blame: {
      function: 'weigh_missing',
      module: 'culprit',
      reason: 'innermost',
      from: 'below the exception',
      stack: frames(['weigh_missing [culprit]']),
    },
  },
  stacks: [
    { cpu: 0, frames: ['pv_native_safe_halt', 'do_idle'] },
    { cpu: 1, frames: ['panic', 'weigh_missing [culprit]', 'culprit_null [culprit]'] },
  ],
  tables: {
    runqueues: {
      runqueues: [
        { cpu: 0, running: 1, pid: 0, comm: 'swapper/0', waiting: 'sh 12' },
        { cpu: 1, running: Number.NaN, pid: 101, comm: 'clerk', waiting: '' },
      ],
    },
    cfs_rq: { cfs_rq: [{ cpu: 0, group: '/shop', nr: 1, h_nr: 2, min_vruntime_ms: 12.3456, load: 1024 }] },
    current: { current: [{ cpu: 1, pid: 101, comm: 'clerk', oncpu_ms: 3.2 }] },
  },
});

describe('the text of a core', () => {
  const text = crashText(full);
  test('panic, stacks of all CPUs, runqueues, cfs_rq, current tasks, runq', () => {
    for (const title of [
      'BACKTRACES OF ALL CPUS',
      'RUNQUEUES (native)',
      'CFS_RQ (native)',
      'CURRENT TASKS (native)',
      'RUNQ',
    ])
      expect(text).toContain(`\n== ${title}\n`);
    expect(text).toContain('PANIC:  BUG: kernel NULL pointer dereference');
    expect(text).toContain('BLAME:  weigh_missing [culprit]');
    expect(text).toMatch(
      /PID 101 .*CPU 1 {2}\[PANIC\]\n +#0 \[0xffffc9.*\] panic at 0x.*\n +#1 .* weigh_missing \[culprit\] at /,
    );
    expect(text).toMatch(
      /CPU 0: 1 runnable\n {2}CURRENT: PID 0 {2}COMMAND "swapper\/0"\n {2}QUEUED: sh 12\nCPU 1: - runnable/,
    );
    expect(text).toMatch(/\n +0 {2}\/shop +1 +2 +12\.346 +1024/);
  });

  test('nothing that a terminal would obey', () => {
    expect(text).toContain('evil\ufffd]0;\ufffdtitle\ufffd');
    expect(text).not.toMatch(HARMFUL);
  });

  test('what could not be read is said where it would stand', () => {
    const none: Report = {
      ...report({ crash: { panic_line: 'Kernel panic' } }),
      status: 'log',
      failures: [{ stage: 'cfs_rq', text: 'no symbol runqueues' }],
    };
    const said = crashText(none);
    expect(said).toContain('== CFS_RQ\nnot available: no symbol runqueues');
    expect(said).toContain('== NOT READ\ncfs_rq: no symbol runqueues');
  });
});

test('a report in two pieces is the report', () => {
  const [json, text] = [reportJsonPart, reportTextPart].map(
    (part) => part(full, 'head') + part(full, 'rest'),
  );
  expect(json).toBe(reportJson(full));
  expect(JSON.parse(json ?? '')).toMatchObject({ ktop: 1, crash: { class: 'null-deref' }, failures: [] });
  expect(text).toBe(reportText(full));
});

test('a stack that overflowed is no longer than what is on it', () => {
  const once = frames(['unwrap [culprit]', 'by_thread [culprit]', 'kthread']);
  const [unwrap, ...outer] = once;
  if (unwrap === undefined) throw new Error('no frame');
  const stack = [...Array.from({ length: 58 }, () => unwrap), ...outer];
  const made = report({
    crash: { blame: { function: 'unwrap', reason: 'innermost', from: 'below the exception', stack } },
  });
  const lines = reportText(made).split('\n');
  const at = lines.findIndex((line) => line.startsWith('blamed stack'));
  expect(lines.slice(at + 1, at + 5)).toEqual([
    expect.stringContaining(' unwrap [culprit]'),
    expect.stringMatching(/^ +… 57 times more$/),
    expect.stringContaining(' by_thread [culprit]'),
    expect.stringContaining(' kthread'),
  ]);
});

function recordsOf(): CoreRecord[] {
  const crash = (n: number, name: CrashClass, stack: readonly string[], comm: string): CoreRecord => {
    const made = report({
      kernel: {
        release: n % 2 ? '6.1.0' : '6.12.5',
        crash_time: WHEN + n * 3_600_000,
        hostname: `web${n}`,
        build_id: 'ab',
      },
      crash: {
        class: name,
        panic_line: `panic ${n}`,
        blame: {
          function: stack[0] ?? '',
          reason: '',
          from: '',
          stack: frames(stack),
          task: { task: '0x1', pid: n, comm },
        },
      },
    });
    return recordOf(
      { path: `/cores/${n}/vmcore`, device: '1', inode: String(n), size: 1e6, mtime: WHEN },
      made,
    );
  };
  const path = ['ext4_free_blocks', 'ext4_truncate', 'ext4_setattr', 'sys_ftruncate'];
  return [
    crash(1, 'null-deref', path, 'sh'),
    crash(2, 'gpf', ['memcpy', ...path], HOSTILE),
    crash(3, 'soft-lockup', ['nvme_poll', 'nvme_irq'], 'swapper/0'),
  ];
}

function made(): { result: BatchResult; fleet: ReturnType<typeof fleetOf> } {
  const records = recordsOf();
  const clusters = new Clusters();
  for (const record of records) clusters.add(featuresOfRecord(record));
  const failed: CoreRecord = {
    ...(records[0] as CoreRecord),
    path: '/cores/bad/vmcore',
    key: 'bad',
    status: 'none',
    failure: 'it is empty',
  };
  const result = {
    directory: '/cores',
    out: '/out',
    clusters,
    store: { inOrder: () => [...records, failed] } as unknown as Store,
    counts: { files: 9, links: 0, not_cores: 5, cores: 4, known: 1, read: 2, failed: 1 },
    unreadable: ['/cores/secret: permission denied'],
    stopped: false,
    ms: 1234,
    cluster_ms: 2,
  };
  return { result, fleet: fleetOf(records, clusters) };
}

describe('a fleet', () => {
  const { result, fleet } = made();
  const [a, b] = recordsOf() as [CoreRecord, CoreRecord];

  test('as text: clusters by size, members, what was not read', () => {
    expect(batchText(result, fleet).split('\n')).toEqual([
      '4 cores in 2 clusters, 2 read, 1 known, 1 failed, 5 other files, 1.2 s',
      '',
      expect.stringMatching(/^CLUSTER {2}SIZE {2}CLASS {8}BLAME /),
      expect.stringMatching(
        /^C1 +2 {2}null-deref +ext4_free_blocks +6\.1\.0 6\.12\.5 +2 {2}2026-11-20 13:30Z {2}2026-11-20 14:30Z/,
      ),
      expect.stringMatching(/^C2 +1 {2}soft-lockup +nvme_poll /),
      '',
      'C1: 1/vmcore, 2/vmcore',
      'C2: 3/vmcore',
      '',
      'not read:',
      '  bad/vmcore: it is empty',
      '',
      'could not be opened:',
      '  /cores/secret: permission denied',
      '',
      'results in /out',
      '',
    ]);
  });

  test('as JSON', () => {
    const text = batchJson(result, fleet);
    expect(text.split('\n')).toHaveLength(2);
    expect(JSON.parse(text)).toMatchObject({
      ktop: 1,
      vmcores: { directory: '/cores', cores: 4, read: 2, known: 1, failed: 1, stopped: false, ms: 1234 },
      clusters: [
        {
          cluster: 'C1',
          size: 2,
          class: 'null-deref',
          blame: 'ext4_free_blocks',
          members: ['/cores/1/vmcore', '/cores/2/vmcore'],
        },
        { cluster: 'C2', size: 1, members: ['/cores/3/vmcore'] },
      ],
      failed: [{ path: '/cores/bad/vmcore', why: 'it is empty' }],
      unreadable: ['/cores/secret: permission denied'],
    });
  });

  test('members say why they are there, two cores what differs; text from cores is harmless', () => {
    const members = membersText(fleet, 1);
    expect(members).toMatch(/first of its kind/);
    expect(members).toMatch(
      /same because classes null-deref and gpf are of one family, .*differs in frames \(none \/ memcpy\)/,
    );
    const diff = diffCores(fleet.clusters, a, b);
    expect(diffText(diff)).toMatch(/distance 0\.\d+\nsame because /);
    expect(diffText(diff)).toMatch(/\n {2,}memcpy +\d/);
    expect(JSON.parse(diffJson(diff))).toMatchObject({
      facts: expect.arrayContaining([{ what: 'kernel', a: '6.1.0', b: '6.12.5', same: 'no' }]),
    });
    for (const text of [members, diffText(diff)]) expect(text).not.toMatch(HARMFUL);
  });

  test('similar to this', () => {
    const table = similarTable(fleet, a.key);
    expect(table?.length).toBe(1);
    expect(similarText(table as never)).toContain(' 2/vmcore ');
    expect(similarTable(fleet, 'nobody')).toBeUndefined();
  });

  test('names of clusters', () => {
    expect(['C12', 'c3', '7', 'x', '', 'C', 'C1x'].map(clusterNumber)).toEqual([
      12,
      3,
      7,
      undefined,
      undefined,
      undefined,
      undefined,
    ]);
    expect(clusterFacts(fleet).map(({ name }) => name)).toEqual(['C1', 'C2']);
  });

  test('files are named below what all have in common', () => {
    const at = (path: string, key: string) => ({ ...a, path, key });
    const rootOf = (...paths: string[]) =>
      fleetOf(
        paths.map((path, i) => at(path, String(i))),
        fleet.clusters,
      ).root;
    expect(rootOf('/cores/1/vmcore', '/cores/12/vmcore', '/cores/3/vmcore')).toBe('/cores/');
    expect(rootOf('/cores/1/vmcore')).toBe('/cores/1/');
    expect(rootOf('/a/b', '/c/d')).toBe('/');
    expect(rootOf('/a/b', 'no path', '')).toBe('');
    expect(rootOf()).toBe('');
  });

  test('copies of a core count once', () => {
    const copy = { ...a, path: '/elsewhere/vmcore' };
    const twice = fleetOf([a, copy, b], fleet.clusters);
    expect(clusterFacts(twice)[0]?.members).toHaveLength(2);
    expect(twice.files.get(a.key)).toHaveLength(2);
  });
});

describe('progress', () => {
  const record = recordsOf()[1] as CoreRecord;
  const shown = (
    tty: boolean,
    columns = 200,
  ): { text: () => string; progress: BatchProgress; tick: (ms: number) => void } => {
    let text = '';
    let now = 0;
    const stream = { write: (part: string) => (text += part), isTTY: tty, columns };
    return { text: () => text, progress: new BatchProgress(stream, () => now), tick: (ms) => (now += ms) };
  };

  test('lines where there is no terminal', () => {
    const { text, progress } = shown(false);
    progress.show({ kind: 'looking', files: 5, cores: 2 });
    progress.show({ kind: 'reading', total: 2, known: 1 });
    progress.show({ kind: 'core', done: 1, total: 2, record });
    progress.show({ kind: 'clustering', cores: 3 });
    progress.clear();
    expect(text()).toBe('ktop: 2 cores to read, 1 known\n1/2 /cores/2/vmcore: gpf memcpy, 100 ms\n');
  });

  test('a bar with an end in sight on a terminal, drawn ten times a second at most, and gone at the end', () => {
    const { text, progress, tick } = shown(true);
    progress.show({ kind: 'reading', total: 100, known: 0 });
    for (let done = 1; done <= 50; done += 1) {
      tick(20);
      progress.show({ kind: 'core', done, total: 100, record });
    }
    const drawn = text().split('\r').slice(1);
    expect(drawn).toHaveLength(11);
    expect(drawn.at(-1)?.endsWith('\x1b[K')).toBe(true);
    expect(drawn.at(-1)).toMatch(
      /^\[#{12}-{12}\] 50\/100 {2}3000 cores\/min {2}ETA 1 s {2}\/cores\/2\/vmcore: gpf memcpy, 100 ms/,
    );
    progress.clear();
    expect(text().endsWith('\r\x1b[K')).toBe(true);
  });

  test('never wider than the terminal', () => {
    const { text, progress, tick } = shown(true, 30);
    progress.show({ kind: 'reading', total: 100, known: 0 });
    tick(500);
    progress.show({ kind: 'core', done: 1, total: 100, record: { ...record, path: HOSTILE.repeat(20) } });
    for (const line of text().split('\r')) expect(line.replace('\x1b[K', '').length).toBeLessThan(30);
  });

  test.each([
    [0.2, '1 s'],
    [59, '59 s'],
    [65, '1 m 05 s'],
    [7620, '2 h 07 m'],
  ])('%d seconds are %s', (seconds, text) => expect(duration(seconds)).toBe(text));
});
