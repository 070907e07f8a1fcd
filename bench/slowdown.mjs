/**
 * What observing costs: how much slower the load becomes under ktop, perf record, perf trace, bpftrace and libbpf-tools, what
 * they themselves take, what they lose. All in the same run, the bare load before and after each of them, several rounds.
 */
import { spawnSync } from 'node:child_process';
import { rmSync } from 'node:fs';
import { cpuMs, median, pinned, sleep, table, title, told } from './lib.mjs';
import { loads } from './loads.mjs';
import { perfRecord } from './observers.mjs';
import { lossOf } from './perf-data.mjs';

/** Share of the bare cost below which an added cost is noise. */
const NOISE = 0.02;

const storm = ({ args, file }, seconds) =>
  pinned('storm', ...args, seconds, ...(file === undefined ? [] : [file]));

/** Cost of one operation: ns that passed, and ns of CPU of the load. */
async function cost(spec, seconds) {
  const { ops, ops_per_s, cpu_ms } = await told(storm(spec, seconds));
  return { wall: 1e9 / ops_per_s, cpu: (cpu_ms * 1e6) / ops, ops };
}

/** Events of one operation, as the kernel itself counts them. */
function eventsPerOp(spec, seconds) {
  if (spec.events.length === 0) return 0;
  const events = spec.events.flatMap((name) => ['-e', name]);
  const run = spawnSync('perf', ['stat', '-x,', ...events, '--', ...storm(spec, seconds)], {
    encoding: 'utf8',
  });
  const counts = [...run.stderr.matchAll(/^(\d+),/gm)].map(([, count]) => Number(count));
  return counts.reduce((sum, count) => sum + count, 0) / JSON.parse(run.stdout).ops;
}

/** What the observers added to the load, what they took and lost, a list per name. */
async function measure(spec, observers, { rounds, seconds }) {
  const found = new Map(observers.map(({ name }) => [name, []]));
  const bare = [await cost(spec, seconds)];
  for (let round = 0; round < rounds; round++) {
    for (const { name, start, lost } of observers) {
      const before = bare.at(-1);
      const observer = await start();
      // Of the CPU time of what was just started the end of starting is no part.
      await sleep(300);
      const began = cpuMs(observer.pid);
      const during = await cost(spec, seconds);
      const own_ms = cpuMs(observer.pid) - began;
      await sleep(600);
      const output = await observer.stop();
      bare.push(await cost(spec, seconds));
      const after = bare.at(-1);
      found.get(name).push({
        wall: during.wall - (before.wall + after.wall) / 2,
        cpu: during.cpu - (before.cpu + after.cpu) / 2,
        own_pct: own_ms / (10 * seconds),
        own_ns_per_op: (own_ms * 1e6) / during.ops,
        lost: lost?.(output),
      });
    }
  }
  return { bare, found };
}

/** Events that perf record loses of this load when it writes to memory: a run of its own, which nothing else is read from. */
async function perfLoss(spec, seconds) {
  const file = '/dev/shm/ktop-bench.data';
  try {
    const perf = await perfRecord(spec.events, file).start();
    await cost(spec, seconds);
    await perf.stop();
    return lossOf(file);
  } finally {
    rmSync(file, { force: true });
    rmSync(`${file}.old`, { force: true });
  }
}

export async function slowdown({ quick }) {
  const extent = quick ? { rounds: 1, seconds: 0.3 } : { rounds: 3, seconds: 1 };
  title(`Observed loads, pinned to one CPU (medians of ${extent.rounds} rounds of ${extent.seconds} s)`);
  const results = {};
  const missing = [];
  const rows = [
    [
      'load',
      'observer',
      'bare ns/op',
      '+ ns/op',
      'slow-down',
      'by CPU time',
      'ktop / it',
      '+ ns/event',
      'own CPU %',
      'own ns/event',
      'lost',
    ],
  ];
  for (const spec of loads()) {
    const observers = spec.observers.filter(({ name, works }) => {
      const why = works?.();
      if (why !== undefined)
        missing.push(`${spec.name}: ${name} does not work on this kernel (${why.trim().slice(0, 110)})`);
      return why === undefined;
    });
    const events = eventsPerOp(spec, Math.min(1, extent.seconds));
    const { bare, found } = await measure(spec, observers, extent);
    const base = { wall: median(bare.map(({ wall }) => wall)), cpu: median(bare.map(({ cpu }) => cpu)) };
    const loss = spec.events.length > 0 ? await perfLoss(spec, extent.seconds) : undefined;
    const result = { bare_ns: base.wall, bare_cpu_ns: base.cpu, events_per_op: events, observers: {} };
    const of = (name, key) => median(found.get(name).map((one) => one[key]));
    const ktop = of('ktop', 'wall');
    for (const { name, lost } of observers) {
      const ns = of(name, 'wall');
      // Two costs that drown in the noise of the bare load have no ratio.
      const ratio = Math.max(ktop, ns) > NOISE * base.wall && ns > 0 ? ktop / ns : Number.NaN;
      const one = {
        added_ns: ns,
        slowdown: 1 + ns / base.wall,
        slowdown_cpu: 1 + of(name, 'cpu') / base.cpu,
        ktop_ratio: ratio,
        added_ns_per_event: events > 0 ? ns / events : Number.NaN,
        own_cpu_pct: of(name, 'own_pct'),
        own_ns_per_event: events > 0 ? of(name, 'own_ns_per_op') / events : Number.NaN,
        lost:
          name === 'perf record'
            ? loss?.lost
            : lost === undefined
              ? undefined
              : Math.max(...found.get(name).map((each) => each.lost)),
      };
      result.observers[name] = one;
      rows.push([
        name === 'ktop' ? spec.name : '',
        name,
        base.wall,
        ns,
        one.slowdown,
        one.slowdown_cpu,
        ratio,
        one.added_ns_per_event,
        one.own_cpu_pct,
        one.own_ns_per_event,
        one.lost === undefined ? '-' : String(one.lost),
      ]);
    }
    results[spec.name] = result;
  }
  table(rows);
  for (const line of missing) process.stdout.write(`  ${line}\n`);
  process.stdout.write(
    '  ktop / it: of what each adds to an operation. lost: the most of any round; of perf record in a file in memory.\n',
  );
  return { ...results, missing };
}
