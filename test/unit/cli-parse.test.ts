import { describe, expect, test } from 'vitest';
import { helpText } from '../../src/cli/help.ts';
import { type Command, parseCommand } from '../../src/cli/parse.ts';
import { UsageError } from '../../src/cli/usage-error.ts';
import { monitors, second } from './fixtures/monitors.ts';

const parse = (line: string, terminal = true): Command =>
  parseCommand(
    line.split(' ').filter((word) => word !== ''),
    monitors,
    terminal,
  );

function stream(line: string) {
  const command = parse(line, false);
  if (command.kind !== 'stream') throw new Error(`not a stream: ${command.kind}`);
  return command;
}

function dashboard(line: string) {
  const command = parse(line);
  if (command.kind !== 'dashboard') throw new Error(`not a dashboard: ${command.kind}`);
  return command;
}

describe('commands', () => {
  test('nothing at all is the dashboard on the first tab', () => {
    expect(dashboard('').monitor.name).toBe('first');
  });

  test('without a terminal it is text', () => {
    expect(stream('').format).toBe('plain');
    expect(stream('kvm-exit').monitor.name).toBe('kvm-exit');
    expect(stream('first --json').format).toBe('json');
  });

  test('--plain and --json work on a terminal', () => {
    expect(parse('first --plain')).toMatchObject({ kind: 'stream', format: 'plain' });
    expect(parse('first --json -n 3')).toMatchObject({ kind: 'stream', format: 'json', count: 3 });
  });

  test('without -n there is no end', () => {
    expect(stream('first').count).toBe(Number.POSITIVE_INFINITY);
  });

  test('list, --version and --help', () => {
    expect(parse('list')).toEqual({ kind: 'list', json: false });
    expect(parse('list --json')).toEqual({ kind: 'list', json: true });
    expect(parse('--version').kind).toBe('version');
    expect(parse('first -h').kind).toBe('help');
  });
});

describe('options', () => {
  test('the interval is 1000 ms unless given', () => {
    expect(stream('first').options).toEqual({ interval_ms: 1000 });
    expect(stream('first -i 250').options.interval_ms).toBe(250);
  });

  test.each([
    'first -n3',
    'first -n 3',
    'first -n=3',
    'first --count 3',
    'first --count=3',
    '--count 3 first',
  ])('%s counts to 3', (line) => expect(stream(line).count).toBe(3));

  test('short options may be joined', () => {
    expect(stream('kvm-exit -gn3')).toMatchObject({ count: 3, options: { callgraph: true } });
  });

  test('CPU lists', () => {
    expect(stream('first -C 0').options.cpus).toEqual([0]);
    expect(stream('first --cpu=0,0').options.cpus).toEqual([0]);
  });

  test('durations carry their unit, or take that of the monitor', () => {
    expect(stream('first --than 5').options).toMatchObject({ than_ms: 5, than_us: 5000 });
    expect(stream('kvm-exit --than 5').options).toMatchObject({ than_us: 5, than_ms: 0.005 });
    expect(stream('kvm-exit --than 2s').options).toMatchObject({ than_us: 2e6 });
    expect(stream('first --than=.5ms').options).toMatchObject({ than_us: 500 });
  });

  test('the last of an option given twice holds', () => {
    expect(stream('first -i 200 -i 300').options.interval_ms).toBe(300);
  });

  test('a filter may look like anything', () => {
    expect(stream('first --filter=-x*').options.filter).toBe('-x*');
  });

  test('colour and ascii are for the dashboard', () => {
    const usual = { colour: 'auto', ascii: false, theme: 'default', mouse: false };
    expect(dashboard('').look).toEqual(usual);
    expect(dashboard('first --color 256 --ascii').look).toEqual({ ...usual, colour: '256', ascii: true });
    expect(dashboard('first --theme colour-blind --mouse').look).toEqual({
      ...usual,
      theme: 'colour-blind',
      mouse: true,
    });
  });

  test('another tab takes over only what is meant for all', () => {
    const command = dashboard('first -C 0 -i 500 --than 7 --filter x --backend tracefs');
    expect(command.options(second.name)).toEqual({ interval_ms: 500, cpus: [0], backend: 'tracefs' });
    expect(command.options(command.monitor.name)).toMatchObject({ than_ms: 7, filter: 'x' });
  });
});

