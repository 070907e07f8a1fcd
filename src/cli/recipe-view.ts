/** `ktop recipe use` as what it is: pictures of the monitor of probes, with those of the recipe looked up before. */
import type { Options } from '../monitors/monitor.ts';
import type { Command } from './parse.ts';
import type { RecipeCommand } from './recipe.ts';
import { prepareUse } from './recipe-run.ts';

/** The command that shows it, or the exit code where there is nothing to show. */
export async function viewOfRecipe({
  wanted,
  format,
  look,
}: Extract<RecipeCommand, { kind: 'recipe-use' }>): Promise<
  Extract<Command, { kind: 'stream' | 'dashboard' }> | number
> {
  const ready = await prepareUse(wanted);
  if (typeof ready === 'number') return ready;
  const { monitor, options, later } = ready;
  const { record } = wanted;
  const common = { monitor, input: undefined, record, ...(later === undefined ? {} : { later }) };
  if (format !== 'screen') return { kind: 'stream', format, options, count: wanted.times, ...common };
  const others: Options = { interval_ms: wanted.interval_ms };
  return {
    kind: 'dashboard',
    options: (name) => (name === monitor.name ? options : others),
    look,
    ...common,
  };
}
