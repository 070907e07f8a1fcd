// biome-ignore-all lint/suspicious/noControlCharactersInRegex: terminal output is read here
/** Terminals of all kinds and bad links: the dashboard in real ones, on a fake source. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeAll, describe, expect, test, vi } from 'vitest';
import { paths } from '../helpers/paths.ts';
import { bundleHarness } from './bundle-harness.ts';
import { type Pty, type PtyOptions, sleep, spawn } from './pty.ts';

vi.setConfig({ testTimeout: 60_000 });

let harness = '';
const open: Pty[] = [];
const cleanups: (() => void)[] = [];

beforeAll(async () => {
  harness = await bundleHarness();
});

afterEach(() => {
  for (const pty of open.splice(0)) {
    try {
      pty.kill('SIGKILL');
    } catch {
      // It has ended by itself.
    }
  }
  for (const clean of cleanups.splice(0)) clean();
});

function run(command: string, args: readonly string[], options: PtyOptions = {}): Pty {
  const pty = spawn(command, args, options);
  open.push(pty);
  return pty;
}

const start = (wish: object = {}, options: PtyOptions = {}): Pty =>
  run(process.execPath, [harness, JSON.stringify(wish)], options);

const DATA = /of 10000/;
const SHELL = { alternate: false, cursor: true, wrap: true };
/** It stands still, and so does its screen. */
const STILL = { frozen: true, interval_ms: 60_000 };

/** Ended, if only as a zombie that nobody has waited for. */
async function hasEnded(pid: number, within_ms = 5000): Promise<boolean> {
  for (const deadline = Date.now() + within_ms; Date.now() < deadline; await sleep(20)) {
    try {
      if (/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'))) return true;
    } catch {
      return true;
    }
  }
  return false;
}

/** Resolves when nothing has been written for a while. */
async function untilQuiet(pty: Pty, quiet_ms = 300): Promise<void> {
  for (let last = -1; pty.output().length !== last; await sleep(quiet_ms)) last = pty.output().length;
}

const looks = (pty: Pty) =>
  pty.screen().map((line, y) => ({
    line,
    cells: Array.from({ length: line.length }, (_, x) => pty.cell(x, y)),
  }));

/** What stands on the screen is what painting it anew gives, cell by cell. */
async function expectAsRepainted(pty: Pty): Promise<void> {
  await untilQuiet(pty);
  const before = looks(pty);
  const written = pty.output().length;
  pty.send('\x0c');
  await vi.waitFor(() => expect(pty.output().length).toBeGreaterThan(written + 500), { timeout: 10_000 });
  await untilQuiet(pty);
  expect(looks(pty)).toEqual(before);
}

function residentKb(pid: number): number {
  return Number(/^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]);
}

