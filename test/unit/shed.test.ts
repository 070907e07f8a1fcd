/** Load that is shed, on its way from the reader to every output. */
import { describe, expect, test, vi } from 'vitest';
import { parseCommand } from '../../src/cli/parse.ts';
import { monitors } from '../../src/monitors/index.ts';
import type { ColumnSpec, Monitor, Options, Plan } from '../../src/monitors/monitor.ts';
import { probe } from '../../src/monitors/probe.ts';
import { jsonObject } from '../../src/output/json.ts';
import { plainText } from '../../src/output/plain.ts';
import { cellText } from '../../src/panels/cell.ts';
import { Grid } from '../../src/panels/grid.ts';
import { makeTheme } from '../../src/panels/theme.ts';
import { parseLine, readSnapshot } from '../../src/recording/decode.ts';
import { snapLine, snapshotBody } from '../../src/recording/encode.ts';
import { markScaled, numberAt, type Shed, type Snapshot } from '../../src/sources/snapshot.ts';
import { paintStatus, type StatusFacts } from '../../src/ui/paint-status.ts';
import type { Addon, NativeSnapshot } from '../../src/worker/addon.ts';
import type { FromReader } from '../../src/worker/protocol.ts';
import { Reader } from '../../src/worker/reader.ts';
import { first } from './fixtures/monitors.ts';
import { sampleSnapshot } from './fixtures/snapshot.ts';

const SHED: Shed = {
  level: 1,
  kind: 'duty',
  share: 0.1,
  cost_pct: 31,
  text: 'only 10 % of the time is watched',
};

/** As a reader makes it. */
function shedSnapshot(shed: Shed = SHED): Snapshot {
  const { tables, ...rest } = sampleSnapshot({ notes: [shed.text] });
  return { ...rest, shed, tables: markScaled(tables, shed) };
}

/** The monitor of the sample with its count as an amount. */
const summing: Monitor = {
  ...first,
  panels: first.panels.map((panel) =>
    panel.kind === 'table' && panel.id === 'main'
      ? {
          ...panel,
          columns: panel.columns.map((column) => (column.id === 'count' ? { ...column, sum: true } : column)),
        }
      : panel,
  ),
};

describe('what is scaled', () => {
  test('has a mark as text and is a number in JSON', () => {
    const { main } = shedSnapshot().tables;
    const count: ColumnSpec = { id: 'count', title: '', help: '', format: 'int', sum: true };
    const bytes: ColumnSpec = { id: 'bytes', title: '', help: '', format: 'bytes', sum: true };
    const longest: ColumnSpec = { id: 'count', title: '', help: '', format: 'int' };
    if (main === undefined) throw new Error('no table');
    expect(cellText(main, count, 0, 500)).toBe('~1');
    expect(cellText(main, bytes, 0, 500)).toBe('~1.0K');
    expect(cellText(main, bytes, 1, 500)).toBe('-');
    expect(cellText(main, longest, 0, 500)).toBe('1');
    const json = jsonObject(summing, shedSnapshot());
    expect(json).toMatchObject({ scaled: 0.1, notes: [SHED.text] });
    expect((json.rows as { count: unknown }[]).map(({ count }) => count)).toContain(7);
  });

  test('has no mark, and JSON no share, when all was watched', () => {
    for (const snapshot of [sampleSnapshot(), shedSnapshot({ ...SHED, kind: 'lean', share: 1 })]) {
      expect(jsonObject(summing, snapshot)).not.toHaveProperty('scaled');
      expect(plainText(summing, snapshot)).not.toMatch(/~|watched \d/);
    }
  });

  test('is marked in plain text: head, cells, histogram, note', () => {
    const text = plainText(summing, shedSnapshot());
    expect(text).toMatch(/^first .* watched 10 % /);
    expect(text).toMatch(/^note: only 10 % of the time is watched$/m);
    expect(text).toMatch(/~7/);
    expect(text).toMatch(/~ latency\(ns\)/);
  });

  test('is the same when it has been recorded', () => {
    const snapshot = shedSnapshot();
    const line = snapLine(snapshot.time, snapshot.monitor, snapshotBody(snapshot));
    expect(readSnapshot(parseLine(line), snapshot.monitor)).toEqual(snapshot);
    const plain = sampleSnapshot();
    const other = snapLine(plain.time, plain.monitor, snapshotBody(plain));
    expect(readSnapshot(parseLine(other), plain.monitor)).toEqual(plain);
  });

  test.each([
    ['a share above 1', { ...SHED, share: 1.5 }],
    ['a share below 0', { ...SHED, share: -1 }],
    ['a kind nobody knows', { ...SHED, kind: 'half' }],
    ['no text', { ...SHED, text: 5 }],
    ['no object', 7],
  ])('a recording with %s is refused', (_, shed) => {
    const line = JSON.parse(snapLine(1, 'first', snapshotBody(sampleSnapshot()))) as object;
    expect(() => readSnapshot(parseLine(JSON.stringify({ ...line, shed })), 'first')).toThrow(/./);
  });
});

