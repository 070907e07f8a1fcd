/**
 * Arming, as tracefs has it: a probe that stays, and a trial that tells what the kernel would say. The files are shared with
 * other tools: lines are appended, nothing is ever truncated.
 */
import { closeSync, constants, mkdirSync, openSync, readFileSync, rmdirSync, writeSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import type { ProbeSpec } from '../monitors/monitor.ts';
import { behind } from './advice.ts';
import { NoProbe, type ReadyProbe } from './probe.ts';

const FILES: Readonly<Record<ProbeSpec['kind'], readonly [string, string]>> = {
  kprobe: ['p', 'kprobe_events'],
  kretprobe: ['r', 'kprobe_events'],
  uprobe: ['p', 'uprobe_events'],
  uretprobe: ['r', 'uprobe_events'],
  fprobe: ['f', 'dynamic_events'],
  tprobe: ['t', 'dynamic_events'],
  eprobe: ['e', 'dynamic_events'],
};

/** Throws a NoProbe (host) with the kernel's words and, as `lines`, the definition with a caret below the part at fault. */
export function arm(tracefs: string, group: string, { name, probe }: ReadyProbe): void {
  if (probe === undefined) return;
  const [, file] = FILES[probe.kind];
  for (const [index, line] of definitionLines(group, name, probe).entries()) {
    const error = append(`${tracefs}/${file}`, line);
    if (error === '') continue;
    // The places before it go with the event.
    if (index > 0) remove(`${tracefs}/${file}`, `${group}/${name}`);
    if (error === 'ENOENT' && !exists(`${tracefs}/${file}`)) throw noSuchProbes(probe.kind, file);
    throw refused(tracefs, name, probe, line, error);
  }
}

function refused(tracefs: string, name: string, { kind }: ProbeSpec, line: string, error: string): NoProbe {
  const reason = kernelReason(tracefs, line);
  if (reason === undefined && error === 'EINVAL' && !takes(tracefs, kind)) return notTaken(kind);
  const place = line.split(' ')[1] ?? '';
  const message = reason?.message ?? ERRORS[error] ?? error;
  const remedy = behind(message, place) || REMEDIES[error] || 'correct the definition';
  return new NoProbe(
    'host',
    `the kernel refuses the ${kind} ${name}: ${message}; ${remedy}`,
    reason?.lines ?? [],
  );
}

/** Waits for users that are on their way out, half a second at most. */
export function disarm(tracefs: string, group: string, { name, probe }: ReadyProbe): void {
  if (probe !== undefined) remove(`${tracefs}/${FILES[probe.kind][1]}`, `${group}/${name}`);
}

/** By name; throws a NoProbe when somebody uses it. */
export function removeKept(tracefs: string, group: string, name: string): void {
  for (const file of ['kprobe_events', 'uprobe_events', 'dynamic_events']) {
    if (!lines(`${tracefs}/${file}`).some((line) => placeOf(line) === `${group}/${name}`)) continue;
    const error = remove(`${tracefs}/${file}`, `${group}/${name}`);
    if (error === '') return;
    throw new NoProbe(
      'host',
      `${name} cannot be removed: ${error === 'EBUSY' ? 'somebody is recording it; end that and try again' : `${ERRORS[error] ?? error}; run ktop as root`}`,
    );
  }
  const known = keptNames(tracefs, group);
  throw new NoProbe(
    'usage',
    `no probe ${name} has been added; ${known.length === 0 ? 'there are none' : `there are ${known.join(', ')}`}`,
  );
}

/** Names of the probes of a group, each once. */
export function keptNames(tracefs: string, group: string): string[] {
  const names = ['kprobe_events', 'uprobe_events', 'dynamic_events'].flatMap((file) =>
    lines(`${tracefs}/${file}`).flatMap((line) => {
      const [system, name] = placeOf(line).split('/');
      return system === group && name !== undefined ? [name] : [];
    }),
  );
  return [...new Set(names)];
}

/**
 * What the kernel makes of it, and how often it would be hit: it is armed for `ms` in an instance of our own and removed.
 * Throws a NoProbe when it is refused. NaN: how often is not known.
 */
export async function tryProbe(
  tracefs: string,
  ready: ReadyProbe,
  filter: string,
  ms: number,
): Promise<number> {
  if (ready.probe === undefined) return Number.NaN;
  const group = `ktop_${process.pid}_try`;
  arm(tracefs, group, ready);
  try {
    checkFields(tracefs, group, ready);
    if (filter !== '') tryFilter(tracefs, group, ready, filter);
    if (ms === 0 || ready.waits !== undefined) return Number.NaN;
    const hits = await countHits(tracefs, group, ready, ms);
    return (hits.count * 1000) / hits.ms;
  } finally {
    disarm(tracefs, group, ready);
  }
}

/** How often it is hit within `ms`: as `tryProbe`, to see that it works at all. */
export async function testProbe(
  tracefs: string,
  ready: ReadyProbe,
  filter: string,
  ms: number,
): Promise<number> {
  if (ready.probe === undefined) return Number.NaN;
  const group = `ktop_${process.pid}_test`;
  arm(tracefs, group, ready);
  try {
    checkFields(tracefs, group, ready);
    if (filter !== '') tryFilter(tracefs, group, ready, filter);
    return (await countHits(tracefs, group, ready, ms)).count;
  } finally {
    disarm(tracefs, group, ready);
  }
}

/** What the event has must be what was meant: fields by name, numbers by sign and size. Throws a NoProbe (host). */
function checkFields(tracefs: string, group: string, { name, expects }: ReadyProbe): void {
  if (expects === undefined) return;
  const format = read(`${tracefs}/events/${group}/${name}/format`) ?? '';
  for (const { name: field, type } of expects) {
    const match = new RegExp(
      `^\\tfield:(.+) ${field}(?:\\[\\d+\\])?;\\toffset:\\d+;\\tsize:(\\d+);\\tsigned:([01]);$`,
      'm',
    ).exec(format);
    const [, kind = '', size = '', signed = ''] = match ?? [];
    const wanted = /^([usx])(\d+)$/.exec(type);
    const fits =
      match !== null &&
      (wanted === null ||
        kind.includes('[') ||
        (Number(size) * 8 === Number(wanted[2]) && (signed === '1') === (wanted[1] === 's'))) &&
      (!/^u?string$/.test(type) || kind.includes('char'));
    if (!fits)
      throw new NoProbe(
        'host',
        `the event ${name} has ${match === null ? `no field ${field}` : `${field} as ${kind}`} here, and ${type === '' ? 'one' : type} was meant; re-make the recipe on a matching reference machine`,
      );
  }
}

function tryFilter(tracefs: string, group: string, { name }: ReadyProbe, filter: string): void {
  const file = `${tracefs}/events/${group}/${name}/filter`;
  const error = write(file, filter, constants.O_WRONLY);
  if (error === '') return;
  // The file then has the filter, and below it a caret and the reason.
  const said = lines(file);
  throw new NoProbe(
    'host',
    `the kernel refuses the filter: ${said.at(-1)?.replace(/^\W+/, '') ?? error}; its fields are in ${group}/${name}`.replace(
      /; its fields.*/,
      '; compare arguments of the probe with == != < <= > >= & ~, joined by && and ||',
    ),
    said.slice(0, -1),
  );
}

async function countHits(
  tracefs: string,
  group: string,
  ready: ReadyProbe,
  ms: number,
): Promise<{ readonly count: number; readonly ms: number }> {
  const unknown = { count: Number.NaN, ms: 1 };
  const instance = `${tracefs}/instances/${group}`;
  try {
    mkdirSync(instance);
  } catch {
    return unknown;
  }
  try {
    const enable = `${instance}/events/${group}/${ready.name}/enable`;
    const before = profileHits(tracefs, ready);
    const started = performance.now();
    if (write(enable, '1', constants.O_WRONLY) !== '') return unknown;
    await new Promise((resolve) => setTimeout(resolve, ms));
    const count = profileHits(tracefs, ready) - before;
    write(enable, '0', constants.O_WRONLY);
    return { count, ms: performance.now() - started };
  } finally {
    try {
      rmdirSync(instance);
    } catch {
      // The next start sweeps it.
    }
  }
}

/** Of all probes of that name: profiles do not tell groups. Function probes have none: NaN. */
function profileHits(tracefs: string, { name, probe }: ReadyProbe): number {
  const user = probe?.kind.startsWith('u') === true;
  if (!user && probe?.kind !== 'kprobe' && probe?.kind !== 'kretprobe') return Number.NaN;
  const counts = lines(`${tracefs}/${user ? 'uprobe' : 'kprobe'}_profile`).flatMap((line) => {
    const words = line.trim().split(/\s+/);
    return words[user ? 1 : 0] === name ? [Number(words[user ? 2 : 1])] : [];
  });
  return counts.reduce((sum, hits) => sum + hits, 0);
}

/** One line for each place. Slots of a return probe: with the kernel's few, functions that sleep are missed. */
export function definitionLines(group: string, name: string, probe: ProbeSpec): string[] {
  const { kind, definition, also = [], slots = 0 } = probe;
  const [letter] = FILES[kind];
  const own = kind === 'kretprobe' ? String(Math.max(64, 8 * availableParallelism(), slots)) : '';
  return [definition, ...also].map((each) => `${letter}${own}:${group}/${name} ${each}`);
}

function remove(file: string, name: string): string {
  let error = '';
  for (let tries = 0; tries < 50; tries += 1) {
    error = append(file, `-:${name}`);
    if (error !== 'EBUSY') break;
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 10);
  }
  return error;
}

