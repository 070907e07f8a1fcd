/** ktop record, replay --json|--plain, export, --record: with the built program on this kernel. */
import { once } from 'node:events';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test, vi } from 'vitest';
import { monitors } from '../../src/monitors/index.ts';
import { command } from '../helpers/command.ts';
import type { Picture } from '../helpers/ktop.ts';
import { Lines } from '../helpers/lines.ts';
import { paths } from '../helpers/paths.ts';
import { spawn } from './pty.ts';
import { ended, ktop, start } from './run-cli.ts';

vi.setConfig({ testTimeout: 60_000 });

const directory = mkdtempSync(join(tmpdir(), 'ktop-record-'));
afterAll(() => rmSync(directory, { recursive: true, force: true }));
const at = (name: string) => join(directory, name);

const pictures = (text: string): Picture[] =>
  text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Picture);

/** Snapshots of each monitor. */
function counts(text: string): Record<string, number> {
  const found: Record<string, number> = {};
  for (const { monitor } of pictures(text)) found[monitor] = (found[monitor] ?? 0) + 1;
  return found;
}

/** Starts the program and waits until the file is there and has something in it. */
async function recording(args: readonly string[], file: string) {
  const child = start(paths.node(), [paths.ktop, ...args]);
  const end = ended(child);
  await vi.waitFor(() => expect(statSync(file).size).toBeGreaterThan(1000), {
    timeout: 20_000,
    interval: 20,
  });
  return { child, end };
}

const STANDARD = monitors.filter(({ standard }) => standard).map(({ name }) => name);

describe('bad input: one line on stderr, the exit code of the contract', () => {
  test.each([
    [['record'], 2, 'write ktop record -o FILE'],
    [['record', '-o', at('x'), 'netop'], 2, 'did you mean nettop?'],
    [['record', '-o', at('x'), '--duration', 'long'], 2, 'is no span of time'],
    [['record', '-o', at('x'), 'nettop', '--percpu'], 2, 'monitors that do'],
    [['record', '-o', at('x'), 'nettop', '-n', '3'], 2, 'unknown option "-n"'],
    [['-i', '500', 'record', '-o', at('x')], 2, 'unknown option'],
    [['record', '-o', at('no/such/x')], 1, 'there is no directory'],
    [['nettop', '--json', '--record', at('no/such/x')], 1, 'there is no directory'],
    [['replay'], 2, 'write ktop replay FILE'],
    [['replay', at('none'), '--json'], 1, 'there is no '],
    [['replay', paths.ktop, '--json'], 1, 'is no recording of ktop'],
    [['replay', at('x'), '--json', '--plain'], 2, 'exclude each other'],
    [['replay', at('x'), '--speed', '1000', '--json'], 2, 'is no number from 0.1 to 100'],
    [['export', at('x')], 2, 'give --format'],
    [['export', at('x'), '--format', 'xml'], 2, 'give one of json, csv, openmetrics'],
    [['record', '-o', at('x'), 'trace', '-e', 'no:such'], 3, 'no event "no:such"'],
  ])('ktop %j', async (args, code, text) => {
    const result = await ktop(args);
    expect(result).toMatchObject({ code, stdout: '' });
    expect(result.stderr).toMatch(/^ktop: [^\n]*; [^\n]*\n$/);
    expect(result.stderr).toContain(text);
    expect(existsSync(at('x'))).toBe(false);
  });
});

describe('--record beside --json', () => {
  test.each([['nettop'], ['disktop'], ['cpu-util'], ['percpu-stat'], ['signal']])(
    '%s replays the same bytes',
    async (monitor) => {
      const file = at(`${monitor}.ktop`);
      const live = await ktop([monitor, '--json', '-i', '300', '-n', '4', '--record', file]);
      expect(live).toMatchObject({ code: 0, stderr: '' });
      expect(pictures(live.stdout)).toHaveLength(4);
      const again = await ktop(['replay', file, '--json']);
      expect(again).toMatchObject({ code: 0, stderr: '', stdout: live.stdout });
      const two = await ktop(['replay', file, monitor, '--json', '-n', '2']);
      expect(two.stdout).toBe(live.stdout.split('\n').slice(0, 2).join('\n').concat('\n'));
    },
  );

  test('as text too', async () => {
    const file = at('plain.ktop');
    const live = await ktop(['nettop', '--plain', '-i', '300', '-n', '2', '--record', file]);
    expect((await ktop(['replay', file])).stdout).toBe(live.stdout);
  });
});

