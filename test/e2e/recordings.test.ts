// biome-ignore-all lint/suspicious/noControlCharactersInRegex: terminal output is read here
/** Recordings with the built program: replayed on the screen, filmed, chosen from a shelf, made by the dashboard. */
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import xterm from '@xterm/headless';
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest';
import { monitors as all } from '../../src/monitors/index.ts';
import { makeRecording } from '../helpers/fake-recording.ts';
import { paths } from '../helpers/paths.ts';
import { bytesOf, type Pty, type PtyOptions, spawn } from './pty.ts';
import { ktop, program } from './run-cli.ts';

vi.setConfig({ testTimeout: 60_000 });

const MONITORS = all.filter(({ name }) => ['nettop', 'task-state', 'irq-off'].includes(name));
const directory = mkdtempSync(join(tmpdir(), 'ktop-rec-'));
const shelf = join(directory, 'shelf');
const recording = join(shelf, 'disk-stall.ktop');
const open: Pty[] = [];

beforeAll(async () => {
  process.env.TZ = 'UTC';
  mkdirSync(shelf);
  await makeRecording(recording, MONITORS);
  writeFileSync(
    join(shelf, 'disk-stall.md'),
    'made by three writers\n\nNotice: the writers hang in D \x1b[2J\n',
  );
  writeFileSync(join(shelf, 'cut.ktop'), readFileSync(recording).subarray(0, -40));
  writeFileSync(join(shelf, 'garbage.ktop'), 'garbage');
});

afterEach(() => {
  for (const pty of open.splice(0)) {
    try {
      pty.kill('SIGKILL');
    } catch {
      // It has ended by itself.
    }
  }
});

afterAll(() => rmSync(directory, { recursive: true, force: true }));

function start(args: readonly string[], options: PtyOptions = {}, file = paths.ktop): Pty {
  const size = { cols: 100, rows: 30 };
  const env = { TZ: 'UTC', ...options.env };
  const pty = spawn(paths.node(), [file, ...args], { ...size, ...options, env });
  open.push(pty);
  return pty;
}

type Line = readonly [number, string, string];

function linesOf(cast: string): Line[] {
  return cast
    .trimEnd()
    .split('\n')
    .slice(1)
    .map((line) => JSON.parse(line));
}

/** What a terminal shows after what was written up to a time. */
async function screenAt(cast: string, seconds: number, cols = 100, rows = 30): Promise<string[]> {
  const terminal = new xterm.Terminal({ cols, rows, allowProposedApi: true });
  for (const [time, code, data] of linesOf(cast))
    if (code === 'o' && time <= seconds) await new Promise<void>((done) => terminal.write(data, done));
  const { active } = terminal.buffer;
  const lines = Array.from({ length: rows }, (_, y) =>
    (active.getLine(active.baseY + y)?.translateToString(true) ?? '').trimEnd(),
  );
  terminal.dispose();
  return lines;
}

async function filmed(...args: string[]): Promise<string> {
  const result = await ktop(['export', recording, '--format', 'cast', ...args], { TZ: 'UTC' });
  expect(result).toMatchObject({ code: 0, stderr: '' });
  return result.stdout;
}

describe('replay on the screen', () => {
  test('plays, holds, ends; tabs that were recorded', async () => {
    const pty = start(['replay', recording, '--speed', '5']);
    await pty.waitFor(/REPLAY 5× +2026-11-20 12:03:\d\d UTC +disk-stall\.ktop/);
    await pty.waitFor(/of 30/);
    expect(pty.screen()[0]).toMatch(/^ \d NetTop {2,}\d Tasks {2,}\d IRQ off {2,}I Incidents 6$/);
    await pty.waitFor(/REPLAY PAUSED +2026-11-20 12:03:20/);
    pty.send('q');
    expect((await pty.exit).code).toBe(0);
    expect(pty.modes()).toEqual({ alternate: false, cursor: true, wrap: true });
  });

  test('opens on the tab that is named, and says what it holds when it has not that one', async () => {
    const pty = start(['replay', recording, 'task-state']);
    await pty.waitFor(/Offenders/);
    const none = start(['replay', recording, 'disktop'], { cols: 200 });
    await none.waitFor(/disktop is not in .*disk-stall\.ktop; recorded were nettop, task-state, irq-off/s);
    expect((await none.exit).code).toBe(2);
  });

  test('a file that is none, and one that is cut', async () => {
    const none = start(['replay', join(shelf, 'garbage.ktop')], { cols: 200 });
    await none.waitFor(/garbage\.ktop is no recording of ktop; /);
    expect((await none.exit).code).toBe(1);
    const cut = start(['replay', join(shelf, 'cut.ktop')]);
    await cut.waitFor(/REPLAY/);
    await cut.waitFor(/of 30/);
  });
});