interface Reason {
  readonly message: string;
  readonly lines: readonly string[];
}

/** The newest entry of error_log about this line. */
function kernelReason(tracefs: string, line: string): Reason | undefined {
  const log = lines(`${tracefs}/error_log`);
  for (let at = log.length - 1; at > 0; at -= 1) {
    if (log[at] !== `  Command: ${line}`) continue;
    const message = /error: (.*)$/.exec(log[at - 1] ?? '')?.[1]?.trim();
    if (message === undefined) return undefined;
    const caret = log[at + 1] ?? '';
    return { message, lines: [`  ${line}`, ...(caret.includes('^') ? [caret.slice(9)] : [])] };
  }
  return undefined;
}

const ERRORS: Readonly<Record<string, string>> = {
  ENOENT: 'no such function',
  EILSEQ: 'not an instruction boundary',
  EINVAL: 'invalid definition',
  EADDRNOTAVAIL: 'the symbol is not unique',
  EEXIST: 'there is such a probe with other arguments',
  EBUSY: 'it is in use',
  EACCES: 'not permitted',
  EPERM: 'not permitted',
  ENOMEM: 'no memory',
};

const REMEDIES: Readonly<Record<string, string>> = {
  ENOENT: 'see ktop probe funcs for the functions of this kernel; one that was inlined has no entry',
  EILSEQ: 'take the entry, or the offset of an instruction',
  EADDRNOTAVAIL: 'name the module, as in MODULE:FUNCTION',
  EEXIST: 'all places of one name have the same arguments; give another name',
  EACCES: 'run ktop as root',
  EPERM: 'run ktop as root; a locked-down kernel takes no probes',
  EBUSY: 'end what uses it and try again',
};

