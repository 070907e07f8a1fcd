/** A report as the snapshots of its tabs. */
import { type LogEntry, type Snapshot, type Table, textColumn } from '../../sources/snapshot.ts';
import type { HostInfo } from '../../sources/source.ts';
import type {
  CrashFacts,
  Finding,
  Frame,
  KernelFacts,
  Report,
  Section,
  SectionName,
  TaskRef,
} from '../report.ts';

/** Facts of the header line. */
export function hostOf(report: Report): HostInfo {
  const { kernel, file } = report;
  return {
    host: kernel.hostname ?? file.path.split('/').at(-1) ?? file.path,
    kernel: kernel.release ?? '?',
    cpus: kernel.cpus ?? 0,
    boot_time: kernel.boot_time ?? 0,
  };
}

/** The snapshot of the overview (`section` undefined) or of a section; `seq` counts the pictures of that tab. */
export function pictureOf(
  report: Report,
  section: SectionName | undefined,
  monitor: string,
  seq: number,
): Snapshot {
  const time = report.kernel.crash_time ?? report.file.mtime;
  const base = {
    monitor,
    seq,
    time,
    // The clock of the log: lines of it are then drawn with their wall-clock time.
    mono_ms: (report.kernel.uptime_s ?? 0) * 1000,
    interval_ms: 1000,
    events: 0,
    lost: 0,
    late: 0,
    unseen: 0,
    histograms: {},
  };
  if (section === undefined) {
    const tables = {
      facts: factsTable(report),
      findings: findingsTable(report.findings),
      blamed: stackTable(report.crash),
    };
    return { ...base, backend: backendOf(report), notes: overviewNotes(report), tables, logs: {} };
  }
  const found = report.sections[section];
  const failed = report.failures.filter(({ stage }) => stage === section).map(({ text }) => text);
  const disagreements = (found?.disagreements ?? []).map(
    ({ what, native, crash }) => `backends disagree on ${what}: native says ${native}, crash says ${crash}`,
  );
  return {
    ...base,
    backend: found?.backend ?? '-',
    notes: [...disagreements, ...failed, ...(found?.warnings ?? [])],
    tables: found?.tables ?? {},
    logs: markTrouble(found?.logs ?? {}, report.crash.log_index),
  };
}

/** Lines of text as entries of a log, numbered by when they came. */
export function outputPicture(
  lines: readonly LogEntry[],
  monitor: string,
  seq: number,
  notes: readonly string[],
): Snapshot {
  const last = lines.at(-1)?.at_ms ?? 0;
  const counts = { events: 0, lost: 0, late: 0, unseen: 0 };
  const times = { seq, time: Date.now(), mono_ms: last, interval_ms: 1000 };
  return {
    monitor,
    backend: 'crash',
    ...counts,
    ...times,
    notes,
    tables: {},
    histograms: {},
    logs: { output: lines },
  };
}

/** Marks the line of the kernel log where the trouble begins. */
function markTrouble(logs: Section['logs'], index: number | undefined): Section['logs'] {
  const lines = logs.dmesg;
  const line = index === undefined ? undefined : lines?.[index];
  if (lines === undefined || line === undefined || index === undefined) return logs;
  return { ...logs, dmesg: lines.with(index, { ...line, mark: true }) };
}

function backendOf(report: Report): string {
  const used = new Set(Object.values(report.sections).map((section) => section.backend));
  return used.size === 0 ? report.file.format : [...used].join(' + ');
}

function overviewNotes(report: Report): string[] {
  const truncated = report.file.truncated
    ? ['the file ends before what it promises: copy it again, or some of it is missing']
    : [];
  return [...truncated, ...report.failures.map(({ text }) => text)];
}

