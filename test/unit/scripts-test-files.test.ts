import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { filesByStage } from '../../scripts/test-files.mjs';

const STAGES = ['unit', 'live', 'lab'];
const FILES = ['unit/a.test.ts', 'unit/deep/b.test.tsx', 'unit/helper.ts', 'live/b.test.ts'];

let root = '';

beforeAll(() => {
  root = mkdtempSync(join(tmpdir(), 'ktop-files-'));
  mkdirSync(join(root, 'test/unit/deep'), { recursive: true });
  mkdirSync(join(root, 'test/live'));
  for (const file of FILES) writeFileSync(join(root, 'test', file), '');
});

afterAll(() => rmSync(root, { recursive: true }));

const chosen = (stages: readonly string[], words: readonly string[]) =>
  Object.fromEntries(filesByStage(root, stages, words));

test('without words every stage keeps all its files, one without any as well: it has to fail', () => {
  expect(chosen(STAGES, [])).toEqual({
    unit: ['test/unit/a.test.ts', 'test/unit/deep/b.test.tsx'],
    live: ['test/live/b.test.ts'],
    lab: [],
  });
});

test('a word that another stage has leaves a stage out', () => {
  expect(chosen(STAGES, ['b.test'])).toEqual({
    unit: ['test/unit/deep/b.test.tsx'],
    live: ['test/live/b.test.ts'],
  });
  expect(chosen(STAGES, ['test/unit/a'])).toEqual({ unit: ['test/unit/a.test.ts'] });
});

test('a word that no chosen stage has is an error', () => {
  expect(() => chosen(STAGES, ['a.test', 'nowhere'])).toThrow(
    /no test file of unit, live, lab has "nowhere"/,
  );
  expect(() => chosen(['live'], ['a.test'])).toThrow(/no test file of live/);
});
