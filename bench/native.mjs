/** The native path alone, ns per event, next to perf script on a recording of the same events. */
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { eventsOf, KTOP, median, NODE, pinned, ROOT, table, title } from './lib.mjs';
import { sumOf } from './observers.mjs';

const ROUNDS = 3;

/** Both read the same file, whole programs, start and end included; in turns. */
function onTheSameFile(seconds) {
  const work = mkdtempSync(join(tmpdir(), 'ktop-bench-'));
  const file = join(work, 'perf.data');
  try {
    const events = eventsOf('task-state').flatMap((name) => ['-e', name]);
    const record = [
      'record',
      '-q',
      '-a',
      '-m',
      '4096',
      '-o',
      file,
      ...events,
      '--',
      ...pinned('storm', 'pipe', seconds),
    ];
    execFileSync('perf', record, { stdio: 'ignore' });
    const programs = {
      'perf script': () => Number(run('sh', ['-c', `perf script -i ${file} 2>/dev/null | wc -l`])),
      'perf sched latency': () => run('perf', ['sched', 'latency', '-i', file]).length,
      'ktop --input': () =>
        sumOf(run(NODE, [KTOP, 'task-state', '--input', file, '--json', '-i', '3600000']), ['events']),
    };
    const found = Object.fromEntries(Object.keys(programs).map((name) => [name, []]));
    let count = Number.NaN;
    for (let round = 0; round < ROUNDS; round++) {
      for (const [name, read] of Object.entries(programs)) {
        const began = performance.now();
        const events = read();
        found[name].push(performance.now() - began);
        if (name === 'perf script') count = events;
        if (name === 'ktop --input' && events !== count)
          throw new Error(`ktop read ${events} events, perf script ${count}`);
      }
    }
    return { count, ms: Object.fromEntries(Object.entries(found).map(([name, ms]) => [name, median(ms)])) };
  } finally {
    rmSync(work, { recursive: true });
  }
}

function run(file, args) {
  const { stdout, status } = spawnSync(file, args, { encoding: 'utf8', maxBuffer: 1 << 28 });
  if (status !== 0) throw new Error(`${file} ${args[0]} ended with ${status}`);
  return stdout;
}

export async function native({ quick }) {
  const { count, ms } = onTheSameFile(quick ? 0.3 : 3);
  title(`Reading the same ${count} events from a file of perf record (whole programs, medians of ${ROUNDS})`);
  const own = ms['ktop --input'];
  table([
    ['program', 'ms', 'ns/event', 'ktop / it'],
    ...Object.entries(ms).map(([name, each]) => [name, each, (each * 1e6) / count, own / each]),
  ]);
  title('ktop alone, on events in memory');
  const make = ['-C', join(ROOT, 'native'), '-s', '--no-print-directory', '-j2', ...benches()];
  const output = execFileSync('make', make, { encoding: 'utf8' });
  process.stdout.write(output.replace(/^(?=.)/gm, '  '));
  return { count, ms, ktop: output.trim().split('\n') };
}

/** The benchmarks the native Makefile has. */
function benches() {
  const makefile = readFileSync(join(ROOT, 'native/Makefile'), 'utf8');
  return [...makefile.matchAll(/^(bench-[a-z]+):/gm)].map(([, target]) => target);
}
