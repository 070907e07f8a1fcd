/**
 * Recordings: what an hour of six tabs takes on disk, what recording costs, how long a seek in a day takes, how much
 * memory a file of 2 GB does. The day and the large file are made of what this host said, over and over, and of chance.
 */
import { spawn } from 'node:child_process';
import { copyFileSync, existsSync, mkdtempSync, readFileSync, rmSync, statSync, truncateSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { spawn as spawnPty } from '@lydell/node-pty';
import { monitors } from '../src/monitors/index.ts';
import { RecordingFile } from '../src/recording/file.ts';
import { createFile, FileWriter } from '../src/recording/file-writer.ts';
import { History } from '../src/recording/history.ts';
import { snapshotsOf } from '../src/recording/reading.ts';
import { Recorder } from '../src/recording/recorder.ts';
import { openRecording } from '../src/sources/recording.ts';
import { background, cpuMs, KTOP, median, NODE, sleep, table, title } from './lib.mjs';

const HOST = { host: 'bench', kernel: 'bench', cpus: 1, boot_time: 0 };
const DAY_MS = 86_400_000;

export async function recording({ quick }) {
  const directory = mkdtempSync(join(tmpdir(), 'ktop-bench-'));
  try {
    const results = { hour: await anHour(directory, quick ? 15 : 90) };
    const snapshots = snapshotsFrom(join(directory, 'busy.ktop'));
    results.cost = await cost(snapshots, quick ? 2000 : 10_000);
    results.day = await aDay(directory, snapshots, quick ? DAY_MS / 12 : DAY_MS, quick ? 50 : 300);
    results.large = await large(directory, quick ? 256 : 2048);
    return results;
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

function snapshotsFrom(path) {
  const file = new RecordingFile(path);
  const all = [...snapshotsOf(file)];
  file.close();
  return all;
}

// -------------------------------------------------------------- an hour on disk

async function anHour(directory, seconds) {
  title(`Six tabs at 1 Hz, recorded for ${seconds} s`);
  const rows = [['host', 'MB/h', 'bytes a snapshot', 'CPU %']];
  const results = {};
  for (const [name, load] of [
    ['quiet', undefined],
    // Processes that come and go, files that are written and read.
    [
      'busy',
      'while :; do for i in 1 2 3 4 5; do ls -lR /usr/share/doc >/dev/null; head -c 20M /dev/zero >"$0"; sync "$0"; done; done',
    ],
  ]) {
    const busy =
      load === undefined ? undefined : background('bash', ['-c', load, join(directory, 'written')]);
    try {
      results[name] = await sixTabs(join(directory, `${name}.ktop`), seconds);
    } finally {
      await busy?.stop();
    }
    const found = results[name];
    rows.push([name, found.mb_per_hour, found.bytes_per_snapshot, found.cpu_pct]);
  }
  table(rows);
  return results;
}

async function sixTabs(path, seconds) {
  const ktop = background(NODE, [KTOP, 'record', '-o', path]);
  try {
    for (let waited = 0; !existsSync(path) && waited < 60_000; waited += 100) await sleep(100);
    await sleep(3000);
    const [cpu, bytes, began] = [cpuMs(ktop.pid), statSync(path).size, performance.now()];
    await sleep(seconds * 1000);
    const passed = performance.now() - began;
    const cpu_pct = (100 * (cpuMs(ktop.pid) - cpu)) / passed;
    const mb_per_hour = ((statSync(path).size - bytes) / passed) * 3.6;
    await ktop.stop();
    const bytes_per_snapshot = statSync(path).size / snapshotsFrom(path).length;
    return { mb_per_hour, bytes_per_snapshot, cpu_pct };
  } finally {
    if (!ktop.ended) await ktop.stop();
  }
}

// -------------------------------------------------------------- what recording costs

/** CPU of all threads for encoding and compressing, of which a dashboard that remembers does the same. */
async function cost(snapshots, count) {
  title(`What recording costs (${count} snapshots)`);
  const rows = [['kind', 'CPU us a snapshot', '% of a CPU at 6 a second', 'longest block ms']];
  const results = {};
  for (const name of ['history in memory', 'and a file']) {
    const history = new History();
    const clock = hand();
    const recorder = new Recorder({
      host: HOST,
      version: 'bench',
      monitors,
      clocks: clock,
      keep: (chunk) => history.keep(chunk),
    });
    const end = name === 'and a file' ? toFile(recorder) : async () => {};
    for (const { monitor } of snapshots.slice(0, 50)) recorder.opened(monitor, { interval_ms: 1000 });
    let longest = 0;
    const before = process.cpuUsage();
    for (let index = 0; index < count; index += 1) {
      clock.now += 1000 / 6;
      const snapshot = snapshots[index % snapshots.length];
      const began = performance.now();
      recorder.take({ type: 'snapshot', snapshot: { ...snapshot, time: clock.now } });
      longest = Math.max(longest, performance.now() - began);
      if (index % 6 === 5) await recorder.flush();
    }
    const { user, system } = process.cpuUsage(before);
    await end();
    const us = (user + system) / count;
    results[name] = { us_per_snapshot: us, cpu_pct: (us * 6) / 1e4, longest_ms: longest };
    rows.push([name, us, (us * 6) / 1e4, longest]);
  }
  table(rows);
  return results;
}

function toFile(recorder) {
  const path = join(mkdtempSync(join(tmpdir(), 'ktop-bench-')), 'cost.ktop');
  const file = new FileWriter(path, createFile(path), (error) => {
    throw new Error(error);
  });
  recorder.attach(file);
  return async () => {
    await recorder.detach(file);
    await file.close();
    rmSync(join(path, '..'), { recursive: true });
  };
}

/** A clock that is set by hand. */
function hand() {
  const clock = { now: Date.now() - 2 * DAY_MS, wall: () => clock.now, steady: () => clock.now };
  return clock;
}

// -------------------------------------------------------------- a day

async function aDay(directory, snapshots, length_ms, seeks) {
  const path = join(directory, 'day.ktop');
  const clocks = hand();
  await make(path, clocks, length_ms, snapshots);
  title(
    `Seeking in ${(length_ms / 3.6e6).toFixed(0)} h of six tabs, ${(statSync(path).size / 1e6).toFixed(0)} MB (${seeks} times)`,
  );
  const began = performance.now();
  const source = openRecording(path, { playing: false });
  const opened = performance.now() - began;
  const { start, end } = source.playback.state();
  const rows = [['tab', 'median ms', '99 % ms', 'longest ms', 'CPU ms a seek']];
  const results = { bytes: statSync(path).size, open_ms: opened, tabs: {} };
  let arrived = () => {};
  source.subscribe((message) => {
    if (message.type === 'playback') arrived();
  });
  for (const { monitor } of source.recorded) {
    source.start(monitor, { interval_ms: 1000 });
    await sleep(300);
    const times = [];
    const before = process.cpuUsage();
    for (let index = 0; index < seeks; index += 1) {
      const answer = new Promise((resolve) => {
        arrived = resolve;
      });
      const asked = performance.now();
      source.playback.seek(start + Math.random() * (end - start));
      await answer;
      times.push(performance.now() - asked);
    }
    source.stop(monitor);
    const { user, system } = process.cpuUsage(before);
    times.sort((a, b) => a - b);
    const found = {
      median_ms: median(times),
      p99_ms: times[Math.floor(times.length * 0.99)],
      longest_ms: times.at(-1),
      cpu_ms: (user + system) / 1000 / seeks,
    };
    results.tabs[monitor] = found;
    rows.push([monitor, found.median_ms, found.p99_ms, found.longest_ms, found.cpu_ms]);
  }
  await source.close();
  // As a kill -9 leaves it: no index.
  const bare = join(directory, 'bare.ktop');
  copyFileSync(path, bare);
  truncateSync(bare, statSync(path).size - 1);
  const scanning = performance.now();
  new RecordingFile(bare).close();
  results.scan_ms = performance.now() - scanning;
  rows.push(['opening', opened], ['opening without index', results.scan_ms]);
  table(rows);
  return results;
}

/** A recording of `length_ms`, of the same snapshots over and over, in the time that making it takes. */
async function make(path, clocks, length_ms, snapshots) {
  const recorder = new Recorder({ host: HOST, version: 'bench', monitors, clocks });
  const file = new FileWriter(path, createFile(path), (error) => {
    throw new Error(error);
  });
  recorder.attach(file);
  const names = new Set(snapshots.map(({ monitor }) => monitor));
  for (const name of names) recorder.opened(name, { interval_ms: 1000 });
  const step = 1000 / names.size;
  const end = clocks.now + length_ms;
  for (let index = 0; clocks.now < end; index += 1) {
    clocks.now += step;
    const snapshot = snapshots[index % snapshots.length];
    recorder.take({ type: 'snapshot', snapshot: { ...snapshot, time: clocks.now } });
    // As often as it would: about once a second.
    if (index % names.size === names.size - 1) await recorder.flush();
    if (file.waiting > 8 << 20) await file.idle();
  }
  await recorder.detach(file);
  await file.close();
}

// -------------------------------------------------------------- 2 GB

async function large(directory, megabytes) {
  const path = join(directory, 'large.ktop');
  await makeLarge(path, megabytes * 1e6);
  title(`Replaying a file of ${(statSync(path).size / 1e9).toFixed(2)} GB`);
  const json = await peak([KTOP, 'replay', path, '--json']);
  const screen = await onScreen(path);
  const rows = [
    ['how', 'memory MB', 's'],
    ['all of it as JSON', json.mb, json.seconds],
    ['on the screen: 100 seeks, then 10 s at 64 times', screen.mb, screen.seconds],
  ];
  table(rows);
  return { bytes: statSync(path).size, json, screen };
}

/** Numbers of chance, which nothing compresses. */
async function makeLarge(path, bytes) {
  const clocks = hand();
  const recorder = new Recorder({ host: HOST, version: 'bench', monitors, clocks });
  const file = new FileWriter(path, createFile(path), (error) => {
    throw new Error(error);
  });
  recorder.attach(file);
  recorder.opened('nettop', { interval_ms: 1000 });
  const any = () => Float64Array.from({ length: 400 }, Math.random);
  const names = ['xmit_packets', 'recv_packets', 'xmit_bytes', 'recv_bytes', 'pid', 'uid'];
  for (let seq = 1; file.bytes < bytes; seq += 1) {
    clocks.now += 1000;
    const columns = Object.fromEntries(names.map((name) => [name, any()]));
    const tables = { rows: { length: 400, key: ['pid'], columns } };
    const rest = {
      backend: 'bench',
      events: seq,
      lost: 0,
      late: 0,
      unseen: 0,
      notes: [],
      histograms: {},
      logs: {},
    };
    const snapshot = {
      monitor: 'nettop',
      seq,
      time: clocks.now,
      mono_ms: seq * 1000,
      interval_ms: 1000,
      tables,
      ...rest,
    };
    recorder.take({ type: 'snapshot', snapshot });
    await recorder.flush();
    if (file.waiting > 8 << 20) await file.idle();
  }
  await recorder.detach(file);
  await file.close();
}

/** Most memory a process has had, in MB. */
function most(pid) {
  return Number(/VmHWM:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? Number.NaN) / 1024;
}

/** Most memory a program has had, and how long it took; its output goes nowhere. */
async function peak(args) {
  const began = performance.now();
  const child = spawn(NODE, args, { stdio: ['ignore', 'ignore', 'inherit'] });
  let mb = 0;
  const timer = setInterval(() => {
    try {
      const now = most(child.pid);
      // One that is ending has no memory any more.
      if (now > mb) mb = now;
    } catch {
      // It has ended.
    }
  }, 50);
  const code = await new Promise((resolve) => child.on('close', resolve));
  clearInterval(timer);
  if (code !== 0) throw new Error(`${args.join(' ')} ended with ${code}`);
  return { mb, seconds: (performance.now() - began) / 1000 };
}

/** The dashboard on a recording: to places all over it, then fast. */
async function onScreen(path) {
  const began = performance.now();
  const pty = spawnPty(NODE, [KTOP, 'replay', path], {
    cols: 120,
    rows: 40,
    env: { ...process.env, TERM: 'xterm-256color' },
  });
  pty.onData(() => {});
  const ended = new Promise((resolve) => pty.onExit(resolve));
  await sleep(2000);
  for (let index = 0; index < 100; index += 1) {
    pty.write(`g${Math.floor(Math.random() * 100)}%\r`);
    await sleep(50);
  }
  for (let index = 0; index < 6; index += 1) {
    pty.write('>');
    await sleep(50);
  }
  await sleep(10_000);
  const mb = most(pty.pid);
  pty.write('q');
  const hard = setTimeout(() => pty.kill('SIGKILL'), 3000);
  await ended;
  clearTimeout(hard);
  return { mb, seconds: (performance.now() - began) / 1000 };
}
