import { expect, test } from 'vitest';
import { align } from '../../src/output/align.ts';
import { histogramLines } from '../../src/output/histogram.ts';
import { plainText } from '../../src/output/plain.ts';
import { first } from './fixtures/monitors.ts';
import { sampleSnapshot } from './fixtures/snapshot.ts';

test('the whole layout', () => {
  const text = plainText(first, sampleSnapshot({ lost: 2, late: 1, notes: ['perf lost samples'] }));
  expect(text.split('\n')).toEqual([
    'first  2026-11-20T17:24:01.003Z  interval 500 ms  events 5120  lost 2  late 1  backend perf',
    'note: perf lost samples',
    'Main:',
    '              COUNT  KB/s  SEEN  COMM',
    '1152921504606846976     -     -  esc\ufffd[31m\ufffd',
    '                  7   0.0     0  half\ufffd',
    '                  1   2.0  1.0K  sshd',
    '             latency(ns) : count    distribution',
    '       256 -> 511        : 10       |**********                              |',
    '       512 -> 1023       : 40       |****************************************|',
    'Slow:',
    '2026-11-20T17:24:00.003Z               dd      11 [001] WAIT 105 ms',
    '    io_schedule+0x12',
    'Extra:',
    'TWICE',
    '    2',
    '',
    '',
  ]);
});

test('an empty table says so', () => {
  expect(plainText(first, sampleSnapshot({ tables: {} }))).toContain('nothing happened');
});

test('no control character gets through', () => {
  const evil = '\u001b]0;x\u0007\u009b\u202e\r';
  const snapshot = sampleSnapshot({
    notes: [evil],
    backend: evil,
    logs: { slow: [{ at_ms: 0, cpu: 0, pid: 1, tid: 1, comm: evil, text: evil, stack: [evil] }] },
  });
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
  expect(plainText(first, snapshot)).not.toMatch(/[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u202e]/);
});

test('columns line up and lines have no blanks at their end', () => {
  expect(
    align(
      [
        ['A', 'B', 'C'],
        ['long', '1', 'x'],
        ['s', '1000', ''],
      ],
      [false, true, false],
    ),
  ).toEqual(['A        B  C', 'long     1  x', 's     1000']);
});

test('an empty histogram takes no line', () => {
  const none = new Float64Array();
  expect(histogramLines('t', [{ label: '', unit: 'ns', low: none, high: none, count: none }])).toEqual([]);
});
