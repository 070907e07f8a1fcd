/** hist against perf stat with the same filters around the same load: equal, range by range. */
import { spawn } from 'node:child_process';
import { copyFileSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Picture, type Row, watch } from '../helpers/ktop.ts';

const EVENT = 'syscalls:sys_exit_read';
const ONLY = 'comm == "w-hist"';
const READS = 700;
const FILTERS = ['', 'ret < 0', 'ret == 0', 'ret >= 1 && ret < 100', 'ret == 100', 'ret > 100'].map(
  (range) => (range === '' ? ONLY : `${range} && ${ONLY}`),
);

const work = mkdtempSync(join(tmpdir(), 'ktop-hist-'));
const program = join(work, 'w-hist');
afterAll(() => rmSync(work, { recursive: true, force: true }));

/** Reads 700 times 100 bytes, and 300 times 7; what perf stat counted of it, by filter. */
async function load(): Promise<number[]> {
  const file = join(work, 'counts');
  const events = FILTERS.flatMap((filter) => ['-e', EVENT, '--filter', filter]);
  const script = `${program} if=/dev/zero of=/dev/null bs=100 count=${READS}; ${program} if=/dev/zero of=/dev/null bs=7 count=300; ${program} if=${work} of=/dev/null bs=64 count=1; true`;
  const child = spawn(
    'perf',
    ['stat', '-a', '-x', ',', '-o', file, ...events, '--', '/bin/sh', '-c', script],
    {
      stdio: 'ignore',
    },
  );
  await new Promise<void>((resolve) => child.on('close', () => resolve()));
  return readFileSync(file, 'utf8')
    .split('\n')
    .filter((line) => line.includes(EVENT))
    .map((line) => Number(line.split(',')[0]));
}

const total = (rows: readonly Row[], low: number | null): number =>
  rows.filter((row) => row.low === low).reduce((sum, row) => sum + Number(row.total), 0);

/** What the last picture says of the same ranges. */
function ranges({ rows }: Picture): number[] {
  return [null, 0, 1, 100, 101].map((low) => total(rows, low));
}

const BOUNDS = ['-b', '0 1 100 101'];
const MANY = Array.from({ length: 30 }, (_, at) => 1000 + at).join(' ');

describe.each([
  ['counters', BOUNDS],
  ['counters, by CPU', [...BOUNDS, '--by', 'cpu']],
  ['events, by process', [...BOUNDS, '--by', 'pid']],
  ['events, by name', [...BOUNDS, '--by', 'comm']],
  ['events, for the ranges are many', ['-b', `0 1 100 101 ${MANY}`]],
])('hist by %s', (_, args) => {
  let last: Picture;
  let counted: number[] = [];

  beforeAll(async () => {
    copyFileSync('/bin/dd', program);
    const run = await watch(['hist', EVENT, 'ret', '-f', 'comm=w-hist', ...args, '-i', '300'], load);
    counted = run.load;
    last = run.pictures.at(-1) as Picture;
  }, 60_000);

  test('equals perf stat in each range', () => {
    const [all = 0, ...parts] = counted;
    expect(counted.length).toBe(FILTERS.length);
    expect(parts[3]).toBe(READS);
    expect(parts[0]).toBeGreaterThan(0);
    const seen = ranges(last);
    const more = last.rows
      .filter(({ low }) => Number(low) > 101)
      .reduce((sum, row) => sum + Number(row.total), 0);
    expect([...seen.slice(0, 4), (seen[4] ?? 0) + more]).toEqual(parts);
    // And the ranges together are all there is.
    expect(parts.reduce((sum, part) => sum + part, 0)).toBe(all);
    const summary = (last as unknown as { summary: readonly Row[] }).summary;
    expect(summary[0]?.total).toBe(all);
    expect(last.notes).toContain('filter, all in the kernel: comm=w-hist');
  });
});
