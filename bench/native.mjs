/** The native path alone, ns per event, next to perf script on a recording of the same events. */
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { eventsOf, ROOT, table, title } from './lib.mjs';

/** Time perf script needs per event; reading the file is in it, as it is for any tool that replays. */
function perfScript(seconds) {
  const work = mkdtempSync(join(tmpdir(), 'ktop-bench-'));
  const file = join(work, 'perf.data');
  try {
    const events = eventsOf('task-state').flatMap((name) => ['-e', name]);
    const storm = [join(ROOT, 'build/workloads/storm'), 'pipe', String(seconds)];
    execFileSync('perf', ['record', '-q', '-a', '-m', '4096', '-o', file, ...events, '--', ...storm], {
      stdio: 'ignore',
    });
    const began = performance.now();
    const run = spawnSync('sh', ['-c', `perf script -i ${file} 2>/dev/null | wc -l`], { encoding: 'utf8' });
    const ms = performance.now() - began;
    return { ns: (ms * 1e6) / Number(run.stdout), events: Number(run.stdout) };
  } finally {
    rmSync(work, { recursive: true });
  }
}

export async function native({ quick }) {
  title('Native cost of one event');
  const peer = perfScript(quick ? 1 : 3);
  table([
    ['program', 'events', 'ns/event'],
    ['perf script', peer.events, peer.ns],
  ]);
  const make = ['-C', join(ROOT, 'native'), '-s', '--no-print-directory', '-j2', ...benches()];
  const output = execFileSync('make', make, { encoding: 'utf8' });
  process.stdout.write(`  ktop, on events in memory:\n${output.replace(/^(?=.)/gm, '    ')}`);
  return { perf_script_ns: peer.ns, ktop: output.trim().split('\n') };
}

/** The benchmarks the native Makefile has. */
function benches() {
  const makefile = readFileSync(join(ROOT, 'native/Makefile'), 'utf8');
  return [...makefile.matchAll(/^(bench-[a-z]+):/gm)].map(([, target]) => target);
}
