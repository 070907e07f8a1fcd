/** Runs what `ktop vmcore …` asks for. Loaded only then: nothing of it delays the dashboard. */
import { resolve } from 'node:path';
import { jsonText, rows } from '../output/json.ts';
import { tableLines } from '../output/plain.ts';
import {
  BatchProgress,
  batchJson,
  batchText,
  clustersJson,
  clustersText,
  diffJson,
  diffText,
  membersJson,
  membersText,
  similarJson,
  similarText,
} from '../output/vmcore-fleet.ts';
import { reportJson, reportJsonPart, reportText, reportTextPart } from '../output/vmcore-report.ts';
import { complain, StatusLine } from '../output/writer.ts';
import { sanitise } from '../panels/sanitise.ts';
import { BatchError, runBatch } from '../vmcore/batch/batch.ts';
import type { CoreRecord } from '../vmcore/batch/record.ts';
import { Store } from '../vmcore/batch/store.ts';
import { findCommands, loadCommand } from '../vmcore/commands/load.ts';
import { panelOf } from '../vmcore/commands/rows.ts';
import { runCommand } from '../vmcore/commands/run.ts';
import type { OpenCore, OwnCommand } from '../vmcore/core.ts';
import { CrashError } from '../vmcore/crash/crash-error.ts';
import { CrashDesk } from '../vmcore/crash/desk.ts';
import { needsFallback, wantsFallback } from '../vmcore/crash/fallback.ts';
import {
  clusterName,
  clusterNumber,
  diffCores,
  type Fleet,
  fleetOf,
  similarTable,
} from '../vmcore/fleet/tables.ts';
import { openCore } from '../vmcore/open.ts';
import type { Report } from '../vmcore/report.ts';
import { linesOf } from '../vmcore/screen/lines.ts';
import { suggestion } from './nearest.ts';
import { UsageError } from './usage-error.ts';
import { quote } from './values.ts';
import type { FleetAction, VmcoreCommand, VmcoreFormat } from './vmcore.ts';

export interface VmcoreSurroundings {
  /** Resolves to the exit code. */
  readonly print: (text: string) => Promise<number>;
  readonly stderr: NodeJS.WriteStream;
  readonly untilSignalled: () => AbortSignal;
  /** Module of the threads that read cores. */
  readonly reader: URL;
}

/** Resolves to the exit code. */
export async function runVmcore(
  command: Exclude<VmcoreCommand, { kind: 'vmcore-screen' }>,
  around: VmcoreSurroundings,
): Promise<number> {
  switch (command.kind) {
    case 'vmcore-report':
      return oneReport(command, around);
    case 'vmcore-command':
      return ownCommand(command, around);
    case 'vmcore-batch':
      return batch(command, around);
    case 'vmcore-fleet':
      return fleet(command, around);
  }
}

type One = Extract<VmcoreCommand, { kind: 'vmcore-report' }>;

/** A report is always printed; what is no core at all has failed. */
async function oneReport({ file, vmlinux, format }: One, around: VmcoreSurroundings): Promise<number> {
  const core = openCore(file, vmlinux === undefined ? {} : { vmlinux });
  try {
    const report = await core.report();
    const { status } = report;
    if (status !== 'none' && (vmlinux !== undefined || wantsFallback(report)))
      return await bothReports(report, vmlinux, format, around);
    const code = await around.print(textOfReport(report, format));
    if (code !== 0 || status !== 'none') return code;
    complain(sanitise(report.failures[0]?.text ?? `${file} cannot be read; give a vmcore`));
    return 1;
  } finally {
    core.close();
  }
}

const textOfReport = (report: Report, format: VmcoreFormat): string =>
  format === 'json' ? reportJson(report) : reportText(report);

/**
 * Who gives a vmlinux wants both: what crash says otherwise stands in the report, or why it says nothing. Where the
 * native reader does not understand the core, crash is all there is. It takes seconds, for which nobody waits without
 * an answer: what it cannot change is printed before it, or else the reason why there is nothing yet.
 */
async function bothReports(
  report: Report,
  vmlinux: string | undefined,
  format: VmcoreFormat,
  { print, stderr }: VmcoreSurroundings,
): Promise<number> {
  const desk = new CrashDesk({
    core: report.file.path,
    kernel: () => report.kernel,
    ...(vmlinux === undefined ? {} : { vmlinux }),
  });
  const part = format === 'json' ? reportJsonPart : reportTextPart;
  const waiting = new StatusLine();
  try {
    const starts = desk.problem() === undefined;
    const early = starts && !needsFallback(report);
    if (early) {
      const code = await print(part(report, 'head'));
      if (code !== 0) return code;
      if (stderr.isTTY) waiting.draw('crash is asked, which takes seconds');
    } else if (starts) {
      const why = report.failures[0]?.text ?? 'the core cannot be read without it';
      complain(sanitise(`${why}; crash is asked, which takes seconds`));
    }
    const both = await desk.completedOrWhy(report);
    waiting.clear();
    return await print(early ? part(both, 'rest') : textOfReport(both, format));
  } finally {
    await desk.close();
  }
}

