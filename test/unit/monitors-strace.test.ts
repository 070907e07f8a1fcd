import { describe, expect, test } from 'vitest';
import { parseCommand } from '../../src/cli/parse.ts';
import { argumentList, CALL_EFFECTS, openFlags, resultText } from '../../src/monitors/call-effects.ts';
import { argumentsOf, CALL_NAMES } from '../../src/monitors/calls.ts';
import { monitors } from '../../src/monitors/index.ts';
import { textColumn } from '../../src/monitors/monitor.ts';
import { lineAt, strace } from '../../src/monitors/strace.ts';
import { lineText } from '../../src/output/plain.ts';

const args = (...hexes: number[]) =>
  hexes.map((value) => `0x${BigInt.asUintN(64, BigInt(value)).toString(16)}`);

describe('arguments', () => {
  test.each([
    ['openat', args(-100, 0x1000, 0x80000, 0x1b6), ['', '=/etc/x'], 'AT_FDCWD, "/etc/x", O_RDONLY|O_CLOEXEC'],
    ['openat', args(3, 0x1000, 0x241, 0o666), ['=/d', '?x'], '3</d>, "x"?, O_WRONLY|O_CREAT|O_TRUNC, 0666'],
    ['open', args(0x1000, 0x2, 0x1b6), [''], '0x1000, O_RDWR'],
    ['openat', args(0xffffff9c, 0, 0), [], 'AT_FDCWD, NULL, O_RDONLY'],
    ['read', args(3, 0x7f00, 4096), ['=pipe:[5]'], '3<pipe:[5]>, 0x7f00, 4096'],
    ['write', args(1, 0x7f00, 4096), ['?/late'], '1</late?>, 0x7f00, 4096'],
    ['close', args(0xffffffff), [], '-1'],
    [
      'mmap',
      args(0, 8192, 3, 0x22, 0xffffffff, 0),
      [],
      '0, 8192, PROT_READ|PROT_WRITE, MAP_PRIVATE|MAP_ANONYMOUS, -1, 0',
    ],
    ['access', args(0x1000, 4), ['=a "b" \\'], '"a \\"b\\" \\\\", R_OK'],
    ['access', args(0x1000, 0), ['=/x'], '"/x", F_OK'],
    ['lseek', args(3, -5, 1), [], '3, -5, SEEK_CUR'],
    ['fcntl', args(3, 1030, 0), [], '3, F_DUPFD_CLOEXEC, 0'],
    ['kill', args(12, 9), [], '12, SIGKILL'],
    ['socket', args(2, 0x80001, 0), [], 'AF_INET, SOCK_STREAM|SOCK_CLOEXEC, 0'],
    ['socket', args(16, 3, 0), [], '0x10, SOCK_RAW, 0'],
    [
      'clone',
      args(0x01200011, 0, 0, 0x7f, 0),
      [],
      'SIGCHLD|CLONE_CHILD_CLEARTID|CLONE_CHILD_SETTID, 0, 0, 0x7f, 0',
    ],
    ['futex', args(0x7f, 0x81, 1, 0, 0, 0), [], '0x7f, FUTEX_WAKE|FUTEX_PRIVATE_FLAG, 0x1, 0, 0, 0'],
    ['mkdir', args(0x1000, 0o755), ['=d'], '"d", 0755'],
    ['getpid', [], [], ''],
    ['no such call', args(1, 2), [], ''],
  ])('%s', (call, hexes, texts, wanted) => {
    expect(argumentList(call, hexes, texts)).toBe(wanted);
  });

  test('flags that nobody knows stand as a number', () => {
    expect(openFlags(0x40000002)).toBe('O_RDWR|0x40000000');
    expect(openFlags(0x101000)).toBe('O_RDONLY|O_SYNC');
    expect(openFlags(0x410002)).toBe('O_RDWR|O_TMPFILE');
  });

  test.each([
    ['read', -11, '', '-1 EAGAIN'],
    ['read', -4000, '', '-1 errno 4000'],
    ['openat', 3, '=/a', '3</a>'],
    ['openat', 3, '?/a', '3</a?>'],
    ['brk', 0x55550000, '', '0x55550000'],
    ['lseek', -5000, '', '-5000'],
  ])('result of %s', (call, result, file, wanted) => {
    expect(resultText(call, result, file)).toBe(wanted);
  });

  test('an effect speaks of arguments of the right kind', () => {
    for (const [number, effect] of Object.entries(CALL_EFFECTS)) {
      const name = CALL_NAMES[Number(number)] ?? '';
      const letters = argumentsOf(name);
      const [kind, ...places] = effect.split(' ');
      if (kind === 'open') expect(letters[Number(places[1])], name).toBe('s');
      if (kind === 'open' && places[0] !== '-') expect(letters[Number(places[0])], name).toBe('f');
      if (['read', 'write', 'other', 'move'].includes(kind ?? ''))
        for (const place of places) expect(letters[Number(place)], name).toBe('f');
      if (['close', 'dup', 'dup2', 'fcntl', 'fdirectory'].includes(kind ?? ''))
        expect(letters[0], name).toBe('f');
    }
  });
});

