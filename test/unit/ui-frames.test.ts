import { beforeAll, describe, expect, test } from 'vitest';
import { monitors } from '../../src/monitors/index.ts';
import type { Monitor } from '../../src/monitors/monitor.ts';
import { textWidth } from '../../src/panels/char-width.ts';
import type { Snapshot } from '../../src/sources/snapshot.ts';
import type { InkHost } from '../../src/ui/chrome/ink-host.tsx';
import { irqOff, profile, showcase, trace } from '../e2e/fake-monitors.ts';
import { DEFAULTS, type FakeOptions, World } from '../e2e/fake-source.ts';
import { Stage as HandStage, NOW } from './ui-stage.ts';

let makeInk: () => InkHost;

beforeAll(async () => {
  process.env.TZ = 'UTC';
  const { InkHost: Host } = await import('../../src/ui/chrome/ink-host.tsx');
  makeInk = () => new Host();
});

class Stage extends HandStage {
  constructor(initial: string, tabs: readonly Monitor[] = monitors) {
    super(makeInk(), initial, tabs);
  }
}

function world(name: string, options: Partial<FakeOptions> = {}): World {
  const monitor = monitors.find((candidate) => candidate.name === name);
  if (monitor === undefined) throw new Error(name);
  return new World(monitor, { ...DEFAULTS, rows: 100, cpus: 8, ...options, monitors });
}

function snapshotOf(name: string, options: Partial<FakeOptions> = {}, seq = 1): Snapshot {
  return { ...world(name, options).snapshot(seq, 1000, 10_000, 0), time: NOW };
}

const SIZES = [
  [60, 15],
  [80, 24],
  [120, 40],
  [300, 100],
] as const;

describe.each(SIZES)('%dx%d', (columns, rows) => {
  test.each(monitors.map(({ name }) => name))('%s keeps within the screen, with head and foot', (name) => {
    for (const ascii of [false, true]) {
      for (const size of [
        { rows: 100, cpus: 8 },
        { rows: 0, cpus: 1 },
        { rows: 2000, cpus: 256 },
      ]) {
        const lines = new Stage(name).feed(snapshotOf(name, size)).frame(columns, rows, ascii);
        expect(lines.length).toBe(rows);
        for (const line of lines) expect(textWidth(line)).toBeLessThanOrEqual(columns);
        if (ascii) expect(lines.join('')).toMatch(/^[\x20-\x7e]*$/);
        expect(lines[0]).toMatch(/^ 1 |^<\d+ /);
        expect(lines[1]).toContain('web-3');
        expect(lines[2]).toContain('lost 0');
        expect(lines.at(-1)).toContain('? help');
      }
    }
  });
});

/** Made-up tabs with one panel of each kind: the real ones go through the sizes above and change more often. */
test.each([showcase, profile, trace, irqOff])('golden frame of $name', (monitor) => {
  for (const [columns, rows] of [
    [80, 24],
    [120, 40],
  ] as const) {
    const options = { ...DEFAULTS, rows: 30, cpus: 8, stacks: 60, frozen: true, monitors: [monitor] };
    const snapshot = { ...new World(monitor, options).snapshot(1, 1000, 10_000, 0), time: NOW };
    const lines = new Stage(monitor.name, [monitor]).feed(snapshot).frame(columns, rows);
    expect(`\n${lines.join('\n')}\n`).toMatchSnapshot();
  }
});

test('the branches of a tree hang together', () => {
  const options = { ...DEFAULTS, rows: 60, cpus: 2, frozen: true, monitors: [showcase] };
  const snapshot = { ...new World(showcase, options).snapshot(1, 1000, 10_000, 0), time: NOW };
  const lines = new Stage('showcase', [showcase]).feed(snapshot).keys('tz').frame(100, 70);
  const leads = lines.map((line) => /[│├└][│├└─ ]*/.exec(line.slice(10))?.[0] ?? '');
  expect(leads.filter((lead) => /^│ [├└]─ $/.test(lead)).length).toBeGreaterThan(3);
  // Above every trunk or branch there is a trunk or branch, or the parent itself.
  for (const [y, lead] of leads.entries()) {
    for (const [x, char] of [...lead].entries()) {
      if (char === '│') expect('│├').toContain(leads[y - 1]?.[x] ?? '');
    }
  }
});

test('too small says so', () => {
  expect(new Stage('nettop').frame(40, 10).join('\n')).toMatch(/too small[\s\S]*40x10, ktop needs 60x15/);
});

