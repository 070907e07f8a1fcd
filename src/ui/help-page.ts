/** The help in three pages: the keys, this tab (its question, columns, data), this host (what it gives to each monitor). */
import type { Monitor } from '../monitors/monitor.ts';
import { entry, heading, line, type PageLine, paragraph } from '../panels/paint-page.ts';
import { LOOK, type Theme } from '../panels/theme.ts';
import type { Capability, Failure } from '../sources/source.ts';
import { asciiKeys, type Binding, KEYMAP } from './keymap.ts';
import type { Notice, Picture } from './store.ts';

/** The pages, in their order, and the one the help opens on. */
export const HELP_PAGES = ['keys', 'this tab', 'this host'] as const;
export const THIS_TAB = 1;

export interface HelpFacts {
  readonly monitors: readonly Monitor[];
  readonly monitor: Monitor;
  readonly picture: Picture | undefined;
  /** Of all monitors, as far as known. */
  readonly capabilities: readonly Capability[];
  readonly failure: Failure | undefined;
  readonly notices: readonly Notice[];
}

/** Lines of a page (see `HELP_PAGES`) for a width. */
export function helpPage(page: number, facts: HelpFacts, width: number, theme: Theme): PageLine[] {
  if (page === 0) return keyLines(width, theme);
  return page === THIS_TAB ? tabLines(facts, width, theme) : hostLines(facts, width, theme);
}

function keyLines(width: number, theme: Theme): PageLine[] {
  const shownKeys = (binding: Binding) => (theme.ascii ? asciiKeys(binding.shown) : binding.shown);
  const keyWidth = Math.max(...KEYMAP.map((binding) => shownKeys(binding).length));
  const styles = { name: LOOK.key, text: 0 };
  const linesOf = (bindings: readonly Binding[]) =>
    bindings.flatMap((binding) => entry(shownKeys(binding), binding.help, keyWidth, width, theme, styles));
  return [
    line('Everywhere', LOOK.focusedTitle),
    ...linesOf(KEYMAP.filter(({ on }) => on === undefined)),
    ...heading('In time: a recording, or what this kernel did in the last minutes'),
    ...linesOf(KEYMAP.filter(({ on }) => on === 'time')),
    ...heading('In a recording, and behind now'),
    ...linesOf(KEYMAP.filter(({ on }) => on === 'elsewhen')),
    ...heading('On probes'),
    ...linesOf(KEYMAP.filter(({ on }) => on === 'probes' || on === 'probe')),
    ...heading('On stacks'),
    ...linesOf(KEYMAP.filter(({ on }) => on === 'stacks')),
  ];
}

function hostLines({ monitors, capabilities }: HelpFacts, width: number, theme: Theme): PageLine[] {
  const lines: PageLine[] = [
    line('What this host gives to each monitor, found by trying', LOOK.focusedTitle),
  ];
  if (capabilities.length === 0) lines.push([], line(`Trying${theme.glyphs.ellipsis}`, LOOK.dim));
  for (const { name, summary } of monitors) {
    const found = capabilities.find(({ monitor }) => monitor === name);
    if (found === undefined) continue;
    const state = { text: `${STATE_MARKS[found.state]} ${found.state}`, style: STATE_LOOKS[found.state] };
    const backend = found.backend === '' ? '' : `  ${found.backend}`;
    lines.push([], [{ text: `${name}  `, style: LOOK.value }, state, { text: backend, style: LOOK.label }]);
    const add = (what: string, text: string) => {
      if (text !== '') lines.push(...entry(what, text, 8, width, theme, { name: LOOK.label, text: 0 }));
    };
    add('', summary);
    add('needs', found.needs.join(', '));
    add('why', found.why);
    add('remedy', found.remedy);
  }
  return lines;
}

const STATE_MARKS = { yes: '+', degraded: '!', no: '-' } as const;
const STATE_LOOKS = { yes: LOOK.good, degraded: LOOK.warn, no: LOOK.alarm } as const;

function tabLines(facts: HelpFacts, width: number, theme: Theme): PageLine[] {
  const { monitor, picture, notices } = facts;
  const lines: PageLine[] = [...paragraph(monitor.summary, width, theme, LOOK.title)];
  const notes = picture?.snapshot.notes ?? [];
  if (notes.length > 0) {
    lines.push(...heading('Notes'));
    for (const note of notes) lines.push(...entry(theme.glyphs.warn, note, 1, width, theme));
  }
  lines.push(...heading('Data'), ...dataLines(facts, width, theme));
  for (const panel of monitor.panels) {
    lines.push(...heading(panel.title));
    if (panel.kind === 'table') {
      const nameWidth = Math.max(...panel.columns.map((column) => column.title.length));
      for (const column of panel.columns) {
        if (column.hidden === 'screen' || column.hidden === 'both') continue;
        const limits = [
          column.warn === undefined ? '' : ` ${theme.glyphs.warn} from ${column.warn}.`,
          column.alarm === undefined ? '' : ` ${theme.glyphs.alarm} from ${column.alarm}.`,
        ].join('');
        const named = column.id === column.title ? '' : ` (filter: ${column.id})`;
        lines.push(...entry(column.title, `${column.help}${limits}${named}`, nameWidth, width, theme));
      }
    } else if (panel.kind === 'bars') {
      for (const { mark, title } of panel.segments) lines.push(...entry(mark, title, 1, width, theme));
    } else lines.push(...paragraph(ABOUT[panel.kind], width, theme, LOOK.dim));
  }
  if (notices.length > 0) {
    lines.push(...heading('Notices'));
    for (const { text, time } of notices) {
      lines.push(...entry(new Date(time).toTimeString().slice(0, 8), text, 8, width, theme));
    }
  }
  return lines;
}

const ABOUT = {
  histogram: 'Buckets double in width; bounds are inclusive.',
  line: 'The newest value is at the right; the scale starts at nought.',
  log: 'The newest entry is at the bottom; Enter shows it whole. Filter: words, comm=, pid=, tid=, cpu=, text=, stack=.',
  stacks: 'The outermost frame is at the top; a frame is as wide as its share. Narrow ones are drawn as one.',
} as const;

function dataLines(
  { monitor, picture, capabilities, failure }: HelpFacts,
  width: number,
  theme: Theme,
): PageLine[] {
  const capability = capabilities.find((candidate) => candidate.monitor === monitor.name);
  const lines: PageLine[] = [];
  const add = (name: string, text: string) => lines.push(...entry(name, text, 9, width, theme));
  if (picture !== undefined) {
    const { snapshot } = picture;
    add('backend', snapshot.backend);
    add('interval', `${snapshot.interval_ms.toFixed(0)} ms, ${snapshot.events} events`);
    add('lost', `${snapshot.lost} dropped by the kernel, ring full`);
    add('late', `${snapshot.late} came after their turn`);
    add('unseen', `${snapshot.unseen} counted by the kernel, never delivered`);
  }
  if (failure !== undefined) add('failed', failure.text);
  if (capability === undefined) return lines;
  if (capability.needs.length > 0) add('needs', capability.needs.join(', '));
  add('this host', capability.state === 'yes' ? `as designed, ${capability.backend}` : capability.state);
  if (capability.why !== '') add('because', capability.why);
  if (capability.remedy !== '') add('remedy', capability.remedy);
  return lines;
}
