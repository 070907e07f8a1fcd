// biome-ignore-all lint/suspicious/noControlCharactersInRegex: terminal output is read here
/** The dashboard in a real terminal, on a fake source. */
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeAll, describe, expect, test, vi } from 'vitest';
import { KEYMAP } from '../../src/ui/keymap.ts';
import { bundleHarness } from './bundle-harness.ts';
import { bytesOf, type Pty, type PtyOptions, sleep, spawn } from './pty.ts';

vi.setConfig({ testTimeout: 30_000 });

let harness = '';
const open: Pty[] = [];

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
});

function start(wish: object = {}, options: PtyOptions = {}): Pty {
  const pty = spawn(process.execPath, [harness, JSON.stringify(wish)], options);
  open.push(pty);
  return pty;
}

/** The shell's screen again, cursor and wrapping as they were, no attributes left on. */
function expectRestored(pty: Pty): void {
  expect(pty.modes()).toEqual({ alternate: false, cursor: true, wrap: true });
  expect(pty.output()).toContain('\x1b[?1049l');
  expect(pty.output().split('\x1b[?1049h').length).toBe(pty.output().split('\x1b[?1049l').length);
}

/** Resolves when nothing has been written for a while, however busy the machine is. */
async function untilQuiet(pty: Pty): Promise<void> {
  for (let last = -1; pty.output().length !== last; await sleep(100)) last = pty.output().length;
}

const DATA = /of 10000/;

describe('first picture', () => {
  test('the frame stands before any data', async () => {
    const pty = start({ interval_ms: 60_000, limit: 0 });
    await pty.waitFor(/Waiting for first data/);
    expect(pty.screen()[0]).toMatch(/^ 1 \S/);
    expect(pty.screen()[1]).toMatch(/buildhost-17 {2}Linux 6\.1\.0/);
    expect(pty.screen()[23]).toMatch(/\? help/);
  });

  test.each([
    [80, 24],
    [120, 40],
    [300, 100],
  ])('fills %dx%d', async (cols, rows) => {
    const pty = start({}, { cols, rows });
    await pty.waitFor(DATA);
    await pty.waitFor(/ktop 0\.4% 104M/);
    const lines = pty.screen();
    for (const fact of [
      /buildhost-17/,
      /6\.1\.0-25/,
      /up 14d/,
      /load/,
      /every 1 s/,
      /tracefs/,
      /events\/s/,
      /lost 0/,
    ]) {
      expect(lines.slice(0, 3).join('\n')).toMatch(fact);
    }
    expect(lines.at(-1)).toMatch(/q quit/);
    expect(lines.filter((line) => line === '').length).toBeLessThan(rows / 3);
  });

  test('follows resizing, down to a card that says so', async () => {
    const pty = start();
    await pty.waitFor(DATA);
    pty.resize(120, 40);
    await pty.waitFor((lines) => lines.length === 40 && /q quit/.test(lines[39] ?? ''));
    pty.resize(50, 10);
    await pty.waitFor(/too small[\s\S]*50x10/);
    pty.resize(80, 24);
    await pty.waitFor((lines) => /q quit/.test(lines[23] ?? ''));
    await pty.waitFor(DATA);
  });
});

describe('ways out', () => {
  test.each([
    ['q', 0],
    ['\x03', 0],
    ['\x1b[21~', 0],
  ])('key %j', async (key, code) => {
    const pty = start();
    await pty.waitFor(DATA);
    pty.send(key);
    expect(await pty.exit).toEqual({ code, signal: undefined });
    expectRestored(pty);
  });

  test.each([
    ['SIGTERM', 143],
    ['SIGHUP', 129],
    ['SIGINT', 130],
    ['SIGQUIT', 131],
  ])('%s', async (signal, code) => {
    const pty = start();
    await pty.waitFor(DATA);
    pty.kill(signal);
    expect(await pty.exit).toEqual({ code, signal: undefined });
    expectRestored(pty);
  });

  test('an error nobody caught: screen first, then the trace', async () => {
    const pty = start({ crash_ms: 1500 });
    await pty.waitFor(DATA);
    expect((await pty.exit).code).toBe(1);
    expectRestored(pty);
    expect(pty.text()).toContain('crashed on purpose');
  });

  test('the terminal goes away', async () => {
    const pty = start();
    await pty.waitFor(DATA);
    pty.hangUp();
    expect(await hasEnded(pty.pid)).toBe(true);
  });
});

