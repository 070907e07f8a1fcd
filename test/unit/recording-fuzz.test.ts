/** Recordings that somebody made to do harm, or that chance has: never a crash, a hang or memory without bound. */
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { crc32, zstdCompressSync } from 'node:zlib';
import { beforeAll, describe, expect, test } from 'vitest';
import { monitors as real } from '../../src/monitors/index.ts';
import type { Monitor } from '../../src/monitors/monitor.ts';
import { csvLines } from '../../src/output/csv.ts';
import { jsonLine } from '../../src/output/json.ts';
import { OpenMetrics } from '../../src/output/openmetrics.ts';
import { plainText } from '../../src/output/plain.ts';
import { sumLine } from '../../src/recording/chunk.ts';
import { NotPlayable, RecordingFile } from '../../src/recording/file.ts';
import { type ChunkInfo, HEAD_BYTES, makeHead, makeIndex, makeSeal } from '../../src/recording/format.ts';
import { snapshotsOf } from '../../src/recording/reading.ts';
import { openRecording } from '../../src/sources/recording.ts';
import type { Column, Snapshot } from '../../src/sources/snapshot.ts';
import type { SourceMessage } from '../../src/sources/source.ts';
import type { InkHost } from '../../src/ui/chrome/ink-host.tsx';
import { monitors } from './fixtures/monitors.ts';
import { anySnapshot, dice, makeRecording, START, scratch } from './fixtures/recordings.ts';
import { Stage } from './ui-stage.ts';

const directory = scratch();
const path = join(directory, 'fuzzed.ktop');

/** A recording of one chunk with this text, every checksum right. */
function forged(text: string | Buffer, changes: Partial<ChunkInfo> = {}, frame?: Buffer): Buffer {
  const bytes = Buffer.from(text);
  const packed = frame ?? zstdCompressSync(bytes);
  const info: ChunkInfo = {
    offset: 0,
    packed: packed.length,
    text: bytes.length,
    crc: crc32(packed),
    from: START,
    to: START + 60_000,
    counts: { first: 2, 'kvm-exit': 1 },
    marks: [],
    ...changes,
  };
  const body = Buffer.concat([makeHead(0, START), packed, makeSeal(info)]);
  return Buffer.concat([body, makeIndex([info], body.length) as Buffer]);
}

/** Everything that is done with a recording: shown as text, played, sought in, stepped through. */
async function consume(bytes: Buffer): Promise<number> {
  rmSync(path, { force: true });
  writeFileSync(path, bytes);
  let shown = 0;
  try {
    const file = new RecordingFile(path);
    const metrics = new OpenMetrics();
    for (const snapshot of snapshotsOf(file)) {
      const monitor = monitors.find(({ name }) => name === snapshot.monitor);
      if (monitor === undefined) continue;
      JSON.parse(jsonLine(monitor, snapshot));
      plainText(monitor, snapshot);
      csvLines(monitor, snapshot);
      metrics.add(monitor, snapshot);
      shown += 1;
    }
    for (const piece of metrics.text()) expect(piece).toMatch(/\n$/);
    file.close();
  } catch (error) {
    if (!(error instanceof NotPlayable)) throw error;
    expect(error.message).toMatch(/; /);
    return 0;
  }
  await play();
  return shown;
}

async function play(): Promise<void> {
  const source = openRecording(path, { playing: false });
  const messages: SourceMessage[] = [];
  source.subscribe((message) => messages.push(message));
  const playback = source.playback as NonNullable<typeof source.playback>;
  const { start, end } = playback.state();
  expect(start).toBeLessThanOrEqual(end);
  for (const { monitor } of source.recorded ?? []) source.start(monitor, { interval_ms: 1000 });
  source.capabilities();
  for (const time of [start, (start + end) / 2, end]) {
    playback.seek(time);
    await turn();
  }
  for (const by of [-1, 1, -1000, 3]) {
    playback.step(source.recorded?.[0]?.monitor ?? 'first', by);
    await turn();
  }
  playback.setSpeed(100);
  playback.setPlaying(true);
  await turn();
  playback.toEnd();
  await turn();
  expect(playback.state().at).toBeLessThanOrEqual(end);
  await source.close();
}

const turn = () => new Promise((resolve) => setImmediate(resolve));

