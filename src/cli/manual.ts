/** The manual page, from the tables that parse the command line. */
import type { Monitor } from '../monitors/monitor.ts';
import { COMMAND_TABLE } from './command-table.ts';
import { helpText } from './help.ts';
import { OPTIONS, type OptionRow } from './option-table.ts';
import type { CommandRow } from './tokens.ts';
import { VERSION } from './version.ts';

type Row = CommandRow | OptionRow;

const ENVIRONMENT = [
  ['NO_COLOR', 'no colours, as \\-\\-colour never'],
  ['TERM, COLORTERM', 'what the terminal can show'],
  [
    'KTOP_POINTERS',
    '1: addresses of the kernel as they are; else as ptr_ and a number that is the same for the same one',
  ],
  ['LANG, LC_ALL', 'without UTF\\-8 all is drawn in ASCII'],
] as const;

/** roff for `man`; ends with a line feed. */
export function manualText(monitors: readonly Monitor[]): string {
  const help = helpText(monitors).split('\n');
  const usage = help.slice(help.indexOf('Usage:') + 1, help.indexOf('Monitors:') - 1);
  return [
    `.TH KTOP 1 "" "ktop ${VERSION}" "User Commands"`,
    '.SH NAME',
    'ktop \\- htop for the inside of the Linux kernel',
    '.SH SYNOPSIS',
    '.nf',
    ...usage.map(escaped),
    '.fi',
    '.SH DESCRIPTION',
    'Live views of what the kernel does for whom, from perf events and tracepoints: in a terminal, as text, or as JSON.',
    'What was seen can be recorded and replayed; a kernel that died is read from its vmcore.',
    'In the dashboard,',
    '.B ?',
    'tells of its keys.',
    '.SH MONITORS',
    ...monitors.flatMap(({ name, summary }) => ['.TP', `.B ${escaped(name)}`, escaped(summary)]),
    '.SH OPTIONS OF MONITORS',
    ...OPTIONS.flatMap((row) => optionEntry(row, monitors)),
    '.SH COMMANDS',
    ...COMMAND_TABLE.flatMap(({ name, summary, rows }) => {
      const own = rows.filter((row) => !OPTIONS.includes(row as OptionRow));
      return [
        `.SS ktop ${escaped(name)}`,
        escaped(summary),
        ...own.flatMap((row) => optionEntry(row, monitors)),
      ];
    }),
    '.SH EXIT STATUS',
    '0 done, 1 failed, 2 bad usage, 3 not possible on this host.',
    '.SH ENVIRONMENT',
    ...ENVIRONMENT.flatMap(([names, text]) => ['.TP', `.B ${names}`, text]),
    '.SH FILES',
    '.TP',
    '.I ~/.config/ktop/vmcore/',
    'own commands for vmcores',
    '.SH SEE ALSO',
    '.BR perf (1),',
    '.BR crash (8)',
    '',
  ].join('\n');
}

function optionEntry(row: Row, monitors: readonly Monitor[]): string[] {
  const uses = 'uses' in row ? row.uses : undefined;
  const users = monitors.filter(({ options }) => uses === undefined || options.includes(uses));
  if (users.length === 0) return [];
  const short = row.short === undefined ? '' : `\\-${row.short}, `;
  const value = row.value === undefined ? '' : ` \\fI${escaped(row.value)}\\fR`;
  const help = typeof row.help === 'string' ? row.help : row.help(monitors);
  const of = users.length < monitors.length ? ` (${users.map(({ name }) => name).join(', ')})` : '';
  return ['.TP', `\\fB${short}\\-\\-${escaped(row.name)}\\fR${value}`, escaped(help + of)];
}

/** As it stands: no request, no escape. */
function escaped(text: string): string {
  return text.replaceAll('\\', '\\e').replaceAll('-', '\\-').replace(/^[.']/, '\\&$&');
}
