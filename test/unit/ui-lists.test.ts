/** Event lists, incidents, stacks, help pages, many tabs. */
import { beforeAll, expect, test } from 'vitest';
import type { Monitor } from '../../src/monitors/monitor.ts';
import { makeTheme } from '../../src/panels/theme.ts';
import type { LogEntry, Snapshot } from '../../src/sources/snapshot.ts';
import { FirstChrome } from '../../src/ui/chrome/first-chrome.ts';
import type { InkHost } from '../../src/ui/chrome/ink-host.tsx';
import { tabsThatFit } from '../../src/ui/chrome/tab-bar.ts';
import { chromeView } from '../../src/ui/picture.ts';
import { irqOff, manyMonitors, profile, trace } from '../e2e/fake-monitors.ts';
import { DEFAULTS, World } from '../e2e/fake-source.ts';
import { NOW, Stage } from './ui-stage.ts';

let makeInk: () => InkHost;

beforeAll(async () => {
  process.env.TZ = 'UTC';
  process.env.FORCE_COLOR = '1';
  const { InkHost: Host } = await import('../../src/ui/chrome/ink-host.tsx');
  makeInk = () => new Host();
});

function stageOn(monitor: Monitor): Stage {
  return new Stage(makeInk(), monitor.name, manyMonitors);
}

function snapshotOf(monitor: Monitor, seq: number, events?: readonly LogEntry[]): Snapshot {
  const options = { ...DEFAULTS, rows: 20, cpus: 8, frozen: true, stacks: 200, monitors: manyMonitors };
  const snapshot = { ...new World(monitor, options).snapshot(seq, 1000, seq * 1000, 0), time: NOW };
  return events === undefined ? snapshot : { ...snapshot, logs: { events } };
}

function entries(seq: number, count: number): LogEntry[] {
  return Array.from({ length: count }, (_, index) => ({
    at_ms: seq * 1000 - 500 + index / count,
    cpu: index % 4,
    pid: 100 + index,
    tid: 100 + index,
    comm: index % 2 === 0 ? 'nginx' : 'bash',
    text: `event ${seq}.${index}`,
    stack: ['inner', 'outer'],
  }));
}

const selectedLine = (lines: readonly string[]) => lines.findIndex((line) => /^▸\d\d:/.test(line));

test('a log that is the main panel has the space, and follows the newest', () => {
  const stage = stageOn(trace).feed(snapshotOf(trace, 1, entries(1, 100)));
  const lines = stage.frame(100, 40);
  expect(lines.filter((line) => /event 1\./.test(line)).length).toBeGreaterThan(15);
  expect(lines.join('\n')).toContain('event 1.99');
  stage.feed(snapshotOf(trace, 2, entries(2, 5)));
  expect(stage.frame(100, 40).join('\n')).toContain('event 2.4');
});

test('scrolling up stops following, says how many are newer, End resumes', () => {
  const stage = stageOn(trace).feed(snapshotOf(trace, 1, entries(1, 100)));
  stage.frame(100, 40);
  stage.keys('kkk');
  const before = stage.frame(100, 40);
  const at = selectedLine(before);
  expect(before[at]).toContain('event 1.97');
  for (let seq = 2; seq < 10; seq += 1) stage.feed(snapshotOf(trace, seq, entries(seq, 50)));
  const after = stage.frame(100, 40);
  expect(after[at]).toBe(before[at]);
  expect(after.join('\n')).toMatch(/ 400 newer, J follows/);
  const resumed = stage.keys('\x1b[F').frame(100, 40).join('\n');
  expect(resumed).toContain('event 9.49');
  expect(resumed).not.toContain('newer');
});