describe('a film', () => {
  test('at a time shows what the replay shows at that time', async () => {
    const cast = await filmed('--tab', 'task-state');
    const pty = start(['replay', recording, 'task-state']);
    await pty.waitFor(/of 30/);
    pty.send(' ');
    await pty.waitFor(/REPLAY PAUSED/);
    pty.send('g12:03:00\r');
    // Every picture, as the film has: columns are as wide as their widest cell was so far.
    for (let second = 0; second <= 16; second += 1) {
      if (second > 0) pty.send(']');
      await pty.waitFor(new RegExp(`PAUSED +2026-11-20 12:03:${String(second).padStart(2, '0')} `));
      const shown = (await screenAt(cast, second + 0.3)).slice(2, -2);
      expect(shown.join('\n')).toMatch(/Offenders/);
      await pty.waitFor((lines) => lines.slice(2, -2).join('\n') === shown.join('\n'));
    }
  });

  test('is the same every time, and as the options say', async () => {
    const out = join(directory, 'film.cast');
    const args = [
      'export',
      recording,
      '-o',
      out,
      '--speed',
      '4',
      '--size',
      '90x26',
      '--from',
      '12:03:04',
      '--to',
      '+8s',
    ];
    expect(await ktop(args, { TZ: 'UTC' })).toMatchObject({ code: 0, stdout: '', stderr: '' });
    const cast = readFileSync(out, 'utf8');
    expect(await filmed('--speed', '4', '--size', '90x26', '--from', '12:03:04', '--to', '+8s')).toBe(cast);
    expect(JSON.parse(cast.split('\n')[0] ?? '')).toMatchObject({ version: 2, width: 90, height: 26 });
    expect((await screenAt(cast, 0.01, 90, 26))[1]).toContain('REPLAY 4×   2026-11-20 12:03:04 UTC');
    expect((await screenAt(cast, 3, 90, 26))[1]).toContain('REPLAY PAUSED   2026-11-20 12:03:12 UTC');
    // Eight seconds at four times the speed, and the last picture for two more.
    expect(linesOf(cast).at(-1)?.[0]).toBe(4);
    const again = await ktop(args);
    expect(again.code).toBe(1);
    expect(again.stderr).toMatch(/is there already; nothing is overwritten/);
  });

  test('with keys from a script', async () => {
    const keys = join(directory, 'keys');
    writeFileSync(keys, '# opens the help\n0.5 2\n+1 ?\n+1 q\n+0.5 q\n');
    const cast = await filmed('--keys', keys, '--v3');
    expect(JSON.parse(cast.split('\n')[0] ?? '')).toMatchObject({
      version: 3,
      term: { cols: 100, rows: 30 },
    });
    expect(linesOf(cast).at(-1)).toEqual([0, 'x', '0']);
    expect(cast).toContain('Help: ');
    writeFileSync(keys, '1 nokey');
    const wrong = await ktop(['export', recording, '--format', 'cast', '--keys', keys]);
    expect(wrong).toMatchObject({ code: 2, stdout: '' });
    expect(wrong.stderr).toMatch(/line 1: no key "nokey"/);
  });

  test.each([
    [['--from', 'noon'], /--from: "noon" is not a time; write 12:03:40/],
    [['--from', '50%', '--to', '10%'], /--to is before the film begins/],
    [['--size', '10x10'], /--size: "10x10" is no size from 60x15/],
    [['--speed', '1000'], /--speed/],
    [['--tab', 'disktop'], /disktop is not in /],
    [['--keys', '/no/such/file'], /--keys: cannot read \/no\/such\/file \(ENOENT\)/],
  ])('%j: one line, and no file is left', async (args, said) => {
    const out = join(directory, 'never.cast');
    const result = await ktop(['export', recording, '-o', out, ...args]);
    expect(result).toMatchObject({ code: 2, stdout: '' });
    expect(result.stderr).toMatch(said);
    expect(existsSync(out)).toBe(false);
  });

  test("asciinema's own player reads it", async () => {
    const out = join(directory, 'player.cast');
    expect((await ktop(['export', recording, '-o', out, '--speed', '10'], { TZ: 'UTC' })).code).toBe(0);
    const wanted = await screenAt(readFileSync(out, 'utf8'), 100);
    const player = { cols: 100, rows: 30, env: { HOME: directory } };
    for (const args of [
      ['cat', out],
      ['play', '-i', '0.1', '-s', '20', out],
    ]) {
      const pty = spawn('asciinema', args, player);
      open.push(pty);
      const { code } = await pty.exit;
      expect(pty.text()).toBe(wanted.join('\n'));
      expect(code).toBe(0);
    }
  });
});

