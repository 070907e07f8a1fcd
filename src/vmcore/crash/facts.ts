/** What crash says of a core, to be held against what the native reader says. */
import type { Row } from '../sections/table.ts';
import { CrashError } from './crash-error.ts';
import { parseMod, parsePs } from './sections.ts';
import type { CrashSession } from './session.ts';

/** Absent: crash did not say it. */
export interface CrashSaid {
  readonly release?: string;
  readonly cpus?: number;
  /** All it found, the idle tasks included. */
  readonly tasks?: number;
  readonly panic_cpu?: number;
  readonly panic_pid?: number;
  /** Address of its task_struct, `0x` and 16 digits. */
  readonly panic_task?: string;
  /** What it warned of while it started. */
  readonly warnings: readonly string[];
  /** Rows as sections `tasks` and `modules` have them; `oncpu` 1: current on its CPU. */
  readonly tables?: { readonly tasks: readonly Row[]; readonly modules: readonly Row[] };
}

/** `sys`: a label right-aligned to a colon each line. `set`: the panic task, as long as nobody has chosen another. */
export function parseSaid(sys: string, set: string, startup: string): CrashSaid {
  const of = (text: string, label: string) =>
    new RegExp(`^ *${label}: (.*)$`, 'm').exec(text)?.[1]?.trim() ?? undefined;
  const count = (text: string, label: string) => {
    const value = Number.parseInt(of(text, label) ?? '', 10);
    return Number.isNaN(value) ? undefined : value;
  };
  const task = /^([0-9a-f]{16})\b/.exec(of(set, 'TASK') ?? '')?.[1];
  // Without a panic, crash chooses some task.
  const isPanic = /\(PANIC\)/.test(of(set, 'STATE') ?? '') || of(sys, 'PANIC') !== undefined;
  const facts = {
    release: of(sys, 'RELEASE'),
    cpus: count(sys, 'CPUS'),
    tasks: count(sys, 'TASKS'),
    panic_cpu: isPanic ? count(set, 'CPU') : undefined,
    panic_pid: isPanic ? count(set, 'PID') : undefined,
    panic_task: isPanic && task !== undefined ? `0x${task}` : undefined,
  };
  const known = Object.entries(facts).filter(([, value]) => value !== undefined);
  return {
    ...Object.fromEntries(known),
    warnings: startup.split('\n').filter((line) => /^(?:WARNING|crash): /i.test(line)),
  };
}

/** What of a session is needed to ask it. */
export type Asked = Pick<CrashSession, 'start' | 'run' | 'state'>;

/** To be asked before the user has chosen another task. Rejects with a CrashError. */
export async function askFacts(session: Asked): Promise<CrashSaid> {
  await session.start();
  if (session.state.mode === 'minimal')
    throw new CrashError('crash could only be started with --minimal, in which it knows no tasks');
  const [sys, set] = [await session.run('sys'), await session.run('set')];
  return parseSaid(sys.text, set.text, session.state.startup);
}

/** With the tables that both backends make. */
export async function askTables(session: Asked): Promise<CrashSaid> {
  const facts = await askFacts(session);
  const [ps, mod] = [await session.run('ps'), await session.run('mod')];
  return { ...facts, tables: { tasks: parsePs(ps.text), modules: parseMod(mod.text) } };
}
