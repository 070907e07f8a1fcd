/** The report of a vmcore as one JSON object on one line, and as text. */

import type { TablePanel } from '../monitors/monitor.ts';
import { columnsFor } from '../panels/cell.ts';
import { sanitise } from '../panels/sanitise.ts';
import type { Table } from '../sources/snapshot.ts';
import { SECTIONS, type SectionLayout } from '../vmcore/layout.ts';
import type {
  Backtrace,
  DmesgEntry,
  Frame,
  Report,
  Section,
  SectionName,
  TaskRef,
} from '../vmcore/report.ts';
import { align } from './align.ts';
import { type Json, jsonText, rows } from './json.ts';
import { tableLines } from './plain.ts';

type JsonObject = { readonly [key: string]: Json };

/** A report in two pieces that follow each other: what crash, asked afterwards, adds nothing to, and the rest. */
export type ReportPart = 'head' | 'rest';

// ---------------------------------------------------------------- JSON

/** Ends in a line feed. Sections by name; of each the first table is `rows`, others go by their name. */
export function reportJson(report: Report): string {
  return jsonText(reportObject(report));
}

/** The same text in two pieces, to be written one behind the other. */
export function reportJsonPart(report: Report, part: ReportPart): string {
  return part === 'head'
    ? jsonText(headObject(report)).replace(/}\n$/, ',')
    : jsonText(restObject(report)).slice(1);
}

export function reportObject(report: Report): JsonObject {
  return { ...headObject(report), ...restObject(report) };
}

function headObject({ schema, status, file, kernel, crash, findings }: Report): JsonObject {
  return {
    ktop: 1,
    vmcore: schema,
    status,
    file: plain(file),
    kernel: plain(kernel),
    crash: {
      ...(plain(crash) as JsonObject),
      ...(crash.blame === undefined
        ? {}
        : { blame: { ...(plain(crash.blame) as JsonObject), stack: crash.blame.stack.map(frameObject) } }),
      panic_stack: crash.panic_stack.map(frameObject),
    },
    findings: plain(findings),
  };
}

function restObject(report: Report): JsonObject {
  const { failures, ms, timings } = report;
  const sections = SECTIONS.flatMap((layout): [string, Json][] => {
    const section = report.sections[layout.name];
    return section === undefined ? [] : [[layout.name, sectionObject(layout, section)]];
  });
  return {
    sections: Object.fromEntries(sections),
    failures: plain(failures),
    ms: round(ms),
    timings: Object.fromEntries(Object.entries(timings).map(([name, time]) => [name, round(time)])),
  };
}

function sectionObject(layout: SectionLayout, section: Section): JsonObject {
  const { backend, ms, warnings, stacks, disagreements } = section;
  const tables = layout.panels.filter((panel) => panel.kind === 'table');
  const logs = layout.panels.filter((panel) => panel.kind === 'log');
  return {
    backend,
    ms: round(ms),
    warnings,
    ...Object.fromEntries(
      tables.map((panel, index) => [
        index === 0 ? 'rows' : panel.id,
        rows(panel, section.tables[panel.table]),
      ]),
    ),
    ...Object.fromEntries(
      logs.map((panel, index) => [
        index === 0 ? 'log' : panel.id,
        (section.logs[panel.log] ?? []).map(logObject),
      ]),
    ),
    ...(stacks === undefined ? {} : { stacks: stacks.map(stackObject) }),
    ...(disagreements === undefined ? {} : { disagreements: plain(disagreements) }),
  };
}

const round = (ms: number): number => Math.round(ms * 1000) / 1000;

/** Members that are undefined are left out, as JSON has it. */
const plain = (value: unknown): Json => JSON.parse(JSON.stringify(value)) as Json;

const frameObject = (frame: Frame): JsonObject => plain(frame) as JsonObject;

const stackObject = (stack: Backtrace): JsonObject => ({
  ...(plain(stack) as JsonObject),
  frames: stack.frames.map(frameObject),
});

const logObject = ({ at_ms, level, cpu, tid, text }: DmesgEntry): JsonObject => ({
  time_s: Math.round(at_ms * 1000) / 1e6,
  level,
  ...(cpu >= 0 ? { cpu } : { tid }),
  text,
});

// ---------------------------------------------------------------- text

/** Everything, most telling first; ends in a line feed. Always something, whatever could not be read. */
export function reportText(report: Report): string {
  return reportTextPart(report, 'head') + reportTextPart(report, 'rest');
}

/** The same text in two pieces, to be written one behind the other; the second may be `''`. */
export function reportTextPart(report: Report, part: ReportPart): string {
  const lines =
    part === 'head'
      ? [...headLines(report), ...findingLines(report), ...blamedLines(report)]
      : [...SECTIONS.flatMap((layout) => sectionLines(layout, report)), ...failureLines(report)];
  return lines.map((line) => `${sanitise(line)}\n`).join('');
}

const titled = (title: string, lines: readonly string[]): string[] =>
  lines.length === 0 ? [] : ['', `${title}:`, ...lines];