// ---------------------------------------------------------------- many cores

type Batch = Extract<VmcoreCommand, { kind: 'vmcore-batch' }>;

async function batch(
  command: Batch,
  { print, stderr, untilSignalled, reader }: VmcoreSurroundings,
): Promise<number> {
  const progress = new BatchProgress(stderr);
  const { directory, out, workers, timeout_ms, again, format, vmlinux } = command;
  try {
    const result = await runBatch({
      directory,
      ...(out === undefined ? {} : { out }),
      workers,
      timeout_ms,
      again,
      ...(vmlinux === undefined ? {} : { vmlinux: resolve(vmlinux) }),
      signal: untilSignalled(),
      entry: reader,
      onEvent: (event) => progress.show(event),
    });
    progress.clear();
    const records = result.store.inOrder();
    const found = fleetOf(records, result.clusters);
    const code = await print(format === 'json' ? batchJson(result, found) : batchText(result, found));
    if (code !== 0) return code;
    if (result.stopped) complain('stopped before the end; the same command goes on from here');
    else if (result.counts.cores === 0)
      complain(`no vmcore below ${sanitise(result.directory)}; give a directory with cores`);
    else if (result.counts.read + result.counts.known > 0) return 0;
    return 1;
  } catch (error) {
    progress.clear();
    if (!(error instanceof BatchError)) throw error;
    complain(sanitise(error.message));
    return 1;
  }
}

// ---------------------------------------------------------------- what a batch has found

type FleetCommand = Extract<VmcoreCommand, { kind: 'vmcore-fleet' }>;

async function fleet(command: FleetCommand, { print }: VmcoreSurroundings): Promise<number> {
  const store = new Store(resolve(command.out ?? command.directory));
  if (store.records.size === 0)
    throw new UsageError(
      `no index in ${quote(store.directory)}; run ktop vmcore -d DIR first, with the same -o`,
      3,
    );
  const clusters = store.clusters();
  const found = fleetOf(store.inOrder(), clusters);
  if (command.action.what === 'merge' || command.action.what === 'split')
    return decide(command.action, store, found, print);
  if (command.action.what === 'screen') {
    const { fleetOnScreen } = await import('./show-fleet.ts');
    return fleetOnScreen(store, found, command.directory);
  }
  return print(answer(command.action, found, command));
}

/** The text of an answer; throws a UsageError for what is not in the fleet. */
export function answer(
  action: FleetAction,
  found: Fleet,
  { format, directory }: Pick<FleetCommand, 'format' | 'directory'>,
): string {
  const json = format === 'json';
  switch (action.what) {
    case 'members': {
      const id = clusterOf(found, action.cluster);
      return json ? membersJson(found, id) : membersText(found, id);
    }
    case 'similar': {
      const table = similarTable(found, coreOf(found, action.core, directory).key);
      if (table === undefined)
        throw new UsageError(`${quote(action.core)} is not in the index; see --clusters`);
      return json ? similarJson(table) : similarText(table);
    }
    case 'diff': {
      const [one, two] = action.cores.map((name) => coreOf(found, name, directory)) as [
        CoreRecord,
        CoreRecord,
      ];
      const diff = diffCores(found.clusters, one, two);
      return json ? diffJson(diff) : diffText(diff);
    }
    default:
      return json ? clustersJson(found) : clustersText(found);
  }
}

/** Decides and keeps it; throws a UsageError for what cannot be decided. */
export async function decide(
  action: Extract<FleetAction, { what: 'merge' | 'split' }>,
  store: Store,
  found: Fleet,
  print: (text: string) => Promise<number>,
): Promise<number> {
  const problem = store.lock();
  if (problem !== undefined) {
    complain(problem);
    return 1;
  }
  try {
    const { clusters } = found;
    let said: string;
    if (action.what === 'merge') {
      const [first, second] = action.clusters.map((name) => clusterOf(found, name)) as [number, number];
      if (!clusters.merge(first, second))
        throw new UsageError('a cluster cannot be merged with itself; name two');
      said = `${clusterName(second)} is part of ${clusterName(first)} now, ${clusters.membersOf(first).length} cores`;
    } else {
      const keys = action.cores.map((name) => coreOf(found, name, store.directory).key);
      const fresh = clusters.split(keys);
      if (fresh === undefined)
        throw new UsageError('these cores cannot be split off; name some, but not all, of one cluster');
      said = `${clusterName(fresh)} is a cluster of its own now, ${clusters.membersOf(fresh).length} cores`;
    }
    store.saveClusters(clusters);
    return print(`${said}\n`);
  } finally {
    store.close();
  }
}