test.each([
  [50, 10],
  [60, 15],
  [80, 24],
  [120, 40],
  [300, 100],
])('the first frame, without Ink, is the one that Ink draws, %dx%d', (columns, rows) => {
  for (const ascii of [false, true]) {
    const stage = stageOn(manyMonitors[4] as Monitor);
    stage.session.say('a word', NOW);
    const frame = {
      size: { columns, rows },
      theme: makeTheme({ ascii, colours: 16 }),
      now: NOW,
      spacing_ms: 0,
    };
    const view = chromeView(stage.session, frame);
    const [first, ink] = [new FirstChrome(), makeInk()];
    first.show(view);
    ink.show(view);
    // The card that says so waits for Ink.
    if (columns < 60) continue;
    expect(first.grid.lines()).toEqual(ink.grid.lines());
    expect(first.grid.styles).toEqual(ink.grid.styles);
    for (const [name, rectangle] of ink.surfaces) {
      expect(rectangle).toMatchObject(first.surfaces.get(name) ?? {});
    }
    expect(first.surfaces.size).toBe(ink.surfaces.size);
    ink.stop();
  }
});

test('the store keeps 5,000; a selected entry that has fallen out gives way to the oldest', () => {
  const stage = stageOn(trace).feed(snapshotOf(trace, 1, entries(1, 100)));
  stage.frame(100, 40);
  stage.keys('K');
  for (let seq = 2; seq < 10; seq += 1) stage.feed(snapshotOf(trace, seq, entries(seq, 1000)));
  const lines = stage.frame(100, 40);
  expect(lines.join('\n')).toMatch(/of 5000/);
  expect(lines[selectedLine(lines)]).toContain('event 5.0');
});

test('what a source repeats is listed once', () => {
  const stage = stageOn(trace).feed(snapshotOf(trace, 1, entries(1, 3)));
  stage.feed(snapshotOf(trace, 2, [...entries(1, 3), ...entries(2, 2)]));
  expect(stage.frame(100, 40).filter((line) => /event \d\./.test(line)).length).toBe(5);
});

test.each([
  ['bash', 50],
  ['comm=nginx', 50],
  ['cpu=3', 25],
  ['pid=105', 1],
  ['tid>=190', 10],
  ['comm!=nginx cpu=1', 25],
  ['stack contains INNER', 100],
  ['(comm~ngin? or tid=191) and not cpu in (1, 2)', 26],
  ['1.42', 1],
  ['cpu=', 100],
  ['nothing', 0],
])('filter %s', (filter, count) => {
  const stage = stageOn(trace).feed(snapshotOf(trace, 1, entries(1, 100)));
  const lines = stage.keys(`/${filter}`).frame(100, 130);
  expect(lines.filter((line) => /event 1\./.test(line)).length).toBe(count);
  expect(lines.join('\n')).toContain(`filter "${filter}"`);
  if (count === 0) expect(lines.join('\n')).toContain(`No entry matches "${filter}".`);
  const all = stage.keys('\x1b').frame(100, 130);
  expect(all.filter((line) => /event 1\./.test(line)).length).toBe(100);
});

test('the card of an entry: fields, whole text, stack', () => {
  const long = { ...(entries(1, 1)[0] as LogEntry), text: 'word '.repeat(60).trim() };
  const stage = stageOn(trace)
    .feed(snapshotOf(trace, 1, [long]))
    .keys('\r');
  const text = stage.frame(80, 40).join('\n');
  expect(text).toMatch(/time +2025-11-18 11:59:59\.500/);
  expect(text.match(/word/g)).toHaveLength(60);
  expect(text).toMatch(/0 +inner\n +1 +outer/);
});

test('incidents: counted in the tab bar, kept across tabs, opened, and left for their tab', () => {
  const stage = stageOn(irqOff);
  expect(stage.frame(80, 24)[0]).not.toContain('Incidents');
  stage.feed(snapshotOf(irqOff, 1, entries(1, 3)));
  expect(stage.frame(80, 24)[0]).toContain('I Incidents 3');
  stage.keys('1');
  expect(stage.frame(80, 24)[0]).toContain('I Incidents 3');
  const list = stage.keys('I').frame(100, 24);
  expect(list.filter((line) => /event 1\./.test(line)).map((line) => /event \S+/.exec(line)?.[0])).toEqual([
    'event 1.2',
    'event 1.1',
    'event 1.0',
  ]);
  expect(list[4]).toContain('irq-off');
  const card = stage.keys('jj\r').frame(100, 24).join('\n');
  expect(card).toMatch(/monitor +irq-off[\s\S]*event 1\.1[\s\S]*0 +inner/);
  const tab = stage.keys('\r').frame(100, 24);
  expect(stage.session.monitor.name).toBe('irq-off');
  expect(tab[selectedLine(tab)]).toContain('event 1.1');
});

