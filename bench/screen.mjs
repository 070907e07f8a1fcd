/**
 * The dashboard in a 120x40 terminal next to htop at the same rate: CPU at rest, bytes per refresh,
 * time to the first picture, memory.
 */
import { spawn as spawnPty } from '@lydell/node-pty';
import { background, cpuMs, KTOP, median, memoryMb, NODE, sleep, table, title } from './lib.mjs';

/** Printable characters that make a picture: less is a prompt or a clearing of the screen. */
const PICTURE = 400;
/** Tabs, header and keys: ktop draws them before there is any data. */
const FRAME = 200;

// Terminal control sequences and other control characters.
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
const CONTROL = /\x1b\[[0-9;?]*[A-Za-z]|\x1b[()].|\x1b\][^\x07]*\x07|[\x00-\x1f]/g;

function start(file, args, wanted = PICTURE) {
  const began = performance.now();
  const env = { ...process.env, TERM: 'xterm-256color' };
  const pty = spawnPty(file, args, { cols: 120, rows: 40, env });
  const state = { pid: pty.pid, bytes: 0, text: 0, first_ms: Number.NaN };
  const ended = new Promise((resolve) => pty.onExit(resolve));
  pty.onData((data) => {
    state.bytes += Buffer.byteLength(data);
    state.text += data.replace(CONTROL, '').length;
    if (Number.isNaN(state.first_ms) && state.text >= wanted) state.first_ms = performance.now() - began;
  });
  state.stop = async () => {
    pty.write('q');
    const hard = setTimeout(() => pty.kill('SIGKILL'), 3000);
    await ended;
    clearTimeout(hard);
  };
  return state;
}

async function rest(file, args, hz, seconds) {
  const program = start(file, args);
  await sleep(2000);
  const [cpu, bytes, began] = [cpuMs(program.pid), program.bytes, performance.now()];
  await sleep(seconds * 1000);
  const passed = performance.now() - began;
  const result = {
    cpu_pct: (100 * (cpuMs(program.pid) - cpu)) / passed,
    bytes_per_refresh: (program.bytes - bytes) / (hz * (passed / 1000)),
    memory_mb: memoryMb(program.pid),
  };
  await program.stop();
  return result;
}

async function firstPicture(file, args, times, wanted = PICTURE) {
  const found = [];
  for (let i = 0; i < times; i++) {
    const program = start(file, args, wanted);
    for (let waited = 0; Number.isNaN(program.first_ms) && waited < 5000; waited += 5) await sleep(5);
    found.push(program.first_ms);
    await program.stop();
  }
  return median(found);
}

async function firstBpftrace(times) {
  const found = [];
  for (let i = 0; i < times; i++) {
    const began = performance.now();
    const program = background('bpftrace', [
      '-e',
      'BEGIN { printf("ready\\n"); } tracepoint:sched:sched_switch { @ = count(); }',
    ]);
    await program.until(/ready/);
    found.push(performance.now() - began);
    await program.stop();
  }
  return median(found);
}

export async function screen({ quick }) {
  const seconds = quick ? 3 : 15;
  const results = {};
  title(`At rest in a 120x40 terminal (${seconds} s each)`);
  const rows = [['program', 'CPU %', 'bytes/refresh', 'memory MB']];
  const ktop = (hz) => [NODE, [KTOP, '-i', String(1000 / hz)]];
  const htop = (hz) => ['htop', ['-d', String(10 / hz)]];
  for (const [name, hz, [file, args]] of [
    ['ktop 1 Hz', 1, ktop(1)],
    ['htop 1 Hz', 1, htop(1)],
    ['ktop 4 Hz', 4, ktop(4)],
    ['htop 4 Hz', 4, htop(4)],
  ]) {
    const found = await rest(file, args, hz, seconds);
    results[name] = found;
    rows.push([name, found.cpu_pct, found.bytes_per_refresh, found.memory_mb]);
  }
  const ratio = (hz, key) => results[`ktop ${hz} Hz`][key] / results[`htop ${hz} Hz`][key];
  for (const hz of [1, 4]) {
    rows.push([
      `ratio ${hz} Hz`,
      ...['cpu_pct', 'bytes_per_refresh', 'memory_mb'].map((key) => ratio(hz, key)),
    ]);
  }
  table(rows);
  const times = quick ? 3 : 7;
  title(`First picture after exec, ms (median of ${times})`);
  const first = {
    ktop: await firstPicture(NODE, [KTOP], times, FRAME),
    'ktop, with data': await firstPicture(NODE, [KTOP], times),
    htop: await firstPicture('htop', [], times),
    bpftrace: await firstBpftrace(Math.min(times, 3)),
  };
  table([
    ['program', 'ms', 'ktop / it'],
    ...Object.entries(first).map(([name, ms]) => [name, ms, first.ktop / ms]),
  ]);
  return { rest: results, first };
}
