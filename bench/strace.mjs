/**
 * What watching every system call of a program costs it: ktop strace and the syscalls tab next to strace, perf trace and
 * bpftrace, on the same command in the same run, in turns.
 */

import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { background, KTOP, median, NODE, pinned, sleep, table, title, told } from './lib.mjs';

/** The program says this of itself, whatever stands around it. */
const REPORT = /\{"mode":"[^}\n]*\}/;

/** Calls of one operation: getppid is one, `open` opens, reads and closes a file. */
const COMMANDS = [
  { name: 'getppid()', args: ['getppid'], calls: 1 },
  { name: 'open, read, close', args: ['open'], file: '/etc/passwd', calls: 3 },
];

const command = ({ args, file }, seconds) =>
  pinned('storm', ...args, seconds, ...(file === undefined ? [] : [file]));

/** Runs a tracer around the command; what the command says of itself, and all that the tracer wrote. */
async function around([file, ...args]) {
  const child = spawn(file, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text) => {
      output += text;
      // Lines of calls are not kept: only the end matters.
      if (output.length > 1 << 20) output = output.slice(-(1 << 19));
    });
  }
  await new Promise((resolve, reject) => {
    child.on('error', (error) => reject(new Error(`${file}: ${error.message}; install it`)));
    child.on('close', resolve);
  });
  const report = REPORT.exec(output)?.[0];
  if (report === undefined)
    throw new Error(`${file} ${args[0]}: the command did not end well: ${output.slice(-500)}`);
  return { ...JSON.parse(report), output };
}

/** Who traces: `wrap` makes a command line of one, `beside` is a program that runs meanwhile. */
const TRACERS = [
  { name: 'ktop strace -c', wrap: (run) => [NODE, KTOP, 'strace', '-c', '--plain', '--', ...run] },
  { name: 'ktop strace', wrap: (run, work) => lines(`'${NODE}' '${KTOP}' strace --plain --`, run, work) },
  {
    name: 'ktop syscalls',
    beside: async () => {
      const ktop = background(NODE, [KTOP, 'syscalls', '--budget', 'off', '--json', '-i', '500']);
      await ktop.until(/\n/);
      return ktop;
    },
  },
  { name: 'strace -c -f', wrap: (run, work) => ['strace', '-c', '-f', '-o', join(work, 'out'), ...run] },
  { name: 'strace -f', wrap: (run, work) => ['strace', '-f', '-o', join(work, 'out'), ...run] },
  {
    name: 'perf trace -s',
    wrap: (run, work) => ['perf', 'trace', '-s', '-o', join(work, 'out'), '--', ...run],
  },
  { name: 'perf trace', wrap: (run, work) => ['perf', 'trace', '-o', join(work, 'out'), '--', ...run] },
  {
    name: 'bpftrace',
    beside: async () => {
      const trace = background('bpftrace', [
        '-e',
        `BEGIN { printf("ready\\n"); }
        tracepoint:raw_syscalls:sys_enter /comm == "w-storm"/ { @start[tid] = nsecs; }
        tracepoint:raw_syscalls:sys_exit /@start[tid]/ {
          @ns[args->id] = sum(nsecs - @start[tid]); @[args->id] = count(); delete(@start[tid]); }`,
      ]);
      await trace.until(/ready/);
      return trace;
    },
  },
];

/** All lines into a file, as the others write them; what the command says goes to stderr. */
function lines(tracer, run, work) {
  return ['sh', '-c', `${tracer} ${run.map((word) => `'${word}'`).join(' ')} >'${join(work, 'out')}'`];
}

async function traced({ wrap, beside }, spec, seconds, work) {
  const run = command(spec, seconds);
  if (wrap !== undefined) return around(wrap(run, work));
  const program = await beside();
  await sleep(300);
  const report = await told(run);
  await sleep(600);
  await program.stop();
  return report;
}

export async function strace({ quick }) {
  const { rounds, seconds } = quick ? { rounds: 1, seconds: 0.3 } : { rounds: 3, seconds: 1 };
  title(`System calls watched (medians of ${rounds} rounds of ${seconds} s)`);
  const work = mkdtempSync(join(tmpdir(), 'ktop-bench-'));
  const results = {};
  const rows = [['command', 'tracer', 'ns/call', 'slow-down', 'ktop strace / it', 'ktop syscalls / it']];
  try {
    for (const spec of COMMANDS) {
      const cost = ({ ops_per_s }) => 1e9 / ops_per_s / spec.calls;
      const bare = [cost(await told(command(spec, seconds)))];
      const found = new Map(TRACERS.map(({ name }) => [name, []]));
      for (let round = 0; round < rounds; round++) {
        for (const tracer of TRACERS) {
          const before = bare.at(-1);
          const during = cost(await traced(tracer, spec, seconds, work));
          rmSync(join(work, 'out'), { force: true });
          bare.push(cost(await told(command(spec, seconds))));
          found.get(tracer.name).push({ added: during - (before + bare.at(-1)) / 2, during });
        }
      }
      const base = median(bare);
      const added = (name) => median(found.get(name).map((one) => one.added));
      const result = { bare_ns: base, tracers: {} };
      rows.push([spec.name, 'none', base, 1, Number.NaN, Number.NaN]);
      for (const { name } of TRACERS) {
        const one = {
          ns: median(found.get(name).map(({ during }) => during)),
          slowdown: 1 + added(name) / base,
          strace_ratio: added('ktop strace') / added(name),
          syscalls_ratio: added('ktop syscalls') / added(name),
        };
        result.tracers[name] = one;
        rows.push(['', name, one.ns, one.slowdown, one.strace_ratio, one.syscalls_ratio]);
      }
      results[spec.name] = result;
    }
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
  table(rows);
  process.stdout.write('  ktop … / it: of what each adds to a call\n');
  return results;
}
