/** What is recorded is read back as it was, bit for bit. */
import { execFileSync } from 'node:child_process';
import { readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { Chunk } from '../../src/recording/chunk.ts';
import { timeLine } from '../../src/recording/clock.ts';
import { parseLine, readSnapshot } from '../../src/recording/decode.ts';
import { snapLine, snapshotBody } from '../../src/recording/encode.ts';
import { NotPlayable, RecordingFile } from '../../src/recording/file.ts';
import { createFile } from '../../src/recording/file-writer.ts';
import { HEAD_BYTES, makeHead } from '../../src/recording/format.ts';
import { numbersText, numberText, readNumber, readNumbers } from '../../src/recording/numbers.ts';
import { snapshotsOf } from '../../src/recording/reading.ts';
import type { Snapshot } from '../../src/sources/snapshot.ts';
import { anySnapshot, dice, HOST, handClock, makeRecording, START, scratch } from './fixtures/recordings.ts';
import { sampleSnapshot } from './fixtures/snapshot.ts';

const directory = scratch();

/** The bits of every column, which toEqual does not compare. */
function bits(snapshot: Snapshot): string[] {
  const columns = Object.values(snapshot.tables).flatMap(({ columns }) => Object.values(columns));
  const histograms = Object.values(snapshot.histograms).flat();
  const numbers = [
    ...columns.filter((column) => column instanceof Float64Array),
    ...histograms.flatMap(({ low, high, count }) => [low, high, count]),
  ];
  return numbers.map((column) =>
    Buffer.from(column.buffer, column.byteOffset, column.byteLength).toString('hex'),
  );
}

const again = (snapshot: Snapshot): Snapshot =>
  readSnapshot(parseLine(snapLine(START, snapshot.monitor, snapshotBody(snapshot))), snapshot.monitor);

describe('numbers', () => {
  test.each([
    [Number.NaN, 'null'],
    [-0, '"-0"'],
    [Number.POSITIVE_INFINITY, '"inf"'],
    [Number.NEGATIVE_INFINITY, '"-inf"'],
    [0.1 + 0.2, '0.30000000000000004'],
    [2 ** 63, '9223372036854776000'],
    [5e-324, '5e-324'],
    [1.7976931348623157e308, '1.7976931348623157e+308'],
  ])('%s is %s', (value, text) => {
    expect(numberText(value)).toBe(text);
    expect(readNumber(JSON.parse(text))).toBe(value);
  });

  test('a NaN keeps its bits', () => {
    const column = new Float64Array(
      BigUint64Array.of(0x7ff8000000000000n, 0xfff8000000000000n, 0x7ff4000000000123n).buffer,
    );
    const text = numbersText(column);
    expect(text).toBe('[null,"nan:fff8000000000000","nan:7ff4000000000123"]');
    const read = readNumbers(JSON.parse(text), 3) as Float64Array;
    expect(new BigUint64Array(read.buffer)).toEqual(new BigUint64Array(column.buffer));
  });

  test.each([['"nan:7ff"'], ['"nan:0000000000000001"'], ['"Inf"'], ['true'], ['[1]'], ['{}'], ['"1"']])(
    '%s is no number',
    (text) => expect(readNumbers(JSON.parse(`[${text}]`), 1)).toBeUndefined(),
  );
});

describe('a snapshot', () => {
  test('with hostile names comes back as it was', () => {
    expect(again(sampleSnapshot())).toEqual(sampleSnapshot());
  });

  test('of any numbers and texts comes back as it was', () => {
    const random = dice(7);
    for (let round = 0; round < 300; round += 1) {
      const snapshot = anySnapshot(random);
      const read = again(snapshot);
      expect(read).toEqual(snapshot);
      expect(bits(read)).toEqual(bits(snapshot));
    }
  });
});

describe('a file', () => {
  test('is read back whole, by its index and without it', async () => {
    const path = join(directory, 'whole.ktop');
    const { snapshots } = await makeRecording(path, { count: 150, chunk: { ms: 10_000, bytes: 1 << 20 } });
    const file = new RecordingFile(path);
    expect(file.end).toBe(8);
    expect(file.damage).toEqual([]);
    expect([...snapshotsOf(file)]).toEqual(snapshots);
    expect([...snapshotsOf(file, 'kvm-exit')]).toEqual(
      snapshots.filter(({ monitor }) => monitor === 'kvm-exit'),
    );
    file.close();
    // Without its last byte it has no index.
    writeFileSync(`${path}2`, readFileSync(path).subarray(0, -1));
    const bare = new RecordingFile(`${path}2`);
    expect([...snapshotsOf(bare)]).toEqual(snapshots);
    expect(bare.damage).toHaveLength(1);
    for (let number = 0; number < file.end; number += 1)
      expect(bare.span(number)).toEqual({ ...file.span(number) });
    bare.close();
  });

  test('is for its owner alone, and never written over', async () => {
    const path = join(directory, 'mine.ktop');
    await makeRecording(path, { count: 2 });
    expect(statSync(path).mode & 0o777).toBe(0o600);
    expect(() => createFile(path)).toThrow(`${path} is there already; record to another name`);
    expect(() => createFile(join(directory, 'no', 'x.ktop'))).toThrow('there is no directory for');
  });

  test('is text for zstd, every chunk of which says how everything stands', async () => {
    const path = join(directory, 'text.ktop');
    await makeRecording(path, { count: 60, chunk: { ms: 10_000, bytes: 1 << 20 } });
    execFileSync('zstd', ['-tq', path]);
    const text = execFileSync('zstd', ['-dc', path], { encoding: 'utf8', maxBuffer: 1 << 28 });
    const lines = text
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as Record<string, unknown>);
    expect(lines.filter(({ k }) => k === 'snap')).toHaveLength(60);
    const file = new RecordingFile(path);
    for (let number = 1; number < file.end; number += 1) {
      const kinds = file
        .chunk(number)
        ?.lines.slice(0, 5)
        .map(({ kind, monitor }) => `${kind} ${monitor}`);
      expect(kinds).toEqual(['head ', 'tab first', 'key first', 'tab kvm-exit', 'key kvm-exit']);
    }
    file.close();
  });

  test('of a newer format is refused with one sentence', () => {
    const path = join(directory, 'newer.ktop');
    const head = Buffer.from(makeHead(0, START));
    head.writeUInt16LE(99, 16);
    // With its checksum: it is what a newer ktop would write.
    head.writeUInt32LE(crc32(head.subarray(0, -4)), HEAD_BYTES - 4);
    writeFileSync(path, head);
    expect(() => new RecordingFile(path)).toThrow(
      `${path} was recorded by a newer ktop (format 99, this one reads up to 1); replay it with that`,
    );
  });

  test.each([
    ['nothing', Buffer.alloc(0), 'is empty; nothing was recorded'],
    ['text', Buffer.from('hello, world\n'.repeat(1000)), 'is no recording of ktop'],
    ['a head alone', makeHead(0, START), 'is no recording of ktop'],
  ])('with %s in it is refused', (name, bytes, words) => {
    const path = join(directory, `${name}.ktop`);
    writeFileSync(path, bytes);
    expect(() => new RecordingFile(path)).toThrow(words);
  });

  test('that is none, or not there, is refused', () => {
    expect(() => new RecordingFile(directory)).toThrow(`${directory} is no file`);
    expect(() => new RecordingFile('/dev/null')).toThrow('/dev/null is no file');
    expect(() => new RecordingFile(join(directory, 'none'))).toThrow(NotPlayable);
    const fifo = join(directory, 'fifo');
    execFileSync('mkfifo', [fifo]);
    expect(() => new RecordingFile(fifo)).toThrow('is no file');
  });
});