function factsTable(report: Report): Table {
  const { kernel, crash, file } = report;
  const facts: readonly (readonly [string, string | undefined])[] = [
    ['panic', crash.panic_line],
    ['class', crash.class],
    ['blame', blameText(crash)],
    ['because', crash.blame?.reason],
    ['culprit', taskText(crash.culprit, crash.blame === undefined ? crash.culprit_reason : undefined)],
    ['panic CPU', crash.panic_cpu === undefined ? undefined : `${crash.panic_cpu}`],
    ['panic task', taskText(crash.panic_task)],
    ['RIP', crash.rip],
    ['address', crash.fault_address],
    ['kernel', kernelText(kernel)],
    ['host', kernel.hostname],
    ['crashed', kernel.crash_time === undefined ? undefined : new Date(kernel.crash_time).toISOString()],
    ['uptime', kernel.uptime_s === undefined ? undefined : uptimeText(kernel.uptime_s)],
    ['load', kernel.load?.map((value) => value.toFixed(2)).join(' ')],
    ['CPUs', kernel.cpus === undefined ? undefined : `${kernel.cpus}`],
    ['tasks', kernel.tasks === undefined ? undefined : `${kernel.tasks}`],
    [
      'memory',
      kernel.memory_bytes === undefined ? undefined : `${(kernel.memory_bytes / 2 ** 30).toFixed(1)} GiB`,
    ],
    ['taint', taintText(kernel)],
    ['build-id', kernel.build_id],
    ['command', kernel.command_line],
    ['file', `${file.path}, ${(file.size / 1e6).toFixed(1)} MB, ${file.format}, ${file.compression}`],
  ];
  const known = facts.filter(
    (fact): fact is readonly [string, string] => fact[1] !== undefined && fact[1] !== '',
  );
  return {
    length: known.length,
    key: ['fact'],
    columns: {
      rank: Float64Array.from(known.keys()),
      fact: textColumn(known.map(([fact]) => fact)),
      value: textColumn(known.map(([, value]) => value)),
    },
  };
}

function blameText({ blame }: CrashFacts): string | undefined {
  if (blame === undefined) return undefined;
  return blame.module === undefined ? blame.function : `${blame.function} [${blame.module}]`;
}

function taskText(task: TaskRef | undefined, reason?: string): string | undefined {
  if (task === undefined) return undefined;
  const cpu = task.cpu === undefined ? '' : `, CPU ${task.cpu}`;
  return `${task.comm} (pid ${task.pid}${cpu})${reason === undefined ? '' : `: ${reason}`}`;
}

function kernelText({ release, machine }: KernelFacts): string | undefined {
  return release === undefined ? undefined : [release, machine].filter(Boolean).join(' ');
}

function taintText({ taint, taint_flags }: KernelFacts): string | undefined {
  if (taint === undefined) return undefined;
  return taint_flags.length === 0 ? taint : `${taint}: ${taint_flags.join(', ')}`;
}

function uptimeText(seconds: number): string {
  const [days, hours, minutes] = [
    Math.floor(seconds / 86_400),
    Math.floor(seconds / 3600) % 24,
    Math.floor(seconds / 60) % 60,
  ];
  const rest = `${hours}h ${minutes}m ${Math.floor(seconds % 60)}s`;
  return days > 0 ? `${days}d ${rest}` : rest;
}

function findingsTable(findings: readonly Finding[]): Table {
  return {
    length: findings.length,
    key: ['rank'],
    columns: {
      rank: Float64Array.from(findings.keys()),
      severity: textColumn(findings.map(({ severity }) => severity)),
      finding: textColumn(findings.map(({ text }) => text)),
      rule: textColumn(findings.map(({ id }) => id)),
      stack: textColumn(findings.map(({ evidence }) => evidence.join('\n'))),
    },
  };
}

function stackTable({ blame, panic_stack }: CrashFacts): Table {
  const frames = blame !== undefined && blame.stack.length > 0 ? blame.stack : panic_stack;
  return {
    length: frames.length,
    key: ['depth'],
    columns: {
      depth: Float64Array.from(frames.keys()),
      function: textColumn(frames.map(frameText)),
      kind: textColumn(frames.map(({ kind }) => (kind === 'normal' ? '' : kind))),
      module: textColumn(frames.map(({ module }) => module ?? '')),
    },
  };
}

function frameText({ function: name, offset, size }: Frame): string {
  if (offset === undefined) return name;
  return `${name}+0x${offset.toString(16)}${size === undefined ? '' : `/0x${size.toString(16)}`}`;
}
