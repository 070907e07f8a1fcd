/** disktop against one process per operation, each with a known amount and its own /proc/self/io. */
import { mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Ktop, type Picture, sum, watch } from '../helpers/ktop.ts';
import { perfStat } from '../helpers/oracle.ts';
import { paths } from '../helpers/paths.ts';
import { runLoad, startLoad } from '../helpers/workload.ts';
import { accounted, eventsOf, total } from './accounting.ts';

interface Truth {
  readonly pid: number;
  readonly bytes: number;
  readonly read_bytes: number;
  readonly write_bytes: number;
  readonly cancelled: number;
}

const BYTES = 4 * 1024 * 1024;
const SLACK = 4096;
/** What starting a program may read from disk when its own pages were dropped. */
const PROGRAM = 512 * 1024;

describe('disktop', () => {
  // The build directory is on a real file system; /tmp may not be.
  const work = mkdtempSync(join(paths.project, 'build/disktop-'));
  const file = join(work, 'data');
  const truth: Record<string, Truth> = {};
  let pictures: readonly Picture[] = [];

  /** Runs one operation and lets ktop take a picture while the process lives. */
  async function operate(ktop: Ktop, name: string, op: string, target = file, bytes = BYTES): Promise<void> {
    const load = await startLoad<Truth>('disk', [op, target, bytes]).said;
    await ktop.more(2);
    await load.release();
    truth[name] = load.truth;
  }

  beforeAll(async () => {
    await runLoad('disk', ['prepare', file, BYTES]);
    await runLoad('disk', ['prepare', `${file}2`, BYTES]);
    await runLoad('disk', ['prepare', `${file}3`, BYTES]);
    const run = await watch(['disktop', '-i', '300'], async (ktop) => {
      await operate(ktop, 'cold', 'read');
      // The page cache may be squeezed by others on a busy machine: until it holds the file.
      for (let tries = 0; tries < 5; tries++) {
        await operate(ktop, 'cached', 'read');
        if ((truth.cached?.read_bytes ?? 0) < PROGRAM) break;
      }
      await operate(ktop, 'mmap', 'mmap', `${file}2`);
      await operate(ktop, 'write', 'write');
      await operate(ktop, 'truncate', 'truncate', join(work, 'cut'), 65_536);
      await operate(ktop, 'direct read', 'direct-read', `${file}3`);
      await operate(ktop, 'direct write', 'direct-write', `${file}3`);
      truth.brief = await runLoad<Truth>('disk', ['direct-read', `${file}3`, BYTES]);
    });
    pictures = run.pictures;
  }, 60_000);

  afterAll(() => rmSync(work, { recursive: true, force: true }));

  const moved = (name: string, op: 'R' | 'W') =>
    sum(pictures, 'bytes', (row) => row.pid === truth[name]?.pid && row.op === op);

  function expectNear(value: number, wanted: number): void {
    expect(Math.abs(value - wanted), `${value} is not ${wanted} ± ${SLACK}`).toBeLessThanOrEqual(SLACK);
  }

  test.each(['cold', 'mmap', 'direct read'])('%s: all of it is read from disk', (name) => {
    const { read_bytes = 0, write_bytes = 0 } = truth[name] ?? {};
    expect(read_bytes).toBeGreaterThanOrEqual(BYTES);
    expect(read_bytes).toBeLessThan(BYTES + PROGRAM);
    expectNear(moved(name, 'R'), read_bytes);
    expectNear(moved(name, 'W'), write_bytes);
  });

  test('cached: nothing is read from disk', () => {
    const { bytes = 0, read_bytes = 0 } = truth.cached ?? {};
    expect(bytes).toBe(BYTES);
    expect(read_bytes).toBeLessThan(PROGRAM);
    expectNear(moved('cached', 'R'), read_bytes);
  });

  test.each(['write', 'direct write'])('%s: the writer is billed', (name) => {
    const { read_bytes = 0, write_bytes = 0 } = truth[name] ?? {};
    expectNear(write_bytes, BYTES);
    expectNear(moved(name, 'W'), write_bytes);
    expectNear(moved(name, 'R'), read_bytes);
  });

  test('truncate: what never reached the disk is said to be cancelled', () => {
    const { pid, write_bytes = 0, cancelled = 0 } = truth.truncate ?? {};
    expect(cancelled).toBe(65_536);
    expectNear(moved('truncate', 'W'), write_bytes);
    expect(sum(pictures, 'cancelled', (row) => row.pid === pid)).toBe(cancelled);
  });

  test('a process gone within the interval is not forgotten', () => {
    expectNear(moved('brief', 'R'), truth.brief?.read_bytes ?? 0);
    expect(moved('brief', 'R')).toBeGreaterThanOrEqual(BYTES - SLACK);
  });

  test('rows say who, whose child and which disk', () => {
    const rows = pictures.flatMap((picture) => picture.rows).filter((row) => row.pid === truth.cold?.pid);
    expect(rows.length).toBeGreaterThan(0);
    for (const row of rows) {
      expect(row, JSON.stringify(row)).toMatchObject({ uid: 0, ppid: process.pid, comm: 'w-disk', op: 'R' });
      expect(row.device).toMatch(/^[a-z]+[a-z0-9]*$/);
    }
  });

  test('every event is accounted for', { timeout: 60_000 }, async () => {
    const events = eventsOf('disktop');
    const outer = await perfStat(events);
    const { pictures: all, load } = await watch(['disktop', '-i', '500'], async () => {
      const inner = await perfStat(events);
      for (let i = 0; i < 20; i++) await runLoad('disk', ['direct-write', join(work, 'direct'), BYTES]);
      return total(await inner.stop());
    });
    const most = total(await outer.stop());
    expect(load).toBeGreaterThan(20);
    expect(accounted(all)).toBeGreaterThanOrEqual(load);
    expect(accounted(all)).toBeLessThanOrEqual(most);
  });
});