/** Somebody's idea of damage. */
function mutated(bytes: Buffer, random: () => number): Buffer {
  let result = Buffer.from(bytes);
  const at = () => Math.floor(random() * result.length);
  for (let times = 1 + Math.floor(random() * 4); times > 0; times -= 1) {
    const [from, length] = [at(), Math.floor(random() ** 3 * 2000)];
    const part = Buffer.from(result.subarray(from, from + length));
    switch (Math.floor(random() * 6)) {
      case 0:
        result[from] = Math.floor(random() * 256);
        break;
      case 1:
        result.writeUInt32LE(
          [0, 0xffffffff, 0x7fffffff, 0x184d2a5b][Math.floor(random() * 4)] as number,
          Math.max(0, from - 4),
        );
        break;
      case 2:
        result = Buffer.concat([result.subarray(0, from), result.subarray(from + length)]);
        break;
      case 3:
        result = Buffer.concat([result.subarray(0, from), part, result.subarray(from)]);
        break;
      case 4:
        result = Buffer.concat([
          result.subarray(0, from),
          Buffer.from(part.map(() => random() * 256)),
          result.subarray(from),
        ]);
        break;
      default:
        part.copy(result, at());
    }
    if (result.length < 8) return result;
  }
  return result;
}

describe('bytes', () => {
  test('of chance are no recording', async () => {
    const random = dice(11);
    for (let round = 0; round < 200; round += 1) {
      const bytes = Buffer.from(Array.from({ length: random() * 4000 }, () => random() * 256));
      expect(await consume(bytes)).toBe(0);
      expect(await consume(Buffer.concat([makeHead(0, START), bytes]))).toBe(0);
    }
  });

  test('of a recording, changed, are less of it', async () => {
    const original = join(directory, 'original.ktop');
    const made = await makeRecording(original, {
      count: 40,
      seed: 12,
      rows: 5,
      chunk: { ms: 4000, bytes: 1 << 20 },
    });
    const bytes = readFileSync(original);
    const random = dice(13);
    let some = 0;
    for (let round = 0; round < 400; round += 1) {
      const shown = await consume(mutated(bytes, random));
      expect(shown).toBeLessThanOrEqual(made.snapshots.length);
      if (shown > 0) some += 1;
    }
    expect(some).toBeGreaterThan(200);
  }, 120_000);
});

/** The text of a chunk, as a recorder writes it. */
async function text(): Promise<string[]> {
  const original = join(directory, 'text.ktop');
  rmSync(original, { force: true });
  await makeRecording(original, { count: 8, seed: 21, rows: 3 });
  const file = new RecordingFile(original);
  const chunk = file.chunk(0);
  const lines = (chunk?.lines ?? []).map((line) => JSON.stringify(chunk?.members(line)));
  file.close();
  return lines;
}

const HOSTILE: readonly unknown[] = [
  null,
  true,
  -1,
  1e300,
  2 ** 53,
  0.5,
  '',
  'x'.repeat(5000),
  '\u001b[2J',
  '__proto__',
  [],
  [[]],
  {},
  { length: 1e9 },
  { ids: [7], strings: [] },
  JSON.parse('{"__proto__":{"polluted":1},"constructor":5,"toString":[]}'),
];

/** The JSON with one part of it replaced, dropped or doubled. */
function twisted(value: unknown, random: () => number): unknown {
  if (typeof value !== 'object' || value === null || random() < 0.15)
    return HOSTILE[Math.floor(random() * HOSTILE.length)];
  const keys = Object.keys(value);
  if (keys.length === 0) return HOSTILE[Math.floor(random() * HOSTILE.length)];
  const key = keys[Math.floor(random() * keys.length)] as string;
  const part = (value as Record<string, unknown>)[key];
  if (Array.isArray(value)) {
    const copy = [...value];
    if (random() < 0.2) copy.splice(Number(key), 1);
    else if (random() < 0.25) copy.push(part);
    else copy[Number(key)] = twisted(part, random);
    return copy;
  }
  const entries = Object.entries(value).filter(([name]) => name !== key || random() > 0.1);
  return Object.fromEntries(
    entries.map(([name, member]) => [name, name === key ? twisted(member, random) : member]),
  );
}

