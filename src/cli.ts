#!/usr/bin/env node
/** ktop: argv → one command, run to its end. The only file that reads argv and ends the process. */
import { existsSync } from 'node:fs';
import { basename } from 'node:path';
import { fileURLToPath } from 'node:url';
import { completionText } from './cli/completion.ts';
import { knownFormat, parseCustom } from './cli/custom.ts';
import { keepNewSpaceSmall } from './cli/heap.ts';
import { helpText } from './cli/help.ts';
import { kernelOptions } from './cli/kernel-filter.ts';
import { become, HELD, type Launched, launch } from './cli/launch.ts';
import { manualText } from './cli/manual.ts';
import { type Command, parseCommand } from './cli/parse.ts';
import { probeHelp } from './cli/probe.ts';
import { recipeHelp } from './cli/recipe.ts';
import { filmRecording, replayOnScreen, showShelf } from './cli/show-recording.ts';
import { isBearable, TRIAL_MS, wantsTrial } from './cli/trial.ts';
import { UsageError } from './cli/usage-error.ts';
import { VERSION, versionText } from './cli/version.ts';
import { vmcoreHelp } from './cli/vmcore.ts';
import { monitors as shipped } from './monitors/index.ts';
import type { Monitor, Options } from './monitors/monitor.ts';
import { askFindings, doctorJson, doctorText } from './output/doctor.ts';
import { exportRows } from './output/export.ts';
import { createOutput, type FileOutput } from './output/file-output.ts';
import { askCapabilities, listJson, listText } from './output/list.ts';
import { recordSnapshots } from './output/record.ts';
import { replaySnapshots } from './output/replay.ts';
import { streamSnapshots } from './output/stream.ts';
import { complain, streamWriter, type Writer } from './output/writer.ts';
import { NotPlayable, RecordingFile } from './recording/file.ts';
import { openLive } from './sources/live.ts';
import { NotReadable, openPerfData } from './sources/perf-data.ts';
import { playSource } from './sources/played.ts';
import type { Recording, RecordingState, Source } from './sources/source.ts';
import { tapSource } from './sources/tapped.ts';
import { hasScreen } from './ui/terminal/capabilities.ts';
import { coreTabs } from './vmcore/screen/tabs.ts';
import { type CustomSpec, withCustom } from './watch/custom.ts';
import { findMonitors, type OwnMonitors } from './watch/files.ts';

/** The tabs; in place of some, and behind them, those that the user has asked for. */
let monitors: readonly Monitor[] = shipped;
let custom: readonly CustomSpec[] = [];
let own: OwnMonitors = { customs: [], refused: [] };
/** What shows no kernel of now, nor a recording of one. */
const ELSEWHERE = new Set(['vmcore', 'demo', 'completion', 'manual', '--help', '-h', '--version', '-V']);
/** What a recording may hold. */
let allTabs = [...monitors, ...coreTabs];
/** First paint of the dashboard: a short first interval, so that there is something to see at once. */
const FIRST_PAINT_MS = 250;
/** A command that is to be watched waits so long for its monitor. */
const LAUNCH_MS = 20;

/** There is a terminal, and one that a dashboard can be drawn on. */
const screen = process.stdout.isTTY === true && hasScreen(process.env);
const NO_SCREEN =
  'this terminal cannot move its cursor (TERM=dumb, or none), so this is text; set TERM, such as TERM=xterm, for the dashboard';
const TEXT = new Set(['--json', '--plain', '--help', '-h', '--version', '-V']);
const TEXT_COMMANDS = new Set(['list', 'record', 'export', 'completion', 'manual']);

if (process.argv[2] === HELD) become(process.argv.slice(3));
process.exit(await main(process.argv.slice(2)));

/** Runs one command; resolves to the exit code. Everything that goes wrong is one line on stderr. */
async function main(argv: readonly string[]): Promise<number> {
  try {
    const asked = await parseCustom(argv, process.pid);
    const names = [...shipped, ...coreTabs].map(({ name }) => name);
    own = ELSEWHERE.has(argv[0] ?? '') ? own : await findMonitors([...names, 'watch'], process.pid);
    custom = asked === undefined ? own.customs : [...own.customs, asked.custom];
    monitors = withCustom(shipped, custom);
    allTabs = [...monitors, ...coreTabs];
    const broken = own.refused.find((why) => why.includes(`/${argv[0]}.json`));
    if (broken !== undefined && monitors.every(({ name }) => name !== argv[0]))
      throw new UsageError(`own monitor: ${broken}`);
    const command = parseCommand(asked?.argv ?? argv, monitors, screen, allTabs);
    if (process.stdout.isTTY === true && !screen && isForScreen(argv)) complain(NO_SCREEN);
    return await run(command);
  } catch (error) {
    if (error instanceof UsageError) {
      complain(error.message);
      return error.code;
    }
    complain(`internal error: ${error instanceof Error ? error.message : String(error)}; please report it`);
    if (process.env.KTOP_DEBUG !== undefined && error instanceof Error) complain(error.stack ?? '');
    return 1;
  }
}

