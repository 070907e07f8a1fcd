/** Monitors of one's own on the screen: rows, the note on the filter, filters as they are typed, ways on and back. */
import { type ChildProcess, spawn as start } from 'node:child_process';
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { paths } from '../helpers/paths.ts';
import { type Pty, spawn } from './pty.ts';

const work = mkdtempSync(join(tmpdir(), 'ktop-watch-'));
let load: ChildProcess;
const ptys: Pty[] = [];

beforeAll(() => {
  const shell = join(work, 'w-e2e');
  copyFileSync('/bin/bash', shell);
  load = start(shell, ['-c', 'while :; do : < /dev/null; sleep 0.02; done'], { stdio: 'ignore' });
});
afterAll(() => {
  load.kill('SIGKILL');
  rmSync(work, { recursive: true, force: true });
});
afterEach(() => {
  for (const pty of ptys.splice(0)) {
    try {
      pty.kill('SIGKILL');
    } catch {
      // It has ended by itself, as it should.
    }
  }
});

function run(args: readonly string[], env = {}): Pty {
  const pty = spawn(paths.node(), [paths.ktop, ...args], { cols: 130, rows: 32, env });
  ptys.push(pty);
  return pty;
}

const SLOW = 20_000;
const WHAT = 'syscalls:sys_enter_openat if filename=/dev/null and pid>1';

describe('watch', () => {
  test('rows, what runs where, filters typed, and a way there and back', async () => {
    const pty = run(['watch', WHAT, '--count', 'comm', '--by', 'pid', '-i', '500']);
    await pty.waitFor(/COMM +PID +COUNT/, SLOW);
    await pty.waitFor(new RegExp(`w-e2e +${load.pid} +\\d+`), SLOW);
    await pty.waitFor(/filter in the kernel: filename=\/dev\/null; in ktop: pid>1/, SLOW);

    pty.send('/cmm=w-e2e');
    await pty.waitFor(/there is no column "cmm"; did you mean comm\? \(at 1\)/, SLOW);
    pty.send('\x15comm=w-e2e and count>0');
    await pty.waitFor(/in ktop, on what is shown/, SLOW);
    pty.send('\r');
    await pty.waitFor(/filter "comm=w-e2e and count>0"/, SLOW);
    await pty.waitFor(new RegExp(`w-e2e +${load.pid} +\\d+`), SLOW);

    pty.send('j');
    await pty.waitFor(new RegExp(`▸ *w-e2e +${load.pid}`), SLOW);
    pty.send('o');
    await pty.waitFor(/Follow to/, SLOW);
    await pty.waitFor(new RegExp(`pid=${load.pid}`), SLOW);
    pty.send('\r');
    await pty.waitFor(
      new RegExp(`Watch comm=w-e2e and count>0 > \\S+.* pid=${load.pid}; Backspace returns`),
      SLOW,
    );
    pty.send('\x7f');
    await pty.waitFor(/COMM +PID +COUNT/, SLOW);
    await pty.waitFor(/filter "comm=w-e2e and count>0"/, SLOW);

    pty.send(':comm~"w-*"\r');
    await pty.waitFor(/filter "comm~"w-\*""/, SLOW);
    pty.send('q');
    expect((await pty.exit).code).toBe(0);
  }, 90_000);

  test('a file is a tab', async () => {
    const own = join(work, 'ktop', 'monitors');
    mkdirSync(own, { recursive: true });
    const text = JSON.stringify({ name: 'nulls', title: 'Nulls', watch: WHAT, count: ['comm'] });
    writeFileSync(join(own, 'nulls.json'), text, { mode: 0o600 });
    const pty = run(['nulls', '-i', '500'], { XDG_CONFIG_HOME: work });
    await pty.waitFor(/Nulls/, SLOW);
    await pty.waitFor(/w-e2e +\d+/, SLOW);
    pty.send('q');
    expect((await pty.exit).code).toBe(0);
  }, 60_000);
});

test('hist: bars that live', async () => {
  const pty = run([
    'hist',
    'syscalls:sys_enter_openat',
    'flags',
    '-f',
    'comm=w-e2e',
    '-P',
    '16',
    '-i',
    '500',
  ]);
  await pty.waitFor(/RANGE +COUNT +RATE +% +TOTAL +BAR/, SLOW);
  await pty.waitFor(/^[▸ ]*0 +[1-9]\d* .*#{40}/m, SLOW);
  pty.send('q');
  expect((await pty.exit).code).toBe(0);
}, 60_000);
