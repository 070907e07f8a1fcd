/** The text of --help. */
import type { Monitor } from '../monitors/monitor.ts';
import { SHELLS } from './completion.ts';
import { OPTIONS, type OptionRow } from './option-table.ts';

/** Usage, monitors, options and exit codes; ends with a line feed. At most 100 columns wide. */
export function helpText(monitors: readonly Monitor[]): string {
  return [
    'ktop: htop for the inside of the Linux kernel',
    '',
    'Usage:',
    '  ktop                            the dashboard, first tab',
    '  ktop MONITOR [options]          the dashboard, opened on that monitor',
    '  ktop MONITOR --json  [-n N]     one JSON object per interval on stdout',
    '  ktop MONITOR --plain [-n N]     text; the default when stdout is no terminal',
    '  ktop strace [options] -- COMMAND',
    '                                  start a command and watch it from its beginning to its end',
    '  ktop [MONITOR] --input FILE     what perf record has written, instead of this kernel',
    '  ktop hist EVENT FIELD [-f FILTER] [--by pid|comm|cpu] [-P N] [-m MAX] [-b "A B C"]',
    '                                  live histogram of a field, counted in the kernel; hist read is one',
    "  ktop watch 'SRC [ARG…] [if FILTER]' --list|--count K[,K]|--hist A|--lat [--by WHAT] [--top N]",
    '                                  a monitor of your own, of any event or probe',
    '  ktop list [--json]              monitors, what each needs, what this host gives it, and why not',
    '  ktop doctor [--json]            what this kernel can do, why not more, and what to do about it',
    '  ktop record -o FILE [MONITOR…] [--duration TIME] [options]',
    '                                  record without a screen: those named, or those for every host',
    '  ktop replay FILE [MONITOR] [--speed X] [--json|--plain] [-n N]',
    '                                  what was recorded, as it was seen',
    '  ktop export FILE --format json|csv|openmetrics [--monitor NAME] [-o FILE]',
    '                                  rows of a recording for other programs',
    '  ktop export FILE -o OUT.cast [--tab NAME] [--speed X] [--size WxH] [--from TIME] [--to TIME]',
    '                                  a film of the dashboard for asciinema; --v3, --keys FILE',
    '  ktop probe help                 probes of your own in kernel and programs: watch, add, list …',
    '  ktop recipe help                probes made where debug information is, used where it is not',
    '  ktop demo [DIRECTORY]           choose a recording and see it: those that come with ktop, or yours',
    '  ktop join SOCKET [MONITOR]      what ktop --share SOCKET shows; --json, --plain, --record FILE',
    '  ktop vmcore --help              post-mortem of crashed kernels, one core or thousands',
    `  ktop completion ${SHELLS.join('|')}   completes commands, monitors and options in that shell`,
    '  ktop manual                     the manual page; read it with ktop manual | man -l -',
    '',
    'Monitors:',
    ...monitors.map(({ name, summary }) => `  ${name.padEnd(12)}  ${summary}`),
    '',
    'Options:',
    ...OPTIONS.flatMap((row) => optionLines(row, monitors)),
    '',
    'Exit codes: 0 done, 1 failed, 2 bad usage, 3 not possible on this host.',
    '',
  ].join('\n');
}

/** None for an option that no monitor uses. */
function optionLines(row: OptionRow, monitors: readonly Monitor[]): string[] {
  const { uses, help } = row;
  const users = monitors.filter(({ options }) => uses === undefined || options.includes(uses));
  if (users.length === 0) return [];
  const short = row.short === undefined ? '    ' : `-${row.short}, `;
  const head = `  ${short}--${row.name}${row.value === undefined ? '' : ` ${row.value}`}`;
  const text = typeof help === 'string' ? help : help(monitors);
  const lines = wrapped(text, 27, 100);
  lines[0] = `${head.padEnd(25)}  ${(lines[0] ?? '').trimStart()}`;
  if (users.length < monitors.length)
    lines.push(...wrapped(`(${users.map(({ name }) => name).join(', ')})`, 27, 100));
  return lines;
}

/** Broken between words, every line indented. */
function wrapped(text: string, indent: number, width: number): string[] {
  const lines: string[] = [];
  for (const word of text.split(' ')) {
    const line = lines.at(-1);
    if (line !== undefined && line.length + 1 + word.length <= width)
      lines[lines.length - 1] = `${line} ${word}`;
    else lines.push(' '.repeat(indent) + word);
  }
  return lines;
}
