/** `ktop probe …`: what its commands do, but for drawing. */
import { spawnSync } from 'node:child_process';
import type { Monitor, Options, ProbeChoices } from '../monitors/monitor.ts';
import { probe as monitor } from '../monitors/probe.ts';
import { align } from '../output/align.ts';
import { agreed, complain, underline } from '../output/writer.ts';
import { sanitise } from '../panels/sanitise.ts';
import { chooseProbes, costPercent, tooMuch } from '../probes/choose.ts';
import { withElf } from '../probes/elf.ts';
import { Kernel } from '../probes/kernel.ts';
import { NoProbe, type ReadyProbe } from '../probes/probe.ts';
import { findProgram } from '../probes/programs.ts';
import { KEPT, meant, resolveProbe } from '../probes/resolve.ts';
import { arm, keptNames, removeKept, tryProbe } from '../probes/tracefs.ts';
import { parametersText } from '../probes/variables.ts';
import type { ProbeCommand, WatchWanted } from './probe.ts';

/** How long a probe is armed to see how often it fires. */
export const TRIAL_MS = 100;
const EXIT = { usage: 2, host: 3 } as const;

export interface ProbeRun {
  readonly print: (text: string) => Promise<number>;
}

/** Says on stderr what is wrong, with the kernel's caret; resolves to the exit code. */
export async function orSay(use: () => Promise<number> | number): Promise<number> {
  try {
    return await use();
  } catch (error) {
    if (!(error instanceof NoProbe)) throw error;
    complain(sanitise(error.message));
    for (const line of error.lines) underline(sanitise(line));
    return EXIT[error.kind];
  }
}

/** Everything but `watch` and `list`, which are pictures of the monitor. */
export function runProbe(command: ProbeCommand, { print }: ProbeRun): Promise<number> {
  const kernel = new Kernel();
  return orSay(() => {
    switch (command.kind) {
      case 'probe-add':
        return add(command, kernel, print);
      case 'probe-del':
        needsTracefs(kernel);
        for (const name of command.names) removeKept(kernel.tracefs, KEPT, name.replace(`${KEPT}:`, ''));
        return 0;
      case 'probe-funcs':
        return print(functionsText(command, kernel));
      case 'probe-vars':
      case 'probe-lines':
        if (command.database !== '') return stored(command, print);
        return command.kind === 'probe-vars' ? variables(command, kernel, print) : lines(command, print);
      default:
        return 0;
    }
  });
}

/** The monitor with the panels that have something to say, and the options it is opened with; or an exit code. */
export interface WatchReady {
  readonly monitor: Monitor;
  readonly options: Options;
}

export async function prepareWatch(wanted: WatchWanted): Promise<WatchReady | number> {
  const kernel = new Kernel();
  let ready: WatchReady | undefined;
  const code = await orSay(async () => {
    needsTracefs(kernel);
    const settings = {
      path: wanted.path,
      returns: wanted.returns,
      pid: wanted.path === '' ? undefined : wanted.pids[0],
    };
    const probes = wanted.definitions.map((text) => resolve(text, kernel, settings));
    const list = chooseProbes(probes, wanted);
    for (const one of probes) {
      for (const note of one.notes) complain(sanitise(note));
      const per_s = await tryProbe(kernel.tracefs, one, wanted.filter, wanted.yes ? 0 : TRIAL_MS).catch(
        (error: unknown) => {
          throw withGuess(error, one, kernel);
        },
      );
      if (tooMuch(one.probe?.kind ?? 'kprobe', per_s) && !(await borne(one, per_s))) return 3;
    }
    const choices: ProbeChoices = {
      list,
      only: true,
      latency: wanted.latency,
      ...(wanted.count === undefined ? {} : { count: wanted.count }),
      ...(wanted.histogram === undefined ? {} : { histogram: wanted.histogram }),
    };
    const { interval_ms, than_ms, pids } = wanted;
    ready = {
      monitor: onlyPanels(wanted),
      options: {
        interval_ms,
        probes: choices,
        ...(pids.length === 0 ? {} : { pids }),
        ...(than_ms === undefined ? {} : { than_ms }),
      },
    };
    return 0;
  });
  return ready ?? code;
}

