/**
 * One core: time to its first picture on a terminal, to its full report with and without what is known of the build;
 * beside its peers. All times are after the start-up of the runtime, which is taken off.
 */
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { spawn as spawnPty } from '@lydell/node-pty';
import { findKernels } from '../test/lab/kernels.ts';
import { debugVmlinux } from '../test/lab/vmlinux.ts';
import { makeCores } from '../test/vmcore/lab/cores.ts';
import { CRASHES } from '../test/vmcore/lab/crashes.ts';
import { KTOP, median, NODE, table, title } from './lib.mjs';

/** A core of each kernel with 43 MB, in the forms of QEMU; the last has what kdump writes of one that is smaller. */
const FILLED = ['sysrq-a', 'sysrq-b'].map((name) => ({
  ...CRASHES.find((crash) => crash.name === name),
  name: `bench-${name}`,
  memory_mb: 384,
  // What does not compress, in a guest that would else be nearly empty.
  script: 'head -c 23000000 /dev/urandom >/tmp/fill\nnamed breaker on 1 sysrq c',
}));
const CHOSEN = [...FILLED, CRASHES.find(({ name }) => name === 'abba-c')];
const WAIT_MS = 5000;

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

/** Until the dashboard has drawn the line of the panic, with the kernel above it. */
async function firstPicture(path, cache, wanted) {
  const env = { ...process.env, XDG_CACHE_HOME: cache, TERM: 'xterm-256color' };
  const began = performance.now();
  const pty = spawnPty(NODE, [KTOP, 'vmcore', path], { cols: 120, rows: 40, env });
  const ended = new Promise((resolve) => pty.onExit(resolve));
  let text = '';
  const ms = await new Promise((resolve) => {
    const late = setTimeout(() => resolve(Number.NaN), WAIT_MS);
    pty.onData((data) => {
      text += data;
      if (!text.includes(wanted)) return;
      clearTimeout(late);
      resolve(performance.now() - began);
    });
  });
  pty.write('q');
  const hard = setTimeout(() => pty.kill('SIGKILL'), 3000);
  await ended;
  clearTimeout(hard);
  return ms;
}

export async function vmcore({ quick }) {
  const cores = await makeCores(CHOSEN, { guests: availableParallelism() });
  const rounds = quick ? 5 : 15;
  title(`One vmcore: median of ${rounds}, ms`);
  const work = mkdtempSync(join(tmpdir(), 'ktop-bench-'));
  const start = median(Array.from({ length: rounds }, () => timed(NODE, ['-e', '0']).ms));
  const results = [];
  try {
    for (const { truth, directory } of cores)
      for (const [format, name] of Object.entries(truth.files)) {
        const path = join(directory, name);
        const known = join(work, 'known');
        report(path, known);
        const fresh = (round) => join(work, `${truth.name}-${name}-${round}`);
        const cold = medians(Array.from({ length: rounds }, (_, round) => report(path, fresh(round))));
        const warm = medians(Array.from({ length: rounds }, () => report(path, known)));
        const pictures = [];
        for (let round = 0; round < rounds; round++)
          pictures.push(await firstPicture(path, fresh(`picture-${round}`), truth.message.trim()));
        const picture = median(pictures) - start;
        results.push({ core: truth.name, format, mb: statSync(path).size / 1e6, picture, cold, warm });
      }
    process.stdout.write(
      `  node -e 0 takes ${start.toFixed(0)} ms, which is taken off: "program" is all of ktop --json, "report" what of it is reading\n`,
    );
    table([
      [
        ...['core', 'format', 'MB', 'first picture', 'program', 'program, build known'],
        ...['report', 'report, build known', 'of it head'],
      ],
      ...results.map(({ core, format, mb, picture, cold, warm }) => [
        ...[core, format, mb, picture, cold.wall - start, warm.wall - start],
        ...[cold.full, warm.full, warm.head],
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
  const [first, kdump] = [of(FILLED[0].name), of('abba-c')];
  const repeat = (peer, core, run) => {
    const runs = Array.from({ length: Math.min(5, rounds) }, run);
    return { peer, core, ms: median(runs.map(({ ms }) => ms)), status: runs[0].status };
  };
  const flat = join(first.directory, first.truth.files.flat);
  const proc = join(kdump.directory, kdump.truth.files.proc);
  return [
    repeat('crash -s, quit', first.truth.name, () =>
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
