/**
 * `npm run docs`: writes what the declarations know into docs/<monitor>.md, between two comments: columns with their
 * units, and options. All the rest of a page is written by hand; a page that is missing is begun.
 */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { OPTIONS, type OptionRow } from '../src/cli/option-table.ts';
import { monitors } from '../src/monitors/index.ts';
import type { ColumnSpec, Monitor } from '../src/monitors/monitor.ts';
import { shownPanels } from '../src/output/shape.ts';
import { SECTIONS } from '../src/vmcore/layout.ts';

const BEGIN = '<!-- from the declaration, by npm run docs -->';
const END = '<!-- end -->';
const HEADINGS = ['Purpose', 'Events', 'Algorithm', 'Limits', 'Fallbacks'];

export const pageOf = ({ name }: Monitor): string =>
  fileURLToPath(new URL(`../docs/${name}.md`, import.meta.url));

/** The page with its written part renewed. */
export function renewed(page: string, monitor: Monitor): string {
  const [start, end] = [page.indexOf(BEGIN), page.indexOf(END)];
  if (start < 0 || end < start) throw new Error(`docs/${monitor.name}.md lacks ${BEGIN} … ${END}`);
  return `${page.slice(0, start)}${BEGIN}\n\n${declared(monitor)}\n${page.slice(end)}`;
}

/** Columns and options as Markdown. */
function declared(monitor: Monitor): string {
  const parts: string[] = ['## Columns', ''];
  for (const { key, panel } of shownPanels(monitor)) {
    parts.push(`\`${key}\`: ${panel.title}`, '');
    if (panel.kind === 'table')
      parts.push(
        '| column | unit | meaning |',
        '|---|---|---|',
        ...panel.columns.filter(({ hidden }) => hidden !== 'both').map(columnRow),
        '',
      );
    else if (panel.kind === 'histogram')
      parts.push(
        '`low` and `high` are the bounds of a bucket, both inclusive; `count` is how many fell into it.',
        '',
      );
    else if (panel.kind === 'log') {
      parts.push('`time`, `cpu`, `pid`, `tid`, `comm`, `text`, and `stack` where call chains are taken.', '');
      if (panel.incidents === true)
        parts.push(
          'Each is an incident: `between` has the event that began it and the one that ended it.',
          '',
        );
    }
  }
  parts.push('## Options', '', '| option | meaning |', '|---|---|');
  parts.push(
    ...OPTIONS.filter(({ uses }) => uses !== undefined && monitor.options.includes(uses)).map((row) =>
      optionRow(row, monitor),
    ),
  );
  return `${parts.join('\n')}\n`;
}

export const VMCORE_PAGE = fileURLToPath(new URL('../docs/vmcore.md', import.meta.url));

/** The page of the post-mortem with the columns of its sections renewed. */
export function renewedVmcore(page: string): string {
  const [start, end] = [page.indexOf(BEGIN), page.indexOf(END)];
  if (start < 0 || end < start) throw new Error(`docs/vmcore.md lacks ${BEGIN} … ${END}`);
  const parts = SECTIONS.flatMap(({ name, summary, panels }) => [
    `### \`${name}\`: ${summary}`,
    '',
    ...panels.flatMap((panel, index) =>
      panel.kind === 'table'
        ? [
            ...(index > 0 ? [`\`${panel.id}\`: ${panel.title}`, ''] : []),
            '| column | unit | meaning |',
            '|---|---|---|',
            ...panel.columns.filter(({ hidden }) => hidden !== 'both').map(columnRow),
            '',
          ]
        : ['`log`: `time_s` since boot, `level`, `cpu` or `tid`, `text`.', ''],
    ),
  ]);
  return `${page.slice(0, start)}${BEGIN}\n\n## Sections\n\n${parts.join('\n')}\n${page.slice(end)}`;
}

function columnRow(column: ColumnSpec): string {
  const where = { json: ' (screen only)', screen: ' (JSON only)', both: '' };
  const hidden = column.hidden === undefined ? '' : where[column.hidden];
  return `| \`${column.id}\` | ${unitOf(column)} | ${cell(column.help)}${hidden} |`;
}

export function unitOf({ id, format, rate }: ColumnSpec): string {
  const units: Readonly<Record<string, string>> = {
    percent: '%',
    ms: 'ms',
    us: 'µs',
    seconds: 's',
    bytes: 'bytes',
  };
  const unit = units[format] ?? (/_kb(_|$)/.test(id) ? 'KiB' : '');
  return rate === true && format !== 'percent' ? `${unit === '' ? '1' : unit}/s` : unit;
}

function optionRow(row: OptionRow, monitor: Monitor): string {
  const short = row.short === undefined ? '' : `-${row.short}, `;
  const help = typeof row.help === 'string' ? row.help : row.help([monitor]);
  return `| \`${short}--${row.name}${row.value === undefined ? '' : ` ${row.value}`}\` | ${cell(help)} |`;
}

const cell = (text: string): string => text.replaceAll('|', '\\|');

function begun({ name, summary }: Monitor): string {
  const sections = HEADINGS.map((heading) => `## ${heading}\n\nTo be written.\n`).join('\n');
  return `# ${name}\n\n${summary}?\n\n${sections}\n${BEGIN}\n${END}\n`;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  for (const monitor of monitors) {
    const path = pageOf(monitor);
    const page = existsSync(path) ? readFileSync(path, 'utf8') : begun(monitor);
    const text = renewed(page, monitor);
    if (text !== page || !existsSync(path)) writeFileSync(path, text);
  }
  writeFileSync(VMCORE_PAGE, renewedVmcore(readFileSync(VMCORE_PAGE, 'utf8')));
}