describe('the shelf', () => {
  test('shows, replays, returns', async () => {
    const pty = start(['demo', shelf]);
    await pty.waitFor(/Recordings in shelf/);
    await pty.waitFor(/▸cut/);
    pty.send('j');
    await pty.waitFor(/▸disk-stall +0:20 +made by three writers/);
    await pty.waitFor(/Notice: the writers hang in D �\[2J/);
    await pty.waitFor(/host +web-3, Linux 6\.1\.0-25-amd64, 8 CPUs/);
    await pty.waitFor(/tabs +nettop, task-state, irq-off\s+incidents +6/);
    pty.send('\r');
    await pty.waitFor(/REPLAY 1×/);
    await pty.waitFor(/Esc list/);
    pty.send(bytesOf('escape'));
    await pty.waitFor(/▸disk-stall/);
    // What cannot be played says why, and Enter does nothing.
    pty.send('j\r');
    await pty.waitFor(/▸garbage +! .*is no recording of ktop/);
    pty.send('k\r');
    await pty.waitFor(/REPLAY 1×/);
    pty.send('?');
    await pty.waitFor(/Help: /);
    pty.send('q');
    await pty.waitFor(/of 30/);
    pty.send('q');
    await pty.waitFor(/▸disk-stall/);
    pty.send('q');
    expect((await pty.exit).code).toBe(0);
    expect(pty.modes()).toEqual({ alternate: false, cursor: true, wrap: true });
  });

  test.each([
    [60, 15],
    [80, 24],
    [200, 60],
  ])('on %dx%d, in ASCII, and it can be resized', async (cols, rows) => {
    const pty = start(['demo', shelf, '--ascii'], { cols, rows });
    await pty.waitFor(/Enter replay {2}Up\/Down choose {2}q quit/);
    expect(pty.output()).toMatch(/^[\x00-\x7f]*$/);
    pty.resize(cols + 10, rows + 5);
    await pty.waitFor((lines) => /q quit/.test(lines[rows + 4] ?? ''));
    pty.kill('SIGTERM');
    expect((await pty.exit).code).toBe(143);
  });

  test('without a terminal it is a list; a directory without recordings', async () => {
    const list = await ktop(['demo', shelf]);
    expect(list).toMatchObject({ code: 0, stderr: '' });
    expect(list.stdout).toMatch(/^disk-stall: nettop, task-state, irq-off\n {4}made by three writers\n/m);
    expect(list.stdout).not.toContain('\x1b');
    const empty = await ktop(['demo', paths.project]);
    expect(empty).toMatchObject({ code: 1, stdout: '' });
    expect(empty.stderr).toMatch(/there is no recording/);
    expect((await ktop(['demo', '/no/such/place'])).code).toBe(2);
  });
});

test('recordings need neither the native addon nor the reader thread', async () => {
  const bare = join(directory, 'bare');
  cpSync(join(paths.ktop, '..'), bare, { recursive: true });
  for (const name of ['ktop.node', 'worker.mjs']) rmSync(join(bare, name));
  const file = join(bare, 'ktop.mjs');
  const pty = start(['replay', recording], {}, file);
  await pty.waitFor(/REPLAY 1×[\s\S]*of 30/);
  for (const args of [
    ['export', recording, '--format', 'cast', '--speed', '20'],
    ['replay', recording, '--json'],
    ['demo', shelf],
  ]) {
    const result = await program(paths.node(), [file, ...args]);
    expect(result).toMatchObject({ code: 0, stderr: '' });
    expect(result.stdout.length).toBeGreaterThan(100);
  }
});

test('npm run demo builds without a compiler', async () => {
  const tree = join(directory, 'tree');
  for (const name of ['src', 'scripts', 'package.json', 'package-lock.json', 'tsconfig.json'])
    cpSync(join(paths.project, name), join(tree, name), { recursive: true });
  symlinkSync(join(paths.project, 'node_modules'), join(tree, 'node_modules'));
  const bin = join(directory, 'bin');
  mkdirSync(bin);
  symlinkSync(paths.node(), join(bin, 'node'));
  const { scripts } = JSON.parse(readFileSync(join(tree, 'package.json'), 'utf8'));
  expect(scripts.demo).toBe('node scripts/start.mjs demo');
  const args = [join(tree, 'scripts/start.mjs'), 'demo', shelf];
  const result = await program(paths.node(), args, { PATH: bin });
  expect(result.stderr).toBe('ktop: building\n');
  expect(result.stdout).toMatch(/^disk-stall: nettop, task-state, irq-off$/m);
  expect(existsSync(join(tree, 'dist/ktop.node'))).toBe(false);
  // And nothing is built again.
  expect(await program(paths.node(), args, { PATH: bin })).toMatchObject({ code: 0, stderr: '' });
});

describe('the dashboard records this kernel', () => {
  test('--record, until it is quit', async () => {
    const file = join(directory, 'live.ktop');
    const pty = start(['cpu-util', '--record', file, '-i', '200']);
    await pty.waitFor(/REC ● [1-9]\d*(?:\.\d)? k?B 0:(?:0[5-9]|[1-5]\d)/, 30_000);
    pty.send('q');
    await pty.waitFor(/recorded to \S+live\.ktop/s);
    expect((await pty.exit).code).toBe(0);
    const again = await ktop(['replay', file, '--json']);
    expect(again.code).toBe(0);
    const rows = again.stdout
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line));
    expect(rows.length).toBeGreaterThan(2);
    for (const { monitor } of rows) expect(monitor).toBe('cpu-util');
  });

  test('R, two tabs, the past, and what was said is in the file', async () => {
    const cwd = mkdtempSync(join(directory, 'r-'));
    const pty = start(['cpu-util', '-i', '200'], { cwd, cols: 120 });
    await pty.waitFor(/%SYS/, 30_000);
    pty.send('R');
    await pty.waitFor(/recording to (\.\/ktop-\S+\.ktop)/);
    const name = /recording to \.\/(ktop-\S+\.ktop)/.exec(pty.text())?.[1] ?? '';
    await pty.waitFor(/REC ● \d/);
    pty.send(':disktop\r');
    await pty.waitFor(/BYTES/);
    await pty.waitFor(/REC ● \S+ k?B 0:(?:0[5-9]|[1-5]\d)/, 30_000);
    pty.send(bytesOf('left'));
    await pty.waitFor(/PAST −\d\d:\d\d PAUSED/);
    pty.send(bytesOf('end'));
    await pty.waitFor(/LIVE/);
    pty.send('R');
    await pty.waitFor(/recorded to /);
    pty.send('q');
    expect((await pty.exit).code).toBe(0);
    const json = await ktop(['replay', join(cwd, name), '--json']);
    const seen = new Set(
      json.stdout
        .trimEnd()
        .split('\n')
        .map((line) => JSON.parse(line).monitor),
    );
    expect([...seen].sort()).toEqual(['cpu-util', 'disktop']);
  });

  test('a file that is there is not overwritten', async () => {
    const pty = start(['cpu-util', '--record', recording], { cols: 200 });
    expect((await pty.exit).code).not.toBe(0);
    expect(pty.text()).toMatch(/ktop: .*disk-stall\.ktop.*; /);
    expect(pty.output()).not.toContain('\x1b[?1049h');
  });
});