/** Ended, if only as a zombie that nobody has waited for. */
async function hasEnded(pid: number, within_ms = 2000): Promise<boolean> {
  for (const deadline = Date.now() + within_ms; Date.now() < deadline; await sleep(20)) {
    try {
      if (/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'))) return true;
    } catch {
      return true;
    }
  }
  return false;
}

describe('a stalled terminal', () => {
  test('frames are dropped, not queued, and the newest is shown when it flows again', async () => {
    const pty = start({ interval_ms: 100 }, { cols: 200, rows: 60 });
    await pty.waitFor(DATA);
    pty.stall();
    await sleep(3000);
    const before = pty.output().length;
    pty.flow();
    await sleep(300);
    // What the kernel and the pty hold, not three seconds of frames.
    expect(pty.output().length - before).toBeLessThan(150_000);
    pty.send('?');
    await pty.waitFor(/Help: /);
  });

  test('it can be quit', async () => {
    const pty = start({ interval_ms: 100 }, { cols: 200, rows: 60 });
    await pty.waitFor(DATA);
    pty.stall();
    await sleep(1500);
    pty.send('q');
    expect(await hasEnded(pty.pid)).toBe(true);
  });
});

describe('suspension', () => {
  test('Ctrl-Z gives the shell its screen, fg comes back', async () => {
    const pty = spawn('/bin/bash', ['--norc', '--noprofile', '-i'], { env: { PS1: 'shell> ' } });
    open.push(pty);
    await pty.waitFor(/shell>/);
    pty.send(`${process.execPath} ${harness} '{}'\r`);
    await pty.waitFor(DATA);
    for (let round = 0; round < 2; round += 1) {
      pty.send('\x1a');
      await pty.waitFor(/Stopped[\s\S]*shell>/);
      expect(pty.modes()).toEqual({ alternate: false, cursor: true, wrap: true });
      pty.send('stty -a | grep -o -- "[-]*icanon"\r');
      await pty.waitFor(/^icanon$/m);
      pty.send('clear; fg\r');
      await pty.waitFor(DATA);
      expect(pty.modes().alternate).toBe(true);
    }
    pty.send('q');
    await pty.waitFor(/shell>\s*$/);
    expect(pty.modes()).toEqual({ alternate: false, cursor: true, wrap: true });
  });

  test('SIGTSTP and SIGCONT from outside', async () => {
    const pty = start();
    await pty.waitFor(DATA);
    pty.kill('SIGTSTP');
    // Nobody can continue an orphaned group, so the kernel does not stop it: ktop must come back by itself.
    await sleep(300);
    pty.kill('SIGCONT');
    await pty.waitFor(DATA);
    pty.send('q');
    expect((await pty.exit).code).toBe(0);
    expectRestored(pty);
  });
});

describe('keys', () => {
  test('every key of the help page does something or says why not', async () => {
    const pty = start({ frozen: true, initial: 'disktop' }, { cols: 120, rows: 40 });
    await pty.waitFor(DATA);
    const untried = new Set(['quit', 'suspend', 'redraw', 'tab', 'back']);
    for (const { command, keys, on } of KEYMAP) {
      // Those of stacks and of time have tests of their own.
      if (untried.has(command) || on !== undefined) continue;
      for (const key of keys) {
        // From a known place: the middle of the table of the second tab.
        pty.send('\x1b');
        await sleep(80);
        pty.send('2Kjjj');
        await sleep(60);
        await untilQuiet(pty);
        const before = pty.output().length;
        pty.send(bytesOf(key));
        const deadline = Date.now() + 3000;
        while (pty.output().length === before && Date.now() < deadline) await sleep(20);
        expect(pty.output().length, `${command} by ${key}`).toBeGreaterThan(before);
        pty.send('\x1b');
        await sleep(80);
        if (command === 'pause') pty.send('p');
      }
    }
  }, 60_000);

  test('tabs, filter, selection by identity, details', async () => {
    const pty = start({}, { cols: 120, rows: 40 });
    await pty.waitFor(DATA);
    pty.send('4');
    await pty.waitFor(/Offenders/);
    pty.send('/comm=sshd pid<400\r');
    await pty.waitFor(/filter "comm=sshd pid<400"/);
    pty.send('jj');
    await pty.waitFor(/^▸ +\d+/m);
    const selected = /^▸ +(\d+)/m.exec(pty.text())?.[1];
    pty.send('r');
    await pty.waitFor(/smallest first/);
    await sleep(1500);
    expect(/^▸ +(\d+)/m.exec(pty.text())?.[1]).toBe(selected);
    pty.send('\r');
    await pty.waitFor(new RegExp(`PID +${selected} `));
    await pty.waitFor(/Esc closes/);
    pty.send('\x1b');
    await pty.waitFor(/Offenders[^:]*─/);
  });

  test('help lists every key and the columns of the tab', async () => {
    const pty = start({}, { cols: 120, rows: 100 });
    await pty.waitFor(DATA);
    pty.send('?');
    await pty.waitFor(/Help: /);
    expect(pty.text()).toMatch(/SUM_KB +KiB sent and received/);
    pty.send('\x1b[D');
    await pty.waitFor(/\[keys\]/);
    for (const { shown } of KEYMAP) expect(pty.text()).toContain(shown);
    pty.send('q');
    await pty.waitFor(DATA);
  });

  test('stacks: zoom, split, export to a file of its owner', async () => {
    const cwd = mkdtempSync(join(tmpdir(), 'ktop-export-'));
    const pty = start({ many: true, initial: 'profile' }, { cols: 120, rows: 40, cwd });
    await pty.waitFor(/100\.0% of total/);
    pty.send('jj\r');
    await pty.waitFor(/in do_syscall_64 .* count/);
    pty.send('b');
    await pty.waitFor(/by comm/);
    pty.send('e');
    await pty.waitFor(/written to \.\/ktop-profile-[\d-]+\.folded/);
    const [name] = readdirSync(cwd);
    expect(statSync(join(cwd, name as string)).mode & 0o777).toBe(0o600);
    expect(readFileSync(join(cwd, name as string), 'utf8')).toMatch(
      /^\S+;(?:do_syscall_64|kthread|irq_exit);/,
    );
    rmSync(cwd, { recursive: true });
  });

  test('incidents and a log live: follow, stop, resume, open, jump', async () => {
    const pty = start(
      { many: true, initial: 'irq-off', entries: 9, interval_ms: 200 },
      { cols: 120, rows: 40 },
    );
    await pty.waitFor(/I Incidents \d\d/);
    pty.send('1');
    await pty.waitFor(/Processes/);
    pty.send('I');
    await pty.waitFor(/Incidents on all tabs/);
    pty.send('j\r');
    await pty.waitFor(/monitor +irq-off[\s\S]*folio_wait_bit_common/);
    pty.send('\r');
    await pty.waitFor(/Hits/);
    pty.send(':trace\r');
    await pty.waitFor(/Events/);
    await pty.waitFor((lines) => lines.filter((line) => /^ \d\d:\d\d:/.test(line)).length > 15);
    pty.send('k');
    await pty.waitFor(/\d+ newer, J follows/);
    pty.send('\x1b[F');
    await pty.waitFor((lines) => !/newer/.test(lines.join('')));
  });

  test('pause freezes the picture and says so', async () => {
    const pty = start();
    await pty.waitFor(DATA);
    pty.send('p');
    await pty.waitFor(/PAUSED/);
    await sleep(100);
    const body = pty.screen().slice(3, -1);
    await sleep(2200);
    expect(pty.screen().slice(3, -1)).toEqual(body);
    pty.send(' ');
    await pty.waitFor((lines) => !/PAUSED/.test(lines.join('')));
  });
});

describe('what is shown', () => {
  test('hostile names do nothing', async () => {
    const pty = start({ rows: 40 }, { cols: 120, rows: 60 });
    await pty.waitFor(/owned/);
    expect(pty.output()).not.toMatch(/\x1b\]0;owned|\x9b31m|\u202e|\u200b/);
    expect(pty.modes().alternate).toBe(true);
    expect(pty.screen()[0]).toMatch(/^ 1 /);
    expect(pty.text()).toContain('x\ufffd]0;owned\ufffd');
  });

  test('loss and notes', async () => {
    const note = 'perf drops samples of an idle CPU here: tracefs is read instead';
    const pty = start({ lost: 17, notes: [note], interval_ms: 200 });
    await pty.waitFor(/!lost 17/);
    expect(pty.text()).toContain(note);
  });

  test('a monitor that cannot run, the others go on', async () => {
    const pty = start({ failing: ['kvm-exit'] });
    await pty.waitFor(DATA);
    pty.send('5');
    await pty.waitFor(/kvm-exit cannot run on this host[\s\S]*modprobe kvm_intel/);
    pty.send('1');
    await pty.waitFor(DATA);
  });

  test('256 CPUs on 80x24: each one, and the fullest by name', async () => {
    const pty = start({ initial: 'cpu-util' });
    await pty.waitFor(/192–255 [▁-█·]{64}/);
    await pty.waitFor(/fullest +\d+ \d+%/);
  });
});

