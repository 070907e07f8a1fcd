/**
 * `npm run pictures`: takes the pictures and the film of the README from the demo recordings: the dashboard replays them in
 * a terminal of its own, and every tab becomes docs/pictures/<tab>.svg. No root, no load; a minute. Words choose pictures.
 */
import { spawnSync } from 'node:child_process';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { spawn as spawnPty } from '@lydell/node-pty';
import xterm from '@xterm/headless';
import { NODE, ROOT, SetupError, say, setUp } from './setup.mjs';
import { svgOf } from './svg.mjs';

const [COLS, ROWS] = [100, 30];
const OUT = join(ROOT, 'docs/pictures');
const RECORDINGS = join(ROOT, 'demo-recordings');
const KTOP = join(ROOT, 'dist/ktop.mjs');
const MOST_BYTES = 60 * 1024;
const WAIT_MS = 60_000;

/** Which recording shows what, when, and what must be seen then. */
const PICTURES = [
  { name: 'demo', args: ['demo', RECORDINGS], seen: [/disk-stall/, /vmcore-deadlock/] },
  { name: 'nettop', of: 'network-flood', at: '60%', seen: [/w-storm/, /w-client/] },
  { name: 'disktop', of: 'disk-stall', at: '45%', seen: [/w-disk/] },
  { name: 'cpu-util', of: 'network-flood', at: '60%', seen: [/CPU/] },
  { name: 'task-state', of: 'disk-stall', at: '60%', seen: [/w-disk/] },
  { name: 'kvm-exit', of: 'kvm-exits', at: '70%', seen: [/cpuid/, /hlt/] },
  { name: 'kmemleak', of: 'kernel-leak', at: '80%', seen: [/load_msg/] },
  { name: 'irq-off', of: 'irqs-off', at: '90%', seen: [/irq-off/] },
  { name: 'profile', of: 'syscall-storm', at: '70%', seen: [/storm/] },
  { name: 'syscalls', of: 'syscall-storm', at: '70%', seen: [/getppid/] },
  { name: 'trace', of: 'signals', at: '70%', seen: [/signal_generate/] },
  { name: 'signal', of: 'signals', at: '70%', seen: [/w-/] },
  { name: 'watchdog', of: 'soft-lockup', at: '45%', seen: [/WILL/] },
  { name: 'split-lock', of: 'signals', at: '70%', seen: [/SOURCE/] },
  { name: 'percpu-stat', of: 'network-flood', at: '60%', seen: [/all/] },
  { name: 'mpdelay', of: 'signals', at: '70%', seen: [/signal_generate/] },
  { name: 'rundelay', of: 'syscall-storm', at: '70%', seen: [/storm/] },
  { name: 'oncpu', of: 'syscall-storm', at: '70%', seen: [/storm/] },
  { name: 'core', file: 'vmcore', of: 'vmcore-deadlock', at: '5%', seen: [/deadlock/] },
  { name: 'core-locks', file: 'vmcore-locks', of: 'vmcore-deadlock', at: '90%', seen: [/mutex/] },
];
/** The film: an incident from its beginning to its end. */
const FILM = { of: 'disk-stall', monitor: 'task-state', speed: '2', size: `${COLS}x${ROWS}` };

/** A terminal without a window, with ktop in it. */
function watch(args) {
  const terminal = new xterm.Terminal({ cols: COLS, rows: ROWS, scrollback: 0, allowProposedApi: true });
  const { PATH, HOME } = process.env;
  const env = { TERM: 'xterm-256color', LANG: 'C.UTF-8', TZ: 'UTC', PATH, HOME };
  const whole = [KTOP, ...args, '--colour', '256'];
  const pty = spawnPty(NODE, whole, { name: env.TERM, cols: COLS, rows: ROWS, cwd: ROOT, env });
  pty.onData((data) => terminal.write(data));
  const lineAt = (y) => terminal.buffer.active.getLine(y)?.translateToString(true);
  const text = () => Array.from({ length: ROWS }, (_, y) => lineAt(y)).join('\n');
  return {
    terminal,
    send: (keys) => pty.write(keys),
    ended: new Promise((resolve) => pty.onExit(resolve)),
    async until(wanted) {
      const deadline = Date.now() + WAIT_MS;
      while (!wanted.every((pattern) => pattern.test(text()))) {
        if (Date.now() > deadline) throw new Error(`not seen: ${wanted.join(' ')}\n${text()}`);
        await sleep(100);
      }
    },
  };
}

async function take({ name, file = name, of, at, args, seen }) {
  const view = watch(args ?? ['replay', join(RECORDINGS, `${of}.ktop`), name]);
  await view.until(of === undefined ? seen : [/REPLAY/]);
  if (of !== undefined) {
    // Stand still, then go there.
    view.send(' ');
    await sleep(300);
    view.send('g');
    await view.until([/go to time/]);
    view.send(`${at}\r`);
    await sleep(1000);
    await view.until(seen);
    // What keys did is said for a while.
    await sleep(3500);
  }
  save(view.terminal, name, file);
  view.send('q');
  await view.ended;
}

function save(terminal, name, file) {
  const svg = svgOf(terminal, `ktop ${name}`);
  const bytes = Buffer.byteLength(svg);
  if (bytes > MOST_BYTES) throw new Error(`${file}.svg has ${bytes} bytes`);
  writeFileSync(join(OUT, `${file}.svg`), svg);
  process.stdout.write(`docs/pictures/${file}.svg ${(bytes / 1024).toFixed(1)} KiB\n`);
}

function film({ of, monitor, speed, size }) {
  const path = join(OUT, `${of}.cast`);
  rmSync(path, { force: true });
  const recording = join(RECORDINGS, `${of}.ktop`);
  const args = ['export', recording, '-o', path, '--tab', monitor, '--speed', speed, '--size', size];
  const env = { ...process.env, TZ: 'UTC' };
  const { status, stderr } = spawnSync(NODE, [KTOP, ...args], { encoding: 'utf8', env });
  if (status !== 0) throw new Error(`the film was not made: ${stderr}`);
  process.stdout.write(`docs/pictures/${of}.cast\n`);
}

const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

const words = process.argv.slice(2);
const unknown = words.find((word) => !PICTURES.some(({ name }) => name === word));
if (unknown !== undefined) {
  say(`there is no picture of ${unknown}; choose from ${PICTURES.map(({ name }) => name).join(', ')}`);
  process.exit(2);
}
try {
  await setUp({ addon: false });
  mkdirSync(OUT, { recursive: true });
  for (const picture of PICTURES) if (words.length === 0 || words.includes(picture.name)) await take(picture);
  if (words.length === 0) film(FILM);
} catch (error) {
  say(error instanceof SetupError ? error.message : (error.stack ?? String(error)));
  process.exitCode = 1;
}