describe('terminals', () => {
  test.each([
    ['linux console', { TERM: 'linux' }],
    ['LANG=C', { LANG: 'C' }],
    ['POSIX over UTF-8', { LC_ALL: 'POSIX' }],
  ])('%s: not one byte beyond ASCII, in any tab, with any name', async (_, env) => {
    const pty = start({ many: true, rows: 40, interval_ms: 200 }, { env, cols: 120, rows: 40 });
    await pty.waitFor(/owned/);
    for (let tab = 0; tab < 14; tab += 1) {
      pty.send('\t');
      await sleep(60);
    }
    pty.send('?');
    await pty.waitFor(/Help: /);
    expect(pty.output()).toMatch(/^[\x00-\x7f]*$/);
    if ('TERM' in env) expect(pty.output()).not.toContain('38;5;');
  });

  test.each([
    ['xterm', {}, /\x1b\[[0-9;]*3[1-7]m/, /38;5;/],
    ['xterm-256color', {}, /38;5;/, /38;2;/],
    ['xterm', { COLORTERM: 'truecolor' }, /38;5;/, /38;2;/],
    ['xterm-256color', { NO_COLOR: '1' }, /\x1b\[[0-9;]*1m/, /\x1b\[[0-9;]*(?:3[0-8]|9[0-7])(?:;[0-9;]*)?m/],
  ])('%s %j', async (TERM, env, has, hasNot) => {
    const pty = start({ initial: 'cpu-util' }, { env: { TERM, ...env } });
    await pty.waitFor(/fullest/);
    expect(pty.output()).toMatch(has);
    expect(pty.output()).not.toMatch(hasNot);
  });

  test('the colour-blind theme writes its own colours only', async () => {
    const pty = start({ initial: 'cpu-util', theme: 'colour-blind' });
    await pty.waitFor(/fullest/);
    pty.send('2');
    await pty.waitFor(DATA);
    const used = new Set([...pty.output().matchAll(/38;5;(\d+)/g)].map(([, index]) => index));
    expect(used.size).toBeGreaterThan(2);
    for (const index of used) expect('33 132 202 93 30 27 69 103 102 138 173'.split(' ')).toContain(index);
    expect(pty.output()).not.toMatch(/\x1b\[(?:(?:0|1|2|4|7|22|24|27);)*3[1-6]m/);
  });

  test.each(['dumb', ''])('TERM=%s: text, and one sentence on why', async (TERM) => {
    const args = ['-c', `TERM=${TERM} exec '${paths.node()}' '${paths.ktop}' percpu-stat -n 2`];
    const pty = run('/bin/sh', args, { cols: 200, rows: 60, cwd: paths.project });
    expect((await pty.exit).code).toBe(0);
    expect(pty.output()).not.toContain('\x1b');
    expect(pty.output().match(/^ktop: .*; set TERM, such as TERM=xterm, for the dashboard/m)).not.toBeNull();
    expect(pty.text()).toMatch(/CPU/);
  });

  test('names of all scripts: what is painted in pieces is what is painted at once', async () => {
    const pty = start({ ...STILL, rows: 18, initial: 'disktop' }, { cols: 160, rows: 40 });
    await pty.waitFor(/名前の長いプロセス/);
    await expectAsRepainted(pty);
    expect(pty.text()).not.toMatch(/\u202e|\u200b|[\u0300-\u036f]/);
  });

  test.each([
    [20, 5, /too small/],
    [300, 100, DATA],
  ])('%dx%d', async (cols, rows, shown) => {
    const pty = start({}, { cols, rows });
    await pty.waitFor(shown);
    pty.resize(80, 24);
    await pty.waitFor(DATA);
    pty.resize(cols, rows);
    await pty.waitFor(shown);
    pty.send('q');
    expect((await pty.exit).code).toBe(0);
  });

  test('a storm of sizes ends in the picture of the last one', async () => {
    const pty = start({ ...STILL });
    await pty.waitFor(DATA);
    await untilQuiet(pty);
    for (let step = 0; step < 60; step += 1) {
      pty.resize(20 + ((step * 37) % 200), 5 + ((step * 11) % 60));
      await sleep(step % 7 === 0 ? 60 : 5);
    }
    pty.resize(100, 30);
    await pty.waitFor((lines) => lines.length === 30 && /q quit/.test(lines[29] ?? ''));
    await expectAsRepainted(pty);
    expect(pty.screen()[0]).toMatch(/^ 1 \S/);
  });
});

describe('the mouse', () => {
  const ON = '\x1b[?1000h';
  const OFF = '\x1b[?1000l';
  const click = (x: number, y: number) => `\x1b[<0;${x + 1};${y + 1}M\x1b[<0;${x + 1};${y + 1}m`;

  test('is left to the terminal, until x takes it; given back on the way out', async () => {
    const pty = start(STILL, { cols: 120, rows: 40 });
    await pty.waitFor(DATA);
    expect(pty.output()).not.toContain(ON);
    pty.send('x');
    await pty.waitFor(/mouse on/);
    expect(pty.output()).toContain(ON);
    pty.send('x');
    await pty.waitFor(/mouse off/);
    expect(pty.output().lastIndexOf(OFF)).toBeGreaterThan(pty.output().lastIndexOf(ON));
    pty.send('x');
    await pty.waitFor(/mouse on/);
    pty.send('q');
    await pty.exit;
    expect(pty.output().lastIndexOf(OFF)).toBeGreaterThan(pty.output().lastIndexOf(ON));
    expect(pty.output().lastIndexOf('\x1b[?1049l')).toBeGreaterThan(pty.output().lastIndexOf(OFF));
  });

  test('selects, sorts, turns round, moves, opens tabs and incidents of the bar', async () => {
    const pty = start({ ...STILL, mouse: true }, { cols: 120, rows: 40 });
    await pty.waitFor(DATA);
    await untilQuiet(pty);
    const heads = pty.screen().findIndex((line) => /PID .*COMM/.test(line));
    const third = pty.screen()[heads + 3] as string;
    pty.send(click(10, heads + 3));
    await pty.waitFor((lines) => lines[heads + 3]?.startsWith('▸') === true);
    expect((pty.screen()[heads + 3] as string).slice(1)).toBe(third.slice(1));
    // Three lines a notch.
    pty.send('\x1b[<65;10;20M');
    await pty.waitFor((lines) => lines[heads + 6]?.startsWith('▸') === true);
    pty.send('\x1b[<64;10;20M');
    await pty.waitFor((lines) => lines[heads + 3]?.startsWith('▸') === true);
    const pid = (pty.screen()[heads] as string).indexOf('PID');
    pty.send(click(pid + 1, heads));
    await pty.waitFor(/sorted by PID/);
    await pty.waitFor((lines) => /PID▼/.test(lines[heads] ?? ''));
    pty.send(click(pid + 1, heads));
    await pty.waitFor((lines) => /PID▲/.test(lines[heads] ?? ''));
    const tab = (pty.screen()[0] as string).indexOf(' 3 ');
    pty.send(click(tab + 3, 0));
    await pty.waitFor(/fullest/);
    // Into the help: the wheel turns over its lines.
    pty.send('?');
    await pty.waitFor(/Help: /);
  });
});

describe('slow links', () => {
  test('9600 baud: keys are answered with the newest picture, frames are dropped, nothing is queued', async () => {
    const pty = start({ interval_ms: 200, rows: 300 }, { cols: 80, rows: 24 });
    await pty.waitFor(/of 300/);
    await sleep(1000);
    pty.throttle(960, 5);
    // As many frames as would keep this link busy for half a minute.
    await sleep(6000);
    const written = pty.output().length;
    const from = Date.now();
    pty.send('?');
    await pty.waitFor(/Help: /, 15_000);
    // One frame was on its way, and one is the answer: a few KB, not what came up in six seconds.
    expect(pty.output().length - written).toBeLessThan(12_000);
    expect(Date.now() - from).toBeLessThan(13_000);
    await pty.waitFor((lines) => /Esc back/.test(lines[23] ?? ''), 15_000);
    pty.send('\x1b');
    await pty.waitFor((lines) => /q quit/.test(lines[23] ?? ''), 15_000);
    await pty.waitFor(/link slow/, 20_000);
    for (const key of 'jjjjjjjjjj') pty.send(key);
    await pty.waitFor(/^▸ +\d/m, 15_000);
    pty.send('q');
    expect(await hasEnded(pty.pid)).toBe(true);
    await vi.waitFor(() => expect(pty.modes()).toEqual(SHELL), { timeout: 15_000 });
  });

  test('300 ms away: what is typed arrives as one picture, and the picture is whole', async () => {
    const pty = start({ ...STILL }, { cols: 120, rows: 40 });
    await pty.waitFor(DATA);
    await untilQuiet(pty);
    pty.throttle(1e6, 300);
    pty.send('/');
    await pty.waitFor(/filter:/);
    for (const key of 'sshd') {
      pty.send(key);
      await sleep(30);
    }
    await pty.waitFor(/filter: sshd/);
    pty.send('\r');
    await pty.waitFor(/filter "sshd"/);
    await untilQuiet(pty, 1000);
    const before = pty.screen();
    pty.send('\x0c');
    await sleep(1500);
    await untilQuiet(pty, 1000);
    expect(pty.screen()).toEqual(before);
  });

  test('a terminal that answers nothing is not waited for', async () => {
    const pty = start({ interval_ms: 100 }, { answers: false });
    await pty.waitFor(DATA);
    const first = pty.output().length;
    await sleep(1000);
    expect(pty.output().length - first).toBeGreaterThan(2000);
    pty.send('q');
    expect((await pty.exit).code).toBe(0);
  });

  test('after q nothing of ktop is typed to the shell', async () => {
    const pty = run('/bin/bash', ['--norc', '--noprofile', '-i'], { env: { PS1: 'shell> ' } });
    await pty.waitFor(/shell>/);
    pty.throttle(1e5, 100);
    for (let round = 0; round < 3; round += 1) {
      pty.send(`${process.execPath} ${harness} '{"interval_ms":100}'\r`);
      await pty.waitFor(DATA);
      await sleep(700);
      pty.send('q');
      await pty.waitFor((lines) =>
        /^shell> $|^shell>$/.test(lines.filter((line) => line !== '').at(-1) ?? ''),
      );
      await sleep(400);
      expect(pty.text()).not.toMatch(/\[0n|\^\[/);
    }
  });
});

describe('flow control', () => {
  test('Ctrl-S holds everything, whatever happens; Ctrl-Q shows the newest picture, whole', async () => {
    const pty = start({ interval_ms: 100 }, { cols: 120, rows: 40 });
    await pty.waitFor(DATA);
    pty.send('\x13');
    await untilQuiet(pty);
    const held = pty.output().length;
    const memory = residentKb(pty.pid);
    await sleep(4000);
    expect(pty.output().length).toBe(held);
    expect(residentKb(pty.pid) - memory).toBeLessThan(40_000);
    pty.send('\x11');
    await pty.waitFor(/ktop 0\.4%/);
    await vi.waitFor(() => expect(pty.output().length).toBeGreaterThan(held + 2000));
    expect(pty.text()).not.toMatch(/link slow|s old/);
    // Any other key lets it go too, and is not lost.
    pty.send('\x13');
    await untilQuiet(pty);
    pty.send('?');
    await pty.waitFor(/Help: /);
  });

  test('a reader that stops for long: one frame is in flight, memory stays, the newest comes first', async () => {
    const pty = start({ interval_ms: 100 }, { cols: 200, rows: 60 });
    await pty.waitFor(DATA);
    await sleep(500);
    pty.stall();
    await sleep(1000);
    const memory = residentKb(pty.pid);
    const before = pty.output().length;
    await sleep(5000);
    expect(residentKb(pty.pid) - memory).toBeLessThan(40_000);
    pty.send('4');
    pty.flow();
    await pty.waitFor(/Offenders/);
    // The frame that was in flight, and the newest.
    expect(pty.output().length - before).toBeLessThan(120_000);
  });
});

// ------------------------------------------------------------------ multiplexers

const command = () => `'${process.execPath}' '${harness}' '${JSON.stringify(STILL)}'`;

describe('tmux with two clients of different size', () => {
  test.each(['smallest', 'largest', 'latest'])('window-size %s', async (policy) => {
    const directory = mkdtempSync(join(tmpdir(), 'ktop-tmux-'));
    const socket = join(directory, 's');
    const tmux = (...args: string[]) => execFileSync('tmux', ['-S', socket, ...args], { encoding: 'utf8' });
    cleanups.push(() => {
      try {
        tmux('kill-server');
      } catch {
        // It has ended with its last session.
      }
      rmSync(directory, { recursive: true });
    });
    tmux('-f', '/dev/null', 'new-session', '-d', '-x', '100', '-y', '30', command());
    tmux('set', '-g', 'window-size', policy);
    tmux('set', '-g', 'status', 'off');
    const attach = (cols: number, rows: number) =>
      run('tmux', ['-u', '-S', socket, 'attach'], { cols, rows, env: { TMUX: undefined } });
    const large = attach(140, 45);
    await large.waitFor(DATA);
    await large.waitFor(/ktop 0\.4%/);
    const small = attach(80, 24);
    await small.waitFor(/1 \S/);
    const size = () => tmux('display', '-p', '#{window_width}x#{window_height}').trim();
    const shown = () => tmux('capture-pane', '-p').replace(/\s+$/gm, '');
    const settled = async () => {
      for (let last = ''; last !== shown(); await sleep(300)) last = shown();
      return shown();
    };
    const expected = policy === 'largest' ? '140x45' : '80x24';
    await vi.waitFor(() => expect(size()).toBe(expected), { timeout: 10_000 });
    await vi.waitFor(() => expect(shown()).toMatch(/q quit/), { timeout: 10_000 });
    const whole = await settled();
    tmux('send-keys', 'C-l');
    expect(await settled()).toBe(whole);
    // One of them goes: the other has it to itself.
    small.hangUp();
    await vi.waitFor(() => expect(size()).toBe('140x45'), { timeout: 10_000 });
    await vi.waitFor(() => expect(shown().split('\n').length).toBeGreaterThan(40), { timeout: 10_000 });
    const alone = await settled();
    // What the client's terminal shows is what tmux has.
    await vi.waitFor(() => expect(large.screen().join('\n').trimEnd()).toBe(shown().trimEnd()), {
      timeout: 10_000,
    });
    tmux('send-keys', 'C-l');
    expect(await settled()).toBe(alone);
    tmux('send-keys', '?');
    await large.waitFor(/Help: /);
  });
});

test('GNU screen: what it shows is right, across a detach and a smaller terminal', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'ktop-screen-'));
  cleanups.push(() => {
    try {
      execFileSync('screen', ['-S', `ktop${process.pid}`, '-X', 'quit'], {
        env: { ...process.env, SCREENDIR: directory },
      });
    } catch {
      // It has ended with its window.
    }
    rmSync(directory, { recursive: true });
  });
  const env = { SCREENDIR: directory };
  const name = `ktop${process.pid}`;
  const args = ['-c', '/dev/null', '-U', '-S', name, '-T', 'screen', '/bin/sh', '-c', command()];
  const first = run('screen', args, { cols: 100, rows: 30, env });
  await first.waitFor(DATA);
  // The load comes with a message of its own.
  await first.waitFor(/ load \d/);
  await untilQuiet(first);
  const shown = first.screen();
  expect(shown[0]).toMatch(/^ 1 \S/);
  expect(shown[29]).toMatch(/q quit/);
  first.send('\x0c');
  await untilQuiet(first);
  expect(first.screen()).toEqual(shown);
  first.hangUp();
  await sleep(300);
  const second = run('screen', ['-U', '-r', name], { cols: 80, rows: 24, env });
  await second.waitFor((lines) => /q quit/.test(lines[23] ?? ''));
  await untilQuiet(second);
  const smaller = second.screen();
  second.send('\x0c');
  await untilQuiet(second);
  expect(second.screen()).toEqual(smaller);
  second.send('q');
  await second.exit;
});
