/** What the kernel said when it died: class, line, place and address, from its log alone. */
import type { CrashClass, DmesgEntry } from './report.ts';

export interface LogVerdict {
  readonly class: CrashClass;
  /** `''`: the log tells of no crash. */
  readonly line: string;
  readonly panic_string: string | undefined;
  /** Where the trouble begins. */
  readonly index: number | undefined;
  readonly rip: string | undefined;
  readonly fault_address: string | undefined;
  /** Of stalls and lockups: the CPU that the log names. */
  readonly cpu: number | undefined;
  /** Of hung tasks: the first that the log names. */
  readonly pid: number | undefined;
}

/** Headers of what makes the kernel oops, in no order: the nearest before the oops counts. */
const OOPS: readonly (readonly [RegExp, CrashClass])[] = [
  [/BUG: kernel NULL pointer dereference|unable to handle kernel NULL pointer dereference/, 'null-deref'],
  [/BUG: .*stack guard page was hit|kernel stack overflow/, 'stack-overflow'],
  [/BUG: unable to handle (?:page fault|kernel paging request)/, 'page-fault'],
  [/general protection fault/, 'gpf'],
  [/kernel BUG at /, 'bug'],
  [/divide error:/, 'divide-error'],
  [/(?:PANIC|traps): double fault|double fault: 0000/, 'double-fault'],
  [/invalid opcode: 0000/, 'invalid-opcode'],
  [/BUG: KASAN: /, 'kasan'],
  [/BUG: (?:KFENCE|KCSAN): /, 'kasan'],
  [/UBSAN: /, 'ubsan'],
  [/int3: 0000|stack segment: 0000|alignment check: 0000|bounds: 0000/, 'invalid-opcode'],
];
/** Said just before a BUG: what it is about. */
const CORRUPTION =
  /list_(?:add|del) corruption|corrupted (?:list|free ?list)|slab corruption|hlist_.*corruption|BUG: Bad list/;

/** What panic() was given. */
const STRINGS: readonly (readonly [RegExp, CrashClass])[] = [
  [/^hung_task: blocked tasks/, 'hung-task'],
  [/^softlockup: hung tasks/, 'soft-lockup'],
  [/^Hard LOCKUP|hard LOCKUP/, 'hard-lockup'],
  [/^RCU Stall/i, 'rcu-stall'],
  [/^NMI\b|NMI .*Not continuing|^An NMI occurred|unknown_nmi|^NMI: Not continuing/i, 'nmi'],
  [/out of memory|^System is deadlocked on memory|panic_on_oom/i, 'oom'],
  [/^sysrq triggered crash/, 'sysrq'],
  [/^Attempted to kill init!/, 'init-killed'],
  [/^Attempted to kill the idle task/, 'panic'],
  [/Machine [Cc]heck|MCE/, 'machine-check'],
  [/scheduling while atomic|^sched/, 'scheduling'],
  [/^kernel stack overflow|stack overflow/, 'stack-overflow'],
  [/VFS: Unable to mount root|No working init found|No init found|unable to mount/i, 'boot'],
  [/panic_on_warn/, 'warning'],
  [/^KASAN|kasan/, 'kasan'],
];
const PANIC = /Kernel panic - not syncing:\s?(.*)$/;
/** Marks an oops; its number counts the oopses since boot. */
const OOPS_MARK = /\[#\d+\]|^Oops: /;
const RIP =
  /RIP: (?:0010)?:?\s*(?:\[<[0-9a-f]+>\]\s*)*([A-Za-z_][^\s]*\+0x[0-9a-f]+(?:\/0x[0-9a-f]+)?(?: \[[^\]]+\])?)/;
