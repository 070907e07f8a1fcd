/** The options that say how the dashboard is drawn, as one. */
import type { Look } from '../ui/terminal/capabilities.ts';
import type { Given } from './option-table.ts';
import { OPTIONS, type OptionRow } from './option-table.ts';

const NAMES = ['colour', 'ascii', 'theme', 'mouse'];
export const LOOK_ROWS: readonly OptionRow[] = OPTIONS.filter(({ name }) => NAMES.includes(name));

/** What was given, and for the rest what is usual. */
export function lookOf({
  colour = 'auto',
  ascii = false,
  theme = 'default',
  mouse = false,
}: Partial<Given>): Look {
  return { colour, ascii, theme, mouse };
}

/** The same from flags. Throws a UsageError. */
export function lookOfFlags(flags: ReadonlyMap<string, readonly string[]>): Look {
  // They ask nothing of a host.
  const nothing = { monitor: undefined as never, online: undefined };
  const parts = LOOK_ROWS.flatMap((row) => {
    const texts = flags.get(row.name);
    return texts === undefined
      ? []
      : [row.read(row.value === undefined ? [] : texts, `--${row.name}`, nothing)];
  });
  return lookOf(Object.assign({}, ...parts) as Given);
}
