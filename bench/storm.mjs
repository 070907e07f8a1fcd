/** Both CPUs saturated with scheduler events for a minute: what is lost, what the reader costs; perf record next to it. */
import { rmSync } from 'node:fs';
import { background, cpuMs, eventsOf, KTOP, load, NODE, sleep, table, threadsOf, title } from './lib.mjs';
import { perfRecord, sumOf } from './observers.mjs';
import { lossOf } from './perf-data.mjs';

/** Two ping-pongs keep both CPUs busy. */
const storm = (seconds) => Promise.all([load('storm', 'pipe', seconds), load('storm', 'pipe', seconds)]);

const ops = (runs) => runs.reduce((total, run) => total + run.ops_per_s, 0);

/** All that perf record writes stays in memory: gigabytes a minute. */
const PERF_SECONDS = 5;

const readerMs = (pid) => threadsOf(pid).find(({ name }) => name === 'ktop/reader')?.ms ?? Number.NaN;

async function underKtop(backend, seconds) {
  const ktop = background(NODE, [
    KTOP,
    'task-state',
    '--budget',
    'off',
    '--json',
    '-i',
    '500',
    '--backend',
    backend,
  ]);
  await ktop.until(/\n/);
  const [before, reader] = [cpuMs(ktop.pid), readerMs(ktop.pid)];
  const rate = ops(await storm(seconds));
  const [cpu_ms, reader_ms] = [cpuMs(ktop.pid) - before, readerMs(ktop.pid) - reader];
  await sleep(1200);
  const output = await ktop.stop();
  const [events, lost, late, unseen] = ['events', 'lost', 'late', 'unseen'].map((key) =>
    sumOf(output, [key]),
  );
  return { name: `ktop, ${backend}`, seconds, rate, events, lost, late, unseen, cpu_ms, reader_ms };
}

async function underPerf(seconds) {
  const file = '/dev/shm/ktop-bench.data';
  try {
    const perf = await perfRecord(eventsOf('task-state'), file).start();
    const before = cpuMs(perf.pid);
    const rate = ops(await storm(seconds));
    const cpu_ms = cpuMs(perf.pid) - before;
    await perf.stop();
    const { samples, lost } = lossOf(file);
    return { name: 'perf record', seconds, rate, events: samples, lost, cpu_ms };
  } finally {
    rmSync(file, { force: true });
  }
}

export async function saturation({ quick }) {
  const seconds = quick ? 3 : 60;
  title('Both CPUs saturated by sched events');
  const bare = ops(await storm(Math.min(seconds, 3)));
  const runs = [
    await underKtop('tracefs', seconds),
    await underKtop('perf', seconds),
    await underPerf(Math.min(seconds, PERF_SECONDS)),
  ];
  const none = Number.NaN;
  table([
    [
      'observer',
      'seconds',
      'round trips/s',
      'events/s',
      'lost',
      'of all %',
      'late',
      'unseen',
      'own CPU %',
      'reader ns/event',
    ],
    ['none', '', bare, none, none, none, none, none, none, none],
    ...runs.map((run) => [
      run.name,
      String(run.seconds),
      run.rate,
      (run.events + run.lost) / run.seconds,
      String(run.lost),
      (100 * run.lost) / (run.events + run.lost),
      run.late ?? none,
      run.unseen ?? none,
      run.cpu_ms / (10 * run.seconds),
      ((run.reader_ms ?? run.cpu_ms) * 1e6) / run.events,
    ]),
  ]);
  return { bare, runs };
}