test('before data, and after a failure', () => {
  const stage = new Stage('nettop');
  expect(stage.frame(80, 24).join('\n')).toContain('Waiting for first data');
  const text = 'no tracefs; mount it \x1b[2J';
  stage.session.accept({ type: 'failed', failure: { monitor: 'nettop', kind: 'host', text } }, NOW);
  expect(stage.frame(80, 24).join('\n')).toMatch(
    /nettop cannot run on this host[\s\S]*no tracefs; mount it �\[2J/,
  );
  stage.keys('\r');
  expect(stage.started).toEqual(['nettop 1000', 'nettop 1000']);
});

test('only the visible tab is open', () => {
  const stage = new Stage('nettop').keys('\t\x1b[Z31');
  expect(stage.started.map((start) => start.split(' ')[0])).toEqual([
    'nettop',
    'disktop',
    'nettop',
    'cpu-util',
    'nettop',
  ]);
  expect(stage.stopped).toEqual(['nettop', 'disktop', 'nettop', 'cpu-util']);
});

test('a tab that is opened again shows its last picture with its age', () => {
  const stage = new Stage('nettop').feed(snapshotOf('nettop'));
  stage.keys('2');
  stage.now += 7000;
  const lines = stage.keys('1').frame(80, 24);
  expect(lines[2]).toContain('7 s old');
  stage.feed(snapshotOf('nettop', {}, 2));
  expect(stage.frame(80, 24)[2]).not.toContain('old');
});

test('loss is never hidden', () => {
  for (const [columns, rows] of SIZES) {
    const snapshot = { ...snapshotOf('nettop'), lost: 12, late: 3, unseen: 40_000 };
    const lines = new Stage('nettop').feed(snapshot).keys('p').frame(columns, rows);
    expect(lines[2]).toMatch(/!lost 12 +!late 3 +!unseen 40\.0k/);
  }
});

test('what was lost before is not forgotten', () => {
  const stage = new Stage('nettop')
    .feed({ ...snapshotOf('nettop'), lost: 340 })
    .feed(snapshotOf('nettop', {}, 2));
  expect(stage.frame(80, 24)[2]).toContain('lost 0 (340 in all)');
});

test('notes that come and go do not move the panels', () => {
  const stage = new Stage('nettop').feed({ ...snapshotOf('nettop'), notes: ['one'] });
  const top = (lines: string[]) => lines.findIndex((line) => /Processes/.test(line));
  expect(top(stage.frame(80, 24))).toBe(4);
  stage.feed(snapshotOf('nettop', {}, 2));
  expect(top(stage.frame(80, 24))).toBe(4);
  stage.now += 20_000;
  expect(top(stage.frame(80, 24))).toBe(3);
});

test('notes are wrapped to two lines, the rest is in the help', () => {
  const notes = ['one '.repeat(30).trim(), 'two '.repeat(30).trim()];
  const stage = new Stage('nettop').feed({ ...snapshotOf('nettop'), notes });
  const lines = stage.frame(80, 24);
  expect(lines[3]).toMatch(/^ ! one/);
  expect(lines[4]).toMatch(/\(\? shows all\)$/);
  expect(lines[5]).toMatch(/Processes/);
  expect(stage.keys('?').frame(80, 60).join('\n')).toMatch(/! +two two/);
});

test('the selection follows its row, the details too, and say when it has gone', () => {
  const live = world('task-state');
  const first = { ...live.snapshot(1, 1000, 1000, 0), time: NOW };
  const stage = new Stage('task-state').feed(first);
  stage.frame(100, 30);
  stage.keys('jjj');
  const selected = () => stage.frame(100, 30).find((line) => /^▸ +\d/.test(line));
  const pid = /\d+/.exec(selected() ?? '')?.[0];
  for (let step = 0; step < 20; step += 1) live.step();
  stage.feed({ ...live.snapshot(2, 1000, 2000, 0), time: NOW });
  expect(/\d+/.exec(selected() ?? '')?.[0]).toBe(pid);
  stage.keys('\r');
  expect(stage.frame(100, 30).join('\n')).toMatch(new RegExp(`PID +${pid} `));
  stage.feed(snapshotOf('task-state', { rows: 0 }, 3));
  const gone = stage.frame(100, 30).join('\n');
  expect(gone).toContain('This row is gone');
  expect(gone).toMatch(new RegExp(`PID +${pid} `));
});

test('sorting: menu, keys, reversal; the sort column is always shown', () => {
  const stage = new Stage('disktop').feed(snapshotOf('disktop'));
  const heads = (columns = 80) => stage.frame(columns, 24).find((line) => /BYTES/.test(line)) ?? '';
  expect(heads()).toMatch(/BYTES▼/);
  expect(stage.keys('r') && heads()).toMatch(/BYTES▲/);
  expect(stage.keys('>') && heads()).toMatch(/IOPS▼/);
  stage.keys('s');
  expect(stage.frame(80, 24).join('\n')).toMatch(/Sort by[\s\S]*> IOPS/);
  stage.keys('\x1b[H\r');
  expect(heads(60)).toMatch(/UID▼/);
});

test('filter as it is typed; Esc undoes, Enter keeps', () => {
  const stage = new Stage('disktop').feed(snapshotOf('disktop'));
  stage.keys('/comm=ssh');
  expect(stage.frame(80, 24).at(-1)).toMatch(/^ filter: comm=ssh/);
  expect(stage.frame(80, 24).join('\n')).toContain('filter "comm=ssh"');
  stage.keys('\x1b');
  expect(stage.frame(80, 24).join('\n')).not.toContain('filter "');
  stage.keys('/q\r');
  expect(stage.quits).toBe(0);
  expect(stage.frame(80, 24).join('\n')).toContain('filter "q"');
});

test('tree', () => {
  const stage = new Stage('disktop').feed(snapshotOf('disktop')).keys('t');
  expect(stage.frame(100, 40).join('\n')).toMatch(/(├─|└─) \S+/);
});

test('panels: focus, zoom', () => {
  const options = { ...DEFAULTS, rows: 100, cpus: 8, monitors: [irqOff] };
  const stage = new Stage('irq-off', [irqOff]).feed(new World(irqOff, options).snapshot(1, 1000, 1000, 0));
  stage.keys('\x1b[C');
  expect(stage.frame(80, 24).join('\n')).toMatch(/^▸ Hits/m);
  stage.keys('z');
  const zoomed = stage.frame(80, 24);
  expect(zoomed[3]).toMatch(/^▸ Hits/);
  expect(zoomed.join('\n')).not.toContain('Counts');
  stage.keys('\r');
  expect(stage.frame(80, 24).join('\n')).toMatch(/Stack, innermost first[\s\S]*0 +__schedule/);
});

test('pause holds the picture, keys work on it', () => {
  const live = world('nettop');
  const stage = new Stage('nettop').feed({ ...live.snapshot(1, 1000, 1000, 0), time: NOW }).keys('p');
  const before = stage.frame(80, 24);
  expect(before[2]).toContain('PAUSED');
  for (let step = 0; step < 5; step += 1) live.step();
  stage.feed({ ...live.snapshot(2, 1000, 2000, 5), time: NOW, lost: 5 });
  expect(stage.frame(80, 24).slice(3)).toEqual(before.slice(3));
  // Loss is not held back.
  expect(stage.frame(80, 24)[2]).toContain('lost 0 (5 in all)');
  expect(stage.keys('r').frame(80, 24)).not.toEqual(before);
  expect(stage.keys('p').frame(80, 24)[2]).toContain('!lost 5');
});

test('a paused screen does not change by itself', () => {
  const stage = new Stage('nettop').feed(snapshotOf('nettop'));
  const load = (self_cpu_pct: number) => {
    const of = { uptime_s: 60 * self_cpu_pct, load: [1, 2, 3] as const, self_cpu_pct, self_rss: 2 ** 27 };
    stage.session.accept({ type: 'load', load: of }, stage.now);
  };
  load(1.5);
  const before = stage.keys('p').frame(120, 40);
  expect(before[2]).toContain('ktop 1.5%');
  stage.now += 60_000;
  load(77);
  expect(stage.frame(120, 40)).toEqual(before);
  expect(stage.keys('p').frame(120, 40)[2]).toContain('ktop 77.0%');
});

test('panels keep their place while rows come and go', () => {
  const stage = new Stage('cpu-util');
  const place = (rows: number, seconds: number) => {
    stage.feed({ ...snapshotOf('cpu-util', { rows, cpus: 4 }), time: NOW + seconds * 1000 });
    return stage.frame(120, 40).findIndex((line) => line.includes(' Who, '));
  };
  const tall = place(12, 0);
  expect(place(4, 1)).toBe(tall);
  expect(place(3, 9)).toBe(tall);
  const taller = place(14, 10);
  expect(taller).toBeLessThan(tall);
  expect(place(3, 19)).toBe(taller);
  // Less was enough for ten seconds; or time has jumped.
  expect(place(3, 21)).toBeGreaterThan(tall);
  expect(place(12, 22)).toBe(tall);
  expect(place(3, -100)).toBeGreaterThan(tall);
});

test('interval', () => {
  const stage = new Stage('nettop').keys('+--');
  expect(stage.started).toEqual(['nettop 1000', 'nettop 2000', 'nettop 1000', 'nettop 500']);
});

test('q closes a page before it quits', () => {
  const stage = new Stage('nettop').keys('?q');
  expect(stage.quits).toBe(0);
  expect(stage.keys('q').quits).toBe(1);
});

test('the source speaks, the notes show it for a while', () => {
  const stage = new Stage('nettop').feed(snapshotOf('nettop'));
  stage.session.accept({ type: 'notice', text: 'the worker has died, starting it again' }, NOW);
  expect(stage.frame(80, 24)[3]).toContain('! the worker has died');
  stage.now += 60_000;
  expect(stage.frame(80, 24).join('\n')).not.toContain('worker has died');
  expect(stage.keys('?').frame(80, 100).join('\n')).toContain('worker has died');
});