describe('the status line', () => {
  const theme = makeTheme({ ascii: true, colours: 0 });
  const line = (shed: Shed | undefined, width = 110) => {
    const grid = new Grid(width, 2, true);
    const snapshot = { ...sampleSnapshot(), ...(shed === undefined ? {} : { shed }) };
    const facts = {
      host: { host: 'box', kernel: '6.12', cpus: 2, boot_time: 0 },
      picture: { snapshot },
      totals: { lost: 0, late: 0, unseen: 0 },
      interval_ms: 1000,
      file: '',
    } as unknown as StatusFacts;
    paintStatus(grid.region(), facts, theme);
    return grid.lines()[1];
  };
  test.each([
    [undefined, /^(?!.*watched)/],
    [SHED, /!watched: part ~10%/],
    [{ ...SHED, share: 0.02 }, /!watched: part ~2\.0%/],
    [{ ...SHED, kind: 'lean', share: 1 }, /!watched: lean/],
    [{ ...SHED, kind: 'filter', share: 0.125 }, /!watched: sample ~13%/],
    [{ ...SHED, kind: 'off', share: 0 }, /!watched: nothing/],
    [{ ...SHED, kind: 'full', level: 0, share: 1, cost_pct: 12.4 }, /!costs 12%/],
  ] as const)('%o', (shed, words) => {
    expect(line(shed)).toMatch(words);
    // It is the last to go when the screen is narrow.
    if (shed !== undefined && shed.kind !== 'full') expect(line(shed, 44)).toMatch(words);
  });
});

describe('the reader', () => {
  test('gives the budget, tells of each change once, and marks the tables', () => {
    vi.useFakeTimers();
    const posted: FromReader[] = [];
    const plans: Plan[] = [];
    const sheds: (Shed | undefined)[] = [
      undefined,
      SHED,
      SHED,
      { ...SHED, level: 0, kind: 'full', share: 0.8, text: 'watching all of it again' },
      undefined,
    ];
    const sample = sampleSnapshot();
    const addon = {
      probe: () => ({ mounted: false, tracefs: '' }),
      open: (plan: Plan) => plans.push(plan),
      snapshot: (): NativeSnapshot => {
        const shed = sheds.shift();
        return { ...sample, ...(shed === undefined ? {} : { shed }) };
      },
      close: () => sample,
      finish: () => {},
    } as unknown as Addon;
    const reader = new Reader(
      () => addon,
      [{ ...first, derive: (tables) => ({ ...tables }) } as Monitor],
      { load: false },
      (message) => posted.push(message),
    );
    reader.handle({ type: 'start', monitor: 'first', options: { interval_ms: 100 } });
    for (let n = 0; n < 5; n += 1) {
      vi.advanceTimersByTime(100);
      reader.handle({ type: 'taken', monitor: 'first' });
    }
    reader.handle({ type: 'start', monitor: 'first', options: { interval_ms: 100, budget_pct: 0 } });
    reader.handle({ type: 'close' });
    vi.useRealTimers();
    expect(plans.map(({ budget_pct }) => budget_pct)).toEqual([5, 0]);
    expect(posted.flatMap((message) => (message.type === 'notice' ? [message.text] : []))).toEqual([
      'first: only 10 % of the time is watched',
      'first: watching all of it again',
    ]);
    const marks = posted.flatMap((message) =>
      message.type === 'snapshot' ? [message.snapshot.tables.main?.scaled] : [],
    );
    expect(marks).toEqual([undefined, true, true, true, undefined]);
  });
});

