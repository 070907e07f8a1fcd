/** Every command that is more than a monitor's name, once: what it is for, what it takes; for parsing, completion and the manual. */
import { HIST_PRESETS } from '../monitors/hist.ts';
import { DEMO_ROWS } from './cast.ts';
import { HIST_ROWS } from './hist.ts';
import { JOIN_ROWS } from './join.ts';
import { OPTIONS, type OptionRow } from './option-table.ts';
import { PROBE_COMMANDS, PROBE_OPTIONS } from './probe.ts';
import { RECIPE_COMMANDS, RECIPE_OPTIONS } from './recipe.ts';
import { EXPORT_ROWS, RECORD_ROWS, REPLAY_ROWS } from './recordings.ts';
import type { CommandRow } from './tokens.ts';
import { VMCORE_OPTIONS } from './vmcore.ts';
import { WATCH_ROWS } from './watch.ts';

export interface CommandEntry {
  readonly name: string;
  readonly summary: string;
  readonly rows: readonly (CommandRow | OptionRow)[];
  /** What may stand behind it, for completion. */
  readonly words: readonly string[] | 'files' | 'monitors';
  /** Files, too. */
  readonly files?: true;
}

/** Those of a monitor that are not spelled as one of a command's own. */
const beside = (own: readonly CommandRow[], uses: readonly string[]): OptionRow[] =>
  OPTIONS.filter(
    (row) =>
      (row.uses === undefined || uses.includes(row.uses)) &&
      own.every(({ name, short }) => name !== row.name && (short === undefined || short !== row.short)),
  );
const histOptions = ['cpu'];
const watchOptions = ['cpu', 'mmap-pages'];

export const COMMAND_TABLE: readonly CommandEntry[] = [
  {
    name: 'list',
    summary: 'monitors, what each needs, what this host gives it, and why not',
    rows: OPTIONS.filter(({ name }) => ['json', 'plain', 'input'].includes(name)),
    words: [],
  },
  {
    name: 'doctor',
    summary: 'what this kernel can do, why not more, and what to do about it',
    rows: OPTIONS.filter(({ name }) => ['json', 'plain'].includes(name)),
    words: [],
  },
  { name: 'record', summary: 'records monitors without a screen', rows: RECORD_ROWS, words: 'monitors' },
  { name: 'replay', summary: 'what was recorded, as it was seen', rows: REPLAY_ROWS, words: 'files' },
  { name: 'export', summary: 'rows of a recording, or a film of it', rows: EXPORT_ROWS, words: 'files' },
  { name: 'demo', summary: 'a shelf of recordings to choose from', rows: DEMO_ROWS, words: 'files' },
  { name: 'join', summary: 'watches what ktop --share SOCKET shows', rows: JOIN_ROWS, words: 'files' },
  {
    name: 'vmcore',
    summary: 'post-mortem of crashed kernels, one core or thousands',
    rows: VMCORE_OPTIONS,
    words: 'files',
  },
  {
    name: 'probe',
    summary: 'probes of your own in kernel and programs',
    rows: PROBE_OPTIONS,
    words: PROBE_COMMANDS,
  },
  {
    name: 'recipe',
    summary: 'probes made where debug information is, used where it is not',
    rows: RECIPE_OPTIONS,
    words: RECIPE_COMMANDS,
    files: true,
  },
  {
    name: 'hist',
    summary: 'live histogram of any numeric field of an event',
    rows: [...HIST_ROWS, ...beside(HIST_ROWS, histOptions)],
    words: HIST_PRESETS.map(({ name }) => name),
  },
  {
    name: 'watch',
    summary: 'a monitor of your own: any event or probe, listed, counted, timed',
    rows: [...WATCH_ROWS, ...beside(WATCH_ROWS, watchOptions)],
    words: [],
  },
  {
    name: 'completion',
    summary: 'completes commands, monitors and options in a shell',
    rows: [],
    words: ['bash', 'zsh', 'fish'],
  },
  { name: 'manual', summary: 'the manual page', rows: [], words: [] },
];