test('lines are found without being parsed, also when more have come', () => {
  const first = Buffer.from(
    '{"k":"note","t":5,"text":"a"}\nnonsense\n{"k":"snap","t":9,"m":"first","x":1}\n',
  );
  const chunk = new Chunk(first);
  expect(chunk.lines.map(({ kind, time, monitor }) => [kind, time, monitor])).toEqual([
    ['note', 5, ''],
    ['snap', 9, 'first'],
  ]);
  expect(chunk.unfit).toBe(1);
  const longer = new Chunk(Buffer.concat([first, Buffer.from('{"k":"note","t":7}\n')]), chunk);
  // Not back in time.
  expect(longer.lines.map(({ time }) => time)).toEqual([5, 9, 9]);
  expect([4, 5, 8, 9, 10].map((time) => longer.upTo(time))).toEqual([0, 1, 1, 3, 3]);
});

test('the time line never goes back, and goes on when the clock is set back', () => {
  const clock = handClock();
  let ahead = 0;
  const now = timeLine({ wall: () => clock.now + ahead, steady: clock.steady });
  const since = now();
  clock.now += 1000;
  expect(now()).toBe(since + 1000);
  // Slewed by a little.
  ahead = -500;
  expect(now()).toBe(since + 1000);
  clock.now += 1000;
  expect(now()).toBe(since + 1500);
  // Set back by an hour.
  ahead = -3_600_000;
  clock.now += 1000;
  expect(now()).toBe(since + 2500);
  clock.now += 1000;
  expect(now()).toBe(since + 3500);
  // A night asleep.
  ahead = 8 * 3_600_000;
  expect(now()).toBe(clock.now + ahead);
  // What is placed by its own time is where that fits.
  clock.now += 1000;
  expect(now(clock.now + ahead - 300.5)).toBe(clock.now + ahead - 301);
  expect(now(clock.now - 1e9)).toBe(clock.now + ahead);
});

test('the host is the one it was recorded on', async () => {
  const path = join(directory, 'host.ktop');
  await makeRecording(path, { count: 1 });
  const file = new RecordingFile(path);
  const head = file.chunk(0)?.lines[0];
  expect(head === undefined ? undefined : file.chunk(0)?.members(head)).toMatchObject({
    ktop: 'test',
    host: HOST,
  });
  file.close();
});
