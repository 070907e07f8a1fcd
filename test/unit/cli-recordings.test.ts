/** The command lines of ktop record, replay and export. */
import { describe, expect, test } from 'vitest';
import { type Command, parseCommand } from '../../src/cli/parse.ts';
import { monitors as real } from '../../src/monitors/index.ts';

const parse = (line: string, terminal = true): Command => parseCommand(line.split(' '), real, terminal);

function record(line: string) {
  const command = parse(`record ${line}`);
  if (command.kind !== 'record') throw new Error(command.kind);
  return command;
}

describe('record', () => {
  test('takes the monitors for every host when none is named', () => {
    const { wanted, standard, duration_ms, file } = record('-o x.ktop');
    expect(wanted.map(({ monitor }) => monitor.name)).toEqual(
      real.filter((monitor) => monitor.standard).map(({ name }) => name),
    );
    expect(wanted.length).toBeGreaterThanOrEqual(6);
    expect({ standard, duration_ms, file }).toEqual({
      standard: true,
      duration_ms: Number.POSITIVE_INFINITY,
      file: 'x.ktop',
    });
  });

  test('gives each monitor the options it uses, in its own units', () => {
    const { wanted, standard } = record('kvm-exit task-state kvm-exit --than 5 -S -i 250 --output=x');
    expect(standard).toBe(false);
    expect(wanted.map(({ monitor, options }) => [monitor.name, options])).toEqual([
      ['kvm-exit', { interval_ms: 250, than_ms: 0.005, than_us: 5 }],
      ['task-state', { interval_ms: 250, than_ms: 5, than_us: 5000, sleeping: true }],
    ]);
  });

  test.each([
    ['90', 90_000],
    ['1.5m', 90_000],
    ['500ms', 500],
    ['24h', 86_400_000],
    ['7d', 604_800_000],
  ])('--duration %s', (text, ms) => expect(record(`-o x --duration ${text}`).duration_ms).toBe(ms));

  test.each(['0', '-1', 'h', '1w', '367d', '1e3'])('--duration %s is refused', (text) =>
    expect(() => record(`-o x --duration=${text}`)).toThrow('is no span of time up to a year'),
  );

  test.each([
    ['', 'write ktop record -o FILE'],
    ['-o x nettop --percpu', 'nettop does not use --percpu'],
    ['-o x nettop disktop --percpu', 'none of nettop, disktop uses --percpu'],
    ['-o x netop', 'did you mean nettop?'],
    ['-o x mpdelay -e a:b', 'mpdelay takes at least 2 events'],
    ['-o x --json', 'unknown option "--json"'],
  ])('%s is refused', (line, words) =>
    expect(() => parseCommand(['record', ...line.split(' ').filter(Boolean)], real, true)).toThrow(words),
  );
});

describe('replay', () => {
  test('is on the screen where there is one', () => {
    expect(parse('replay x.ktop')).toMatchObject({ kind: 'replay', file: 'x.ktop', format: undefined });
    expect(parse('replay x.ktop', false)).toMatchObject({ format: 'plain', speed: undefined });
    expect(parse('replay x.ktop nettop --json -n 3 --speed 0.5')).toMatchObject({
      monitor: { name: 'nettop' },
      format: 'json',
      count: 3,
      speed: 0.5,
    });
  });

  test.each([
    ['replay', 'write ktop replay FILE'],
    ['replay x -n 3', '-n/--count is not for the dashboard'],
    ['replay x --json --plain', 'exclude each other'],
    ['replay x nettop disktop', 'unexpected argument "disktop"'],
    ['replay x --speed 0', 'is no number from 0.1 to 100'],
    ['replay x -i 100', 'unknown option "-i"'],
  ])('%s is refused', (line, words) => expect(() => parse(line)).toThrow(words));
});

describe('export', () => {
  test.each(['json', 'csv', 'openmetrics'])('as %s', (format) =>
    expect(parse(`export x.ktop --format ${format} --monitor nettop -o y`)).toMatchObject({
      kind: 'export',
      file: 'x.ktop',
      format,
      output: 'y',
      monitor: { name: 'nettop' },
    }),
  );

  test.each([
    ['export', 'export needs a recording'],
    ['export x', 'give --format'],
    ['export x --format xml', 'give one of json, csv, openmetrics'],
    ['export x y --format csv', 'unexpected argument "y"'],
  ])('%s is refused', (line, words) => expect(() => parse(line)).toThrow(words));
});
