// biome-ignore-all lint/suspicious/noControlCharactersInRegex: they are what is looked for
/**
 * Random bytes wherever others name things: tasks, symbols, devices, files, cgroups, event texts, the kernel log, the host,
 * a recording. What comes out is known cursor and colour sequences, text without controls, JSON in valid UTF-8.
 */
import { beforeAll, describe, expect, test } from 'vitest';
import { monitors } from '../../src/monitors/index.ts';
import type { Monitor } from '../../src/monitors/monitor.ts';
import { csvLines } from '../../src/output/csv.ts';
import { jsonLine } from '../../src/output/json.ts';
import { listText } from '../../src/output/list.ts';
import { OpenMetrics } from '../../src/output/openmetrics.ts';
import { plainText } from '../../src/output/plain.ts';
import { foldedText } from '../../src/panels/folded.ts';
import { parseLine, readSnapshot } from '../../src/recording/decode.ts';
import { snapLine, snapshotBody } from '../../src/recording/encode.ts';
import { type Column, type LogEntry, type Snapshot, textAt } from '../../src/sources/snapshot.ts';
import { Asciicast } from '../../src/ui/cast/asciicast.ts';
import type { InkHost } from '../../src/ui/chrome/ink-host.tsx';
import { Screen } from '../../src/ui/terminal/screen.ts';
import { DEFAULTS, World } from '../e2e/fake-source.ts';
import { NOW, Stage } from './ui-stage.ts';

