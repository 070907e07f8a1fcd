/** Bad values for every option of every monitor: a usage error in one line, before anything is opened. */
import { describe, expect, test } from 'vitest';
import { OPTIONS, type OptionRow } from '../../src/cli/option-table.ts';
import { parseCommand } from '../../src/cli/parse.ts';
import { UsageError } from '../../src/cli/usage-error.ts';
import { monitors } from '../../src/monitors/index.ts';
import type { Monitor } from '../../src/monitors/monitor.ts';

const NO_NUMBER = [
  '',
  ' ',
  'x',
  '1x',
  '1.5',
  '0x10',
  'NaN',
  'Infinity',
  '-1',
  '--',
  '99999999999999999999',
  '１',
];
const NO_TIME = ['', ' ', 'soon', '-5', '-5ms', '0', '0s', '5 ms', '5m', 'ms', '1e3', '1..5', '9'.repeat(30)];
const NO_EVENT = [
  ...[
    '',
    ' ',
    ',',
    'x',
    ':',
    'a:',
    ':b',
    'a:b,',
    ',a:b',
    'a b:c',
    'a:b c',
    '../a:b',
    'a:../b',
    'a:b/',
    'a:b//',
  ],
  ...['a:b/x', 'a:b/x/y', `a:b/${'x'.repeat(4096)}/`, 'a:\u{1b}[31mb'],
];

/** By name of the option; a value that its own monitor could take is not in here. */
const BAD: Readonly<Record<string, readonly string[] | ((monitor: Monitor) => readonly string[])>> = {
  count: [...NO_NUMBER, '0', '1000000001'],
  interval: [...NO_NUMBER, '0', '99', '3600001'],
  cpu: [
    '',
    ' ',
    ',',
    'x',
    '-1',
    '0-',
    '-',
    '0,,1',
    '0,',
    '1-0',
    '0-x',
    '4095',
    '0-4095',
    '1.5',
    '99999999999',
  ],
  pid: [
    '',
    ' ',
    ',',
    'x',
    '0',
    '-1',
    '1,',
    ',1',
    '1,,2',
    '1.5',
    '4194305',
    '4194304',
    '99999999999999999999',
  ],
  than: ({ than_unit }) =>
    than_unit === 'percent' ? ['', 'x', '0', '-1', '101', '5ms', '1e1', '%', '50%%', 'NaN'] : NO_TIME,
  filter: ({ kernel_filter }) => [
    ...['', ' ', '\t', 'x'.repeat(4096), 'ö'.repeat(2048)],
    ...(kernel_filter ? [] : ['x'.repeat(241)]),
  ],
  event: ({ event_words }) =>
    event_words === undefined ? NO_EVENT : ['', ' ', ',', 'a,', 'no such', '\n'.repeat(3)],
  key: ['', ' ', '1x', 'a b', 'a.b', '$', '$$tid', 'a-b', 'x;'],
  latency: ({ least_latency_us = 0 }) => [
    ...NO_TIME,
    ...(least_latency_us > 0 ? ['1', '99', '10us', '99999ns', '0.05ms'] : []),
  ],
  alloc: [...NO_EVENT, 'a:b/ptr=/', 'a:b/ptr=x,ptr=y/', 'a:b/size=/', 'a:b/field=x/', 'a:b/x==1/size=/'],
  free: [...NO_EVENT, 'a:b/ptr=/', 'a:b/ptr=x,ptr=y/', 'a:b/size=/', 'a:b/field=x/'],
  age: NO_TIME,
  freq: [...NO_NUMBER, '0', '10001'],
  trigger: [...NO_NUMBER, '1000000001'],
  'mmap-pages': [...NO_NUMBER, '0', '3', '65536'],
  backend: ['', 'PERF', 'perf,tracefs', 'bpf'],
  budget: ['', '0', '-5', '101', 'OFF', 'none', '5 %'],
  depth: [...NO_NUMBER, '0', '256'],
  subtree: ['', ' ', 'a b', 'a;b', 'x/y', ':mod:', 'vfs_read\n'],
  input: [''],
  record: [''],
  share: [''],
  colour: ['', 'red', 'AUTO'],
  theme: ['', 'dark', 'Default'],
};

const valued = OPTIONS.filter(({ value }) => value !== undefined);

test('there are bad values for every option that takes one', () => {
  expect(Object.keys(BAD).sort()).toEqual(valued.map(({ name }) => name).sort());
});

function refusal(argv: readonly string[]): unknown {
  try {
    return parseCommand(argv, monitors, false);
  } catch (error) {
    return error;
  }
}

function expectRefused(argv: readonly string[]): void {
  const error = refusal(argv);
  expect(error, JSON.stringify(argv)).toBeInstanceOf(UsageError);
  const { message, code } = error as UsageError;
  expect([2, 3]).toContain(code);
  // One line that a terminal does not obey, of a length that can be read; cause and remedy.
  expect(message).toMatch(/^[^\p{Cc}\p{Cf}\p{Zl}\p{Zp}]+$/u);
  expect(message.length).toBeLessThan(400);
  expect(message, message).toMatch(/;|needs a value/);
}

const spelt = (row: OptionRow): readonly string[] =>
  row.short === undefined ? [`--${row.name}`] : [`--${row.name}`, `-${row.short}`];

describe.each(monitors.map((monitor) => [monitor.name, monitor] as const))('%s', (name, monitor) => {
  const used = valued.filter(({ uses }) => uses === undefined || monitor.options.includes(uses));

  test.each(used.map((row) => [row.name, row] as const))('--%s', (_, row) => {
    const bad = BAD[row.name];
    for (const value of typeof bad === 'function' ? bad(monitor) : (bad ?? []))
      for (const option of spelt(row)) {
        expectRefused([name, `${option}`, value]);
        if (option.startsWith('--')) expectRefused([name, `${option}=${value}`]);
      }
    // And nothing at all.
    for (const option of spelt(row)) expectRefused([name, option]);
  });

  test('options of others are refused, and say whose they are', () => {
    for (const row of OPTIONS) {
      if (row.uses === undefined || monitor.options.includes(row.uses)) continue;
      expectRefused([name, `--${row.name}`, ...(row.value === undefined ? [] : ['1'])]);
    }
  });

  test('values for options that take none, unknown options, and words too many', () => {
    for (const { name: option, value } of OPTIONS)
      if (value === undefined && option !== 'help' && option !== 'version')
        expectRefused([name, `--${option}=1`]);
    expectRefused([name, '--no-such-option']);
    expectRefused([name, '-Q']);
    expectRefused([name, monitor.words === undefined ? 'extra' : 'no function']);
    expectRefused([name, '--json', '--plain']);
  });
});
