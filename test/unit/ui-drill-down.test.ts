/** From a row to the other tabs that know of it, and back. */
import { beforeAll, expect, test } from 'vitest';
import { monitors } from '../../src/monitors/index.ts';
import type { Monitor } from '../../src/monitors/monitor.ts';
import { type Snapshot, type Table, textColumn } from '../../src/sources/snapshot.ts';
import type { InkHost } from '../../src/ui/chrome/ink-host.tsx';
import { NOW, Stage } from './ui-stage.ts';

let ink: InkHost;

beforeAll(async () => {
  process.env.FORCE_COLOR = '1';
  const { InkHost: Host } = await import('../../src/ui/chrome/ink-host.tsx');
  ink = new Host();
});

const BACKSPACE = '\x7f';

function monitor(name: string, columns: readonly string[], links = {}): Monitor {
  return {
    name,
    title: name,
    summary: name,
    options: [],
    plan: () => ({ events: [], operators: [] }),
    panels: [
      {
        kind: 'table',
        id: 'rows',
        title: `All ${name}`,
        table: 'rows',
        columns: columns.map((id) => ({
          id,
          title: id.toUpperCase(),
          help: id,
          format: id.endsWith('pid') ? ('int' as const) : ('text' as const),
        })),
        sort: { column: columns[0] ?? '', descending: false },
        empty: 'none',
        ...links,
      },
    ],
  };
}

const tasks = monitor('tasks', ['pid', 'comm']);
const locks = monitor('locks', ['lock', 'owner_pid'], {
  links: [{ from: 'owner_pid', to: 'tasks', column: 'pid' }],
});
const waiters = monitor('waiters', ['pid', 'lock']);
const modules = monitor('modules', ['module']);

function snapshot(name: string, key: string, columns: Table['columns'], length: number): Snapshot {
  const tables = { rows: { length, key: [key], columns } };
  const counts = { events: 0, lost: 0, late: 0, unseen: 0, notes: [] };
  const times = { seq: 1, time: NOW, mono_ms: 0, interval_ms: 1000 };
  return { monitor: name, backend: 'x', ...counts, ...times, tables, histograms: {}, logs: {} };
}

function stage(initial: string): Stage {
  const pids = Float64Array.of(7, 12, 120);
  return new Stage(ink, initial, [tasks, locks, waiters, modules])
    .feed(snapshot('tasks', 'pid', { pid: pids, comm: textColumn(['init', 'writer', 'reader x']) }, 3))
    .feed(
      snapshot('locks', 'lock', { lock: textColumn(['cgroup_mutex']), owner_pid: Float64Array.of(12) }, 1),
    )
    .feed(snapshot('waiters', 'pid', { pid: pids, lock: textColumn(['a', 'cgroup_mutex', 'b']) }, 3));
}

const text = (on: Stage) => on.frame(100, 24).join('\n');

test('o shows where a row leads; the target is filtered to it', () => {
  const on = stage('waiters').keys('jjo');
  expect(text(on)).toMatch(/Follow to[\s\S]*tasks {2}pid=12[\s\S]*locks {2}lock=cgroup_mutex/);
  on.keys('j\r');
  expect(on.session.monitor).toBe(locks);
  expect(text(on)).toContain('waiters > locks lock=cgroup_mutex; Backspace returns');
});

test('Backspace comes back to the filter that was there', () => {
  const on = stage('locks').keys('/cgroup\rjo\r');
  expect(on.session.monitor).toBe(tasks);
  expect(on.session.view.panels[0]?.query.filter).toBe('pid=12');
  on.keys(BACKSPACE);
  expect(on.session.monitor).toBe(locks);
  expect(on.session.view.panels[0]?.query.filter).toBe('cgroup');
  expect(on.session.state.tabs[0]?.panels[0]?.query.filter).toBe('');
});

test('a single way is gone at once', () => {
  const on = new Stage(ink, 'modules', [modules, monitor('users', ['module'])]);
  on.feed(snapshot('modules', 'module', { module: textColumn(['loop']) }, 1)).keys('jo');
  expect(on.session.monitor.name).toBe('users');
});

