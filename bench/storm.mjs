/** Both CPUs saturated with scheduler events: what is lost, what the reader costs; perf record next to it. */
import { background, cpuMs, eventsOf, KTOP, load, NODE, sleep, table, title } from './lib.mjs';

/** Two ping-pongs keep both CPUs busy. */
const storm = (seconds) => Promise.all([load('storm', 'pipe', seconds), load('storm', 'pipe', seconds)]);

const ops = (runs) => runs.reduce((total, run) => total + run.ops_per_s, 0);

export async function saturation({ quick }) {
  const seconds = quick ? 3 : 20;
  title(`Both CPUs saturated by sched events for ${seconds} s`);
  const bare = ops(await storm(Math.min(seconds, 3)));

  const ktop = background(NODE, [KTOP, 'task-state', '--json', '-i', '500']);
  await ktop.until(/\n/);
  const before = cpuMs(ktop.pid);
  const under = ops(await storm(seconds));
  const cpu_ms = cpuMs(ktop.pid) - before;
  await sleep(1200);
  const pictures = (await ktop.stop())
    .split('\n')
    .flatMap((line) => (line.startsWith('{') ? [JSON.parse(line)] : []));
  const sum = (key) => pictures.reduce((total, picture) => total + (picture[key] ?? 0), 0);
  const [events, lost, late, unseen] = ['events', 'lost', 'late', 'unseen'].map(sum);

  const record = eventsOf('task-state').flatMap((name) => ['-e', name]);
  const perf = background('perf', ['record', '-a', '-o', '/dev/null', ...record]);
  await sleep(1000);
  const perfBefore = cpuMs(perf.pid);
  const perfOps = ops(await storm(seconds));
  const perf_ms = cpuMs(perf.pid) - perfBefore;
  await perf.stop();

  table([
    ['observer', 'round trips/s', 'events/s', 'lost', 'late', 'unseen', 'own CPU %', 'CPU ns/event'],
    ['none', bare, Number.NaN, Number.NaN, Number.NaN, Number.NaN, Number.NaN, Number.NaN],
    ['ktop', under, events / seconds, lost, late, unseen, cpu_ms / (10 * seconds), (cpu_ms * 1e6) / events],
    [
      'perf record',
      perfOps,
      Number.NaN,
      Number.NaN,
      Number.NaN,
      Number.NaN,
      perf_ms / (10 * seconds),
      Number.NaN,
    ],
  ]);
  return { bare, under, events, lost, late, unseen, cpu_ms, perf_ops: perfOps, perf_ms };
}
