/** What a core is compared by. Made from its report, stored in the index; nothing else of a core is needed for clustering. */
import { numberAt, textAt } from '../../sources/snapshot.ts';
import type { CrashClass, Frame, Report } from '../report.ts';
import { comparedStack, functionOf, isTelling, moduleOf } from './frames.ts';
import { stackFromLog } from './log-stack.ts';

export interface Features {
  /** Names the core for ever: see coreKey. */
  readonly key: string;
  readonly class: CrashClass;
  /** The blamed stack, innermost first, ready to be compared (frames.ts). Empty where there is none. */
  readonly stack: readonly string[];
  /** Frames folded away as recursion. */
  readonly folded: number;
  /**
   * Where the class has a better name for the cause than any stack: `slab:CACHE` or `anon` of an OOM, the class itself of
   * sysrq and killed init, the message of a panic without a stack. Then equal signatures are one cause, others are not.
   */
  readonly signature?: string;
  /** Never decide, but tell why two cores are alike and what differs. */
  readonly traits: Traits;
}

/** Secondary features; what is not known is absent. */
export interface Traits {
  /** Function to blame. */
  readonly blame?: string;
  readonly lock?: string;
  readonly release?: string;
  readonly build_id?: string;
  readonly taint?: string;
  /** Of the culprit. */
  readonly comm?: string;
  /** `function+0xoff` of the faulting instruction. */
  readonly rip?: string;
  /** Of the faulting or blamed code. */
  readonly module?: string;
  readonly cpus?: number;
  /** `<1m`, `<1h`, `<1d`, `<1w`, `more`. */
  readonly uptime?: string;
}

/**
 * Classes that the same bug takes turns with: by what lies at the address it reads, by which watchdog is first, by whether
 * the list is checked before it is followed. Other classes are each a family of their own.
 */
const FAMILIES: Readonly<Partial<Record<CrashClass, string>>> = {
  'null-deref': 'memory',
  'page-fault': 'memory',
  gpf: 'memory',
  kasan: 'memory',
  'soft-lockup': 'stall',
  'hard-lockup': 'stall',
  'rcu-stall': 'stall',
  nmi: 'stall',
  bug: 'bug',
  'invalid-opcode': 'bug',
  'list-corruption': 'bug',
  'stack-overflow': 'stack',
  'double-fault': 'stack',
};

/** Cores of different families are never the same bug. */
export const familyOf = (name: CrashClass): string => FAMILIES[name] ?? name;

export function uptimeBucket(seconds: number): string {
  if (!(seconds >= 0)) return '';
  if (seconds < 60) return '<1m';
  if (seconds < 3600) return '<1h';
  if (seconds < 86_400) return '<1d';
  return seconds < 604_800 ? '<1w' : 'more';
}

/** Features of a report. `key`: see coreKey. */
export function featuresOf(report: Report, key: string): Features {
  const { crash } = report;
  const { frames, folded } = comparedStack(stackOf(report));
  const signature = signatureOf(report, frames);
  return {
    key,
    class: crash.class,
    stack: frames,
    folded,
    ...(signature === undefined ? {} : { signature }),
    traits: traitsOf(report, frames),
  };
}

/** The blamed one; where no memory could be read, the one in the log. */
function stackOf({ crash, sections }: Report): readonly string[] {
  const blamed = (crash.blame?.stack ?? []).map(frameText);
  if (blamed.length > 0 || crash.log_index === undefined) return blamed;
  return stackFromLog(
    (sections.dmesg?.logs.dmesg ?? []).map(({ text, foreign }) => (foreign ? '' : text)),
    crash.log_index,
  );
}

/** As normaliseFrame expects it; a user's frames are not the kernel's. */
const frameText = (frame: Frame): string =>
  frame.kind === 'user' ? '' : frame.module ? `${frame.function} [${frame.module}]` : frame.function;

function signatureOf(report: Report, frames: readonly string[]): string | undefined {
  const { crash, findings } = report;
  const name = crash.blame?.function ?? '';
  // Whose the anonymous memory is differs from host to host; that nothing bounded it is the cause.
  if (crash.class === 'oom') return /^(?:slab:.+|anon|shmem)/.exec(withoutNumbers(name))?.[0];
  if (
    crash.class === 'hung-task' &&
    findings.some(({ id, severity }) => id === 'frozen-fs' && severity === 'alarm')
  )
    return lockOf(report) === undefined ? 'frozen filesystem' : undefined;
  if (crash.class === 'sysrq' || crash.class === 'init-killed' || crash.class === 'live') return crash.class;
  if (frames.length > 0) return undefined;
  const text = crash.panic_string ?? crash.panic_line;
  return text === '' ? undefined : `text: ${withoutNumbers(text)}`;
}

/** What differs from one crash to the next of the same kind: addresses, numbers, numbered names. */
export const withoutNumbers = (text: string): string =>
  text
    .replace(/\b0x[\da-f]+\b/gi, '#')
    .replace(/\b[\da-f]{8,}\b/gi, '#')
    .replace(/\d+/g, '#');

function traitsOf(report: Report, frames: readonly string[]): Traits {
  const { kernel, crash } = report;
  const telling = crash.blame === undefined ? frames.find(isTelling) : undefined;
  const task = crash.culprit ?? crash.blame?.task ?? crash.panic_task;
  const found: Record<keyof Traits, string | number | undefined> = {
    blame: crash.blame?.function ?? (telling === undefined ? undefined : functionOf(telling)),
    lock: lockOf(report),
    release: kernel.release,
    build_id: kernel.build_id,
    taint: kernel.taint,
    comm: task?.comm,
    // Without its size, which goes with the build.
    rip: crash.rip?.replace(/\/0x[\da-f]+/, ''),
    module: crash.blame?.module ?? (telling === undefined ? undefined : moduleOf(telling)),
    cpus: kernel.cpus,
    uptime: kernel.uptime_s === undefined ? undefined : uptimeBucket(kernel.uptime_s),
  };
  return Object.fromEntries(
    Object.entries(found).filter(([, value]) => value !== undefined && value !== ''),
  ) as Traits;
}

/** The lock that the culprit holds, those of its deadlock; undefined where no lock has a name of its own. */
function lockOf({ crash, sections }: Report): string | undefined {
  const locks = sections.locks?.tables.locks;
  const culprit = crash.culprit?.task;
  if (locks === undefined || culprit === undefined) return undefined;
  const { lock, owner_task, waiters, cycle } = locks.columns;
  const rows = Array.from({ length: locks.length }, (_, row) => row).filter((row) =>
    isName(textAt(lock, row)),
  );
  const held = rows
    .filter((row) => textAt(owner_task, row) === culprit)
    .sort((a, b) => numberAt(waiters, b) - numberAt(waiters, a))[0];
  if (held === undefined) return undefined;
  const circle = numberAt(cycle, held);
  const all = rows.filter((row) => row === held || numberAt(cycle, row) === circle);
  return all
    .map((row) => textAt(lock, row))
    .sort()
    .join(' + ');
}

const isName = (text: string): boolean => text !== '' && !/^(?:0x)?[\da-f]{9,}$/i.test(text);