test('from the page of a row, Enter follows and Backspace opens the page again', () => {
  const on = stage('locks').keys('j\r');
  expect(on.session.state.mode).toBe('details');
  on.keys('\r');
  expect(text(on)).toContain('tasks  pid=12');
  on.keys('\r');
  expect(on.session.monitor).toBe(tasks);
  const lines = text(on);
  expect(lines).toContain('writer');
  expect(lines).not.toContain('reader x');
  on.keys(BACKSPACE);
  expect(on.session.monitor).toBe(locks);
});

test('the way is no longer shown on a tab that was gone to by hand', () => {
  const on = stage('locks').keys('jo\r');
  expect(text(on)).toContain('Backspace returns');
  on.keys('4');
  expect(text(on)).not.toContain('Backspace returns');
});

test('what leads nowhere says so', () => {
  const on = stage('modules').keys('o');
  expect(text(on)).toContain('select a row first');
  on.keys(BACKSPACE);
  expect(text(on)).toContain('no way was followed');
});

const events: Monitor = {
  ...monitor('events', []),
  panels: [{ kind: 'log', id: 'log', title: 'Events', log: 'events' }],
};
const names = monitor('names', ['comm', 'module']);

test('a list of events is a place to go too, and a name leads where no number does', () => {
  const on = new Stage(ink, 'tasks', [tasks, events, names, waiters]).feed(
    snapshot('tasks', 'pid', { pid: Float64Array.of(7), comm: textColumn(['reader x']) }, 1),
  );
  on.keys('jo');
  const lines = text(on);
  expect(lines).toMatch(/events {2}pid=7/);
  expect(lines).toMatch(/waiters {2}pid=7/);
  expect(lines).toMatch(/names {2}comm="reader x"/);
  expect(lines).not.toMatch(/events {2}comm=/);
  const entry = { cpu: 0, tid: 7, comm: 'a' };
  on.keys('\r').feed({
    ...snapshot('events', 'x', {}, 0),
    logs: {
      events: [
        { ...entry, at_ms: 1, pid: 7, text: 'one of it' },
        { ...entry, at_ms: 2, pid: 70, text: 'one of others' },
      ],
    },
  });
  expect(on.session.monitor).toBe(events);
  expect(text(on)).toContain('one of it');
  expect(text(on)).not.toContain('one of others');
  expect(text(on)).toContain('tasks > events pid=7; Backspace returns');
});

test('a process leads to its files, sockets, system calls and stacks first', () => {
  const [panel] = monitors.find(({ name }) => name === 'syscalls')?.panels ?? [];
  if (panel?.kind !== 'table') throw new Error('syscalls begins with no table');
  const columns = { pid: Float64Array.of(812), comm: textColumn(['nginx']), call: textColumn(['read']) };
  const tables = { [panel.table]: { length: 1, key: ['pid', 'call'], columns } };
  const on = new Stage(ink, 'syscalls', monitors).feed({ ...snapshot('syscalls', 'pid', {}, 0), tables });
  on.keys('jo');
  const lines = on.frame(80, 24);
  const targets = lines.flatMap((line) => /^[> ] (\S.*?) {2}pid=812/.exec(line)?.[1] ?? []);
  expect(targets.slice(0, 5)).toEqual(['Files', 'Conns', 'Off CPU', 'Profile', 'Strace']);
  // There are more of them than lines, and it says so.
  expect(lines.join('\n')).toMatch(/Follow to {2}1–14 of \d+/);
  on.keys('j\r');
  expect(on.session.monitor.name).toBe('conns');
  expect(on.session.view.panels[0]?.query.filter).toBe('pid=812');
  expect(on.frame(80, 24).join('\n')).toContain('> Conns pid=812; Backspace returns');
});

test('a longer text is carried whole', () => {
  const on = new Stage(ink, 'names', [names, tasks])
    .feed(snapshot('names', 'comm', { comm: textColumn(['reader x']), module: textColumn(['m']) }, 1))
    .feed(
      snapshot('tasks', 'pid', { pid: Float64Array.of(1, 2), comm: textColumn(['reader x', 'reader']) }, 2),
    );
  on.keys('jo');
  expect(on.session.monitor).toBe(tasks);
  expect(on.session.view.panels[0]?.query.filter).toBe('comm="reader x"');
  expect(text(on)).toMatch(/1 +reader x/);
  expect(text(on)).not.toMatch(/2 +reader/);
});