/** In text, panels that nobody asked for would say only that they are empty. */
export function onlyPanels({
  count,
  histogram,
  latency,
  than_ms,
}: Pick<WatchWanted, 'count' | 'histogram' | 'latency' | 'than_ms'>): Monitor {
  const shown = new Set(['rows']);
  if (count !== undefined) shown.add('counts');
  if (histogram !== undefined) shown.add('histogram');
  if (latency) for (const id of ['latency', 'times']) shown.add(id);
  if (than_ms !== undefined) shown.add('slow');
  if (shown.size === 1) shown.add('log');
  return { ...monitor, panels: monitor.panels.filter(({ id }) => shown.has(id)) };
}

/** The monitor of `probe list`. */
export function listMonitor(): Monitor {
  return { ...monitor, panels: monitor.panels.filter(({ id }) => id === 'rows') };
}

function resolve(
  text: string,
  kernel: Kernel,
  settings: { path: string; returns: boolean; pid: number | undefined },
): ReadyProbe {
  return resolveProbe(text, kernel, settings);
}

/** A function that the kernel does not know may have been meant otherwise. */
function withGuess(error: unknown, { probe }: ReadyProbe, kernel: Kernel): unknown {
  if (!(error instanceof NoProbe) || probe === undefined || !/^k|^f/.test(probe.kind)) return error;
  const symbol = (probe.definition.split(' ')[0] ?? '').replace(/^[\w-]+:/, '').replace(/[+%].*/, '');
  if (kernel.symbols.functions(symbol).length > 0) return error;
  const guess = meant(symbol, kernel);
  return guess === '' ? error : new NoProbe(error.kind, `${error.message}; ${guess}`, error.lines);
}

export async function borne({ name, probe, place }: ReadyProbe, per_s: number): Promise<boolean> {
  const cost = costPercent(probe?.kind ?? 'kprobe', per_s);
  const text = sanitise(
    `${name} on ${place} fires ${Math.round(per_s)} times a second: it would cost ${cost.toFixed(0)} % of a CPU`,
  );
  const answer = await agreed(`${text}. Arm it all the same?`);
  if (answer === undefined) complain(`${text}; give a rarer place, or --yes to arm it all the same`);
  return answer === true;
}

async function add(
  { definitions, path, returns, name, pids }: Extract<ProbeCommand, { kind: 'probe-add' }>,
  kernel: Kernel,
  print: ProbeRun['print'],
): Promise<number> {
  needsTracefs(kernel);
  const added: string[] = [];
  for (const text of definitions) {
    const found = resolveProbe(text, kernel, { path, returns, pid: path === '' ? undefined : pids[0] });
    if (found.probe === undefined)
      throw new NoProbe('usage', `${found.event} is an event already; watch it as it is, or give a function`);
    const one = name === '' ? found : { ...found, name };
    // Several places may share one name, but only who writes the kernel's own language can mean that.
    const verbatim = /^[prfte]\d*:/.test(text);
    if (!verbatim && keptNames(kernel.tracefs, KEPT).includes(one.name))
      throw new NoProbe(
        'usage',
        `there is a probe ${one.name} already; delete it first, or give another name with --name`,
      );
    for (const note of one.notes) complain(sanitise(note));
    try {
      arm(kernel.tracefs, KEPT, one);
    } catch (error) {
      throw withGuess(error, one, kernel);
    }
    added.push(`${KEPT}:${one.name} ${one.place}`);
  }
  return print(`${added.map((line) => `added ${sanitise(line)}`).join('\n')}\n`);
}

export function needsTracefs(kernel: Kernel): void {
  if (kernel.tracefs === '')
    throw new NoProbe(
      'host',
      'tracefs is not readable, and probes are made there; run ktop as root (mount -t tracefs nodev /sys/kernel/tracing)',
    );
}

/** Functions that match, with where they are. */
function functionsText(
  { glob, path, json }: Extract<ProbeCommand, { kind: 'probe-funcs' }>,
  kernel: Kernel,
): string {
  const test = globTest(glob);
  const found =
    path === ''
      ? kernel.symbols.matching(test).map(({ name, module }) => ({
          name,
          place: module === '' ? 'kernel' : module,
          note: kernel.isForbidden(name)
            ? 'blacklisted'
            : /\.(isra|constprop|part|cold)/.test(name)
              ? 'clone'
              : '',
        }))
      : functionsOf(path, test);
  found.sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0));
  if (found.length === 0)
    throw new NoProbe(
      'host',
      `no function matches ${glob}; * and ? stand for anything, quote them from the shell`,
    );
  if (json) return `${JSON.stringify({ ktop: 1, functions: found })}\n`;
  const rows = found.map(({ name, place, note }) => [name, place, note].map((text) => sanitise(text)));
  return `${align([['FUNCTION', 'PLACE', 'NOTE'], ...rows], [false, false, false]).join('\n')}\n`;
}

