/** Ranges, their filters and expressions, and what becomes of the counters. */
import { expect, test } from 'vitest';
import { parseHist } from '../../src/cli/hist.ts';
import { parseEventFormat } from '../../src/filter/event-format.ts';
import {
  type HistSpec,
  histMonitor,
  powerBounds,
  quantileOf,
  rangesOf,
  rangeText,
} from '../../src/monitors/hist.ts';
import { numberAt, textAt } from '../../src/monitors/monitor.ts';

const SPEC: HistSpec = {
  name: 'hist',
  title: 'Hist',
  event: 'a:b',
  field: 'ret',
  signed: true,
  size: 8,
  bounds: [0, 1, 4, 16],
};

const texts = (spec: Partial<HistSpec>) => rangesOf({ ...SPEC, ...spec }).map(rangeText);

test('ranges leave nothing out', () => {
  expect(texts({})).toEqual(['< 0', '0', '1 - 3', '4 - 15', '>= 16']);
  expect(texts({ signed: false })).toEqual(['0', '1 - 3', '4 - 15', '>= 16']);
  expect(texts({ signed: false, bounds: [5, 6] })).toEqual(['0 - 4', '5', '>= 6']);
  expect(texts({ bounds: [5, 6] })).toEqual(['< 0', '0 - 4', '5', '>= 6']);
  expect(texts({ bounds: [-10, 0, 10] })).toEqual(['< -10', '-10 - -1', '0 - 9', '>= 10']);
  expect(powerBounds(4, 100)).toEqual([0, 1, 4, 16, 64]);
});

test('counters with a filter each, and one for all', () => {
  const plan = histMonitor({ ...SPEC, filter: 'comm == "x"' }).plan({ interval_ms: 1000 });
  expect(plan.events).toEqual([]);
  expect(plan.polls?.[0]?.filters).toEqual({
    b0: 'ret < 0 && (comm == "x")',
    b1: 'ret == 0 && (comm == "x")',
    b2: 'ret >= 1 && ret < 4 && (comm == "x")',
    b3: 'ret >= 4 && ret < 16 && (comm == "x")',
    b4: 'ret >= 16 && (comm == "x")',
    all: 'comm == "x"',
  });
});

test('more ranges than counters, or whose: the events are read', () => {
  const many = histMonitor({ ...SPEC, bounds: powerBounds(2, 2 ** 30) }).plan({ interval_ms: 1000 });
  expect(many.polls).toBeUndefined();
  expect(many.events).toEqual([{ id: 'e', names: ['a:b'], filter: undefined }]);
  const byPid = histMonitor({ ...SPEC, by: 'pid', bounds: [0, 1], signed: false }).plan({
    interval_ms: 1000,
  });
  expect(byPid.operators[0]?.on[0]?.key).toEqual({ range: '(ret < 0 ? 1 : (ret < 1 ? 0 : 1))', pid: '$pid' });
});

test('tables: sums over CPUs, shares, bars, quantiles', () => {
  const counters = {
    length: 2,
    key: ['cpu'],
    columns: {
      cpu: Float64Array.of(0, 1),
      ...Object.fromEntries([1, 0, 2, 0, 4].map((count, at) => [`b${at}`, Float64Array.of(count, count)])),
      ...Object.fromEntries([10, 0, 20, 0, 40].map((n, at) => [`total:b${at}`, Float64Array.of(n, n)])),
      all: Float64Array.of(7, 7),
      'total:all': Float64Array.of(70, 70),
    },
  };
  const { ranges, summary } = histMonitor(SPEC).derive?.({ counters }, { interval_ms: 1000 }, 1000) ?? {};
  const numbers = (name: string) => [0, 1, 2, 3, 4].map((row) => numberAt(ranges?.columns[name], row));
  expect(numbers('count')).toEqual([2, 0, 4, 0, 8]);
  expect(numbers('total')).toEqual([20, 0, 40, 0, 80]);
  expect([0, 1, 2, 3, 4].map((row) => textAt(ranges?.columns.bar, row).length)).toEqual([10, 0, 20, 0, 40]);
  expect(numberAt(ranges?.columns.pct, 4)).toBeCloseTo((100 * 8) / 14);
  expect(numberAt(ranges?.columns.low, 0)).toBeNaN();
  expect(numberAt(summary?.columns.count, 0)).toBe(14);
  expect(numberAt(summary?.columns.p50, 0)).toBe(16);
  const byCpu = histMonitor({ ...SPEC, by: 'cpu' }).derive?.({ counters }, { interval_ms: 1000 }, 1000) ?? {};
  expect(byCpu.ranges?.length).toBe(10);
});

