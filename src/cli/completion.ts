/** What a shell needs to complete ktop's command line, from the tables that parse it. */
import type { Monitor } from '../monitors/monitor.ts';
import { COMMAND_TABLE } from './command-table.ts';
import { OPTIONS } from './option-table.ts';
import type { TokenRow } from './tokens.ts';

export const SHELLS = ['bash', 'zsh', 'fish'] as const;
export type Shell = (typeof SHELLS)[number];

/** One word of the first place, and what may follow it. */
interface Place {
  readonly name: string;
  readonly summary: string;
  readonly options: readonly Option[];
  readonly words: readonly string[];
  readonly files: boolean;
}

interface Option {
  readonly long: string;
  readonly short: string | undefined;
  readonly help: string;
  readonly hasValue: boolean;
}

/** A script for the shell to read: `source <(ktop completion bash)`; ends with a line feed. */
export function completionText(shell: Shell, monitors: readonly Monitor[]): string {
  const places = placesOf(monitors);
  const general = OPTIONS.filter(({ uses }) => uses === undefined).map((row) => optionOf(row, monitors));
  if (shell === 'fish') return fish(places, general);
  const script = bash(places, general);
  return shell === 'bash' ? script : `#compdef ktop\nautoload -U +X bashcompinit && bashcompinit\n${script}`;
}

function placesOf(monitors: readonly Monitor[]): readonly Place[] {
  const names = monitors.map(({ name }) => name);
  return [
    ...monitors.filter(isNoCommand).map((monitor) => ({
      name: monitor.name,
      summary: monitor.summary,
      options: OPTIONS.filter(({ uses }) => uses === undefined || monitor.options.includes(uses)).map((row) =>
        optionOf(row, [monitor]),
      ),
      words: [],
      files: false,
    })),
    ...COMMAND_TABLE.map(({ name, summary, rows, words, files }) => ({
      name,
      summary,
      options: rows.map((row) => optionOf(row, monitors)),
      words: words === 'monitors' ? names : words === 'files' ? [] : words,
      files: words === 'files' || files === true,
    })),
  ];
}

/** A monitor may have commands of its own under its name. */
const isNoCommand = (monitor: Monitor) => COMMAND_TABLE.every(({ name }) => name !== monitor.name);

function optionOf(
  row: TokenRow & { readonly help: string | ((monitors: readonly Monitor[]) => string) },
  monitors: readonly Monitor[],
): Option {
  const help = typeof row.help === 'string' ? row.help : row.help(monitors);
  return { long: row.name, short: row.short, help, hasValue: row.value !== undefined };
}

const spellings = ({ long, short }: Option): string[] =>
  short === undefined ? [`--${long}`] : [`--${long}`, `-${short}`];
const quoted = (text: string): string => `'${text.replaceAll("'", "'\\''")}'`;

function bash(places: readonly Place[], general: readonly Option[]): string {
  const words = (options: readonly Option[]) => options.flatMap(spellings).join(' ');
  const valued = (options: readonly Option[]) =>
    options
      .filter(({ hasValue }) => hasValue)
      .flatMap(spellings)
      .join(' ');
  const cases = places.map(
    (place) =>
      `    ${place.name}) options=${quoted(words(place.options))} valued=${quoted(valued(place.options))} ` +
      `words=${quoted(place.words.join(' '))} files=${place.files ? 1 : 0} ;;`,
  );
  return [
    '_ktop() {',
    // A word after an option with a value is that value: a file, as far as can be known.
    '  local current=$' + '{COMP_WORDS[COMP_CWORD]} before=$' + '{COMP_WORDS[COMP_CWORD-1]} place= at',
    `  local options=${quoted(words(general))} valued=${quoted(valued(general))}`,
    `  local words=${quoted(places.map(({ name }) => name).join(' '))} files=0`,
    '  for ((at = 1; at < COMP_CWORD; at++)); do',
    '    case $' + '{COMP_WORDS[at]} in -*) ;; *) place=$' + '{COMP_WORDS[at]}; break ;; esac',
    '  done',
    '  case $place in',
    ...cases,
    '  esac',
    '  COMPREPLY=()',
    '  case " $valued " in *" $before "*) COMPREPLY=($(compgen -f -- "$current")); return ;; esac',
    '  case $current in',
    '    -*) COMPREPLY=($(compgen -W "$options" -- "$current")) ;;',
    '    *) COMPREPLY=($(compgen -W "$words" -- "$current"))',
    '      [ $files = 1 ] && COMPREPLY+=($(compgen -f -- "$current")) ;;',
    '  esac',
    '}',
    'complete -o filenames -F _ktop ktop',
    '',
  ].join('\n');
}

function fish(places: readonly Place[], general: readonly Option[]): string {
  const names = places.map(({ name }) => name).join(' ');
  const first = `not __fish_seen_subcommand_from ${names}`;
  const option = (condition: string, { long, short, help, hasValue }: Option) =>
    `complete -c ktop -n ${quoted(condition)} -l ${long}${short === undefined ? '' : ` -s ${short}`}` +
    `${hasValue ? ' -r' : ''} -d ${quoted(help)}`;
  return [
    'complete -c ktop -f',
    ...places.map(
      ({ name, summary }) => `complete -c ktop -n ${quoted(first)} -a ${name} -d ${quoted(summary)}`,
    ),
    ...general.map((each) => option(first, each)),
    ...places.flatMap(({ name, options, words, files }) => {
      const here = `__fish_seen_subcommand_from ${name}`;
      return [
        ...(files ? [`complete -c ktop -n ${quoted(here)} -F`] : []),
        ...words.map((word) => `complete -c ktop -n ${quoted(here)} -a ${word}`),
        ...options.map((each) => option(here, each)),
      ];
    }),
    '',
  ].join('\n');
}