const BAD_RIP = /RIP: 0010:(0x[0-9a-f]+)/;
const ADDRESSES = [
  /NULL pointer dereference(?:,| at) (?:address: )?([0-9a-fx]+)/,
  /page fault for address: ([0-9a-f]+)/,
  /kernel paging request at ([0-9a-f]+)/,
  /non-canonical address (0x[0-9a-f]+)/,
];
/** Where a line hides its addresses (%p prints a hash), the register that holds what was touched. */
const CR2 = /\bCR2: ([0-9a-f]{16})\b/;
/** Lines looked back over for what led to a panic. */
const BACK = 4000;
const STALL = /watchdog: BUG: soft lockup - CPU#(\d+)|NMI watchdog: BUG: soft lockup - CPU#(\d+)/;
const HARD = /hard LOCKUP on cpu (\d+)|Watchdog detected hard LOCKUP on cpu ?(\d+)/i;
const HUNG = /INFO: task (.*):(\d+) (?:is )?blocked (?:in I\/O wait )?for more than (\d+) seconds/;
const RCU = /rcu.*(?:detected stalls? on CPUs|self-detected stall)/;

/** With nothing in place of what programs wrote there. */
const kernelsOwn = (log: readonly DmesgEntry[]): readonly DmesgEntry[] =>
  log.some(({ foreign }) => foreign)
    ? log.map((entry) => (entry.foreign ? { ...entry, text: '' } : entry))
    : log;

export function readVerdict(entries: readonly DmesgEntry[]): LogVerdict {
  const log = kernelsOwn(entries);
  const panicAt = log.findIndex(({ text }) => PANIC.test(text));
  const said = panicAt < 0 ? undefined : PANIC.exec(log[panicAt]?.text ?? '')?.[1]?.trim();
  const end = panicAt < 0 ? log.length : panicAt;
  const oops = lastOops(log, end);
  const own = STRINGS.find(([pattern]) => said !== undefined && pattern.test(said))?.[1];
  const base = {
    panic_string: said,
    cpu: undefined,
    pid: undefined,
    rip: undefined,
    fault_address: undefined,
  };

  // "Fatal exception" is what is said after an oops; init that dies of an oops dies of the oops.
  const fatal =
    said !== undefined &&
    /^Fatal (?:exception|hardware)|^Aiee|^Attempted to kill|^panic_on_warn|^kernel: panic_on_warn/.test(said);
  if (
    oops !== undefined &&
    (said === undefined || (fatal && own !== 'warning') || own === undefined || own === 'stack-overflow')
  ) {
    // Of a panic for another reason an oops long before it is not the cause.
    const near = said === undefined || fatal || oops.index > end - 200;
    if (near) return { ...base, ...oops };
  }
  if (said === undefined) return { ...base, class: 'live', line: '', index: undefined };
  const line = log[panicAt]?.text ?? '';
  return { ...base, ...specific(own ?? 'panic', log, panicAt), line, class: own ?? 'panic' };
}

function lastOops(
  log: readonly DmesgEntry[],
  end: number,
): (Pick<LogVerdict, 'class' | 'line' | 'rip' | 'fault_address'> & { readonly index: number }) | undefined {
  let mark = -1;
  for (let at = end - 1; at >= Math.max(0, end - BACK); at--) {
    if (OOPS_MARK.test(log[at]?.text ?? '')) {
      mark = at;
      break;
    }
  }
  if (mark < 0) return undefined;
  // The header is the mark itself or a few lines before it, from the same CPU or task, with others between.
  for (let at = mark; at >= Math.max(0, mark - 30); at--) {
    const text = log[at]?.text ?? '';
    const found = OOPS.find(([pattern]) => pattern.test(text));
    if (found === undefined) continue;
    let [, kind] = found;
    let [index, line] = [at, text];
    if (kind === 'invalid-opcode' || kind === 'double-fault' || kind === 'gpf') {
      const better = earlier(log, at, kind);
      if (better !== undefined) [kind, index, line] = better;
    }
    if (kind === 'bug') {
      for (let before = index - 1; before >= Math.max(0, index - 6); before--) {
        const corrupt = log[before]?.text ?? '';
        if (!CORRUPTION.test(corrupt)) continue;
        [kind, index, line] = ['list-corruption', before, corrupt];
        break;
      }
    }
    const rest = log.slice(index, Math.min(log.length, index + 60)).map((entry) => entry.text);
    return {
      class: kind,
      line: withoutMark(line),
      index,
      rip: firstMatch(rest, RIP) ?? firstMatch(rest, BAD_RIP),
      fault_address:
        kind === 'stack-overflow'
          ? firstMatch(rest, CR2)
          : ADDRESSES.map((pattern) => firstMatch(rest.slice(0, 4), pattern)).find(Boolean),
    };
  }
  return undefined;
}