describe('lesser terminals', () => {
  test('LANG=C: nothing but ASCII', async () => {
    const pty = start({}, { env: { LANG: 'C' } });
    await pty.waitFor(DATA);
    expect(pty.output()).toMatch(/^[\x00-\x7f]*$/);
  });

  test('NO_COLOR: attributes, no colours', async () => {
    const pty = start({}, { env: { NO_COLOR: '1' } });
    await pty.waitFor(DATA);
    expect(pty.output()).not.toMatch(/\x1b\[[0-9;]*(?:3[0-8]|9[0-7])(?:;[0-9;]*)?m/);
    expect(pty.output()).toMatch(/\x1b\[[0-9;]*1m|\x1b\[1/);
  });

  test('16 colours: no palette beyond', async () => {
    const pty = start({ initial: 'cpu-util' }, { env: { TERM: 'xterm' } });
    await pty.waitFor(/fullest/);
    expect(pty.output()).not.toContain('38;5;');
  });
});

test('keys come from the terminal when stdin is something else', async () => {
  const pty = spawn('/bin/bash', ['-c', `echo x | ${process.execPath} ${harness} '{}'; echo status $?`]);
  open.push(pty);
  await pty.waitFor(DATA);
  pty.send('?');
  await pty.waitFor(/Help: /);
  pty.send('\x03');
  await pty.waitFor(/status 0/);
});

test('an unchanged screen costs no bytes', async () => {
  const pty = start({ frozen: true, interval_ms: 200 });
  await pty.waitFor(/ktop 0\.4%/);
  await sleep(500);
  const before = pty.output().length;
  await sleep(2000);
  expect(pty.output().length).toBe(before);
});
