/** A program in a terminal of its own, seen from outside: what it writes, and when it has drawn something. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { spawn as spawnPty } from '@lydell/node-pty';
import { KTOP, NODE } from './lib.mjs';
import { atop, btop } from './peers.mjs';

/** Printable characters that make a picture: less is a prompt or a clearing of the screen. */
export const PICTURE = 400;
/** Tabs, header and keys: ktop draws them before there is any data. */
export const FRAME = 200;

export const SIZE = { cols: 120, rows: 40 };

// Terminal control sequences and other control characters.
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
const CONTROL = /\x1b\[[0-9;?]*[A-Za-z]|\x1b[()].|\x1b\][^\x07]*\x07|[\x00-\x1f]/g;

/**
 * Starts it. `wanted`: characters that count as the first picture, whose time is `first_ms`. `onData` is told what it
 * writes. `stall` stops reading, as a connection that hangs does.
 */
export function start(
  { command: [file, ...args], env = {} },
  { wanted = PICTURE, size = SIZE, onData } = {},
) {
  const began = performance.now();
  const pty = spawnPty(file, args, {
    ...size,
    env: { ...process.env, TERM: 'xterm-256color', LANG: 'C.UTF-8', ...env },
  });
  const state = { pid: pty.pid, bytes: 0, text: 0, first_ms: Number.NaN, ended: false };
  const ended = new Promise((resolve) => pty.onExit(resolve)).then(() => {
    state.ended = true;
  });
  pty.onData((data) => {
    state.bytes += Buffer.byteLength(data);
    onData?.(data);
    if (!Number.isNaN(state.first_ms)) return;
    state.text += data.replace(CONTROL, '').length;
    if (state.text >= wanted) state.first_ms = performance.now() - began;
  });
  state.send = (keys) => pty.write(keys);
  state.stall = () => pty.pause();
  state.flow = () => pty.resume();
  state.stop = async () => {
    pty.write('q');
    const hard = setTimeout(() => pty.kill('SIGKILL'), 3000);
    await ended;
    clearTimeout(hard);
  };
  return state;
}

/**
 * Who is compared, at a number of refreshes a second. `hz` is what each really does: htop counts in tenths of a second
 * and atop in whole ones. No user's configuration is read.
 */
export function contenders(wanted_hz, home) {
  const ms = 1000 / wanted_hz;
  const tenths = Math.max(1, Math.floor(ms / 100));
  const env = { HOME: home, XDG_CONFIG_HOME: join(home, String(wanted_hz)) };
  const list = [
    { name: 'ktop', hz: wanted_hz, command: [NODE, KTOP, '-i', String(ms)], env },
    { name: 'htop', hz: 10 / tenths, command: ['htop', '-d', String(tenths)], env },
    { name: 'top', hz: wanted_hz, command: ['top', '-d', String(ms / 1000)], env },
  ];
  const [theirs, his] = [btop(), atop()];
  if (theirs !== undefined) {
    mkdirSync(join(env.XDG_CONFIG_HOME, 'btop'), { recursive: true });
    writeFileSync(join(env.XDG_CONFIG_HOME, 'btop/btop.conf'), `update_ms = ${ms}\n`);
    list.push({ name: 'btop', hz: wanted_hz, command: [theirs], env });
  }
  if (his !== undefined && wanted_hz === 1) list.push({ name: 'atop', hz: 1, command: [his, '1'], env });
  return list;
}

/** Runs `use` with an empty home directory. */
export async function withHome(use) {
  const home = mkdtempSync(join(tmpdir(), 'ktop-bench-'));
  try {
    return await use(home);
  } finally {
    rmSync(home, { recursive: true, force: true });
  }
}
