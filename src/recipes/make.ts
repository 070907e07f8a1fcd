/** `ktop recipe make`: queries → a recipe, on the machine that has what the target has not. */
import { NoProbe } from '../probes/probe.ts';
import { programBuildId, runningKernel } from './build-ids.ts';
import { DwarfMaker } from './dwarf.ts';
import { parseQuery, type Query } from './query.ts';
import {
  FORMAT,
  type KernelId,
  MOST,
  type Recipe,
  type RecipeProbe,
  type RecipeView,
  VERSION_OF_FORMAT,
} from './recipe.ts';
import type { Found } from './subject.ts';
import { type Sources, Subjects } from './subjects.ts';
import { makeFromTypes, queryText } from './types-only.ts';

export interface MakeWanted extends Sources {
  readonly queries: readonly string[];
  readonly filter: string;
  readonly histogram: string | undefined;
  readonly count: string | undefined;
  readonly note: string;
}

export interface MakeContext {
  readonly made_by: string;
  /** Asks whoever sits there; undefined: nobody does. */
  readonly agree: (question: string) => Promise<boolean | undefined>;
  /** What must be known besides. */
  readonly say: (note: string) => void;
  readonly signal?: AbortSignal;
}

/** Throws a NoProbe. */
export async function makeRecipe(wanted: MakeWanted, context: MakeContext): Promise<Recipe> {
  if (wanted.queries.length > MOST.probes)
    throw new NoProbe(
      'usage',
      `${wanted.queries.length} queries are more than a recipe takes; give ${MOST.probes} at most`,
    );
  const subjects = new Subjects(wanted);
  const maker = new DwarfMaker(context.agree, context.signal);
  const probes: RecipeProbe[] = [];
  let arch = '';
  let kernel: KernelId | null = null;
  const modules: Record<string, { build_id: string }> = {};
  const binaries: Record<string, { build_id: string; size: number }> = {};
  for (const text of wanted.queries) {
    const query = parseQuery(text);
    const subject = await subjects.of(query, maker);
    const found =
      subject === undefined
        ? makeFromTypes(query, subjects.kernel, subjects.remedy)
        : await maker.make(query, subject);
    const other = subject === undefined ? '' : subjects.sourceNote(subject);
    if (other !== '' && probes.length === 0) context.say(other);
    for (const note of found.notes) context.say(note);
    const image = subject?.image;
    if (subject !== undefined && image === undefined) {
      binaries[subject.path] = programBuildId(subject.path);
    } else {
      const own = image === undefined ? subjects.running : subjects.kernelOf(image);
      if (kernel !== null && own.build_id !== kernel.build_id)
        throw new NoProbe('usage', 'the queries are about two kernels; make a recipe for each');
      kernel = own;
      for (const { module } of found.places)
        if (module !== null && image !== undefined) modules[module] = { build_id: image.build_id };
    }
    const here = image?.arch ?? runningKernel().arch;
    if (arch !== '' && arch !== here)
      throw new NoProbe('usage', 'the queries are about two kinds of machine; make a recipe for each');
    arch = here;
    probes.push(probeOf(query, found, subject === undefined ? 'btf' : 'dwarf', wanted, probes));
  }
  settleViews(probes, wanted);
  return {
    format: FORMAT,
    version: VERSION_OF_FORMAT,
    arch,
    made_by: context.made_by,
    made_at: new Date().toISOString(),
    kernel,
    modules,
    binaries,
    probes,
  };
}

function probeOf(
  query: Query,
  { event, kind, places, args, maxactive }: Found,
  mode: 'dwarf' | 'btf',
  wanted: MakeWanted,
  others: readonly RecipeProbe[],
): RecipeProbe {
  let id = event.slice(0, 56);
  for (let n = 2; others.some((one) => one.id === id); n += 1) id = `${event.slice(0, 56)}_${n}`;
  const filter = query.filter === '' ? wanted.filter : query.filter;
  const has = (name: string | undefined) => name !== undefined && args.some((one) => one.name === name);
  const view: RecipeView = has(wanted.histogram)
    ? { mode: 'hist', key: wanted.histogram as string }
    : has(wanted.count) || ofTask(wanted.count)
      ? { mode: 'count', key: wanted.count as string }
      : { mode: 'list', key: '' };
  return {
    id,
    kind,
    query: mode === 'btf' ? queryText(query) : query.text,
    mode,
    places,
    args,
    filter: filter === '' ? null : filter,
    maxactive,
    view,
    note: wanted.note,
    tested: null,
  };
}

const OF_TASK = ['comm', 'pid', 'tid', 'cpu', 'stack'];
const ofTask = (name: string | undefined): boolean => name !== undefined && OF_TASK.includes(name);

function settleViews(probes: readonly RecipeProbe[], { histogram, count }: MakeWanted): void {
  for (const name of [histogram, ofTask(count) ? undefined : count]) {
    if (name === undefined || probes.some(({ args }) => args.some((one) => one.name === name))) continue;
    const known = [...new Set(probes.flatMap(({ args }) => args.map((one) => one.name)))];
    throw new NoProbe(
      'usage',
      `no probe here has an argument ${name}; ${known.length === 0 ? 'they have none: name some in the query' : `they have ${known.join(', ')}`}`,
    );
  }
}