test('incidents: at most 1,000, filtered, selection by identity', () => {
  const stage = stageOn(irqOff);
  for (let seq = 1; seq < 5; seq += 1) stage.feed(snapshotOf(irqOff, seq, entries(seq, 400)));
  stage.keys('I');
  expect(stage.frame(100, 24).join('\n')).toMatch(/of 1000/);
  stage.keys('jjj');
  const before = stage.frame(100, 24);
  stage.feed(snapshotOf(irqOff, 5, entries(5, 1)));
  const after = stage.frame(100, 24);
  expect(after[selectedLine(after)]).toBe(before[selectedLine(before)]);
  stage.keys('/monitor~irq* 5.0');
  expect(stage.frame(100, 24).filter((line) => /event \d/.test(line)).length).toBe(1);
  stage.keys('\r\x1b\x1b');
  expect(stage.session.state.mode).toBe('incidents');
  expect(stage.keys('q').session.state.mode).toBe('panels');
  expect(stage.quits).toBe(0);
});

test('Tab goes through all tabs, the incidents after the last', () => {
  const stage = stageOn(irqOff)
    .feed(snapshotOf(irqOff, 1, entries(1, 1)))
    .keys('1');
  const seen: string[] = [];
  for (let step = 0; step < manyMonitors.length + 1; step += 1) {
    const bar = stage.frame(80, 24)[0] as string;
    expect(bar.length).toBeLessThanOrEqual(80);
    seen.push(stage.session.onIncidents ? 'incidents' : stage.session.monitor.name);
    stage.keys('\t');
  }
  expect(seen).toEqual([...manyMonitors.map(({ name }) => name), 'incidents']);
  expect(stage.session.monitor.name).toBe(manyMonitors[0]?.name);
  expect(stage.keys('\x1b[Z').session.onIncidents).toBe(true);
});

test.each([20, 40, 60, 80, 120, 300])(
  'the tab bar on %d columns shows the active tab and counts the rest',
  (width) => {
    const labels = manyMonitors.map(({ title }, index) => `${index < 9 ? `${index + 1} ` : ''}${title}`);
    for (const [at] of labels.entries()) {
      const tabs = labels.map((label, index) => ({ label, active: index === at, pinned: false }));
      const bar = tabsThatFit(tabs, width);
      expect(bar.tabs.some(({ active }) => active)).toBe(true);
      expect(bar.before + bar.tabs.length + bar.after).toBe(labels.length);
      const used = bar.tabs.reduce((sum, { label }) => sum + label.length + 2, 0);
      const marks = (bar.before > 0 ? 3 : 0) + (bar.after > 0 ? 3 : 0);
      if (bar.tabs.length > 1) expect(used + marks).toBeLessThanOrEqual(width);
    }
  },
);

test('go to tab: type-ahead, numbers, Esc', () => {
  const stage = stageOn(trace);
  expect(stage.keys(':wat').frame(80, 24).join('\n')).toMatch(/Go to tab[\s\S]*> 11 Watchdog/);
  expect(stage.keys('\r').session.monitor.name).toBe('watchdog');
  expect(stage.keys(':12\r').session.monitor.name).toBe('split-lock');
  expect(stage.keys(':incid\r').session.onIncidents).toBe(true);
  stage.keys('\x1b').keys(':zzz\r');
  expect(stage.session.state.mode).toBe('goto');
  expect(stage.keys('\x1b').session.monitor.name).toBe('split-lock');
});