function functionsOf(name: string, test: RegExp): { name: string; place: string; note: string }[] {
  const path = findProgram(name);
  return withElf(path, (elf) => [
    ...elf.functions(test).map(({ name: symbol, offset }) => ({
      name: symbol,
      place: `${path}:0x${offset.toString(16)}`,
      note: '',
    })),
    ...elf
      .markers()
      .map(({ provider, name: marker, offset, arguments: args }) => ({
        name: `${provider}:${marker}`,
        place: `${path}:0x${offset.toString(16)}`,
        note: `usdt ${args}`.trim(),
      }))
      .filter(({ name: symbol }) => test.test(symbol)),
  ]);
}

function globTest(glob: string): RegExp {
  const body = glob
    .replace(/[.+^${}()|[\]\\]/g, '\\$&')
    .replace(/\*/g, '.*')
    .replace(/\?/g, '.');
  return new RegExp(`^${body}$`);
}

/** perf's own answer, where there is debuginfo; `undefined` = it has none. It only defines: nothing is armed. */
function perfSays(args: readonly string[], path: string): string | undefined {
  const exec = path === '' ? [] : ['-x', findProgram(path)];
  const env = {
    PATH: process.env.PATH ?? '/usr/sbin:/usr/bin:/sbin:/bin',
    HOME: '/nonexistent',
    DEBUGINFOD_URLS: '',
    LC_ALL: 'C',
  };
  const run = spawnSync('perf', ['probe', ...exec, ...args], {
    encoding: 'utf8',
    env,
    timeout: 60_000,
    maxBuffer: 64 * 2 ** 20,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  return run.status === 0 && run.stdout.trim() !== '' ? run.stdout : undefined;
}

function variables(
  { place, path, json }: Extract<ProbeCommand, { kind: 'probe-vars' | 'probe-lines' }>,
  kernel: Kernel,
  print: ProbeRun['print'],
): Promise<number> {
  const said = perfSays(['-V', place], path);
  if (said !== undefined)
    return print(json ? `${JSON.stringify({ ktop: 1, from: 'perf', text: said })}\n` : clean(said));
  if (path !== '')
    throw new NoProbe(
      'host',
      `no debuginfo tells the variables of ${path}; install that of its package (and linux-perf), or write registers`,
    );
  if (/:\d|\+/.test(place))
    throw new NoProbe(
      'host',
      `variables at ${place} need debuginfo and perf (linux-perf, and the -dbg package of this kernel); at the entry, ktop probe vars ${place.replace(/(:\d|\+).*/, '')} tells the arguments`,
    );
  const found = parametersText(place, kernel);
  if (json) return print(`${JSON.stringify({ ktop: 1, from: 'btf', ...found })}\n`);
  const rows = found.variables.map(({ name, type, fetch }) =>
    [name, type, fetch].map((text) => sanitise(text)),
  );
  const table = align([['ARGUMENT', 'TYPE', 'FETCHED AS'], ...rows], [false, false, false]);
  return print(
    [
      `${place}: arguments at its entry, from the types of this kernel (variables and lines need debuginfo and perf)`,
      ...(rows.length === 0 ? ['it has none'] : table),
      ...(found.returns === '' ? [] : [`returns ${sanitise(found.returns)}`]),
      '',
    ].join('\n'),
  );
}

function lines(
  { place, path, json }: Extract<ProbeCommand, { kind: 'probe-vars' | 'probe-lines' }>,
  print: ProbeRun['print'],
): Promise<number> {
  const said = perfSays(['-L', place], path);
  if (said !== undefined)
    return print(json ? `${JSON.stringify({ ktop: 1, from: 'perf', text: said })}\n` : clean(said));
  throw new NoProbe(
    'host',
    `source lines of ${place} need perf, debuginfo and the sources (linux-perf, the -dbg package and linux-source); the types of a kernel hold none`,
  );
}

async function stored(
  { kind, place, database, json }: Extract<ProbeCommand, { kind: 'probe-vars' | 'probe-lines' }>,
  print: ProbeRun['print'],
): Promise<number> {
  const { databaseListing } = await import('./recipe-db.ts');
  return databaseListing(database, place, kind === 'probe-vars' ? 'vars' : 'lines', json, print);
}

const clean = (text: string): string =>
  `${text
    .trimEnd()
    .split('\n')
    .map((line) => sanitise(line))
    .join('\n')}\n`;
