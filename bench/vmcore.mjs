/** One core: time to its panic line, to its full report with and without what is known of the build; beside its peers. */
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { findKernels } from '../test/lab/kernels.ts';
import { debugVmlinux } from '../test/lab/vmlinux.ts';
import { makeCores } from '../test/vmcore/lab/cores.ts';
import { CRASHES } from '../test/vmcore/lab/crashes.ts';
import { KTOP, median, NODE, table, title } from './lib.mjs';

/** One of each kernel, in the three forms of QEMU; the second has what kdump writes. */
const CHOSEN = ['sysrq-a', 'sysrq-b', 'abba-c'];

function timed(file, args, options = {}) {
  const began = performance.now();
  const { status } = spawnSync(file, args, { stdio: ['pipe', 'ignore', 'ignore'], ...options });
  return { ms: performance.now() - began, status };
}

/** The whole program, and of its report the parts: until the log was read, and all. */
function report(path, cache) {
  const began = performance.now();
  const text = execFileSync(NODE, [KTOP, 'vmcore', path, '--json'], {
    env: { ...process.env, XDG_CACHE_HOME: cache },
    encoding: 'utf8',
    maxBuffer: 2 ** 28,
  });
  const wall = performance.now() - began;
  const { timings, ms } = JSON.parse(text);
  return { wall, full: ms, head: timings.file + timings.memory + timings.log };
}

const medians = (runs) => ({
  wall: median(runs.map(({ wall }) => wall)),
  full: median(runs.map(({ full }) => full)),
  head: median(runs.map(({ head }) => head)),
});

export async function vmcore({ quick }) {
  const cores = await makeCores(
    CRASHES.filter(({ name }) => CHOSEN.includes(name)),
    { guests: availableParallelism() },
  );
  const rounds = quick ? 5 : 15;
  title(`One vmcore: median of ${rounds}; ms after start-up of the runtime, and of the whole program`);
  const work = mkdtempSync(join(tmpdir(), 'ktop-bench-'));
  const start = median(Array.from({ length: rounds }, () => timed(NODE, ['-e', '0']).ms));
  const results = [];
  try {
    for (const { truth, directory } of cores)
      for (const [format, name] of Object.entries(truth.files)) {
        const path = join(directory, name);
        const known = join(work, 'known');
        report(path, known);
        const cold = medians(
          Array.from({ length: rounds }, (_, round) => report(path, join(work, `${name}-${round}`))),
        );
        const warm = medians(Array.from({ length: rounds }, () => report(path, known)));
        results.push({ core: truth.name, format, mb: statSync(path).size / 2 ** 20, cold, warm });
      }
    table([
      ['core', 'format', 'MB', 'panic line', 'full', 'full, build known', 'program', 'program, build known'],
      ...results.map(({ core, format, mb, cold, warm }) => [
        core,
        format,
        mb,
        cold.head,
        cold.full,
        warm.full,
        cold.wall,
        warm.wall,
      ]),
    ]);
    const peers = peersOf(cores, rounds);
    table([
      ['peer', 'core', 'ms', 'status'],
      ...peers.map(({ peer, core, ms, status }) => [peer, core, ms, String(status)]),
    ]);
    return { node_start_ms: start, results, peers };
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

const DRGN = `
import sys, drgn
from drgn.helpers.linux.pid import for_each_task
prog = drgn.Program(); prog.set_core_dump(sys.argv[1]); prog.load_debug_info([sys.argv[2]])
for task in for_each_task(prog):
    try: str(prog.stack_trace(task))
    except Exception: pass
`;

/** They need a vmlinux with debugging information; each gets a core that it can read. */
function peersOf(cores, rounds) {
  const of = (name) => cores.find(({ truth }) => truth.name === name);
  const vmlinux = debugVmlinux(findKernels().find(({ series }) => series === '6.1'));
  const [first, kdump] = [of('sysrq-a'), of('abba-c')];
  const repeat = (peer, core, run) => {
    const runs = Array.from({ length: Math.min(5, rounds) }, run);
    return { peer, core, ms: median(runs.map(({ ms }) => ms)), status: runs[0].status };
  };
  const flat = join(first.directory, first.truth.files.flat);
  const proc = join(kdump.directory, kdump.truth.files.proc);
  return [
    repeat('crash -s, quit', 'sysrq-a', () =>
      timed('crash', ['-s', '--no_crashrc', vmlinux, flat], { input: 'quit\n' }),
    ),
    repeat('drgn, backtraces of all tasks', 'abba-c', () =>
      timed('/usr/bin/python3', ['-c', DRGN, proc, vmlinux]),
    ),
    repeat('makedumpfile --dump-dmesg', 'abba-c', () =>
      timed('makedumpfile', ['--dump-dmesg', '-f', proc, '/dev/null']),
    ),
  ];
}
