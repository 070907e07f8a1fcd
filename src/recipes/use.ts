/** A recipe → what the monitor of probes is opened with, once every probe that is wanted fits here. */
import type { ProbeChoice } from '../monitors/monitor.ts';
import { chooseProbes } from '../probes/choose.ts';
import type { Kernel } from '../probes/kernel.ts';
import { NoProbe, type ReadyProbe } from '../probes/probe.ts';
import { type Fit, fitProbe, type Here, thisHost } from './fit.ts';
import { placeText, type Recipe, type RecipeProbe } from './recipe.ts';

export interface UseOptions {
  /** Ids; empty = all. */
  readonly only: readonly string[];
  /** Whose view of files programs are in. */
  readonly pid: number | undefined;
  /** On top of those of the recipe. */
  readonly filter: string;
  readonly stack: boolean;
}

/** Those that are wanted, as they fit here. Throws a NoProbe: usage for an id that is not there, host for what does not fit. */
export function fitRecipe(
  recipe: Recipe,
  kernel: Kernel,
  { only, pid }: Pick<UseOptions, 'only' | 'pid'>,
  here: Here = thisHost(),
): Fit[] {
  for (const id of only)
    if (!recipe.probes.some((one) => one.id === id))
      throw new NoProbe(
        'usage',
        `the recipe has no probe ${id}; it has ${recipe.probes.map((one) => one.id).join(', ')}`,
      );
  const wanted = recipe.probes.filter(({ id }) => only.length === 0 || only.includes(id));
  const fits = wanted.map((probe) => fitProbe(recipe, probe, kernel, here, pid));
  // All or nothing: half of a recipe may show the opposite of the whole.
  const wrong = fits.find(({ state }) => state === 'no');
  if (wrong !== undefined) throw new NoProbe('host', wrong.why);
  return fits;
}

/** What is armed, or held until its module is there. */
export function choicesOf(
  fits: readonly Fit[],
  { filter, stack }: Pick<UseOptions, 'filter' | 'stack'>,
): ProbeChoice[] {
  return fits.map(({ probe, ready, state }) => {
    const one = ready ?? held(probe);
    const filters = [probe.filter ?? '', filter].filter((text) => text !== '');
    const [choice] = chooseProbes([one], {
      filter: filters.length > 1 ? filters.map((text) => `(${text})`).join(' && ') : (filters[0] ?? ''),
      stack: stack || (probe.view.mode === 'count' && probe.view.key === 'stack'),
      latency: false,
      count: undefined,
      histogram: undefined,
    });
    return { ...(choice as ProbeChoice), ...(state === 'waiting' ? { held: true } : {}) };
  });
}

/** Shown, and not armed. */
function held(probe: RecipeProbe): ReadyProbe {
  const [first] = probe.places;
  return {
    name: probe.id,
    place: first === undefined ? '' : placeText(first),
    fields: probe.args.map(({ name }) => name),
    source: 'recipe',
    notes: [],
    waits: modulesOf(probe).join(', '),
  };
}

export const modulesOf = ({ places }: RecipeProbe): string[] => [
  ...new Set(places.flatMap(({ module }) => (module === null ? [] : [module]))),
];

/** How the recipe wants to be seen: one histogram and one count, those of its first probes that have them. */
export function viewsOf(fits: readonly Fit[]): { readonly count?: string; readonly histogram?: string } {
  const key = (mode: 'hist' | 'count') => fits.find(({ probe }) => probe.view.mode === mode)?.probe.view.key;
  const [histogram, count] = [key('hist'), key('count')];
  return { ...(count === undefined ? {} : { count }), ...(histogram === undefined ? {} : { histogram }) };
}

/** What can be said of it at a place, in a row of `ktop recipe show`. */
export function allFits(
  recipe: Recipe,
  kernel: Kernel,
  pid: number | undefined,
  here: Here = thisHost(),
): Fit[] {
  return recipe.probes.map((probe) => fitProbe(recipe, probe, kernel, here, pid));
}