function clusterOf({ clusters }: Fleet, name: string): number {
  const id = clusterNumber(name);
  if (id === undefined || clusters.membersOf(id).length === 0)
    throw new UsageError(`no cluster ${quote(name)}; see --clusters for their names`);
  return id;
}

/** By its key, or the path of any file of it: as it stands, below here, below the directory, or as the tables have it. */
function coreOf({ files, byKey, root }: Fleet, name: string, directory: string): CoreRecord {
  const known = byKey.get(name);
  if (known !== undefined) return known;
  const paths = new Set([name, resolve(name), resolve(directory, name), `${root}${name}`]);
  for (const records of files.values()) {
    const record = records.find(({ path }) => paths.has(path));
    if (record !== undefined) return record;
  }
  throw new UsageError(`no core ${quote(name)} in the index; give its path or its key, see --members`);
}

// ---------------------------------------------------------------- own commands

/** Not one of ours: `ktop vmcore FILE crash bt -a`. */
const CRASH_COMMAND = 'crash';

type Own = Extract<VmcoreCommand, { kind: 'vmcore-command' }>;

async function ownCommand(command: Own, around: VmcoreSurroundings): Promise<number> {
  const { file, vmlinux, args, format } = command;
  if (command.name === CRASH_COMMAND) return crashCommand(command, around);
  const { print } = around;
  const chosen = await chosenCommand(command);
  const core = openCore(file, vmlinux === undefined ? {} : { vmlinux });
  const desk = deskOf(core, command);
  core.setCrash((line) => desk.answer(line));
  try {
    const head = core.head();
    const ctx = core.ctx();
    if (ctx === undefined) {
      const why = head.failures[0]?.text ?? 'neither symbols nor types could be read';
      complain(sanitise(`${chosen.name} needs a core that can be read; ${why}`));
      return 1;
    }
    const result = await runCommand(chosen, ctx, args);
    for (const text of result.warnings) complain(sanitise(text));
    if (result.kind === 'failed') {
      complain(sanitise(result.text));
      return result.usage ? 2 : 1;
    }
    const panel = panelOf(chosen.name, result.table);
    return print(
      format === 'json' ? tableJson(chosen, result) : textOf(tableLines(panel, result.table), panel.empty),
    );
  } finally {
    await desk.close();
    core.close();
  }
}

const deskOf = (
  core: OpenCore,
  { file, vmlinux }: { file: string; vmlinux: string | undefined },
): CrashDesk =>
  new CrashDesk({
    core: file,
    kernel: () => core.head().kernel,
    ...(vmlinux === undefined ? {} : { vmlinux }),
  });

/** The words behind it are one line for crash. */
async function crashCommand(command: Own, { print, untilSignalled }: VmcoreSurroundings): Promise<number> {
  const core = openCore(command.file, { cache: '' });
  const desk = deskOf(core, command);
  const line = command.args.join(' ');
  try {
    const { failures, status } = core.head();
    if (status === 'none') throw new CrashError(failures[0]?.text ?? `${command.file} cannot be read`);
    if (line === '') throw new UsageError('crash needs a command, such as bt -a');
    if (command.format === 'plain')
      return await print(sanitiseLines(await desk.answer(line, { signal: untilSignalled() })));
    const { text, ms, cut } = await desk.run(line, { signal: untilSignalled() });
    return await print(jsonText({ ktop: 1, command: 'crash', line, text, ms, cut }));
  } catch (error) {
    if (!(error instanceof CrashError)) throw error;
    complain(sanitise(error.message));
    return 1;
  } finally {
    await desk.close();
    core.close();
  }
}

const sanitiseLines = (text: string): string =>
  linesOf(text)
    .map((each) => sanitise(each))
    .join('\n');

function tableJson(
  { name }: OwnCommand,
  { table, warnings }: { table: Parameters<typeof panelOf>[1]; warnings: readonly string[] },
): string {
  return jsonText({ ktop: 1, command: name, rows: rows(panelOf(name, table), table), notes: warnings });
}

const textOf = (lines: readonly string[], empty: string): string =>
  `${(lines.length === 0 ? [empty] : lines).map((line) => sanitise(line)).join('\n')}\n`;

async function chosenCommand({ name, source }: Own): Promise<OwnCommand> {
  if (source !== undefined) {
    const loaded = await loadCommand(resolve(source));
    if (typeof loaded === 'string') throw new UsageError(loaded, 3);
    return loaded;
  }
  const { commands, refused } = await findCommands();
  const found = commands.find((candidate) => candidate.name === name);
  if (found !== undefined) return found;
  // Perhaps it is in one of these.
  for (const text of refused) complain(sanitise(text));
  const names = [...commands.map((candidate) => candidate.name), CRASH_COMMAND];
  throw new UsageError(
    `no command ${quote(name ?? '')}${suggestion(name ?? '', names) || `; there are ${names.join(', ')}`}`,
  );
}
