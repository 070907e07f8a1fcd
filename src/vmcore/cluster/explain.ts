/** Why two cores are, or are not, the same bug: in words and in frames. */
import { type Features, familyOf, type Traits } from './features.ts';
import { isEntry } from './frames.ts';
import { alignment, distance, type Step, type Vocabulary } from './model.ts';

export interface Explanation {
  /** 0 (same) to 1. */
  readonly distance: number;
  readonly same: readonly string[];
  readonly differs: readonly string[];
  /** The two stacks side by side, innermost first. */
  readonly steps: readonly Step[];
}

/** Frames folded away that make a recursion worth a word. */
const RECURSION = 8;
/** Shared frames named, at most. */
const MOST_NAMED = 5;

export function explain(words: Vocabulary, a: Features, b: Features): Explanation {
  const [one, two] = [words.prepare(a), words.prepare(b)];
  const steps = alignment(words, one, two);
  const [same, differs] = [[] as string[], [] as string[]];
  classes(a, b, same, differs);
  signatures(a, b, same, differs);
  stacks(a, b, steps, same, differs);
  traits(a.traits, b.traits, same, differs);
  return { distance: distance(words, one, two), same, differs, steps };
}

/** One line: `same because …; differs in …`. */
export function sentence({ same, differs }: Explanation): string {
  const parts = [
    ...(same.length === 0 ? [] : [`same because ${same.join(', ')}`]),
    ...(differs.length === 0 ? [] : [`differs in ${differs.join(', ')}`]),
  ];
  return parts.join('; ') || 'nothing to compare';
}

function classes(a: Features, b: Features, same: string[], differs: string[]): void {
  if (a.class === b.class) same.push(`class ${a.class}`);
  else if (familyOf(a.class) === familyOf(b.class))
    same.push(`classes ${a.class} and ${b.class} are of one family`);
  else differs.push(`class (${a.class} / ${b.class})`);
}

function signatures(a: Features, b: Features, same: string[], differs: string[]): void {
  if (a.signature === undefined && b.signature === undefined) return;
  if (a.signature === b.signature) same.push(`signature ${a.signature}`);
  else differs.push(`signature (${a.signature ?? 'none'} / ${b.signature ?? 'none'})`);
}

function stacks(a: Features, b: Features, steps: readonly Step[], same: string[], differs: string[]): void {
  if (a.stack.length === 0 || b.stack.length === 0) {
    if (a.signature === undefined) differs.push('no stack to compare');
    return;
  }
  const shared = steps.filter((step) => step.in === 'both');
  const telling = shared.filter(({ frame }) => !isEntry(frame));
  const named = [...telling].sort((x, y) => y.share - x.share).slice(0, MOST_NAMED);
  if (shared.length === a.stack.length && shared.length === b.stack.length)
    same.push(`the same ${shared.length} frames`);
  if (named.length > 0)
    same.push(
      `shared frames ${telling
        .filter((step) => named.includes(step))
        .map(({ frame }) => frame)
        .join(' ← ')}`,
    );
  const alone = (side: 'a' | 'b'): string[] =>
    steps.filter((step) => step.in === side && !isEntry(step.frame)).map(({ frame }) => frame);
  const [mine, theirs] = [alone('a'), alone('b')];
  if (mine.length + theirs.length > 0) differs.push(`frames (${few(mine)} / ${few(theirs)})`);
  const [entryA, entryB] = [entryOf(a), entryOf(b)];
  if (entryA !== entryB) differs.push(`entry (${entryA || 'none'} / ${entryB || 'none'})`);
  const [deepA, deepB] = [a.folded, b.folded].map((folded) => folded >= RECURSION);
  if (deepA && deepB) same.push('recursion');
  else if (deepA !== deepB) differs.push('recursion');
}

const few = (frames: readonly string[]): string =>
  frames.length === 0
    ? 'none'
    : frames.length <= 3
      ? frames.join(', ')
      : `${frames.slice(0, 3).join(', ')} and ${frames.length - 3} more`;

/** The outermost frame that leads into the kernel's work. */
const entryOf = ({ stack }: Features): string => stack.findLast((frame) => !BOTTOM.test(frame)) ?? '';
const BOTTOM =
  /^(?:entry_SYSCALL|do_syscall_64|x64_sys_call|ret_from_fork|kthread$|secondary_startup|start_secondary|cpu_startup_entry|common_startup)/;

const NAMES: Readonly<Record<keyof Traits, string>> = {
  blame: 'blamed function',
  lock: 'lock',
  rip: 'faulting instruction',
  module: 'module',
  release: 'kernel',
  build_id: 'build',
  taint: 'taint',
  comm: 'task name',
  cpus: 'number of CPUs',
  uptime: 'uptime',
};
/** Equal by habit: worth a word only when they differ. */
const QUIET: ReadonlySet<keyof Traits> = new Set(['release', 'build_id', 'taint', 'cpus', 'uptime', 'comm']);

function traits(a: Traits, b: Traits, same: string[], differs: string[]): void {
  for (const name of Object.keys(NAMES) as (keyof Traits)[]) {
    const [one, two] = [a[name], b[name]];
    if (one === undefined && two === undefined) continue;
    // A build differs wherever its release does.
    if (name === 'build_id' && a.release !== b.release) continue;
    if (one === two) {
      if (!QUIET.has(name)) same.push(`${NAMES[name]} ${one}`);
    } else differs.push(`${NAMES[name]} (${one ?? 'unknown'} / ${two ?? 'unknown'})`);
  }
}
