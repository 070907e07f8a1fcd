/** Probes that are watched here → a recipe: by names where they were typed by names, else as they stand, for this build. */
import type { ProbeChoice, ProbeChoices } from '../monitors/monitor.ts';
import { withElf } from '../probes/elf.ts';
import type { Kernel } from '../probes/kernel.ts';
import { NoProbe } from '../probes/probe.ts';
import { moduleBuildId, programBuildId, runningFingerprint, runningKernel } from './build-ids.ts';
import { isFetch, isIdentifier, isPath, isSymbol, isType, isTypesQuery } from './check.ts';
import { type Definition, parseDefinition } from './definitions.ts';
import { displayOf } from './display.ts';
import {
  FORMAT,
  type Recipe,
  type RecipeKind,
  type RecipePlace,
  type RecipeProbe,
  VERSION_OF_FORMAT,
} from './recipe.ts';

export interface Exported {
  readonly recipe: Recipe;
  /** What is not in it: one clause each. */
  readonly left: readonly string[];
}

/** Throws a NoProbe where nothing of it can be in a recipe. */
export function recipeOfProbes(
  choices: ProbeChoices,
  kernel: Kernel,
  made_by: string,
  /** What a probe was in the recipe that it came from. */
  known: (name: string) => RecipeProbe | undefined = () => undefined,
): Exported {
  const left: string[] = [];
  const probes: RecipeProbe[] = [];
  const running = runningKernel();
  const modules: Record<string, { build_id: string }> = {};
  const binaries: Record<string, { build_id: string; size: number }> = {};
  for (const choice of choices.list) {
    try {
      const probe = asKnown(probeOf(choice, choices, kernel), known(choice.name));
      for (const { module, binary } of probe.places) {
        if (binary !== null) binaries[binary] = programBuildId(binary);
        if (module === null || probe.mode === 'btf') continue;
        const build_id = moduleBuildId(module);
        if (build_id === '') throw new NoProbe('host', `module ${module} is not loaded, or has no build-id`);
        modules[module] = { build_id };
      }
      if (probe.kind.startsWith('k') && running.build_id === '')
        throw new NoProbe('host', 'the build-id of this kernel cannot be read');
      probes.push(probe);
    } catch (error) {
      if (!(error instanceof NoProbe)) throw error;
      left.push(`${choice.name}: ${error.message}`);
    }
  }
  if (probes.length === 0)
    throw new NoProbe(
      'host',
      left.length === 0
        ? 'no probe is watched here; a adds one'
        : `nothing can be exported: ${left.join('; ')}`,
    );
  const { arch, build_id, release, version_string } = running;
  const ofKernel = probes.some(({ kind }) => kind.startsWith('k'));
  const recipe: Recipe = {
    format: FORMAT,
    version: VERSION_OF_FORMAT,
    arch,
    made_by,
    made_at: new Date().toISOString(),
    kernel: ofKernel ? { release, version_string, build_id, fingerprint: runningFingerprint() } : null,
    modules,
    binaries,
    probes,
  };
  return { recipe, left };
}

/** Where it stands where it stood, what debug information said of it is still true. */
function asKnown(probe: RecipeProbe, known: RecipeProbe | undefined): RecipeProbe {
  const where = (one: RecipeProbe) =>
    JSON.stringify([
      one.kind,
      one.mode,
      one.places.map(({ module, binary, symbol, offset, file_offset, fetch }) => [
        module,
        binary,
        symbol,
        offset,
        file_offset,
        fetch,
      ]),
      one.args.map(({ name, fetch }) => [name, fetch]),
    ]);
  if (known === undefined || where(known) !== where(probe)) return probe;
  return { ...known, id: probe.id, filter: probe.filter, view: probe.view };
}

function probeOf(choice: ProbeChoice, { count, histogram }: ProbeChoices, kernel: Kernel): RecipeProbe {
  const { name, probe, query = '', filter, fields } = choice;
  if (!isIdentifier(name)) throw new NoProbe('host', 'its name is none that a recipe takes');
  if (probe === undefined) throw new NoProbe('host', 'it is an event, which needs no recipe');
  const byName = isTypesQuery(query);
  if (!byName && !/^[ku](?:ret)?probe$/.test(probe.kind))
    throw new NoProbe('host', `${probe.kind}s cannot be in a recipe, but by names of arguments`);
  const definitions = [probe.definition, ...(probe.also ?? [])].map((each) => {
    try {
      return parseDefinition(`p:x/x ${each}`);
    } catch (error) {
      throw new NoProbe('host', (error as Error).message);
    }
  });
  const [first] = definitions as [Definition];
  const returns = first.returns || probe.kind.includes('ret');
  const kind: RecipeKind = byName ? `k${returns ? 'ret' : ''}probe` : (probe.kind as RecipeKind);
  const args = first.args.map(({ name: arg, fetch, type }) => {
    if (!byName && !(isFetch(fetch) && isType(type)))
      throw new NoProbe('host', `${arg}=${fetch}:${type} is nothing that a recipe takes`);
    return { name: arg, ctype: '', fetch, type, display: choice.display?.[arg] ?? displayOf(arg, '', type) };
  });
  const has = (key: string | undefined): key is string => key !== undefined && fields.includes(key);
  return {
    id: name,
    kind,
    query: byName ? query : `${probe.definition}`,
    mode: byName ? 'btf' : 'dwarf',
    places: definitions.map((one) => placeOf(one, first, kernel)),
    args,
    filter: filter ?? null,
    maxactive: probe.slots ?? null,
    view: has(histogram)
      ? { mode: 'hist', key: histogram }
      : has(count)
        ? { mode: 'count', key: count }
        : { mode: 'list', key: '' },
    note: '',
    tested: null,
  };
}

function placeOf(one: Definition, first: Definition, kernel: Kernel): RecipePlace {
  const fetch = one.args.map((arg) => arg.fetch);
  const common = {
    inlined_function: null,
    file: null,
    line: null,
    fetch: fetch.some((text, index) => text !== first.args[index]?.fetch) ? fetch : null,
  };
  if (one.path !== '') {
    if (!isPath(one.path) || one.path.startsWith('/proc/'))
      throw new NoProbe('host', `${one.path} is no path that means the same elsewhere`);
    const around = withElf(one.path, (elf) => elf.functions(/./)).find(
      ({ offset, size }) => one.offset >= offset && one.offset < offset + Math.max(1, size),
    );
    const named = around !== undefined && isSymbol(around.name);
    return {
      ...common,
      module: null,
      binary: one.path,
      symbol: named ? around.name : '',
      offset: named ? one.offset - around.offset : 0,
      symbol_size: named ? around.size : 0,
      file_offset: one.offset,
      semaphore: one.semaphore > 0 ? one.semaphore : null,
    };
  }
  if (!isSymbol(one.symbol)) throw new NoProbe('host', `${one.symbol} is no function by name`);
  const [found] = kernel.symbols.functions(one.symbol, one.module.replace(/-/g, '_'));
  const module = one.module === '' ? (found?.module ?? '') : one.module;
  return {
    ...common,
    module: module === '' ? null : module,
    binary: null,
    symbol: one.symbol,
    offset: one.offset,
    symbol_size: found?.size ?? 0,
    file_offset: null,
    semaphore: null,
  };
}
