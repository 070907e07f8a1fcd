/** Lines of real kernel logs, and counters, as rows of split-lock. */
import { describe, expect, test } from 'vitest';
import type { Table } from '../../src/monitors/monitor.ts';
import { numberAt, textAt } from '../../src/monitors/monitor.ts';
import { splitLock } from '../../src/monitors/split-lock.ts';

const lines = (...texts: string[]): Table => ({
  length: texts.length,
  key: [],
  columns: { text: { ids: Uint32Array.from(texts, (_, i) => i), strings: texts } },
});

function rowsOf(tables: Record<string, Table>) {
  const rows = splitLock.derive?.(tables, { interval_ms: 1000 }, 1000).rows;
  if (rows === undefined) throw new Error('no rows');
  return Array.from({ length: rows.length }, (_, row) => ({
    source: textAt(rows.columns.source, row),
    comm: textAt(rows.columns.comm, row),
    pid: numberAt(rows.columns.pid, row),
    kind: textAt(rows.columns.kind, row),
    address: textAt(rows.columns.address, row),
    count: numberAt(rows.columns.count, row),
  }));
}

const AC = 'x86/split lock detection: #AC: split_lock_test/3291 took a split_lock trap at address: 0x401d4c';
const DB =
  'x86/split lock detection: #DB: CPU 0/KVM/1887 took a bus_lock trap at address: 0xfffff8037e7b2e41';

describe('split-lock', () => {
  test('each line of the kernel log is a row; the same again is counted', () => {
    expect(rowsOf({ log: lines(AC, DB, AC) })).toEqual([
      {
        source: 'kernel log #AC',
        comm: 'split_lock_test',
        pid: 3291,
        kind: 'split_lock',
        address: '0x401d4c',
        count: 2,
      },
      {
        source: 'kernel log #DB',
        comm: 'CPU 0/KVM',
        pid: 1887,
        kind: 'bus_lock',
        address: '0xfffff8037e7b2e41',
        count: 1,
      },
    ]);
  });

  test('lines that say what the kernel will do, or that ratelimiting struck, are none', () => {
    const others = [
      'x86/split lock detection: #AC: crashing the kernel on kernel split_locks and warning on user-space split_locks',
      'x86/split lock detection: #DB: warning on user-space bus_locks',
      'handle_bus_lock: 12 callbacks suppressed',
    ];
    expect(rowsOf({ log: lines(...others) })).toEqual([]);
  });

  test('a counter is a row per CPU that made some; one that does not open makes none', () => {
    const counts: Table = {
      length: 3,
      key: ['cpu'],
      columns: { cpu: Float64Array.of(0, 1, 2), locks: Float64Array.of(0, 17, Number.NaN) },
    };
    expect(rowsOf({ counts })).toMatchObject([{ source: 'counter cpu 1', kind: 'split_lock', count: 17 }]);
    expect(rowsOf({})).toEqual([]);
  });
});
