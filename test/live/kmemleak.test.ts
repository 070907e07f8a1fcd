/** kmemleak against a process that keeps 10,000 kernel objects and frees 10,000 of the same kind. */
import { beforeAll, describe, expect, test } from 'vitest';
import { number, type Picture, watch } from '../helpers/ktop.ts';
import { perfStat } from '../helpers/oracle.ts';
import { startLoad } from '../helpers/workload.ts';
import { accounted, eventsOf, total } from './accounting.ts';

const KEPT = 10_000;
const FREED = 10_000;

/** Rows about System V messages; the slab's own growth has such a stack but another site. */
const messages = (picture: Picture | undefined) =>
  (picture?.rows ?? []).filter((row) => /load_msg|alloc_msg/.test(String(row.site)));

const count = (picture: Picture | undefined) =>
  messages(picture).reduce((n, row) => n + number(row, 'count'), 0);

describe.each([
  { where: 'freed on the same CPU', cpus: [0, 0], options: [] },
  { where: 'freed on another CPU, with stacks', cpus: [0, 1], options: ['-g'] },
])('kmemleak: $where', ({ cpus, options }) => {
  let held: Picture | undefined;
  let after: Picture | undefined;
  let seen = 0;
  let least = 0;
  let most = 0;

  beforeAll(async () => {
    const events = eventsOf('kmemleak');
    const outer = await perfStat(events);
    const run = await watch(['kmemleak', '-i', '1000', ...options], async (ktop) => {
      const inner = await perfStat(events);
      const load = await startLoad('objects', [KEPT, FREED, ...cpus]).said;
      least = total(await inner.stop());
      await ktop.more(2);
      held = ktop.pictures.at(-1);
      await load.release();
    });
    most = total(await outer.stop());
    after = run.pictures.at(-1);
    seen = accounted(run.pictures);
  }, 60_000);

  test('kept and freed are told apart exactly', () => expect(count(held)).toBe(KEPT));

  test('bytes, age, name and stack of the row', () => {
    const [row] = messages(held);
    expect(number(row ?? {}, 'bytes')).toBeGreaterThanOrEqual(KEPT * 48);
    expect(number(row ?? {}, 'oldest_s')).toBeGreaterThan(0);
    expect(number(row ?? {}, 'oldest_s')).toBeLessThan(10);
    expect(String(row?.comms)).toContain('w-objects');
    if (options.includes('-g')) expect(String(row?.stack)).toContain('msgsnd');
  });

  test('removing the queue frees them all', () => expect(count(after)).toBe(0));

  test('every event is accounted for', () => {
    expect(least).toBeGreaterThan(2 * (KEPT + FREED));
    expect(seen).toBeGreaterThanOrEqual(least);
    expect(seen).toBeLessThanOrEqual(most);
  });
});

test('kmemleak --age leaves out what is young', { timeout: 30_000 }, async () => {
  const age_s = 3;
  const { pictures } = await watch(['kmemleak', '-i', '500', '--age', `${age_s}s`], async (ktop) => {
    const load = await startLoad('objects', [KEPT, 0]).said;
    await ktop.more(2);
    expect(count(ktop.pictures.at(-1))).toBe(0);
    await ktop.more(7);
    expect(count(ktop.pictures.at(-1))).toBe(KEPT);
    await load.release();
  });
  expect(count(pictures.at(-1))).toBe(0);
});
