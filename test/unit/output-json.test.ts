import { expect, test } from 'vitest';
import { jsonLine, jsonObject, jsonText } from '../../src/output/json.ts';
import { first, second } from './fixtures/monitors.ts';
import { sampleSnapshot } from './fixtures/snapshot.ts';

test('the object has the keys of the contract, in their order', () => {
  const object = jsonObject(first, sampleSnapshot());
  expect(Object.keys(object)).toEqual([
    'ktop',
    'monitor',
    'time',
    'interval_ms',
    'backend',
    'events',
    'lost',
    'late',
    'unseen',
    'rows',
    'histogram',
    'log',
    'extra',
    'notes',
  ]);
  expect(object).toMatchObject({
    ktop: 1,
    time: '2026-11-20T17:24:01.003Z',
    interval_ms: 500,
    backend: 'perf',
  });
});

test('rows: sorted, scaled, by the measured interval, hidden columns left out', () => {
  const { rows } = jsonObject(first, sampleSnapshot());
  expect(rows).toEqual([
    { count: (2n ** 60n).toString(), rate_kb: null, comm: 'esc\u001b[31m\n' },
    { count: 7, rate_kb: 0, comm: 'half\ud800' },
    { count: 1, rate_kb: 2, comm: 'sshd' },
  ]);
});

test('one line of valid JSON whatever the names hold', () => {
  const line = jsonLine(first, sampleSnapshot());
  expect(line.indexOf('\n')).toBe(line.length - 1);
  expect(line.isWellFormed()).toBe(true);
  expect(JSON.parse(line).rows[0].comm).toBe('esc\u001b[31m\n');
});

test('histogram buckets', () => {
  expect(jsonObject(first, sampleSnapshot()).histogram).toEqual([
    { low: 256, high: 511, count: 10 },
    { low: 512, high: 1023, count: 40 },
  ]);
});

test('histograms per CPU say which; others their label', () => {
  const one = {
    unit: 'ns',
    low: Float64Array.of(1),
    high: Float64Array.of(2 ** 64),
    count: Float64Array.of(3),
  };
  const of = (...labels: string[]) =>
    jsonObject(first, sampleSnapshot({ histograms: { latency: labels.map((label) => ({ ...one, label })) } }))
      .histogram;
  expect(of('0', 'cpu 12')).toMatchObject([{ cpu: 0 }, { cpu: 12, high: (2n ** 64n).toString() }]);
  expect(of('read', 'write')).toMatchObject([{ label: 'read' }, { label: 'write' }]);
});

test('log entries have wall time', () => {
  expect(jsonObject(first, sampleSnapshot()).log).toEqual([
    {
      time: '2026-11-20T17:24:00.003Z',
      cpu: 1,
      pid: 10,
      tid: 11,
      comm: 'dd',
      text: 'WAIT 105 ms',
      stack: ['io_schedule+0x12'],
    },
  ]);
});

test('bars without a table panel are the rows; lines are drawn only; what is missing is empty', () => {
  const object = jsonObject(second, sampleSnapshot());
  expect(object.rows).toHaveLength(3);
  expect(object.line).toBeUndefined();
  expect(jsonObject(first, sampleSnapshot({ tables: {}, histograms: {}, logs: {} }))).toMatchObject({
    rows: [],
    histogram: [],
    log: [],
    extra: [],
  });
});

test('what a terminal may obey is escaped, and comes back the same', () => {
  const evil = { name: '\x1b[31m\x7f\x9b2J\u202ertl\u200b\ufeff\u2028\u{e0041}', plain: 'käse ✓ 🙂' };
  const text = jsonText(evil);
  expect(text.trimEnd()).not.toMatch(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u);
  expect(text).toContain('käse ✓ 🙂');
  expect(JSON.parse(text)).toEqual(evil);
});