const numbers = (...values: number[]) => Float64Array.from(values);
const table = () => ({
  length: 3,
  key: ['tid'],
  columns: {
    at_ms: numbers(1000, 1001, 1002),
    since_ms: numbers(0, 1.5, 2),
    took_ns: numbers(5000, 12e6, 40e6),
    cpu: numbers(0, 0, 1),
    pid: numbers(7, 7, 7),
    tid: numbers(7, 8, 8),
    comm: textColumn(['a', 'a\u001b[2J', 'a']),
    call: textColumn(['close', 'exit_group', 'read']),
    result: numbers(0, 0, -4),
    end: numbers(1, 0, 1),
    told: numbers(0, 0, 1),
    exact: numbers(1, 0, 1),
    file: textColumn(['', '', '']),
    arg0: textColumn(['0x3', '0x7', '0x5']),
    text0: textColumn(['=/f', '', '']),
  },
});

describe('lines', () => {
  test('of calls that returned, that go on, and that were told before', () => {
    expect([0, 1, 2].map((row) => lineAt(table(), row))).toEqual([
      '     0.000 (    0.005 ms): a/7 close(3</f>) = 0',
      '     1.500 ( >=12.000 ms): a\u001b[2J/8 exit_group(7) ...',
      '     2.000 (   40.000 ms): a/8  ... [continued]: read() = -1 EINTR',
    ]);
  });

  test('--than leaves out what was shorter; the log has who and when', () => {
    const entries = strace.logs?.({ lines: table() }, { interval_ms: 1000, than_ms: 10 }).lines ?? [];
    expect(entries.map(({ at_ms, cpu, pid, tid }) => [at_ms, cpu, pid, tid])).toEqual([
      [1001, 0, 7, 8],
      [1002, 1, 7, 8],
    ]);
  });

  test('--plain prints them alone, harmless, and a note once', () => {
    const text = lineText(strace);
    const log = strace.logs?.({ lines: table() }, { interval_ms: 1000 }).lines ?? [];
    const snapshot = (notes: string[], lost = 0) =>
      ({ notes, lost, logs: { lines: log.slice(1, 2) } }) as unknown as Parameters<typeof text>[0];
    const first = text(snapshot(['careful']));
    expect(first.split('\n')[0]).toBe('note: careful');
    expect(first).not.toContain('\u001b');
    expect(
      text(snapshot(['careful'], 3))
        .split('\n')
        .slice(0, 1),
    ).toEqual(['note: 3 events were lost']);
  });
});

describe('ktop strace -- COMMAND', () => {
  test.each([
    [{}, false],
    [{ pids: [7] }, false],
    [{ summary: true }, true],
    [{ pids: [7], launched: true }, true],
  ])('with %j the summary is kept: %s', (options, keep) => {
    const { operators } = strace.plan({ interval_ms: 1000, ...options });
    expect(operators.find(({ name }) => name === 'summary')?.keep).toBe(keep);
  });

  const parse = (...argv: string[]) => parseCommand(argv, monitors, false);
  test('everything behind -- is the command', () => {
    expect(parse('strace', '-c', '--', 'ls', '-la', '--json', '--')).toMatchObject({
      kind: 'stream',
      format: 'plain',
      program: ['ls', '-la', '--json', '--'],
      options: { summary: true },
    });
    expect(parse('strace', '-e', 'openat,read')).not.toHaveProperty('program');
  });

  test.each([
    [['strace', '--'], /-- needs a command behind it/],
    [['strace', '-p', '1', '--', 'ls'], /-p\/--pid and a command \(--\) exclude each other/],
    [['nettop', '--', 'ls'], /nettop starts no command \(--\); monitors that do: .*strace/],
    [['strace', '-e', 'opnat'], /opnat.*openat/],
  ])('%s is refused', (argv, message) => {
    expect(() => parse(...(argv as string[]))).toThrow(message as RegExp);
  });
});