async function run(command: Command): Promise<number> {
  switch (command.kind) {
    case 'help':
      return print(helpText(monitors));
    case 'version':
      return print(versionText());
    case 'completion':
      return print(completionText(command.shell, monitors));
    case 'manual':
      return print(manualText(monitors));
    case 'list':
      return withSource({ load: false, input: command.input }, async (source) => {
        const capabilities = await askCapabilities(source);
        for (const why of own.refused) complain(`own monitor: ${why}`);
        return print(command.json ? listJson(monitors, capabilities) : listText(monitors, capabilities));
      });
    case 'doctor':
      return withSource({ load: false }, async (source) => {
        const findings = await askFindings(source);
        return print(command.json ? doctorJson(source.host.kernel, findings) : doctorText(findings));
      });
    case 'stream': {
      const writer = streamWriter(process.stdout);
      const signal = untilSignalled();
      const { record, input } = command;
      if (input === undefined && !(await bearable(command.monitor, command.options))) return 3;
      return withProgram(command.program, 'stderr', (watched) =>
        withSource(
          { load: record !== undefined, input: input?.path, ...(watched && { first_ms: LAUNCH_MS }) },
          async (source) => {
            const monitor = input?.any === true ? await firstServed(source) : command.monitor;
            const given = input === undefined ? forKernel(monitor, command.options) : command.options;
            const options = watched ? watching(given, watched) : given;
            return recordTo(source, record, (tapped) =>
              streamSnapshots(tapped, writer, { ...command, options, monitor, signal, watched }),
            );
          },
        ),
      );
    }
    case 'record':
      return withSource({ load: true }, (live) => {
        // It goes on when the one who began it logs out.
        const signal = untilSignalled(['SIGINT', 'SIGTERM']);
        process.on('SIGHUP', () => {});
        const source = tapSource(live, { monitors, version: VERSION, history: false });
        const terminal = process.stderr.isTTY === true;
        return recordSnapshots(source, { ...command, signal, terminal });
      });
    case 'replay': {
      const { format } = command;
      if (format === undefined) return replayOnScreen(command, allTabs);
      return withRecording(command.file, (file) =>
        replaySnapshots(file, streamWriter(process.stdout), { ...command, format, monitors: allTabs }),
      );
    }
    case 'export':
      return withRecording(command.file, (file) =>
        writeTo(command.output, (writer) => exportRows(file, writer, { ...command, monitors: allTabs })),
      );
    case 'cast':
      return filmRecording(command, allTabs, (use) => writeTo(command.output, use));
    case 'demo': {
      const directory = command.directory ?? fileURLToPath(new URL('../demo-recordings/', import.meta.url));
      return showShelf(command, directory, allTabs, screen, print);
    }
    case 'join': {
      const { runJoin } = await import('./cli/join-run.ts');
      const stdout = () => streamWriter(process.stdout);
      return runJoin(command, monitors, { stdout, untilSignalled, recordTo, startRecording, endRecording });
    }
    case 'vmcore-help':
      return print(vmcoreHelp());
    case 'vmcore-screen': {
      const { vmcoreOnScreen } = await import('./cli/show-vmcore.ts');
      return vmcoreOnScreen(command, new URL('./vmcore-screen.mjs', import.meta.url));
    }
    case 'vmcore-report':
    case 'vmcore-command':
    case 'vmcore-batch':
    case 'vmcore-fleet': {
      // Only here: a reader of cores is nothing that monitors need.
      const { runVmcore } = await import('./cli/vmcore-run.ts');
      const reader = new URL('./vmcore-reader.mjs', import.meta.url);
      return runVmcore(command, { print, stderr: process.stderr, untilSignalled, reader });
    }
    case 'probe-help':
      return print(probeHelp());
    case 'probe-list':
    case 'probe-watch': {
      const { viewOfProbes } = await import('./cli/probe-view.ts');
      const view = await viewOfProbes(command);
      return typeof view === 'number' ? view : run(view);
    }
    case 'probe-add':
    case 'probe-del':
    case 'probe-funcs':
    case 'probe-vars':
    case 'probe-lines': {
      const { runProbe } = await import('./cli/probe-run.ts');
      return runProbe(command, { print });
    }
    case 'recipe-help':
      return print(recipeHelp());
    case 'recipe-use': {
      const { viewOfRecipe } = await import('./cli/recipe-view.ts');
      const view = await viewOfRecipe(command);
      return typeof view === 'number' ? view : run(view);
    }
    case 'recipe-make':
    case 'recipe-show':
    case 'recipe-db-make':
    case 'recipe-db': {
      const { runRecipe } = await import('./cli/recipe-run.ts');
      return runRecipe(command, { print, untilSignalled });
    }
    case 'dashboard': {
      const { monitor, look, record, share, input } = command;
      const opened = input === undefined ? forKernel(monitor, command.options(monitor.name)) : undefined;
      const options = (name: string) =>
        name === monitor.name && opened !== undefined ? opened : command.options(name);
      for (const why of own.refused) complain(`own monitor: ${why}`);
      if (input === undefined && !(await bearable(monitor, options(monitor.name)))) return 3;
      if (input !== undefined)
        return withSource({ load: false, input: input.path }, async (file) => {
          const initial = input.any ? await firstServed(file) : monitor;
          const { runDashboard } = await import('./ui/dashboard.tsx');
          return runDashboard({
            source: playSource(file, { monitors, version: VERSION }),
            monitors,
            initial: initial.name,
            options,
            ...look,
            file: basename(input.path),
          });
        });
      return withProgram(command.program, 'nowhere', (watched) =>
        withSource({ load: true, first_ms: FIRST_PAINT_MS }, async (kernel) => {
          const live = share === undefined ? kernel : await sharing(kernel, share);
          if (live === undefined) return 1;
          const source = tapSource(live, { monitors, version: VERSION, history: true });
          if (record !== undefined && !startRecording(source.recording, record)) return 1;
          // Only here: React and Ink cost more to load than everything else together.
          const { runDashboard } = await import('./ui/dashboard.tsx');
          const { Desk } = await import('./cli/probe-desk.ts');
          const probes = new Desk(options('probe').probes, command.later);
          const of = (name: string) =>
            watched && name === monitor.name ? watching(options(name), watched) : options(name);
          // Opened by the dashboard; the command may begin with its first picture.
          const begun =
            watched &&
            source.subscribe((message) => {
              if (message.type !== 'snapshot' || message.snapshot.monitor !== monitor.name) return;
              begun?.();
              watched.begin();
            });
          const view = { source, monitors, initial: monitor.name, options: of, ...look, probes };
          const code = await runDashboard(view);
          return endRecording(source, code);
        }),
      );
    }
  }
}

