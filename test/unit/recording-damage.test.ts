/** Recordings that were cut off or damaged: what is whole is shown, what is not is named. */
import {
  closeSync,
  copyFileSync,
  ftruncateSync,
  openSync,
  readFileSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { snapshotBody } from '../../src/recording/encode.ts';
import { NotPlayable, RecordingFile } from '../../src/recording/file.ts';
import { snapshotOf, snapshotsOf } from '../../src/recording/reading.ts';
import type { Snapshot } from '../../src/sources/snapshot.ts';
import { dice, type Made, makeRecording, scratch } from './fixtures/recordings.ts';

const directory = scratch();
const LAST = 64 << 10;
/** Chunks small enough that 64 KiB hold many. */
const SMALL = { ms: 15_000, bytes: 24 << 10 };

function countOf(file: RecordingFile): number {
  let count = 0;
  for (let number = file.first; number < file.end; number += 1)
    for (const snapshots of Object.values(file.span(number).counts)) count += snapshots;
  return count;
}

/** Text of the last snapshot. */
function lastOf(file: RecordingFile): string {
  const chunk = file.chunk(file.end - 1);
  const line = chunk?.lines.filter(({ kind }) => kind === 'snap').at(-1);
  const snapshot = chunk === undefined || line === undefined ? undefined : snapshotOf(chunk, line);
  return snapshot === undefined ? '' : snapshotBody(snapshot);
}

/** Opens what is left of a file cut at `bytes` and says what is wrong with it; `''`: nothing. */
function wrongAfterCut(path: string, bodies: readonly string[], { landmarks }: Made, bytes: number): string {
  const wanted = landmarks.findLast((mark) => mark.bytes <= bytes)?.snapshots ?? 0;
  let file: RecordingFile;
  try {
    file = new RecordingFile(path);
  } catch (error) {
    return error instanceof NotPlayable && wanted === 0 ? '' : String(error);
  }
  try {
    const count = countOf(file);
    if (count < wanted) return `${count} of ${wanted} snapshots`;
    const missing = file.damage.map(({ text }) => text).join();
    if (!/^it was not ended in order: what was seen after \S+Z is missing$/.test(missing)) return missing;
    return count === 0 || lastOf(file) === bodies[count - 1] ? '' : `another snapshot ${count}`;
  } finally {
    file.close();
  }
}

describe('cut off', () => {
  test('at every byte of its last 64 KiB all whole frames play, and what is missing is said', async () => {
    const path = join(directory, 'cut.ktop');
    const made = await makeRecording(path, { count: 240, rows: 6, chunk: { ms: 6000, bytes: 1 << 20 } });
    const { length } = readFileSync(path);
    const bodies = made.snapshots.map(snapshotBody);
    expect(length).toBeGreaterThan(LAST);
    const fd = openSync(path, 'r+');
    const wrong: string[] = [];
    for (let bytes = length - 1; bytes >= length - LAST; bytes -= 1) {
      ftruncateSync(fd, bytes);
      const what = wrongAfterCut(path, bodies, made, bytes);
      if (what !== '') wrong.push(`${bytes}: ${what}`);
    }
    closeSync(fd);
    expect(wrong).toEqual([]);
  }, 300_000);

  test('at 200 random bytes too, down to the first', async () => {
    const path = join(directory, 'anywhere.ktop');
    const made = await makeRecording(path, { count: 200, seed: 2, chunk: SMALL });
    const bytes = readFileSync(path);
    const bodies = made.snapshots.map(snapshotBody);
    const random = dice(3);
    const cut = join(directory, 'cut-anywhere.ktop');
    for (let round = 0; round < 200; round += 1) {
      const at = Math.floor(random() * bytes.length);
      writeFileSync(cut, bytes.subarray(0, at));
      expect(wrongAfterCut(cut, bodies, made, at)).toBe('');
    }
    for (let at = 0; at < 300; at += 1) {
      writeFileSync(cut, bytes.subarray(0, at));
      expect(wrongAfterCut(cut, bodies, made, at)).toBe('');
    }
  }, 120_000);
});

describe('with bytes flipped', () => {
  /** Opens it and compares; the snapshots that are missing. */
  function lost(path: string, made: Made, note: string) {
    const file = new RecordingFile(path);
    const known = new Map(
      made.snapshots.map((snapshot) => [`${snapshot.monitor} ${snapshot.seq}`, snapshot]),
    );
    const found: Snapshot[] = [];
    for (const snapshot of snapshotsOf(file)) {
      expect(snapshot, note).toEqual(known.get(`${snapshot.monitor} ${snapshot.seq}`));
      found.push(snapshot);
    }
    const damage = file.damage.map(({ text }) => text);
    file.close();
    const missing = made.snapshots.length - found.length;
    const prefix = found.every((snapshot, index) => snapshot.seq === made.snapshots[index]?.seq);
    return { missing, damage, frames: file.end, prefix };
  }

  test.each([
    ['that was ended in order', true],
    ['of a ktop that was killed', false],
  ])(
    'in a recording %s, the bad frame is named and skipped',
    async (_, close) => {
      const path = join(directory, `flip-${close}.ktop`);
      const made = await makeRecording(path, { count: 160, seed: 4, rows: 6, chunk: SMALL, close });
      const bytes = readFileSync(path);
      const random = dice(5);
      const most = 60;
      let [hurt, untouched] = [0, 0];
      for (let round = 0; round < 600; round += 1) {
        const at = Math.floor(random() * bytes.length);
        const flipped = Buffer.from(bytes);
        flipped[at] = (flipped[at] as number) ^ (1 << Math.floor(random() * 8));
        writeFileSync(`${path}2`, flipped);
        const { missing, damage, prefix } = lost(`${path}2`, made, `bit at ${at}`);
        expect(missing).toBeLessThan(most);
        if (missing > 0) {
          hurt += 1;
          const named = damage.filter((text) => /^the frame at byte \d+ (\(.*\) )?is damaged/.test(text));
          // What looks like the cut end of a file is one: it is said from when on all is missing.
          if (!prefix || close) expect(named, damage.join()).toHaveLength(1);
          else expect(damage).not.toEqual([]);
        } else untouched += 1;
      }
      // Most of the file is frames.
      expect(hurt).toBeGreaterThan(400);
      expect(untouched).toBeGreaterThan(0);
    },
    120_000,
  );

  test('a frame that is named has its time', async () => {
    const path = join(directory, 'named.ktop');
    await makeRecording(path, { count: 100, rows: 6, chunk: SMALL });
    const file = new RecordingFile(path);
    const { offset, packed } = file.span(1) as unknown as { offset: number; packed: number };
    file.close();
    const fd = openSync(path, 'r+');
    writeSync(fd, Buffer.from('not what was there'), 0, 18, offset + (packed >> 1));
    closeSync(fd);
    const hurt = new RecordingFile(path);
    expect(hurt.chunk(1)).toBeUndefined();
    expect(hurt.damage.map(({ text }) => text)).toEqual([
      expect.stringMatching(
        /^the frame at byte \d+ \(2026-11-20T12:\S+Z to 2026-11-20T12:\S+Z\) is damaged \(its checksum is wrong\); skipped$/,
      ),
    ]);
    expect(hurt.damage[0]?.time).toBe(hurt.span(1).from);
    hurt.close();
  });

  test('a hole of zeros, as a machine that crashed leaves it, costs what is in it', async () => {
    const path = join(directory, 'hole.ktop');
    const made = await makeRecording(path, { count: 200, rows: 6, chunk: SMALL, close: false });
    const bytes = readFileSync(path);
    bytes.fill(0, 40_000, 60_000);
    writeFileSync(path, bytes);
    const { missing, damage, frames } = lost(path, made, '');
    expect(missing).toBeGreaterThan(0);
    expect(missing).toBeLessThan(120);
    expect(frames).toBeGreaterThan(2);
    expect(damage.length).toBeGreaterThan(1);
  });

  test('two recordings in one file, or one twice, are no more than the first', async () => {
    const path = join(directory, 'twice.ktop');
    const made = await makeRecording(path, { count: 20 });
    copyFileSync(path, `${path}2`);
    const fd = openSync(`${path}2`, 'a');
    writeSync(fd, readFileSync(path));
    closeSync(fd);
    const { missing } = lost(`${path}2`, made, '');
    expect(missing).toBe(0);
  });
});