describe('text', () => {
  test('with anything in the place of anything is shown or left out', async () => {
    const lines = await text();
    const random = dice(22);
    let shown = 0;
    for (let round = 0; round < 800; round += 1) {
      const at = Math.floor(random() * lines.length);
      const line = twisted(JSON.parse(lines[at] as string), random);
      const all = lines.map((other, index) => (index === at ? JSON.stringify(line) : other));
      shown += await consume(forged(`${all.join('\n')}\n`));
    }
    expect(shown).toBeGreaterThan(800 * 6);
    expect(({} as { polluted?: unknown }).polluted).toBeUndefined();
  }, 120_000);

  test.each([
    ['nested without end', `{"k":"snap","t":1,"m":"first","tables":${'['.repeat(1e6)}`],
    ['all line feeds', '\n'.repeat(1 << 20)],
    ['a line of 9 MB', `{"k":"note","t":1,"text":"${'x'.repeat(9 << 20)}"}\n`],
    ['a million lines', '{"k":"note","t":1,"text":"x"}\n'.repeat(1 << 20)],
    ['objects without end', `{"k":"snap","t":1,"m":"first","tables":{"a":[${'{},'.repeat(1 << 20)}0]}}\n`],
    [
      'keys without end',
      `{"k":"snap","t":1,"m":"first","tables":{${Array.from({ length: 1e5 }, (_, n) => `"${n}":0`)}}}\n`,
    ],
    ['times past all time', '{"k":"note","t":9999999999999999,"text":"x"}\n{"k":"load","t":0,"load":{}}\n'],
    [
      'rows without columns',
      `{"k":"snap","t":1,"m":"first","seq":1,"time":1,"mono_ms":1,"interval_ms":1,"events":0,"lost":0,"late":0,"unseen":0,"backend":"","notes":[],"tables":{"main":{"length":100000,"key":[],"columns":{}}},"histograms":{},"logs":{}}\n`,
    ],
  ])('%s', async (_, words) => expect(await consume(forged(words))).toBe(0), 30_000);

  test('without a seal only what its checksums vouch for is believed', async () => {
    const lines = Buffer.from(
      `${(await text()).filter((line) => !line.startsWith('{"k":"sum"')).join('\n')}\n`,
    );
    const sum = sumLine(START, lines);
    const bare = (all: string) => Buffer.concat([makeHead(0, START), zstdCompressSync(Buffer.from(all))]);
    expect(await consume(bare(`${lines}${sum}`))).toBe(8);
    expect(await consume(bare(`${lines}${sum.replace(/"crc":"./, '"crc":"g')}`))).toBe(0);
    expect(await consume(bare(`${lines}x${sum}`))).toBe(0);
    expect(await consume(bare(`${lines}`))).toBe(0);
  });
});

describe('frames', () => {
  test('that hold more than they say, or than anything may, are damage', async () => {
    const zeros = zstdCompressSync(Buffer.alloc(256 << 20));
    expect(zeros.length).toBeLessThan(64 << 10);
    const before = process.memoryUsage().arrayBuffers;
    for (const text of [10, 48 << 20]) {
      rmSync(path, { force: true });
      writeFileSync(path, forged('', { text, counts: { first: 1 } }, zeros));
      const file = new RecordingFile(path);
      expect(file.chunk(0)).toBeUndefined();
      expect(file.damage[0]?.text).toMatch(/^the frame at byte 0 .* is damaged/);
      file.close();
    }
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(200 << 20);
  });

  test('that ask for a window of gigabytes do not get it', async () => {
    // A frame header with a window of 2^41 bytes, and an empty last block.
    const frame = Buffer.from([0x28, 0xb5, 0x2f, 0xfd, 0x00, 0xf8, 0x01, 0x00, 0x00]);
    rmSync(path, { force: true });
    writeFileSync(path, forged('', { text: 10 }, frame));
    const file = new RecordingFile(path);
    expect(file.chunk(0)).toBeUndefined();
    expect(file.damage[0]?.text).toMatch(/is damaged/);
    file.close();
  });

  test('without an end, thousands of them, are looked into up to a limit', async () => {
    const bomb = zstdCompressSync(Buffer.from('x'.repeat(40 << 20)));
    const heads = Array.from({ length: 2000 }, (_, number) => [
      makeHead(number, START + number),
      bomb,
    ]).flat();
    rmSync(path, { force: true });
    writeFileSync(path, Buffer.concat(heads));
    expect(() => new RecordingFile(path)).toThrow(/^nothing in .* can be read any more/);
  }, 60_000);
});

