/** What a batch leaves of each core for people: panic, stacks of all CPUs, runqueues, cfs_rq, current tasks, runq. */
import { sanitise } from '../panels/sanitise.ts';
import { numberAt, textAt } from '../sources/snapshot.ts';
import { layoutOf } from '../vmcore/layout.ts';
import type { Backtrace, Frame, Report, SectionName, TaskRef } from '../vmcore/report.ts';
import { align } from './align.ts';
import { tableLines } from './plain.ts';

/** Always a text, whatever could not be read: that is said where it would stand. */
export function crashText(report: Report): string {
  const lines = [
    ...headLines(report),
    ...findingLines(report),
    ...titled('BACKTRACES OF ALL CPUS', stackLines(report)),
    ...tables(report, 'RUNQUEUES', 'runqueues'),
    ...tables(report, 'CFS_RQ', 'cfs_rq'),
    ...tables(report, 'CURRENT TASKS', 'current'),
    ...titled('RUNQ', runqLines(report)),
    ...tables(report, 'LOCKS', 'locks'),
    ...failureLines(report),
  ];
  return `${lines.map((line) => sanitise(line)).join('\n')}\n`;
}

const titled = (title: string, lines: readonly string[]): string[] => ['', `== ${title}`, ...lines];

function headLines({ file, kernel, crash, status }: Report): string[] {
  const when = kernel.crash_time === undefined ? '' : new Date(kernel.crash_time).toISOString();
  const facts: readonly (readonly [string, string | number | undefined])[] = [
    ['FILE', file.path],
    ['FORMAT', `${file.format}, ${file.compression}${file.truncated ? ', truncated' : ''}`],
    ['STATUS', status],
    ['KERNEL', kernel.release],
    ['VERSION', kernel.version],
    ['BUILD ID', kernel.build_id],
    ['HOST', kernel.hostname],
    ['DATE', when],
    ['UPTIME', kernel.uptime_s === undefined ? undefined : `${kernel.uptime_s.toFixed(0)} s`],
    ['CPUS', kernel.cpus],
    ['LOAD', kernel.load?.map((value) => value.toFixed(2)).join(' ')],
    [
      'MEMORY',
      kernel.memory_bytes === undefined ? undefined : `${(kernel.memory_bytes / 2 ** 20).toFixed(0)} MiB`,
    ],
    ['TASKS', kernel.tasks],
    ['TAINT', kernel.taint],
    ['PANIC', crash.panic_line],
    ['REASON', crash.panic_string],
    ['CLASS', crash.class],
    ['RIP', crash.rip],
    ['FAULT AT', crash.fault_address],
    ['PANIC TASK', taskText(crash.panic_task, crash.panic_cpu)],
    ['CULPRIT', taskText(crash.culprit)],
    ['BECAUSE', crash.culprit_reason],
    ['BLAME', blameText(crash.blame)],
    ['BLAMED BY', crash.blame?.reason],
  ];
  return align(
    facts
      .filter(([, value]) => value !== undefined)
      .map(([name, value]) => [`${name}:`, value === '' ? '-' : String(value)]),
    [true, false],
  );
}

const blameText = (blame: Report['crash']['blame']): string | undefined =>
  blame === undefined
    ? undefined
    : `${blame.function}${blame.module === undefined ? '' : ` [${blame.module}]`}`;

function taskText(task: TaskRef | undefined, cpu: number | undefined = task?.cpu): string | undefined {
  if (task === undefined) return undefined;
  return `PID ${task.pid}  COMMAND "${task.comm}"  TASK ${task.task}${cpu === undefined ? '' : `  CPU ${cpu}`}`;
}

function findingLines({ findings }: Report): string[] {
  if (findings.length === 0) return [];
  return titled(
    'FINDINGS',
    findings.flatMap(({ severity, text, evidence }) => [
      `${severity}: ${text}`,
      ...evidence.map((line) => `    ${line}`),
    ]),
  );
}

function stackLines(report: Report): string[] {
  const { panic_cpu, panic_stack, panic_task } = report.crash;
  const stacks = report.sections.cpus?.stacks ?? [];
  if (stacks.length > 0)
    return stacks.flatMap((stack) => [
      ...(stack === stacks[0] ? [] : ['']),
      ...oneStack(stack, stack.cpu === panic_cpu),
    ]);
  if (panic_stack.length === 0) return [missing(report, 'cpus')];
  return [
    `${taskText(panic_task, panic_cpu) ?? 'panic task unknown'}  [PANIC]`,
    ...panic_stack.map(frameLine),
  ];
}

function oneStack(stack: Backtrace, panicked: boolean): string[] {
  const head = `${taskText(stack, stack.cpu) ?? ''}${panicked ? '  [PANIC]' : ''}`;
  return [
    head,
    ...(stack.frames.length === 0
      ? [`    no stack: ${stack.stopped || 'nothing was saved'}`]
      : stack.frames.map(frameLine)),
    ...(stack.exact || stack.stopped === '' || stack.frames.length === 0
      ? []
      : [`    ends here: ${stack.stopped}`]),
  ];
}

function frameLine(frame: Frame, i: number): string {
  const offset = frame.offset === undefined ? '' : `+0x${frame.offset.toString(16)}`;
  const module = frame.module === undefined ? '' : ` [${frame.module}]`;
  const kind = frame.kind === 'normal' ? '' : `  <${frame.kind}>`;
  return `${`#${i}`.padStart(4)} [${frame.sp ?? '-'}] ${frame.function}${offset}${module} at ${frame.ip}${kind}`;
}

function tables(report: Report, title: string, name: SectionName): string[] {
  const section = report.sections[name];
  if (section === undefined) return titled(title, [missing(report, name)]);
  const panels = layoutOf(name).panels.flatMap((panel) => {
    const table = panel.kind === 'table' ? section.tables[panel.table] : undefined;
    if (panel.kind !== 'table' || table === undefined) return [];
    return [table.length === 0 ? [panel.empty] : tableLines(panel, table)];
  });
  const lines = panels.flatMap((part, i) => (i === 0 ? part : ['', ...part]));
  return titled(`${title} (${section.backend})`, [
    ...section.warnings.map((text) => `note: ${text}`),
    ...lines,
  ]);
}

/** As crash's runq: what runs on each CPU and what waits for it. */
function runqLines(report: Report): string[] {
  const table = report.sections.runqueues?.tables.runqueues;
  if (table === undefined) return [missing(report, 'runqueues')];
  const { cpu, pid, comm, running, waiting } = table.columns;
  return Array.from({ length: table.length }, (_, row) => [
    `CPU ${numberAt(cpu, row)}: ${known(numberAt(running, row))} runnable`,
    `  CURRENT: PID ${known(numberAt(pid, row))}  COMMAND "${textAt(comm, row)}"`,
    `  QUEUED: ${textAt(waiting, row) || 'none'}`,
  ]).flat();
}

const known = (value: number): string => (Number.isNaN(value) ? '-' : String(value));

/** Why a section is not there. */
function missing({ failures }: Report, name: SectionName): string {
  const why = failures.find(({ stage }) => stage === name) ?? failures[0];
  return why === undefined ? 'not available' : `not available: ${why.text}`;
}

function failureLines({ failures }: Report): string[] {
  return failures.length === 0
    ? []
    : titled(
        'NOT READ',
        failures.map(({ stage, text }) => `${stage}: ${text}`),
      );
}
