/**
 * The dashboard in a terminal of 120x40 next to htop, btop, top and atop at the same rate, in turns: CPU at rest, bytes per
 * refresh, memory, time to the first picture.
 */
import { background, cpuMs, median, memoryMb, sleep, table, title } from './lib.mjs';
import { contenders, FRAME, PICTURE, start, withHome } from './terminal-program.mjs';

const RATES = [1, 4];
/** Until loading and compiling are over. */
const SETTLED_MS = 8000;

async function rest(contender, seconds) {
  const program = start(contender);
  await sleep(SETTLED_MS);
  if (program.ended) throw new Error(`${contender.command.join(' ')} has ended`);
  const [cpu, bytes, began] = [cpuMs(program.pid), program.bytes, performance.now()];
  await sleep(seconds * 1000);
  const passed = performance.now() - began;
  const refreshes = contender.hz * (passed / 1000);
  const cpu_ms = cpuMs(program.pid) - cpu;
  const result = {
    cpu_pct: (100 * cpu_ms) / passed,
    ms_per_refresh: cpu_ms / refreshes,
    bytes_per_refresh: (program.bytes - bytes) / refreshes,
    ...memoryMb(program.pid),
  };
  await program.stop();
  return result;
}

/** Medians of a few turns. */
async function atRest(home, { rounds, seconds }) {
  title(`At rest in a terminal of 120x40 (medians of ${rounds} turns of ${seconds} s)`);
  const runs = new Map();
  for (let round = 0; round < rounds; round++) {
    for (const rate of RATES) {
      for (const contender of contenders(rate, home)) {
        const name = `${contender.name} ${rate} Hz`;
        const one = runs.get(name) ?? { ...contender, rate, found: [] };
        one.found.push(await rest(contender, seconds));
        runs.set(name, one);
      }
    }
  }
  const results = {};
  const rows = [['program', 'Hz', 'CPU %', 'ms/refresh', 'x', 'bytes/refresh', 'x', 'RSS MB', 'PSS MB']];
  for (const { name, rate, hz, found } of runs.values()) {
    const of = (key) => median(found.map((one) => one[key]));
    const keys = ['cpu_pct', 'ms_per_refresh', 'bytes_per_refresh', 'rss', 'pss'];
    const result = Object.fromEntries(keys.map((key) => [key, of(key)]));
    results[`${name} ${rate} Hz`] = { hz, ...result };
    const ktop = results[`ktop ${rate} Hz`];
    rows.push([
      `${name}`,
      hz,
      result.cpu_pct,
      result.ms_per_refresh,
      ktop.ms_per_refresh / result.ms_per_refresh,
      result.bytes_per_refresh,
      ktop.bytes_per_refresh / result.bytes_per_refresh,
      result.rss,
      result.pss,
    ]);
  }
  table(rows);
  process.stdout.write(
    '  x: ktop / it. htop counts in tenths of a second: its refreshes are compared, not its rate.\n',
  );
  return results;
}

async function first(contender, wanted) {
  const program = start(contender, { wanted });
  for (let waited = 0; Number.isNaN(program.first_ms) && waited < 5000; waited += 5) await sleep(5);
  await program.stop();
  return program.first_ms;
}

async function firstBpftrace() {
  const began = performance.now();
  const program = background('bpftrace', [
    '-e',
    'BEGIN { printf("ready\\n"); } tracepoint:sched:sched_switch { @ = count(); }',
  ]);
  await program.until(/ready/);
  const ms = performance.now() - began;
  await program.stop();
  return ms;
}

async function firstPicture(home, times) {
  title(`First picture after exec, ms (medians of ${times} turns)`);
  const found = {};
  const add = (name, ms) => {
    found[name] ??= [];
    found[name].push(ms);
  };
  const [ktop, ...others] = contenders(1, home);
  for (let turn = 0; turn < times; turn++) {
    add('ktop', await first(ktop, FRAME));
    add('ktop, with data', await first(ktop, PICTURE));
    for (const other of others) add(other.name, await first(other, PICTURE));
    if (turn < 3) add('bpftrace, ready', await firstBpftrace());
  }
  const results = Object.fromEntries(Object.entries(found).map(([name, ms]) => [name, median(ms)]));
  table([
    ['program', 'ms', 'ktop / it'],
    ...Object.entries(results).map(([name, ms]) => [name, ms, results.ktop / ms]),
  ]);
  return results;
}

export const screen = ({ quick }) =>
  withHome(async (home) => ({
    rest: await atRest(home, quick ? { rounds: 1, seconds: 3 } : { rounds: 3, seconds: 8 }),
    first: await firstPicture(home, quick ? 2 : 7),
  }));
