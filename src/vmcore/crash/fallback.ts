/** The report of a core that the native reader does not understand, as far as crash does. */
import { readVerdict } from '../crash-log.ts';
import type { CrashFacts, Failure, KernelFacts, Report, Section, SectionName, TaskRef } from '../report.ts';
import { type Made, toTable } from '../sections/table.ts';
import { CrashError } from './crash-error.ts';
import { type Asked, askFacts, type CrashSaid } from './facts.ts';
import { type CrashStack, madeOfStacks, parseBt, parseLog, parseMod, parsePs } from './sections.ts';

const KEYS: Readonly<Record<string, readonly string[]>> = {
  tasks: ['task'],
  modules: ['module'],
  cpus: ['cpu'],
};
/** Handlers of exceptions print where they came from; these only pass it on. */
const HELPERS = /^(?:__?list_|__warn|report_bug|usercopy_)/;

/** The native reader got no further than the log: crash is all there is. */
export const needsFallback = ({ status }: Report): boolean => status === 'log' || status === 'header';

/** … and may know better without being asked to: a file that was cut off is no matter of who reads it. */
export const wantsFallback = (report: Report): boolean => needsFallback(report) && !report.file.truncated;

/** What native could tell stays, and what crash has told until it died. Rejects with a CrashError where it does not start. */
export async function completed(report: Report, session: Asked): Promise<Report> {
  const began = performance.now();
  await session.start();
  const sections: Partial<Record<SectionName, Section>> = { ...report.sections };
  const failures: Failure[] = [...report.failures];
  const add = (name: SectionName, made: Made, ms: number): void => {
    if (sections[name] === undefined) sections[name] = sectionOf(name, made, ms);
  };
  /** Undefined where crash died of it. */
  const ask = async <T>(stage: string, answer: () => Promise<T>): Promise<T | undefined> => {
    try {
      return await answer();
    } catch (error) {
      if (!(error instanceof CrashError)) throw error;
      failures.push({ stage, text: error.message });
      return undefined;
    }
  };
  const table = async (name: SectionName, command: string, read: (text: string) => Made): Promise<void> => {
    const answer = await ask(name, () => session.run(command));
    if (answer !== undefined) add(name, read(answer.text), answer.ms);
  };

  await table('dmesg', 'log', (text) => ({ logs: { dmesg: parseLog(text) } }));
  let crash: CrashFacts = {
    ...report.crash,
    ...(report.crash.panic_line === '' ? verdictOf(sections.dmesg?.logs.dmesg ?? []) : {}),
  };
  let { kernel, status } = report;
  // In minimal mode it knows no tasks.
  if (session.state.mode === 'minimal') status = 'log';
  else {
    const said = await ask('crash', () => askFacts(session));
    kernel = { ...kernel, ...(said === undefined ? {} : kernelOf(said)) };
    await table('cpus', 'bt -a', (text) => {
      const stacks = parseBt(text);
      crash = { ...crash, ...panicOf(stacks.find(({ task }) => task === said?.panic_task)) };
      return madeOfStacks(stacks, said?.panic_cpu);
    });
    const warnings = (said?.warnings ?? []).map((text) => `crash: ${text}`);
    await table('tasks', 'ps', (text) => ({ tables: { tasks: parsePs(text) }, warnings }));
    await table('modules', 'mod', (text) => ({ tables: { modules: parseMod(text) } }));
    if (sections.cpus !== undefined) status = 'partial';
  }
  const ms = performance.now() - began;
  const timings = { ...report.timings, crash: ms };
  return { ...report, status, kernel, crash, sections, failures, ms: report.ms + ms, timings };
}

function sectionOf(name: SectionName, made: Made, ms: number): Section {
  const tables = Object.entries(made.tables ?? {}).map(([table, rows]) => [
    table,
    toTable(name, table, rows, KEYS[table] ?? []),
  ]);
  return {
    backend: 'crash',
    ms,
    warnings: made.warnings ?? [],
    tables: Object.fromEntries(tables),
    logs: made.logs ?? {},
    ...(made.stacks === undefined ? {} : { stacks: made.stacks }),
  };
}

const kernelOf = ({ release, cpus }: CrashSaid): Partial<KernelFacts> => ({
  ...(release === undefined ? {} : { release }),
  ...(cpus === undefined ? {} : { cpus }),
});

function verdictOf(entries: Parameters<typeof readVerdict>[0]): Partial<CrashFacts> {
  const { class: kind, line, panic_string, index, rip, fault_address } = readVerdict(entries);
  return {
    class: kind,
    panic_line: line,
    ...(panic_string === undefined ? {} : { panic_string }),
    ...(index === undefined ? {} : { log_index: index }),
    ...(rip === undefined ? {} : { rip }),
    ...(fault_address === undefined ? {} : { fault_address }),
  };
}

function panicOf(panic: CrashStack | undefined): Partial<CrashFacts> {
  if (panic === undefined) return {};
  const { frames, ...rest } = panic;
  const task: TaskRef = rest;
  const at = frames.findLastIndex(({ kind }) => kind === 'exception');
  const stack = at < 0 ? [] : frames.slice(at).filter(({ function: name }) => !HELPERS.test(name));
  const [first] = stack;
  return {
    panic_cpu: panic.cpu,
    panic_task: task,
    panic_stack: frames,
    ...(first === undefined
      ? {}
      : {
          blame: {
            function: first.function,
            ...(first.module === undefined ? {} : { module: first.module }),
            reason: 'it was running when the exception came',
            from: 'below the exception, as crash unwinds it',
            stack,
            task,
          },
        }),
  };
}