describe('record', () => {
  test('takes what every host has, for as long as it is told to', async () => {
    const file = at('standard.ktop');
    const result = await ktop(['record', '-o', file, '--duration', '3s', '-i', '500']);
    expect(result).toMatchObject({ code: 0, stdout: '' });
    expect(result.stderr).toMatch(
      /^ktop: recorded 0:00:0\d, [\d.]+ KiB, \d+ snapshots, \d+ events, \S+ lost; see it with ktop replay \S+\n$/,
    );
    const { stdout, stderr } = await ktop(['replay', file, '--json']);
    expect(stderr).toBe('');
    const found = counts(stdout);
    expect(Object.keys(found).toSorted()).toEqual(STANDARD.toSorted());
    for (const count of Object.values(found)) expect(count).toBeLessThanOrEqual(7);
    expect(statSync(file).mode & 0o777).toBe(0o600);
    // Nothing is written over.
    const bytes = readFileSync(file);
    expect(await ktop(['record', '-o', file, '--duration', '1'])).toMatchObject({ code: 1 });
    expect(readFileSync(file)).toEqual(bytes);
  });

  test('takes the monitors named, with their options, and goes on when one of them fails', async () => {
    const file = at('named.ktop');
    const args = ['nettop', 'trace', '-e', 'no:such', '-C', '0', '-i', '200', '--duration', '1'];
    const result = await ktop(['record', '-o', file, ...args]);
    expect(result.code).toBe(0);
    expect(result.stderr).toContain('no event "no:such"');
    const text = command('zstd', ['-dc', file]);
    expect(text).toContain('"m":"nettop","options":{"interval_ms":200,"cpus":[0]}');
    expect(text).toContain('"k":"fail"');
    const replayed = await ktop(['replay', file, '--json']);
    expect(Object.keys(counts(replayed.stdout))).toEqual(['nettop']);
  });

  test.each(['SIGINT', 'SIGTERM'] as const)('%s ends it in order', async (signal) => {
    const file = at(`${signal}.ktop`);
    const { child, end } = await recording(['record', '-o', file, 'cpu-util', '-i', '200'], file);
    const before = statSync(file).size;
    await vi.waitFor(() => expect(statSync(file).size).toBeGreaterThan(before + 2000), { timeout: 20_000 });
    child.kill(signal);
    expect(await end).toMatchObject({ code: 0, signal: null });
    expect(await ktop(['replay', file, '--json'])).toMatchObject({ code: 0, stderr: '' });
  });

  test('goes on when the one who began it logs out', async () => {
    const file = at('hup.ktop');
    const { child, end } = await recording(['record', '-o', file, 'cpu-util', '-i', '200'], file);
    child.kill('SIGHUP');
    // Its terminal is gone.
    child.stdout?.destroy();
    child.stderr?.destroy();
    const before = statSync(file).size;
    await vi.waitFor(() => expect(statSync(file).size).toBeGreaterThan(before + 2000), { timeout: 20_000 });
    child.kill('SIGTERM');
    expect((await end).code).toBe(0);
    expect(await ktop(['replay', file, '--json'])).toMatchObject({ code: 0, stderr: '' });
  });

  test('says on a terminal how it goes', async () => {
    const file = at('pty.ktop');
    const pty = spawn(paths.node(), [paths.ktop, 'record', '-o', file, 'nettop', '-i', '200'], { cols: 120 });
    await pty.waitFor(
      /recording to \S+pty\.ktop: 0:00:0\d, [\d.]+ (bytes|KiB), [1-9]\d* snapshots, \d+ events, none lost/,
      20_000,
    );
    pty.send('\x03');
    await pty.waitFor(/^ktop: recorded 0:00/m);
    expect((await pty.exit).code).toBe(0);
  });

  // Once more if the machine was too busy to run it for a second.
  test('killed, it loses the last second at most', { retry: 2 }, async ({ task }) => {
    const file = at(`killed-${task.result?.retryCount ?? 0}.ktop`);
    const child = start(paths.node(), [paths.ktop, 'nettop', '--json', '-i', '100', '--record', file]);
    const seen: { readonly line: string; readonly at: number }[] = [];
    const lines = new Lines(child.stdout as NonNullable<typeof child.stdout>, (line) =>
      seen.push({ line, at: performance.now() }),
    );
    await lines.until(() => lines.all.length >= 30, 30_000, '30 lines');
    const closed = once(child, 'exit');
    child.kill('SIGKILL');
    const killed = performance.now();
    await closed;
    const { stdout, stderr, code } = await ktop(['replay', file, '--json']);
    expect(code).toBe(0);
    expect(stderr).toMatch(/^ktop: it was not ended in order: what was seen after \S+Z is missing\n$/);
    const replayed = stdout.split('\n').slice(0, -1);
    const due = seen.filter((each) => killed - each.at > 1000);
    expect(due.length).toBeGreaterThan(5);
    expect(replayed.length).toBeGreaterThanOrEqual(due.length);
    expect(replayed.slice(0, due.length)).toEqual(due.map(({ line }) => line));
  });
});