function headLines({ file, kernel, crash, status }: Report): string[] {
  const { blame } = crash;
  const facts: readonly (readonly [string, string | number | undefined])[] = [
    ['panic', crash.panic_line || undefined],
    ['class', crash.class],
    ['blame', blame === undefined ? undefined : inModule(blame.function, blame.module)],
    ['because', blame?.reason],
    ['culprit', crash.culprit === undefined ? undefined : taskText(crash.culprit)],
    ['panic task', crash.panic_task === undefined ? undefined : taskText(crash.panic_task)],
    ['at', crash.rip],
    ['address', crash.fault_address],
    ['kernel', kernel.version ?? kernel.release],
    ['build-id', kernel.build_id],
    ['host', kernel.hostname],
    ['time', kernel.crash_time === undefined ? undefined : new Date(kernel.crash_time).toISOString()],
    ['uptime', kernel.uptime_s === undefined ? undefined : `${kernel.uptime_s.toFixed(1)} s`],
    ['cpus', kernel.cpus],
    ['load', kernel.load?.map((value) => value.toFixed(2)).join(' ')],
    [
      'memory',
      kernel.memory_bytes === undefined ? undefined : `${(kernel.memory_bytes / 2 ** 20).toFixed(0)} MiB`,
    ],
    ['tasks', kernel.tasks],
    ['taint', kernel.taint ? `${kernel.taint}: ${kernel.taint_flags.join(', ')}` : undefined],
    ['command', kernel.command_line?.trim() || undefined],
    [
      'file',
      `${file.path}, ${file.size} bytes, ${file.format}, ${file.compression}${file.truncated ? ', cut off' : ''}`,
    ],
    ['read', status],
  ];
  return align(
    facts.flatMap(([name, value]) => (value === undefined ? [] : [[name, String(value)]])),
    [false, false],
  );
}

const inModule = (name: string, module: string | undefined): string =>
  module === undefined ? name : `${name} [${module}]`;

const taskText = ({ comm, pid, cpu, task }: TaskRef): string =>
  `${comm}:${pid}${cpu === undefined ? '' : ` on CPU ${cpu}`} (${task})`;

const findingLines = ({ findings }: Report): string[] =>
  titled(
    'findings',
    findings.flatMap(({ severity, text, evidence }) => [
      `${severity}: ${text}`,
      ...evidence.map((line) => `    ${line}`),
    ]),
  );

function blamedLines({ crash }: Report): string[] {
  const { blame } = crash;
  if (blame === undefined || blame.stack.length === 0) return [];
  return titled(`blamed stack (${blame.from})`, foldedLines(blame.stack));
}

/** A function that calls itself over and over from the same place stands there once, and how often. */
function foldedLines(frames: readonly Frame[]): string[] {
  const lines: string[] = [];
  for (let at = 0; at < frames.length; ) {
    const frame = frames[at] as Frame;
    let end = at + 1;
    while (end < frames.length && frameLine(frames[end] as Frame) === frameLine(frame)) end += 1;
    const same = end - at;
    lines.push(frameLine(frame));
    if (same === 2) lines.push(frameLine(frame));
    else if (same > 2) lines.push(`    ${' '.repeat(18)} … ${same - 1} times more`);
    at = end;
  }
  return lines;
}

function frameLine({ function: name, offset, size, module, kind, ip }: Frame): string {
  const at =
    offset === undefined
      ? ''
      : `+0x${offset.toString(16)}${size === undefined ? '' : `/0x${size.toString(16)}`}`;
  return `    ${ip} ${inModule(`${name}${at}`, module)}${kind === 'normal' ? '' : `  <${kind}>`}`;
}

function sectionLines({ name, title, panels }: SectionLayout, report: Report): string[] {
  const section = report.sections[name];
  if (section === undefined) return [];
  const parts = panels.flatMap((panel, index): string[] => {
    const lines =
      panel.kind === 'table'
        ? tableText(name, panel, section.tables[panel.table])
        : (section.logs[panel.log] ?? []).map(logLine);
    if (index > 0)
      return [`${panel.title}:`, ...(lines.length === 0 && panel.kind === 'table' ? [panel.empty] : lines)];
    return lines.length === 0 && panel.kind === 'table' ? [panel.empty] : lines;
  });
  const head = `${title} (${section.backend}, ${section.ms.toFixed(1)} ms)`;
  const notes = [
    ...section.warnings.map((text) => `note: ${text}`),
    ...(section.disagreements ?? []).map(
      ({ what, native, crash }) => `note: the backends disagree on ${what}: native ${native}, crash ${crash}`,
    ),
  ];
  return titled(head, [...notes, ...parts, ...(name === 'cpus' ? stackLines(section.stacks ?? []) : [])]);
}

/** Stacks stand below the CPUs in full: there and in the table of backtraces they would fill lines. */
function tableText(section: SectionName, panel: TablePanel, table: Table | undefined): string[] {
  if (table === undefined) return [];
  if (section !== 'cpus') return tableLines(panel, table);
  const columns = columnsFor(panel, table, 'screen').filter(({ id }) => id !== 'stack');
  return tableLines({ ...panel, columns }, table);
}

function stackLines(stacks: readonly Backtrace[]): string[] {
  return stacks.flatMap((stack) => [
    '',
    `CPU ${stack.cpu ?? '?'}: ${taskText(stack)}`,
    ...(stack.frames.length === 0 ? [`    no stack: ${stack.stopped}`] : stack.frames.map(frameLine)),
    ...(stack.exact || stack.frames.length === 0 ? [] : [`    ends here: ${stack.stopped}`]),
  ]);
}

function logLine({ at_ms, level, text }: DmesgEntry): string {
  return `[${(at_ms / 1000).toFixed(6).padStart(12)}] <${level}> ${text}`;
}

const failureLines = ({ failures }: Report): string[] =>
  titled(
    'could not be read',
    failures.map(({ stage, text }) => `${stage}: ${text}`),
  );
