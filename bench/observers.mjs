/**
 * Programs that observe a load: ktop and its peers. Each is started by a function that returns once it observes; `pid` is
 * whose CPU time counts, `lost` reads from all it said how many events it missed, where it says so.
 */
import { spawnSync } from 'node:child_process';
import { background, KTOP, load, NODE, sleep } from './lib.mjs';
import { libbpfTool } from './peers.mjs';

/** Those that say nothing when they are ready. */
const PERF_READY_MS = 1000;
const TOOL_READY_MS = 1500;

/** Like its peers: all of it, whatever it costs. */
export function ktopObserver(monitor, options = []) {
  return {
    name: 'ktop',
    start: async () => {
      const ktop = background(NODE, [KTOP, monitor, ...options, '--budget', 'off', '--json', '-i', '500']);
      await ktop.until(/\n/);
      return ktop;
    },
    lost: (output) => sumOf(output, ['lost', 'unseen']),
  };
}

/** As it is without being told otherwise: `mode` of the storm goes on for long enough to be too much. */
export function ktopWithinBudget(monitor, mode) {
  return {
    name: 'ktop, load shed',
    start: async () => {
      const ktop = background(NODE, [KTOP, monitor, '--json', '-i', '500']);
      await ktop.until(/\n/);
      await load('storm', mode, 2);
      return ktop;
    },
  };
}

/** Sum of some counters over all pictures that ktop printed. */
export function sumOf(output, keys) {
  const pictures = output.split('\n').flatMap((line) => (/^\{.*\}$/.test(line) ? [JSON.parse(line)] : []));
  return pictures.reduce(
    (sum, picture) => sum + keys.reduce((part, key) => part + (picture[key] ?? 0), 0),
    0,
  );
}

/** `events`: names, with what perf record may have behind them. */
export const perfRecord = (events, file = '/dev/null') => ({
  name: 'perf record',
  start: () => perf(['record', '-a', '-o', file, ...events.flatMap((name) => ['-e', name])]),
});

export const perfSamples = () => ({
  name: 'perf record',
  start: () => perf(['record', '-a', '-o', '/dev/null', '-e', 'cpu-clock', '-F', '99']),
});

export const perfTrace = () => ({ name: 'perf trace -s', start: () => perf(['trace', '-a', '-s']) });

async function perf(args) {
  const program = background('perf', args);
  await sleep(PERF_READY_MS);
  return program;
}

export function bpftrace(program) {
  return {
    name: 'bpftrace',
    start: async () => {
      const trace = background('bpftrace', ['-e', `BEGIN { printf("ready\\n"); } ${program}`]);
      await trace.until(/ready/);
      return trace;
    },
    lost: (output) =>
      [...output.matchAll(/^Lost (\d+) events/gm)].reduce((sum, [, count]) => sum + Number(count), 0),
  };
}

/**
 * One of libbpf-tools. Many of them attach kprobes, which a kernel may lack: `works` tries it once, undefined means that
 * it does, else it is the reason that the tool gave.
 */
export function libbpf(tool, args) {
  const path = libbpfTool(tool);
  return {
    name: tool,
    works: () => {
      if (path === undefined) return 'the package libbpf-tools cannot be had';
      const { status, stderr, error } = spawnSync('timeout', ['-s', 'INT', '3', path, ...args], {
        encoding: 'utf8',
      });
      if (error !== undefined) return error.message;
      const complaint = /^(?:libbpf: .*\bfailed\b|failed to (?:load|attach|open)\b).*$/m.exec(
        stderr ?? '',
      )?.[0];
      return status === 0 || status === 124 ? complaint : (complaint ?? `exit code ${status}`);
    },
    start: async () => {
      const program = background(path, args);
      await sleep(TOOL_READY_MS);
      if (program.ended) throw new Error(`${tool} has ended: ${program.output}`);
      return program;
    },
  };
}