describe('a full disk', () => {
  const small = at('small');

  /** A file system of 24 KiB for the time of `use`. */
  async function withSmall(use: () => Promise<void>): Promise<void> {
    mkdirSync(small, { recursive: true });
    command('mount', ['-t', 'tmpfs', '-o', 'size=24k', 'tmpfs', small]);
    try {
      await use();
    } finally {
      command('umount', ['-l', small]);
    }
  }

  test('ends a recording with one sentence; the file replays', () =>
    withSmall(async () => {
      const file = join(small, 'full.ktop');
      const result = await ktop([
        'record',
        '-o',
        file,
        'profile',
        'nettop',
        'trace',
        '-i',
        '100',
        '-e',
        'sched:sched_switch',
      ]);
      expect(result.code).toBe(1);
      expect(result.stderr).toMatch(
        /^ktop: recording has stopped: the disk is full; what is in \S+ can be replayed\nktop: recorded [^\n]*\n$/,
      );
      const replayed = await ktop(['replay', file, '--json']);
      expect(replayed.code).toBe(0);
      expect(pictures(replayed.stdout).length).toBeGreaterThan(0);
      expect(replayed.stderr).toContain('it was not ended in order');
    }));

  test('does not end what it was recorded beside', () =>
    withSmall(async () => {
      const file = join(small, 'beside.ktop');
      writeFileSync(join(small, 'ballast'), Buffer.alloc(20 << 10));
      const args = ['trace', '--json', '-i', '100', '-n', '40', '-e', 'sched:sched_switch', '--record', file];
      const result = await ktop(args);
      expect(result.code).toBe(1);
      expect(result.stderr).toMatch(/^ktop: recording has stopped: the disk is full; [^\n]*\n$/);
      expect(pictures(result.stdout)).toHaveLength(40);
    }));

  test('does not end the dashboard', () =>
    withSmall(async () => {
      const file = join(small, 'screen.ktop');
      const args = ['trace', '-i', '200', '-e', 'sched:sched_switch', '--record', file];
      const pty = spawn(paths.node(), [paths.ktop, ...args], { cols: 160, rows: 40 });
      await pty.waitFor(/recording has stopped: the disk is full; what is in/, 40_000);
      await pty.waitFor((lines) => !/REC ●/.test(lines.join('')));
      const before = pty.text();
      await pty.waitFor((lines) => lines.join('\n') !== before);
      pty.send('q');
      expect((await pty.exit).code).toBe(0);
      const replayed = await ktop(['replay', file, '--json']);
      expect(replayed.code).toBe(0);
      expect(pictures(replayed.stdout).length).toBeGreaterThan(0);
    }));
});