test('stacks: select, zoom, split, export', () => {
  const stage = stageOn(profile).feed(snapshotOf(profile, 1));
  const status = () => stage.frame(100, 30).at(-2) ?? '';
  expect(status()).toMatch(/^ all .*100\.0% of total/);
  stage.keys('jj');
  expect(status()).toMatch(/^ do_syscall_64 .*% of total.*100\.0% of parent/);
  stage.keys('\r');
  expect(stage.frame(100, 30)[4]).toMatch(/^▏▸do_syscall_64 *$/);
  expect(stage.frame(100, 30)[3]).toContain('in do_syscall_64');
  stage.keys('\x7f\x1b');
  expect(stage.frame(100, 30)[4]).toMatch(/^▏all/);
  // The zoom of a frame stays with it when the next snapshot comes.
  stage.keys('\r').feed(snapshotOf(profile, 2));
  expect(stage.frame(100, 30)[3]).toContain('in do_syscall_64');
  expect(stage.keys('b').frame(100, 30)[3]).toContain('by comm');
  expect(stage.keys('b').frame(100, 30)[3]).toContain('by cpu');
  expect(stage.keys('bl').frame(100, 30)[3]).toContain('total');
  stage.keys('e');
  expect(stage.files[0]).toMatchObject({ name: 'profile', suffix: 'folded' });
  expect(stage.files[0]?.text).toMatch(/^entry_SYSCALL_64_after_hwframe;do_syscall_64;\S+ \d+\n/);
  expect(stage.frame(100, 30).at(-1)).toContain('written to ./profile.folded');
});

test('left and right go through the frames of a depth and stop at the ends', () => {
  const stage = stageOn(profile).feed(snapshotOf(profile, 1)).keys('j');
  const name = () => (stage.frame(100, 30).at(-2) ?? '').trim().split(' ')[0];
  const first = name();
  stage.keys('l');
  expect(name()).not.toBe(first);
  stage.keys('hhhh');
  expect(name()).toBe(first);
  stage.keys('llllllll');
  expect(stage.keys('l') && name()).toBe('asm_sysvec_apic_timer');
});

test('stacks in ASCII, and without any', () => {
  const stage = stageOn(profile).feed(snapshotOf(profile, 1));
  expect(stage.frame(80, 24, true).join('')).toMatch(/^[\x20-\x7e]*$/);
  const empty = { ...snapshotOf(profile, 2), tables: {} };
  expect(stage.feed(empty).frame(80, 24).join('\n')).toContain('nothing in this interval');
});

test('help in three pages', () => {
  const stage = stageOn(profile).feed(snapshotOf(profile, 1));
  stage.session.accept(
    {
      type: 'capabilities',
      capabilities: manyMonitors.map(({ name }) => ({
        monitor: name,
        state: name === 'profile' ? 'no' : 'yes',
        needs: ['cpu-clock'],
        backend: 'perf',
        why: name === 'profile' ? 'perf_event_paranoid is 4' : '',
        remedy: name === 'profile' ? 'run as root' : '',
      })),
    },
    NOW,
  );
  expect(stage.keys('?').frame(80, 100).join('\n')).toMatch(/\[this tab\][\s\S]*what profile does/);
  const host = stage.keys('\t').frame(80, 200).join('\n');
  expect(host).toContain('[this host]');
  for (const { name } of manyMonitors) expect(host).toContain(`${name}  `);
  expect(host).toMatch(/profile {2}- no[\s\S]*why +perf_event_paranoid is 4\n +remedy +run as root/);
  const keys = stage.keys('\x1b[D\x1b[D').frame(80, 100).join('\n');
  expect(keys).toMatch(/\[keys\][\s\S]*On stacks[\s\S]*Esc Bksp/);
  expect(stage.keys('\x1b').session.state.mode).toBe('panels');
});

test('an empty table says why in its first line, however little room it has', () => {
  const nettop = manyMonitors.find(({ name }) => name === 'nettop') as Monitor;
  const options = { ...DEFAULTS, rows: 0, cpus: 2, frozen: true, monitors: manyMonitors };
  const snapshot = { ...new World(nettop, options).snapshot(1, 1000, 1000, 0), time: NOW };
  for (const [columns, rows] of [
    [60, 15],
    [80, 24],
    [200, 60],
  ] as const) {
    const stage = stageOn(nettop).feed(snapshot);
    for (const _ of [0, 1]) {
      const lines = stage.frame(columns, rows);
      const title = lines.findIndex((line) => line.includes(nettop.panels[0]?.title ?? ''));
      expect(lines.slice(title + 1, title + 3).join('\n')).toContain('No packet was sent');
      stage.keys('w');
    }
  }
});