/** An invalid opcode is how BUG() is made, a double fault how a stack overflows: the line before says which. */
function earlier(
  log: readonly DmesgEntry[],
  at: number,
  kind: CrashClass,
): [CrashClass, number, string] | undefined {
  for (let before = at - 1; before >= Math.max(0, at - 8); before--) {
    const text = log[before]?.text ?? '';
    if (kind === 'invalid-opcode' && /kernel BUG at /.test(text)) return ['bug', before, text];
    if (/stack guard page was hit/.test(text)) return ['stack-overflow', before, text];
    if (/BUG: KASAN: /.test(text)) return ['kasan', before, text];
    if (kind === 'invalid-opcode' && CORRUPTION.test(text)) return ['list-corruption', before, text];
  }
  return undefined;
}

/** Without what counts oopses and lists build options: `general protection fault, …: 0000 [#1] PREEMPT SMP`. */
const withoutMark = (line: string): string =>
  line.replace(/: 0000 \[#\d+\].*$/, '').replace(/^-+\[ cut here \]-+$/, '');

function firstMatch(lines: readonly string[], pattern: RegExp): string | undefined {
  for (const line of lines) {
    const found = pattern.exec(line)?.[1];
    if (found !== undefined) return found;
  }
  return undefined;
}

/** For panics of watchdogs: the lines that tell which CPU or task it is about. */
function specific(
  kind: CrashClass,
  log: readonly DmesgEntry[],
  panicAt: number,
): Pick<LogVerdict, 'index' | 'cpu' | 'pid' | 'rip'> {
  const before = (pattern: RegExp): number => {
    for (let at = panicAt; at >= Math.max(0, panicAt - BACK); at--)
      if (pattern.test(log[at]?.text ?? '')) return at;
    return -1;
  };
  const none = { index: panicAt, cpu: undefined, pid: undefined, rip: undefined };
  const ripAfter = (at: number) =>
    firstMatch(
      log.slice(at, panicAt).map(({ text }) => text),
      RIP,
    );
  if (kind === 'soft-lockup' || kind === 'hard-lockup') {
    const pattern = kind === 'soft-lockup' ? STALL : HARD;
    const at = before(pattern);
    const match = at < 0 ? null : pattern.exec(log[at]?.text ?? '');
    if (match === null) return none;
    return { ...none, index: at, cpu: Number(match[1] ?? match[2]), rip: ripAfter(at) };
  }
  if (kind === 'hung-task') {
    // The first of the round that made it panic: those said within a few seconds of it.
    let first = before(HUNG);
    for (let at = first - 1; at >= Math.max(0, panicAt - BACK); at--) {
      const entry = log[at];
      if (entry === undefined || entry.at_ms < (log[panicAt]?.at_ms ?? 0) - 1000) break;
      if (HUNG.test(entry.text)) first = at;
    }
    const match = first < 0 ? null : HUNG.exec(log[first]?.text ?? '');
    return match === null ? none : { ...none, index: first, pid: Number(match[2]) };
  }
  if (kind === 'rcu-stall') {
    const at = before(RCU);
    if (at < 0) return none;
    // `rcu: 	1-....: (5250 ticks this GP) …`, or tasks that block the grace period: `P123`.
    const lines = log.slice(at, Math.min(at + 12, panicAt)).map(({ text }) => text);
    const cpu = firstMatch(lines, /^\s*(?:rcu:)?\s*(\d+)-[.!O?\dDoNe]{3,}:? ?/);
    return { ...none, index: at, cpu: cpu === undefined ? undefined : Number(cpu), rip: ripAfter(at) };
  }
  if (kind === 'oom') {
    const at = before(/invoked oom-killer/);
    return at < 0 ? none : { ...none, index: at };
  }
  if (kind === 'warning') {
    const at = before(/WARNING: CPU: \d+ PID: \d+ at /);
    return at < 0 ? none : { ...none, index: at, rip: ripAfter(at) };
  }
  if (kind === 'nmi') {
    const at = before(/NMI:? .*(?:reason|received|IOCK|SERR)|Uhhuh\. NMI/);
    return at < 0 ? none : { ...none, index: at };
  }
  return none;
}