describe('what has been recorded', () => {
  const file = at('export.ktop');

  test('is exported as rows', async () => {
    const live = await ktop(['disktop', '--json', '-i', '300', '-n', '3', '--record', file]);
    const json = await ktop(['export', file, '--format', 'json']);
    expect(json).toMatchObject({ code: 0, stderr: '', stdout: live.stdout });
    const csv = await ktop(['export', file, '--format', 'csv']);
    const rows = pictures(live.stdout).flatMap(({ rows: each, time }) =>
      each.map((row) => ({ ...row, time })),
    );
    const [head, ...lines] = csv.stdout.split('\r\n').slice(0, -1);
    expect(head?.split(',').slice(0, 4)).toEqual(['time', 'interval_ms', 'uid', 'pid']);
    expect(lines).toHaveLength(rows.length);
    for (const [index, line] of lines.entries()) expect(line.split(',')[0]).toBe(rows[index]?.time);
    const metrics = await ktop(['export', file, '--format', 'openmetrics', '--monitor', 'disktop']);
    expect(metrics.stdout.endsWith('\n# EOF\n')).toBe(true);
    for (const line of metrics.stdout.split('\n').slice(0, -2))
      expect(line).toMatch(
        /^(# (TYPE|HELP) ktop_\w+ .+|ktop_\w+\{(\w+="([^"\\]|\\.)*",?)*\} \S+ \d+(\.\d+)?)$/,
      );
    expect(metrics.stdout).toContain('ktop_events{monitor="disktop"} ');
  });

  test('to a new file, never over another', async () => {
    const output = at('rows.csv');
    expect(await ktop(['export', file, '--format', 'csv', '-o', output])).toMatchObject({
      code: 0,
      stdout: '',
      stderr: '',
    });
    expect(readFileSync(output, 'utf8')).toBe((await ktop(['export', file, '--format', 'csv'])).stdout);
    const again = await ktop(['export', file, '--format', 'json', '-o', output]);
    expect(again).toMatchObject({ code: 1 });
    expect(again.stderr).toContain('is there already; nothing is overwritten');
  });

  test('of several monitors needs one for CSV', async () => {
    const several = at('several.ktop');
    await ktop(['record', '-o', several, 'nettop', 'cpu-util', '-i', '200', '--duration', '2']);
    const csv = await ktop(['export', several, '--format', 'csv']);
    expect(csv).toMatchObject({ code: 2, stdout: '' });
    expect(csv.stderr).toContain('give --monitor, one of nettop, cpu-util');
    expect((await ktop(['export', several, '--format', 'csv', '--monitor', 'cpu-util'])).code).toBe(0);
    expect(await ktop(['export', several, '--format', 'csv', '--monitor', 'trace'])).toMatchObject({
      code: 1,
    });
  });

  test('and cut is replayed up to the cut, damaged without what is damaged; both are said', async () => {
    const cut = at('cut.ktop');
    const bytes = readFileSync(file);
    writeFileSync(cut, bytes);
    truncateSync(cut, bytes.length - 1);
    const whole = await ktop(['replay', file, '--json']);
    const replayed = await ktop(['replay', cut, '--json']);
    expect(replayed).toMatchObject({ code: 0, stdout: whole.stdout });
    expect(replayed.stderr).toMatch(/^ktop: it was not ended in order/);
    bytes.fill(0, 200, 220);
    writeFileSync(cut, bytes);
    const hurt = await ktop(['replay', cut, '--json']);
    expect(hurt).toMatchObject({ code: 1, stdout: '' });
    expect(hurt.stderr).toMatch(
      /^ktop: the frame at byte 0 \(\S+Z to \S+Z\) is damaged \([^)]*\); skipped\n/,
    );
  });

  test('can be paced', async () => {
    const began = performance.now();
    const paced = await ktop(['replay', file, '--json', '--speed', '0.5']);
    // Three pictures 300 ms apart, at half the speed.
    expect(performance.now() - began).toBeGreaterThan(1100);
    expect(paced.stdout).toBe((await ktop(['replay', file, '--json'])).stdout);
  });
});
