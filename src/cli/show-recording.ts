/** Recordings on the screen: replayed, filmed, chosen from a shelf. */
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { basename, join } from 'node:path';
import type { Monitor, Options } from '../monitors/monitor.ts';
import { complain, type Writer } from '../output/writer.ts';
import { sanitise } from '../panels/sanitise.ts';
import { NotPlayable } from '../recording/file.ts';
import { MOMENT_FORMS, parseMoment, type TimeSpan } from '../sources/moment.ts';
import { openRecording, type RecordedSource, type ReplayOptions } from '../sources/recording.ts';
import type { ShelfFacts, ShelfItem } from '../ui/shelf/paint-shelf.ts';
import type { Look } from '../ui/terminal/capabilities.ts';
import { isCoreTab } from '../vmcore/screen/tabs.ts';
import type { CastCommand, DemoCommand } from './cast.ts';
import { UsageError } from './usage-error.ts';
import { quote } from './values.ts';

export interface ReplayWish {
  readonly file: string;
  /** Undefined: the first that was recorded. */
  readonly monitor: Monitor | undefined;
  readonly speed: number | undefined;
  readonly look: Look;
}

const DEFAULT_INTERVAL_MS = 1000;
const MOST_SIDECAR_BYTES = 16_384;

/** The dashboard on a recording. `leave`: it was opened from a shelf, see `DashboardOptions`. */
export function replayOnScreen(
  { file, monitor, speed, look }: ReplayWish,
  monitors: readonly Monitor[],
  leave?: () => void,
): Promise<number> {
  return withRecordedSource(file, speed === undefined ? {} : { speed }, async (source) => {
    const tabs = tabsOf(source, monitors);
    const initial = initialOf(source, file, monitor, tabs);
    const { runDashboard } = await import('../ui/dashboard.tsx');
    const options = optionsOf(source);
    const view = { source, monitors: tabs, initial, options, ...look, file: basename(file) };
    return runDashboard(leave === undefined ? view : { ...view, leave });
  });
}

/** Writes a film of the dashboard on a recording. `writeTo`: opens what is written to, once all else is right. */
export async function filmRecording(
  command: CastCommand,
  monitors: readonly Monitor[],
  writeTo: (use: (writer: Writer) => Promise<number>) => Promise<number>,
): Promise<number> {
  const { file, columns, rows, look, speed, version } = command;
  const { film } = await import('../ui/cast/film.ts');
  const { VirtualClock } = await import('../ui/cast/virtual-clock.ts');
  const keys = await keysOf(command.keys);
  const clock = new VirtualClock();
  return withRecordedSource(file, { playing: false, clock }, async (source) => {
    const tabs = tabsOf(source, monitors);
    const initial = initialOf(source, file, command.monitor, tabs);
    const { start, end } = source.playback.state();
    const from = momentOf('--from', command.from, { start, end, at: start });
    const to = momentOf('--to', command.to, { start, end, at: from ?? start });
    if (to !== undefined && to < (from ?? start))
      throw new UsageError('--to is before the film begins; give a later one');
    const wish = {
      size: { columns, rows },
      file: basename(file),
      options: optionsOf(source),
      from,
      to: to ?? Number.POSITIVE_INFINITY,
    };
    return writeTo(async (writer) => {
      const write = async (text: string) => {
        await writer.write(text);
      };
      try {
        await film({
          ...wish,
          source,
          clock,
          monitors: tabs,
          initial,
          ...look,
          speed,
          version,
          keys,
          write,
        });
        return 0;
      } catch (error) {
        const { code } = error as NodeJS.ErrnoException;
        if (code === undefined) throw error;
        complain(`the film cannot be written (${code}); free some space or write elsewhere`);
        return 1;
      }
    });
  });
}

/** Lets the user choose from a directory of recordings, again and again. `terminal`: there is one to choose on. */
export async function showShelf(
  { look }: DemoCommand,
  directory: string,
  monitors: readonly Monitor[],
  terminal: boolean,
  print: (text: string) => Promise<number>,
): Promise<number> {
  const items = shelfOf(directory);
  if (items.length === 0) {
    complain(`there is no recording (*.ktop) in ${directory}; make one with ktop record -o FILE`);
    return 1;
  }
  if (!terminal) return print(items.map(plainItem).join('\n'));
  const { chooseRecording } = await import('../ui/shelf/shelf.ts');
  for (let index = 0; ; ) {
    const title = `Recordings in ${basename(directory.replace(/\/+$/, '')) || directory}`;
    const choice = await chooseRecording({ title, items, index, ...look });
    if ('status' in choice) {
      if (choice.error !== undefined) complain(choice.error.stack ?? choice.error.message);
      return choice.status;
    }
    index = choice.chosen;
    let left = false;
    const file = (items[index] as ShelfItem).path;
    const wish = { file, monitor: undefined, speed: undefined, look };
    const status = await replayOnScreen(wish, monitors, () => {
      left = true;
    });
    if (!left) return status;
  }
}

