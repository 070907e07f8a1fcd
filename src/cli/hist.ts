/** The command line of `ktop hist EVENT FIELD`: what is counted, and the rest as for any monitor. */
import type { EventFormat } from '../filter/event-format.ts';
import { FilterError } from '../filter/expression.ts';
import { splitFilter, whereItRuns } from '../filter/kernel.ts';
import { suggestion } from '../filter/nearest.ts';
import { parseFilter } from '../filter/parse.ts';
import { HIST_PRESETS, type HistSpec, powerBounds } from '../monitors/hist.ts';
import { readFlags } from './flags.ts';
import { OPTIONS } from './option-table.ts';
import type { CommandRow, TokenRow } from './tokens.ts';
import { UsageError } from './usage-error.ts';
import { choice, quote, wholeNumber } from './values.ts';

/** Options of its own; -m is not the size of a ring here. */
export const HIST_ROWS: readonly CommandRow[] = [
  { name: 'power', short: 'P', value: 'N', help: 'ranges grow by this factor (default 4)' },
  { name: 'bounds', short: 'b', value: 'LIST', help: 'where ranges begin, ascending, as in "0 64 128"' },
  { name: 'max', short: 'm', value: 'N', help: 'the last range begins here (default 1048576)' },
  { name: 'filter', short: 'f', value: 'FILTER', help: 'only events that pass, as in comm=nginx and ret>0' },
  { name: 'by', value: 'WHAT', help: 'a histogram for each pid, comm or cpu' },
];

const MOST_BOUNDS = 200;

/** A monitor that was asked for, and the command line that is left for it. */
export interface Asked<Spec> {
  readonly spec: Spec;
  readonly argv: readonly string[];
}

/** `argv` after the word `hist`. Undefined: nothing of its own is asked for. Throws a UsageError. */
export function parseHist(
  argv: readonly string[],
  formatOf: (event: string) => EventFormat,
): Asked<HistSpec> | undefined {
  const { flags, rest, input } = ownFlags(argv, HIST_ROWS);
  const last = (name: string) => flags.get(name)?.at(-1);
  if (input.length === 0 && flags.size === 0) return undefined;
  const { event, field, signed, size, format } = subject(input, formatOf);
  const power = last('power');
  const most = last('max');
  const list = last('bounds');
  if (list !== undefined && (power !== undefined || most !== undefined))
    throw new UsageError('-b/--bounds says all there is to say; leave -P/--power and -m/--max out');
  const bounds =
    list === undefined
      ? powerBounds(
          power === undefined ? 4 : wholeNumber('-P/--power', power, 2, 1000),
          most === undefined ? 2 ** 20 : wholeNumber('-m/--max', most, 1, Number.MAX_SAFE_INTEGER),
        )
      : boundsOf(list, signed);
  const by = last('by');
  const filter = last('filter');
  const split = filter === undefined ? undefined : filterFor(filter, format());
  return {
    argv: ['hist', ...rest],
    spec: {
      name: 'hist',
      title: 'Hist',
      event,
      field,
      signed,
      size,
      bounds,
      ...(event.includes(':') && format().derived === true ? { derived: true } : {}),
      ...(by === undefined ? {} : { by: choice('--by', by, ['pid', 'comm', 'cpu'] as const) }),
      ...(split?.kernel === undefined ? {} : { filter: split.kernel }),
      ...(split?.perEvent === undefined ? {} : { where: split.perEvent }),
      ...(split === undefined ? {} : { notes: [whereItRuns(split)] }),
    },
  };
}

/** Options of `own`, and all others as they would be written for a monitor. */
export function ownFlags(argv: readonly string[], own: readonly TokenRow[]) {
  const names = new Set(
    own.flatMap(({ name, short }) => (short === undefined ? [name] : [name, `-${short}`])),
  );
  const others = OPTIONS.filter(({ name }) => !names.has(name)).map((row) =>
    row.short !== undefined && names.has(`-${row.short}`) ? { ...row, short: undefined as never } : row,
  );
  const { input, flags } = readFlags(argv, [...own, ...others]);
  const rest = others.flatMap(({ name, value }) =>
    (flags.get(name) ?? []).map((text) => (value === undefined ? `--${name}` : `--${name}=${text}`)),
  );
  const mine = new Map([...flags].filter(([name]) => own.some((row) => row.name === name)));
  return { input, flags: mine, rest };
}

function subject(input: readonly string[], formatOf: (event: string) => EventFormat) {
  const [event, field, extra] = input;
  const presets = HIST_PRESETS.map(({ name }) => name).join(', ');
  if (event === undefined)
    throw new UsageError(`hist takes an event and a field, or one of ${presets}; write hist sys:name field`);
  if (extra !== undefined)
    throw new UsageError(`unexpected argument ${quote(extra)}; hist takes one event and one field`);
  const ready = HIST_PRESETS.find(({ name }) => name === event);
  if (ready !== undefined && field === undefined) {
    let format: EventFormat | undefined;
    const lazy = () => {
      format ??= formatOf(ready.event);
      return format;
    };
    return { ...ready, format: lazy };
  }
  if (!event.includes(':')) {
    const near = suggestion(
      event,
      HIST_PRESETS.map(({ name }) => name),
    );
    throw new UsageError(
      `${quote(event)} is no event and none of ${presets}${near}${near === '' ? '; write an event as sys:name' : ''}`,
    );
  }
  const format = formatOf(event);
  const numbers = format.fields.filter(({ kind }) => kind === 'number').map(({ name }) => name);
  if (field === undefined)
    throw new UsageError(`hist ${event} needs a field; it has ${numbers.join(', ') || 'no number'}`);
  const found = format.fields.find(({ name }) => name === field);
  if (found === undefined || found.kind !== 'number') {
    const why =
      found === undefined ? `${event} has no field ${quote(field)}` : `${field} of ${event} is no number`;
    const near = suggestion(field, numbers);
    throw new UsageError(
      `${why}${near === '' || found !== undefined ? `; it has ${numbers.join(', ') || 'no number'}` : near}`,
    );
  }
  return { event, field, signed: found.signed, size: found.size, format: () => format };
}

function boundsOf(text: string, signed: boolean): readonly number[] {
  const words = text.trim().split(/[\s,]+/);
  if (words.length > MOST_BOUNDS)
    throw new UsageError(`-b/--bounds: ${words.length} bounds are too many; give up to ${MOST_BOUNDS}`);
  const bounds = words.map((word) =>
    wholeNumber('-b/--bounds', word, signed ? Number.MIN_SAFE_INTEGER : 0, Number.MAX_SAFE_INTEGER),
  );
  const wrong = bounds.findIndex((bound, index) => index > 0 && bound <= (bounds[index - 1] as number));
  if (wrong > 0)
    throw new UsageError(
      `-b/--bounds: ${bounds[wrong]} stands behind ${bounds[wrong - 1]}; write them in ascending order`,
    );
  return bounds;
}

/** A filter of events, as a UsageError where it is wrong or asks for rows. */
export function filterFor(text: string, format: EventFormat, columns: readonly string[] = []) {
  try {
    return splitFilter(parseFilter(text), format, columns);
  } catch (error) {
    if (error instanceof FilterError) throw new UsageError(`the filter ${quote(text)}: ${error.message}`);
    throw error;
  }
}