describe('an index', () => {
  const info: ChunkInfo = {
    offset: 0,
    packed: 100,
    text: 100,
    crc: 0,
    from: START,
    to: START,
    counts: {},
    marks: [],
  };

  test.each([
    ['out of the file', { packed: 1 << 24 }],
    ['before the beginning', { offset: -1 }],
    ['at no whole byte', { offset: 0.5 }],
    ['of more text than there may be', { text: 2 ** 31 }],
    ['back in time', { to: START - 1 }],
    ['at no time', { from: Number.NaN }],
  ])('that says a chunk is %s is not believed', async (_, changes) => {
    const body = Buffer.concat([makeHead(0, START), Buffer.alloc(200)]);
    const index = makeIndex([{ ...info, ...changes } as ChunkInfo], body.length) as Buffer;
    expect(await consume(Buffer.concat([body, index]))).toBe(0);
  });

  test('that leads elsewhere leads to damage that is named', async () => {
    const lines = Buffer.from(`${(await text()).join('\n')}\n`);
    const good = forged(lines);
    const end = HEAD_BYTES + zstdCompressSync(lines).length;
    const body = good.subarray(0, end);
    const index = makeIndex([{ ...info, offset: 1, packed: end - HEAD_BYTES - 1 }], end) as Buffer;
    rmSync(path, { force: true });
    writeFileSync(path, Buffer.concat([body, index]));
    const file = new RecordingFile(path);
    expect(file.chunk(0)).toBeUndefined();
    expect(file.damage.map(({ text: words }) => words).join()).toContain('its checksum is wrong');
    file.close();
  });
});

describe('a snapshot whose columns are not what a monitor expects', () => {
  let ink: InkHost;
  beforeAll(async () => {
    const { InkHost: Host } = await import('../../src/ui/chrome/ink-host.tsx');
    ink = new Host();
  });

  /** Columns of any kind, or none, under the names that the monitor's panels use. */
  function unexpected(monitor: Monitor, random: () => number): Snapshot {
    const names = new Map<string, Set<string>>();
    const add = (table: string, ...columns: string[]) => {
      const known = names.get(table) ?? new Set();
      names.set(table, known);
      for (const column of columns) known.add(column);
    };
    for (const panel of monitor.panels) {
      if (panel.kind === 'table') add(panel.table, ...panel.columns.map(({ id, from }) => from ?? id));
      else if (panel.kind === 'bars')
        add(panel.table, panel.label, ...panel.segments.map(({ column }) => column));
      else if (panel.kind === 'line') add(panel.table, panel.column);
      else if (panel.kind === 'stacks') add(panel.table, panel.stack, panel.value, ...panel.by);
    }
    const tables = [...names].flatMap(([name, columns]) => {
      if (random() < 0.2) return [];
      const length = Math.floor(random() * 4);
      const kept = [...columns].filter(() => random() < 0.8);
      const made = kept.map((column): [string, Column] => [column, anyColumn(length, random)]);
      return [[name, { length: made.length === 0 ? 0 : length, key: [], columns: Object.fromEntries(made) }]];
    });
    const logs = monitor.panels.flatMap((panel) => (panel.kind === 'log' ? [panel.log] : []));
    const histograms = monitor.panels.flatMap((panel) =>
      panel.kind === 'histogram' ? [panel.histogram] : [],
    );
    const any = anySnapshot(random);
    return {
      ...any,
      monitor: monitor.name,
      interval_ms: random() < 0.2 ? 0 : 1000,
      tables: Object.fromEntries(tables),
      logs: Object.fromEntries(logs.map((name) => [name, any.logs.slow ?? []])),
      histograms: Object.fromEntries(histograms.map((name) => [name, any.histograms.latency ?? []])),
    };
  }

  function anyColumn(length: number, random: () => number): Column {
    const { main } = anySnapshot(random, {}, 0).tables;
    expect(main).toBeDefined();
    if (random() < 0.5) {
      const odd = [Number.NaN, -0, Number.POSITIVE_INFINITY, -5, 1e308, 3];
      return Float64Array.from({ length }, () => odd[Math.floor(random() * odd.length)] as number);
    }
    const strings = ['', 'a;b;;c', '\u001b]0;x\u0007', '-1', 'x'.repeat(2000)];
    return { ids: Uint32Array.from({ length }, () => random() * strings.length), strings };
  }

  test.each(real.map((monitor) => [monitor.name, monitor] as const))(
    '%s is drawn and printed',
    (name, monitor) => {
      const random = dice(name.length * 31);
      const stage = new Stage(ink, name, real);
      for (let round = 0; round < 40; round += 1) {
        const snapshot = unexpected(monitor, random);
        JSON.parse(jsonLine(monitor, snapshot));
        const plain = plainText(monitor, snapshot);
        csvLines(monitor, snapshot);
        new OpenMetrics().add(monitor, snapshot);
        stage.feed(snapshot);
        for (const keys of ['', 's', '\t', '\r', '\u001b', 'r', 'i', '\u001b']) {
          const lines = stage.keys(keys).frame(100, 30).join('');
          // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what must not be there
          expect(`${lines}${plain.replaceAll('\n', '')}`).not.toMatch(/[\x00-\x1f\x7f-\x9f]/);
        }
      }
    },
    60_000,
  );
});