async function withRecordedSource(
  path: string,
  options: ReplayOptions,
  use: (source: RecordedSource) => Promise<number>,
): Promise<number> {
  let source: RecordedSource;
  try {
    source = openRecording(path, options);
  } catch (error) {
    if (!(error instanceof NotPlayable)) throw error;
    complain(error.message);
    return 1;
  }
  try {
    return await use(source);
  } finally {
    await source.close();
  }
}

/** The tabs of a vmcore, or those of a running kernel: a recording is of one or the other. */
function tabsOf({ recorded }: RecordedSource, all: readonly Monitor[]): readonly Monitor[] {
  const ofCore = recorded.some(({ monitor }) => isCoreTab(monitor));
  return all.filter(({ name }) => isCoreTab(name) === ofCore);
}

/** The tab to open on: the one asked for, else the first that was recorded and is known here. */
function initialOf(
  { recorded }: RecordedSource,
  file: string,
  wanted: Monitor | undefined,
  monitors: readonly Monitor[],
): string {
  const names = recorded.map(({ monitor }) => monitor);
  if (wanted === undefined) return names.find((name) => monitors.some((one) => one.name === name)) ?? '';
  if (names.includes(wanted.name)) return wanted.name;
  throw new UsageError(`${wanted.name} is not in ${file}; recorded were ${names.join(', ') || 'none'}`);
}

function optionsOf({ recorded }: RecordedSource): (monitor: string) => Options {
  return (name) =>
    recorded.find(({ monitor }) => monitor === name)?.options ?? { interval_ms: DEFAULT_INTERVAL_MS };
}

function momentOf(option: string, text: string | undefined, span: TimeSpan): number | undefined {
  if (text === undefined) return undefined;
  const time = parseMoment(text, span);
  if (time === undefined)
    throw new UsageError(`${option}: ${quote(text)} is not a time; write ${MOMENT_FORMS}`);
  return Math.max(span.start, Math.min(span.end, time));
}

async function keysOf(path: string | undefined) {
  if (path === undefined) return [];
  const { parseKeyScript } = await import('../ui/cast/key-script.ts');
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    throw new UsageError(
      `--keys: cannot read ${path} (${(error as NodeJS.ErrnoException).code}); name a file`,
    );
  }
  try {
    return parseKeyScript(text);
  } catch (error) {
    throw new UsageError(`${path}: ${(error as Error).message}`);
  }
}

// ---------------------------------------------------------------- the shelf

function shelfOf(directory: string): ShelfItem[] {
  let names: string[];
  try {
    names = readdirSync(directory)
      .filter((name) => name.endsWith('.ktop'))
      .sort();
  } catch (error) {
    throw new UsageError(
      `cannot read ${directory} (${(error as NodeJS.ErrnoException).code}); name a directory`,
    );
  }
  return names.map((name) => itemOf(join(directory, name)));
}

function itemOf(path: string): ShelfItem {
  const name = basename(path, '.ktop');
  const about = sidecarOf(path);
  const bytes = statSync(path, { throwIfNoEntry: false })?.size ?? 0;
  try {
    return { path, name, bytes, about, problem: '', facts: factsOf(path) };
  } catch (error) {
    return { path, name, bytes, about, problem: (error as Error).message, facts: undefined };
  }
}

function factsOf(path: string): ShelfFacts {
  const source = openRecording(path, { playing: false });
  try {
    const { start, end, marks, damage } = source.playback.state();
    const { host, kernel, cpus } = source.host;
    const monitors = source.recorded.map(({ monitor }) => monitor);
    const incidents = marks.filter(({ kind }) => kind === 'incident').length;
    return { start, end, host, kernel, cpus, monitors, incidents, damage };
  } finally {
    void source.close();
  }
}

/** The text beside a recording, `name.md` or `name.txt`; '' when there is none. */
function sidecarOf(path: string): string {
  for (const suffix of ['.md', '.txt']) {
    try {
      return readFileSync(path.replace(/\.ktop$/, suffix), 'utf8').slice(0, MOST_SIDECAR_BYTES);
    } catch {
      // The next, or none.
    }
  }
  return '';
}

function plainItem({ name, facts, problem, about }: ShelfItem): string {
  const what = facts === undefined ? problem : facts.monitors.join(', ');
  const text = about
    .split('\n')
    .filter((line) => line.trim() !== '')
    .map((line) => `    ${sanitise(line.trim())}\n`);
  return `${sanitise(`${name}: ${what}`)}\n${text.join('')}`;
}