test('quantiles lie within their range', () => {
  const ranges = rangesOf(SPEC);
  expect(quantileOf([0, 0, 10, 0, 0], ranges, 0.5)).toBe(2);
  expect(quantileOf([0, 0, 0, 0, 0], ranges, 0.5)).toBeNaN();
  expect(quantileOf([10, 0, 0, 0, 0], ranges, 0.5)).toBe(-1);
  expect(quantileOf([0, 1, 0, 0, 9], ranges, 0.99)).toBe(16);
});

const formatOf = (event: string) =>
  parseEventFormat(
    event,
    '\tfield:long ret;\toffset:8;\tsize:8;\tsigned:1;\n\tfield:unsigned int len;\toffset:16;\tsize:4;\tsigned:0;\n' +
      '\tfield:char name[8];\toffset:20;\tsize:8;\tsigned:0;\n',
  );

test('the command line', () => {
  expect(parseHist([], formatOf)).toBeUndefined();
  expect(parseHist(['--json', '-n', '3'], formatOf)).toBeUndefined();
  expect(
    parseHist(
      ['a:b', 'len', '-P', '2', '-m', '8', '-f', 'ret<0 and pid=3', '--json', '-n2', '-C0'],
      formatOf,
    ),
  ).toEqual({
    argv: ['hist', '--json', '--count=2', '--cpu=0'],
    spec: {
      name: 'hist',
      title: 'Hist',
      event: 'a:b',
      field: 'len',
      signed: false,
      size: 4,
      bounds: [0, 1, 2, 4, 8],
      filter: 'ret < 0',
      where: '$pid == 3',
      notes: ['filter in the kernel: ret<0; in ktop: pid=3'],
    },
  });
  expect(parseHist(['kmalloc', '-b', '10 20,30'], formatOf)?.spec).toMatchObject({
    event: 'kmem:kmalloc',
    bounds: [10, 20, 30],
  });
});

test.each([
  [['--by', 'cpu'], /hist takes an event and a field, or one of read, write/],
  [['reed'], /"reed" is no event and none of .*; did you mean read\?/],
  [['a:b'], /hist a:b needs a field; it has ret, len/],
  [['a:b', 'lan'], /a:b has no field "lan"; did you mean len\?/],
  [['a:b', 'name'], /name of a:b is no number; it has ret, len/],
  [['a:b', 'len', 'x'], /unexpected argument "x"/],
  [['a:b', 'len', '-b', '1 3 2'], /2 stands behind 3; write them in ascending order/],
  [['a:b', 'len', '-b', '-1 3'], /-b\/--bounds: -1 is out of range/],
  [['a:b', 'len', '-b', '1', '-P', '2'], /leave -P\/--power and -m\/--max out/],
  [
    ['a:b', 'len', '-f', 'let=1'],
    /the filter "let=1": there is no field of a:b "let"; did you mean ret\? \(at 1\)/,
  ],
  [['a:b', 'len', '--by', 'uid'], /--by: "uid" is not known; give one of pid, comm, cpu/],
  [['a:b', 'len', '--nope'], /unknown option "--nope"/],
])('refused: %j', (argv, why) => {
  expect(() => parseHist(argv, formatOf)).toThrow(why);
});
