/** percpu-stat against perf stat on the same events, around the same load: between an inner and an outer window. */
import { existsSync } from 'node:fs';
import { beforeAll, describe, expect, test } from 'vitest';
import { number, type Picture, type Row, sum, watch } from '../helpers/ktop.ts';
import { perfStat } from '../helpers/oracle.ts';
import { runLoad } from '../helpers/workload.ts';

/** Column → event; idle counts pairs. */
const EVENTS: Readonly<Record<string, string>> = {
  csw: 'context-switches',
  cpu_mig: 'cpu-migrations',
  minflt: 'minor-faults',
  majflt: 'major-faults',
  syscalls: 'raw_syscalls:sys_enter',
  hardirq: 'irq:irq_handler_entry',
  softirq: 'irq:softirq_entry',
  hrtimer: 'timer:hrtimer_expire_entry',
  workqueue: 'workqueue:workqueue_execute_start',
  kvm_exit: 'kvm:kvm_exit',
  net_recv: 'net:netif_receive_skb',
  xmit: 'net:net_dev_xmit',
  gro: 'net:napi_gro_receive_entry',
  mm_alloc: 'kmem:mm_page_alloc',
  compact: 'compaction:mm_compaction_migratepages',
  reclaim: 'vmscan:mm_vmscan_direct_reclaim_begin',
  migrate: 'migrate:mm_migrate_pages',
  page_cache: 'filemap:mm_filemap_add_to_page_cache',
  wb_pages: 'writeback:wbc_writepage',
  idle: 'power:cpu_idle',
};

const here = (event: string) =>
  !event.includes(':') || existsSync(`/sys/kernel/tracing/events/${event.replace(':', '/')}`);
const KNOWN = Object.entries(EVENTS).filter(([, event]) => here(event));
const LACKING = Object.entries(EVENTS).filter(([, event]) => !here(event));

interface Load {
  readonly getppid: number;
  readonly pipe: number;
  readonly udp: number;
}

describe('percpu-stat', () => {
  let pictures: readonly Picture[] = [];
  let load: Load;
  let inner = new Map<string, number>();
  let outer = new Map<string, number>();

  beforeAll(async () => {
    const events = KNOWN.map(([, event]) => event);
    const around = await perfStat(events);
    const run = await watch(['percpu-stat', '--syscalls', '-i', '500'], async () => {
      const within = await perfStat(events);
      const ops = async (mode: string) => (await runLoad<{ ops: number }>('storm', [mode, 0.7])).ops;
      const did = { getppid: await ops('getppid'), pipe: await ops('pipe'), udp: await ops('udp') };
      inner = await within.stop();
      return did;
    });
    outer = await around.stop();
    ({ pictures, load } = run);
  }, 60_000);

  const all = (row: Row) => row.cpu === 'all';

  test.each(KNOWN)('%s is %s', (column, event) => {
    const by = column === 'idle' ? 2 : 1;
    const counted = sum(pictures, column, all) * by;
    // Half an enter and exit may be rounded, per CPU and picture.
    const rounded = (by - 1) * 2 * pictures.length;
    expect(counted).toBeGreaterThanOrEqual((inner.get(event) ?? 0) - rounded);
    expect(counted).toBeLessThanOrEqual((outer.get(event) ?? 0) + rounded);
  });

  test('the load is in it', () => {
    expect(load.getppid).toBeGreaterThan(1000);
    expect(sum(pictures, 'syscalls', all)).toBeGreaterThanOrEqual(
      load.getppid + 4 * load.pipe + 2 * load.udp,
    );
    expect(sum(pictures, 'csw', all)).toBeGreaterThanOrEqual(load.pipe);
    expect(sum(pictures, 'xmit', all)).toBeGreaterThanOrEqual(load.udp);
    // Between the two windows of perf stat lies little: the bounds are narrow.
    const [least = 0, most = 0] = [inner, outer].map((counts) => counts.get('raw_syscalls:sys_enter') ?? 0);
    expect((most - least) / most).toBeLessThan(0.25);
  });

  test('one row per CPU, and all is their sum', () => {
    for (const { rows } of pictures) {
      expect(rows.map(({ cpu }) => cpu)).toEqual(['all', '0', '1'].slice(0, rows.length));
      for (const [column] of KNOWN) {
        const parts = rows.slice(1).reduce((total, row) => total + number(row, column), 0);
        expect(number(rows[0] ?? {}, column)).toBe(parts);
      }
    }
  });

  test('events this kernel lacks are null', () => {
    for (const [column] of LACKING)
      for (const { rows } of pictures) for (const row of rows) expect(row[column]).toBeNull();
  });

  test('-C: one CPU; without --syscalls no such column', { timeout: 30_000 }, async () => {
    const run = await watch(['percpu-stat', '-C', '1', '-i', '300'], async () => undefined);
    for (const { rows } of run.pictures) {
      expect(rows.map(({ cpu }) => cpu)).toEqual(['all', '1']);
      for (const row of rows) expect(Object.keys(row)).not.toContain('syscalls');
    }
  });
});
