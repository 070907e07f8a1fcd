/** What of a recording is worth returning to. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { openRecording } from '../../src/sources/recording.ts';
import { irqOff, trace } from '../e2e/fake-monitors.ts';
import { TAPE_START } from '../e2e/fake-source.ts';
import { INCIDENT_S, LOSS_S, makeRecording } from '../helpers/fake-recording.ts';

const directory = mkdtempSync(join(tmpdir(), 'ktop-marks-'));
afterAll(() => rmSync(directory, { recursive: true, force: true }));

async function marksOf(name: string, ...options: [number?, number?]) {
  const path = join(directory, name);
  await makeRecording(path, [irqOff, trace], 25, ...options);
  const source = openRecording(path, { playing: false });
  const { marks } = source.playback.state();
  await source.close();
  return marks.map(({ time, ...mark }) => ({ second: (time - TAPE_START) / 1000, ...mark }));
}

test('incidents at the picture that holds them, and the beginning of a loss', async () => {
  const marks = await marksOf('few');
  expect(marks.map(({ second, kind, monitor }) => `${second} ${kind} ${monitor}`)).toEqual([
    ...Array.from({ length: 3 }, () => `${INCIDENT_S} incident irq-off`),
    `${LOSS_S} loss irq-off`,
    `${LOSS_S} loss trace`,
  ]);
});

test('a storm leaves marks for what comes after it, and says how many each stands for', async () => {
  const marks = await marksOf('storm', 50, 1);
  const seconds = new Set(marks.filter(({ kind }) => kind === 'incident').map(({ second }) => second));
  expect([...seconds]).toEqual(Array.from({ length: 26 }, (_, second) => second));
  expect(marks.some(({ kind }) => kind === 'loss')).toBe(true);
  expect(marks.length).toBeLessThanOrEqual(64);
  const first = marks.filter(({ second }) => second === 0);
  expect(first.length).toBe(4);
  expect(first.map(({ text }) => /\(and 46 more\)$/.test(text))).toEqual([false, false, false, true]);
  expect(marks.findLast(({ kind }) => kind === 'incident')?.text).toMatch(/ \(and 49 more\)$/);
});