describe('the option', () => {
  const parsed = (...argv: string[]) => {
    const command = parseCommand(['nettop', '--json', ...argv], monitors, false);
    return command.kind === 'stream' ? command.options.budget_pct : undefined;
  };
  test('is a share of one CPU, or off', () => {
    expect(parsed()).toBeUndefined();
    expect(parsed('--budget', '2.5')).toBe(2.5);
    expect(parsed('--budget', '10%')).toBe(10);
    expect(parsed('--budget=off')).toBe(0);
  });
  test.each(['0', '101', 'much', '-1'])('is not %s', (text) => {
    expect(() => parsed(`--budget=${text}`)).toThrow(/--budget/);
  });
});

/** Options with which a monitor can be asked for its plan. */
const asked: Options = {
  interval_ms: 1000,
  events: [{ name: 'sched:sched_switch' }, { name: 'sched:sched_wakeup' }],
};

test.each(monitors.map((monitor) => [monitor.name, monitor] as const))(
  '%s says what may be left out, and which of its figures are scaled then',
  (name, monitor) => {
    const plan = monitor.plan(name === 'syscalls' || name === 'strace' ? { interval_ms: 1000 } : asked);
    if (plan.events.length === 0) return;
    expect(plan.shed).toBeDefined();
    const columns = monitor.panels.flatMap((panel) => (panel.kind === 'table' ? panel.columns : []));
    const sums = columns.filter(({ sum }) => sum === true);
    if (plan.shed?.last === 'duty' || plan.shed?.sample !== undefined) expect(sums.length).toBeGreaterThan(0);
    else expect(sums).toEqual([]);
    // A time, an age or a share of something is not added up.
    for (const { id } of sums) expect(id).not.toMatch(/^(avg|min|max|p\d+|now|age|current)/);
    if (plan.shed?.last === 'never') expect(plan.shed.lacks).toMatch(/./);
  },
);

describe('probes', () => {
  const options: Options = {
    interval_ms: 1000,
    probes: {
      list: [
        { name: 'hit', probe: { kind: 'kprobe', definition: 'f' }, place: 'f', fields: [], source: 'manual' },
      ],
    },
  };
  const measured = (events: number, fresh: number) => ({
    events,
    interval_ms: 1000,
    tables: {
      probes: {
        length: 1,
        key: ['name'],
        columns: {
          name: { ids: Uint32Array.of(0), strings: ['hit'] },
          group: { ids: Uint32Array.of(0), strings: ['ktop_1'] },
          own: Float64Array.of(1),
          fresh: Float64Array.of(fresh),
        },
      },
    },
  });
  const ease = (of: ReturnType<typeof measured>, now: Options) => probe.ease?.(of, now);
  const lean = (now: Options) => now.probes?.lean;

  test('too many are counted only, and recorded again when they are fewer for a while', () => {
    expect(ease(measured(150_000, 150_000), options)).toBeUndefined();
    const much = ease(measured(300_000, 300_000), options);
    expect(much?.notice).toMatch(/^300000 records a second are too many/);
    let now = much?.options as Options;
    expect(lean(now)).toBe(0);
    const counting = probe.plan(now);
    expect(counting.events.map(({ filter }) => filter)).toEqual(['common_pid == -1']);
    for (const [hits, calm] of [
      [150_000, 0],
      [90_000, 1],
      [90_000, 2],
      [110_000, 0],
    ] as const) {
      const next = ease(measured(0, hits), now);
      expect(next?.notice).toBeUndefined();
      now = next?.options as Options;
      expect(lean(now)).toBe(calm);
      // Nothing is armed anew for that.
      expect(probe.plan(now)).toEqual(counting);
    }
    for (let n = 1; n < 10; n += 1) now = ease(measured(0, 10), now)?.options as Options;
    const back = ease(measured(0, 10), now);
    expect(back?.notice).toMatch(/again/);
    expect(lean(back?.options as Options)).toBeUndefined();
    expect(probe.plan(back?.options as Options)).toEqual(probe.plan(options));
  });

  test('where the kernel does not count them, it is tried again less often', () => {
    let now = ease(measured(300_000, Number.NaN), options)?.options as Options;
    let tries = 0;
    while (lean(now) !== undefined) {
      now = ease(measured(0, Number.NaN), now)?.options as Options;
      tries += 1;
    }
    expect(tries).toBe(60);
    expect(ease(measured(300_000, 1), { ...options, budget_pct: 0 })).toBeUndefined();
    expect(numberAt(measured(0, 3).tables.probes.columns.fresh, 0)).toBe(3);
  });
});