/** Nobody has asked for text. */
function isForScreen(argv: readonly string[]): boolean {
  return !TEXT_COMMANDS.has(argv[0] ?? '') && !argv.some((word) => TEXT.has(word));
}

/** Filters for the kernel, as it takes them. */
function forKernel(monitor: Monitor, options: Options): Options {
  return kernelOptions(monitor, options, knownFormat);
}

/** Starts a command for the time of `use`: it stands still until it is let go, and ends with ktop. */
async function withProgram(
  program: readonly string[] | undefined,
  output: 'stderr' | 'nowhere',
  use: (watched: Launched | undefined) => Promise<number>,
): Promise<number> {
  if (program === undefined) return use(undefined);
  // The single executable is its own program, else Node has it.
  const file = process.env.KTOP_PACKED === undefined ? process.argv.slice(1, 2) : [];
  const watched = await launch(program, output, [process.execPath, ...file]);
  try {
    return await use(watched);
  } finally {
    watched.kill();
  }
}

/** Whether it may be opened: what would slow this machine is tried, and agreed to, first. */
async function bearable(monitor: Monitor, options: Options): Promise<boolean> {
  if (!wantsTrial(monitor, options)) return true;
  let open = true;
  await withSource({ load: false, first_ms: TRIAL_MS }, async (source) => {
    open = await isBearable(source, monitor, options);
    return 0;
  });
  return open;
}

function watching(options: Options, { pid }: Launched): Options {
  return { ...options, pids: [pid], launched: true };
}

/** Opens the live source, or a perf.data file, for the time of `use`; closed on every way out. */
async function withSource(
  settings: { readonly load: boolean; readonly first_ms?: number; readonly input?: string | undefined },
  use: (source: Source) => Promise<number>,
): Promise<number> {
  const { input, ...live } = settings;
  const places = {
    entry: new URL('./worker.mjs', import.meta.url),
    addon: addonPath(),
  };
  if (input === undefined) keepNewSpaceSmall();
  let source: Source;
  try {
    source =
      input === undefined
        ? openLive({ ...live, ...places, custom })
        : await openPerfData({ path: input, ...places });
  } catch (error) {
    if (!(error instanceof NotReadable)) throw error;
    complain(error.message);
    return 1;
  }
  try {
    return await use(source);
  } finally {
    await source.close();
  }
}