const ROUNDS = 2;
/** What hurts most, among bytes that are just any. */
const NASTY = [
  '\x1b[2J',
  '\x1b]0;x\x07',
  '\x1bP',
  '\x9b',
  '\u202e',
  '\u2066',
  '\ud800',
  '\0',
  '\r',
  '\n',
  '\t',
  '\x7f',
  '\ufeff',
  '\u0301',
  '\u{e0041}',
];
/** All that the screen may ever be sent beside text: a place, an erasure, colours and attributes. */
const SEQUENCE = /\x1b\[(?:\d+(?:;\d+)?[Hfr]|[rLM]|\d+[LM]|5n|\d*[ABCDGHJKXd]|[\d;:]*m)/g;
const CONTROL = /[\x00-\x1f\x7f-\x9f\p{Cf}\p{Cs}\p{Zl}\p{Zp}\u{e0000}-\u{e0fff}]/u;

let makeInk: () => InkHost;

beforeAll(async () => {
  const { InkHost: Host } = await import('../../src/ui/chrome/ink-host.tsx');
  makeInk = () => new Host();
});

/** Small deterministic generator: a failure can be found again. */
function random(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

type Pick = (below: number) => number;

/** As the addon hands text over: bytes read as UTF-8; now and then as they are. */
function junk(pick: Pick): string {
  const bytes = Buffer.from(Array.from({ length: pick(40) }, () => pick(256)));
  const text = bytes.toString(pick(3) === 0 ? 'latin1' : 'utf8');
  const at = pick(text.length + 1);
  return pick(2) === 0 ? text : `${text.slice(0, at)}${NASTY[pick(NASTY.length)]}${text.slice(at)}`;
}

/** A snapshot with all its text replaced. */
function hostile(monitor: Monitor, pick: Pick): Snapshot {
  const options = { ...DEFAULTS, rows: 12, cpus: 2, stacks: 12, monitors: [monitor] };
  const snapshot = new World(monitor, options).snapshot(1, 1000, 10_000, 0);
  const column = (of: Column): Column =>
    of instanceof Float64Array ? of : { ids: of.ids, strings: of.strings.map(() => junk(pick)) };
  const map = <From, To>(of: Readonly<Record<string, From>>, change: (from: From) => To) =>
    Object.fromEntries(Object.entries(of).map(([name, value]) => [name, change(value)]));
  const entry = (of: LogEntry): LogEntry => ({
    ...of,
    comm: junk(pick),
    text: junk(pick),
    stack: [junk(pick), junk(pick)],
    between: [junk(pick)],
  });
  return {
    ...snapshot,
    time: NOW,
    backend: junk(pick),
    notes: [junk(pick), junk(pick)],
    tables: map(snapshot.tables, (table) => ({ ...table, columns: map(table.columns, column) })),
    histograms: map(snapshot.histograms, (all) =>
      all.map((each) => ({ ...each, label: junk(pick), unit: junk(pick) })),
    ),
    logs: map(snapshot.logs, (entries) => entries.map(entry)),
  };
}

function isClean(text: string, where: string): void {
  for (const line of text.split('\n')) {
    const found = CONTROL.exec(line.replace(/\r$/, ''));
    expect(found === null ? '' : JSON.stringify(line), where).toBe('');
  }
}

describe.each(monitors.map((monitor) => [monitor.name, monitor] as const))('%s', (name, monitor) => {
  test('the screen gets known sequences and clean text', () => {
    const pick = random(7 + name.length);
    const source = { host: { host: junk(pick), kernel: junk(pick), cpus: 4, boot_time: 0 } };
    const stage = new Stage(makeInk(), name, monitors, { source, file: junk(pick) });
    stage.feed(hostile(monitor, pick));
    // The tables, a row and its page, the next panel and an entry of it, a filter, help.
    for (const keys of ['j', '\r', '\x1bKj', '\r', '\x1b/[^\x1b\r', '\x1b?']) {
      const grid = stage.keys(keys).grid(120, 40);
      isClean(grid.lines().join('\n'), `cells after ${JSON.stringify(keys)}`);
      const bytes = new Screen().diff(grid);
      expect(bytes.length).toBeGreaterThan(100);
      // Some steps back are cheaper than a place; none comes out of a cell.
      isClean(bytes.replace(SEQUENCE, '').replaceAll('\b', ''), `after ${JSON.stringify(keys)}`);
    }
    for (const { text } of stage.keys('\x1b\x1be').files) isClean(text, 'exported');
  });

  test('text without controls; JSON that is valid and the same; a recording that reads back', () => {
    const pick = random(11 + name.length);
    for (let round = 0; round < ROUNDS; round += 1) {
      const snapshot = hostile(monitor, pick);
      isClean(plainText(monitor, snapshot), 'plain');
      isClean(csvLines(monitor, snapshot), 'csv');
      const metrics = new OpenMetrics();
      metrics.add(monitor, snapshot);
      isClean([...metrics.text()].join(''), 'openmetrics');
      for (const panel of monitor.panels) {
        const table = panel.kind === 'stacks' ? snapshot.tables[panel.table] : undefined;
        if (panel.kind === 'stacks' && table !== undefined)
          isClean(foldedText(table, panel, undefined), 'folded');
      }
      const line = jsonLine(monitor, snapshot);
      isClean(line, 'json');
      expect(line.endsWith('\n') && line.indexOf('\n') === line.length - 1).toBe(true);
      expect(Buffer.from(line).toString('utf8')).toBe(line);
      expect((JSON.parse(line) as { notes: string[] }).notes).toEqual(snapshot.notes);
      const written = snapLine(NOW, name, snapshotBody(snapshot));
      const read = readSnapshot(parseLine(written), name);
      for (const [table, { columns, length }] of Object.entries(snapshot.tables))
        for (const [id, column] of Object.entries(columns))
          if (!(column instanceof Float64Array))
            for (let row = 0; row < length; row += 1)
              expect(textAt(read.tables[table]?.columns[id], row)).toBe(textAt(column, row));
      expect(read.notes).toEqual(snapshot.notes);
    }
  });
});

test('ktop list, and a film', () => {
  const pick = random(5);
  const capabilities = monitors.map(({ name }) => ({
    monitor: name,
    state: 'no' as const,
    backend: junk(pick),
    needs: [junk(pick)],
    why: junk(pick),
    remedy: junk(pick),
  }));
  isClean(listText(monitors, capabilities), 'list');
  const cast = new Asciicast(2);
  const head = { version: 2 as const, size: { columns: 80, rows: 24 }, timestamp: 0, title: junk(pick) };
  const lines = [cast.header(head), cast.event(1, 'm', junk(pick))];
  for (const line of lines) expect(() => JSON.parse(line)).not.toThrow();
  isClean(lines.join(''), 'cast');
});