describe('bad input is one line with cause and remedy', () => {
  test.each([
    ['frist', /no monitor or command "frist"; did you mean first\? Known: first, kvm-exit, list/],
    ['zzzzzz', /no monitor or command "zzzzzz"; known are first, kvm-exit, list/],
    ['first kvm-exit', /unexpected argument "kvm-exit"; one monitor/],
    ['first --jsno', /unknown option "--jsno"; did you mean --json\?/],
    ['first -Q', /unknown option "-Q"; see ktop --help/],
    ['kvm-exit -gQ', /unknown option "-Q" in "-gQ"/],
    ['first --no-ascii', /unknown option "--no-ascii"/],
    ['first -n', /-n\/--count needs a value/],
    ['first -n --json', /-n\/--count needs a value/],
    ['first --count= --json', /-n\/--count needs a value/],
    ['first -n -1', /-1 is out of range; give 1 to/],
    ['first -n 1.5 --json', /"1.5" is not a whole number/],
    ['first -n 0 --json', /0 is out of range/],
    ['first -n 2', /not for the dashboard; add --json or --plain/],
    ['first -i 99', /99 is out of range; give 100 to 3600000/],
    ['first -i fast', /"fast" is not a whole number/],
    ['first -C x', /"x" is not a list of CPUs; write it like 0-3,7/],
    ['first -C 3-1', /is not a list of CPUs/],
    ['first -C 99999', /no CPU 99999 is online here; online are \d/],
    ['first --than soon', /"soon" is not a duration/],
    ['first --than 0', /is not a duration above 0/],
    ['first --percpu', /first does not use --percpu; monitors that do: kvm-exit/],
    ['first --age 5', /first does not use --age; no monitor does/],
    ['first -m 64', /first does not use -m\/--mmap-pages/],
    ['kvm-exit --percpu=3', /--percpu takes no value/],
    ['first --backend bpf', /"bpf" is not known; give one of perf, tracefs/],
    ['first --colour pink', /"pink" is not known/],
    ['first --theme pink', /"pink" is not known/],
    ['first --json --plain', /exclude each other/],
    ['list first', /unexpected argument "first"; list takes none/],
    ['list -i 500', /--interval is not for list/],
  ])('%s', (line, message) => {
    expect(() => parse(line)).toThrow(UsageError);
    expect(() => parse(line)).toThrow(message);
    try {
      parse(line);
    } catch (error) {
      expect((error as UsageError).code).toBe(2);
      expect((error as UsageError).message).not.toContain('\n');
    }
  });

  test('control characters of the input do not come back', () => {
    expect(() => parseCommand(['\u001b[2J\u009b'], monitors, true)).toThrow(/"\\u001b\[2J\?"/);
  });
});

test('the help text names every monitor and option in use and fits 100 columns', () => {
  const text = helpText(monitors);
  for (const word of ['first', 'kvm-exit', '--json', '-C, --cpu LIST', '(kvm-exit)', 'Exit codes']) {
    expect(text).toContain(word);
  }
  // No monitor here uses these.
  for (const word of ['--age', '--event', '--syscalls']) expect(text).not.toContain(word);
  expect(Math.max(...text.split('\n').map((line) => line.length))).toBeLessThanOrEqual(100);
});

describe('films and the shelf', () => {
  test('an output that ends in .cast is a film, --format cast too', () => {
    expect(parse('export a.ktop -o b.cast')).toEqual({
      kind: 'cast',
      file: 'a.ktop',
      output: 'b.cast',
      monitor: undefined,
      speed: 1,
      columns: 100,
      rows: 30,
      from: undefined,
      to: undefined,
      version: 2,
      keys: undefined,
      look: { colour: 'auto', ascii: false, theme: 'default', mouse: false },
    });
    const line =
      'export a.ktop --format cast --tab first --speed 0.5 --size 80x24 --from 12:03 --to +5m --v3 --keys k --colour never --ascii';
    expect(parse(line)).toMatchObject({
      kind: 'cast',
      output: undefined,
      monitor: { name: 'first' },
      speed: 0.5,
      columns: 80,
      rows: 24,
      from: '12:03',
      to: '+5m',
      version: 3,
      keys: 'k',
      look: { colour: 'never', ascii: true },
    });
    expect(parse('export a.ktop --format json -o rows.cast').kind).toBe('export');
  });

  test.each([
    ['export a.ktop --format json --size 80x24', '--size is for a film'],
    ['export a.ktop -o b.txt', 'or -o OUT.cast'],
    ['export a.ktop -o b.cast --size 80', 'is no size from 60x15 to 500x200'],
    ['export a.ktop -o b.cast --size 59x24', 'is no size'],
    ['export a.ktop -o b.cast --speed 0', 'no number from 0.1 to 100'],
    ['export a.ktop -o b.cast --colour mauve', '--colour'],
    ['demo a b', 'one directory'],
    ['demo first', 'not the monitor first'],
    ['demo --json', 'unknown option'],
  ])('%s is refused', (line, text) => {
    expect(() => parse(line)).toThrow(UsageError);
    expect(() => parse(line)).toThrow(text);
  });

  test('demo takes a directory or none', () => {
    expect(parse('demo')).toMatchObject({
      kind: 'demo',
      directory: undefined,
      look: { colour: 'auto', ascii: false },
    });
    expect(parse('demo incidents --ascii --colour 16')).toMatchObject({
      directory: 'incidents',
      look: { colour: '16', ascii: true },
    });
    expect(parse('demo --help').kind).toBe('help');
  });
});