function noSuchProbes(kind: string, file: string): NoProbe {
  const option =
    file === 'kprobe_events'
      ? 'KPROBE_EVENTS'
      : file === 'uprobe_events'
        ? 'UPROBE_EVENTS'
        : 'DYNAMIC_EVENTS';
  return new NoProbe(
    'host',
    `this kernel has no ${kind}s (no ${file}): it was built without CONFIG_${option}; probe programs, or trace its own events`,
  );
}

/** Definitions that every kernel with such probes takes: one more line tells whether it is the line or the kernel. */
const SOUND: Partial<Record<ProbeSpec['kind'], string>> = {
  eprobe: 'sched.sched_switch next=$next_pid:s32',
  fprobe: 'vfs_read',
  tprobe: 'sched_switch',
};

function takes(tracefs: string, kind: ProbeSpec['kind']): boolean {
  const sound = SOUND[kind];
  if (sound === undefined) return true;
  const [letter, file] = FILES[kind];
  const name = `ktop_${process.pid}_try/sound`;
  const error = append(`${tracefs}/${file}`, `${letter}:${name} ${sound}`);
  if (error === '') remove(`${tracefs}/${file}`, name);
  return error !== 'EINVAL';
}

function notTaken(kind: ProbeSpec['kind']): NoProbe {
  const option = kind === 'eprobe' ? 'EPROBE_EVENTS' : 'FPROBE_EVENTS';
  const instead =
    kind === 'eprobe'
      ? 'watch the event itself, and filter it by text with ktop watch'
      : kind === 'fprobe'
        ? 'take a kprobe (p:) or kretprobe (r:)'
        : 'watch the event that belongs to the tracepoint';
  return new NoProbe(
    'host',
    `this kernel takes no ${kind}s (dynamic_events refuses any): it was built without CONFIG_${option}; ${instead}`,
  );
}

/** `''`, or the code of the error. */
function append(file: string, text: string): string {
  return write(file, text, constants.O_WRONLY | constants.O_APPEND);
}

/** In one go: tracefs takes a line whole or not at all. */
function write(file: string, text: string, flags: number): string {
  try {
    const fd = openSync(file, flags);
    try {
      writeSync(fd, text);
    } finally {
      closeSync(fd);
    }
    return '';
  } catch (error) {
    return (error as NodeJS.ErrnoException).code ?? String(error);
  }
}

function exists(file: string): boolean {
  return lines(file).length > 0 || read(file) !== undefined;
}

function lines(file: string): string[] {
  return (read(file) ?? '').split('\n').filter((line) => line !== '');
}

function read(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return undefined;
  }
}

/** `group/name` of a definition. */
function placeOf(line: string): string {
  return /^[a-z]\d*:(\S+)/.exec(line)?.[1] ?? '';
}