/** The addon for this machine; a package may carry those of others beside it. */
function addonPath(): string {
  const own = fileURLToPath(new URL(`./${process.arch}/ktop.node`, import.meta.url));
  return existsSync(own) ? own : fileURLToPath(new URL('./ktop.node', import.meta.url));
}

/** The same source, shared; undefined after saying why it cannot be. */
async function sharing(source: Source, path: string): Promise<Source | undefined> {
  // Only here: few share.
  const { NotShared, shareSource } = await import('./sources/share/server.ts');
  try {
    return await shareSource(source, { path, monitors, version: VERSION });
  } catch (error) {
    if (!(error instanceof NotShared)) throw error;
    complain(error.message);
    return undefined;
  }
}

/** The monitor to open on when nobody has said which: the first made for events of the file, else one that takes any. */
async function firstServed(source: Source): Promise<Monitor> {
  const capabilities = await askCapabilities(source);
  const served = (state: string, any: boolean) =>
    monitors.find(
      ({ name, any_events = false }) =>
        any_events === any && capabilities.some((one) => one.monitor === name && one.state === state),
    );
  const found = served('yes', false) ?? served('degraded', false) ?? served('yes', true);
  return found ?? (monitors[0] as Monitor);
}

/** Starts a recording, or says why there is none. */
function startRecording(recording: Recording, path: string): boolean {
  try {
    recording.start(path);
    return true;
  } catch (error) {
    complain((error as Error).message);
    return false;
  }
}

/** Closes the source of a dashboard, and says where what was still being recorded is. */
async function endRecording(
  source: Source & { readonly recording: Recording },
  code: number,
): Promise<number> {
  const { path } = source.recording.state();
  await source.close();
  if (path === '') return code;
  const { error } = source.recording.state();
  complain(error === '' ? `recorded to ${path}` : `recording has stopped: ${error}`);
  return code === 0 && error !== '' ? 1 : code;
}

/** Opens a recording for the time of `use`. */
async function withRecording(path: string, use: (file: RecordingFile) => Promise<number>): Promise<number> {
  let file: RecordingFile;
  try {
    file = new RecordingFile(path);
  } catch (error) {
    if (!(error instanceof NotPlayable)) throw error;
    complain(error.message);
    return 1;
  }
  try {
    return await use(file);
  } finally {
    file.close();
  }
}

/** Writes to a new file, or to stdout. */
async function writeTo(path: string | undefined, use: (writer: Writer) => Promise<number>): Promise<number> {
  if (path === undefined) return use(streamWriter(process.stdout));
  let made: FileOutput;
  try {
    made = createOutput(path);
  } catch (error) {
    complain((error as Error).message);
    return 1;
  }
  const code = await use(made.writer);
  made.close();
  return code;
}

/** Records to `path`, if one is given, what `use` sees. */
async function recordTo(
  source: Source,
  path: string | undefined,
  use: (source: Source) => Promise<number>,
): Promise<number> {
  if (path === undefined) return use(source);
  const tapped = tapSource(source, { monitors, version: VERSION, history: false });
  if (!startRecording(tapped.recording, path)) return 1;
  let said = '';
  const say = ({ error }: RecordingState) => {
    if (error !== said) complain(`recording has stopped: ${error}`);
    said = error;
  };
  tapped.subscribe((message) => {
    if (message.type === 'recording') say(message.recording);
  });
  const code = await use(tapped);
  await tapped.close();
  say(tapped.recording.state());
  return code === 0 && said !== '' ? 1 : code;
}

/** Writes to stdout; a reader that has gone is no error. */
async function print(text: string): Promise<number> {
  try {
    await streamWriter(process.stdout).write(text);
    return 0;
  } catch (error) {
    complain(
      `cannot write: ${error instanceof Error ? error.message : String(error)}; free some space or write elsewhere`,
    );
    return 1;
  }
}

/** Aborted by one of the signals: the end that a user asks for, so that everything is closed in order. */
function untilSignalled(signals: readonly NodeJS.Signals[] = ['SIGINT', 'SIGTERM', 'SIGHUP']): AbortSignal {
  const controller = new AbortController();
  for (const signal of signals) process.on(signal, () => controller.abort());
  return controller.signal;
}
