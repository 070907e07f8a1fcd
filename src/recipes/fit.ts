/**
 * Whether a recipe may be used here, and what comes of it. A kernel takes a probe of another build without a word where an
 * instruction happens to begin: only the build-id tells, and there is no way around it.
 */
import { existsSync } from 'node:fs';
import { withElf } from '../probes/elf.ts';
import type { Kernel } from '../probes/kernel.ts';
import { NoProbe, type ReadyProbe } from '../probes/probe.ts';
import {
  isLoaded,
  moduleBuildId,
  programBuildId,
  type RunningKernel,
  runningFingerprint,
  runningKernel,
} from './build-ids.ts';
import {
  type Fingerprint,
  fetchText,
  placeText,
  type Recipe,
  type RecipePlace,
  type RecipeProbe,
} from './recipe.ts';
import { resolveQuery } from './types-only.ts';

export interface Fit {
  readonly probe: RecipeProbe;
  /** `yes`; `waiting`: its module is not loaded, so that its build is not known yet; `no`. */
  readonly state: 'yes' | 'waiting' | 'no';
  /** Why not, or what is waited for: a sentence. */
  readonly why: string;
  /** With `yes`. */
  readonly ready?: ReadyProbe;
  /** What must be known besides: that the kernel was known by less than its build-id. */
  readonly notes: readonly string[];
}

/** What is compared: of this host, unless told otherwise. */
export interface Here {
  readonly running: RunningKernel;
  readonly fingerprint: () => Fingerprint | null;
  readonly moduleId: (module: string) => string;
  readonly isLoaded: (module: string) => boolean;
}

export const thisHost = (): Here => ({
  running: runningKernel(),
  fingerprint: runningFingerprint,
  moduleId: moduleBuildId,
  isLoaded,
});

/** `pid`: whose view of files programs are looked up in. */
export function fitProbe(recipe: Recipe, probe: RecipeProbe, kernel: Kernel, here: Here, pid?: number): Fit {
  const no = (why: string): Fit => ({ probe, state: 'no', why, notes: [] });
  if (recipe.arch !== here.running.arch)
    return no(`recipe is for ${recipe.arch}, this is ${here.running.arch}; make it on such a machine`);
  try {
    if (probe.mode === 'btf')
      return { probe, state: 'yes', why: '', ready: resolvedAnew(probe, kernel), notes: [] };
    const [first] = probe.places;
    if (first?.binary !== null && first !== undefined) return programFit(recipe, probe, pid);
    const { why, notes } = kernelFit(recipe, here);
    if (why !== '') return no(why);
    const waits = new Set<string>();
    for (const module of new Set(probe.places.flatMap((one) => (one.module === null ? [] : [one.module])))) {
      if (!here.isLoaded(module)) {
        waits.add(module);
        continue;
      }
      const wanted = recipe.modules[module]?.build_id ?? '';
      const found = here.moduleId(module);
      if (found !== wanted)
        return no(
          `recipe is for module ${module} build ${short(wanted)}, the one that is loaded is build ${found === '' ? 'unknown' : short(found)}; register and offset data would be wrong: re-make it with ktop recipe make on a matching reference machine`,
        );
    }
    if (waits.size > 0) {
      const names = [...waits].join(', ');
      return {
        probe,
        state: 'waiting',
        why: `module ${names} is not loaded; its build is checked when it is, and the probe armed then`,
        notes,
      };
    }
    for (const place of probe.places) checkPlace(place, kernel);
    return {
      probe,
      state: 'yes',
      why: '',
      ready: readyOf(probe, (place) => kernelPlace(place, probe)),
      notes,
    };
  } catch (error) {
    if (!(error instanceof NoProbe)) throw error;
    return no(error.message);
  }
}

function kernelFit(recipe: Recipe, { running, fingerprint }: Here): { why: string; notes: string[] } {
  const wanted = recipe.kernel;
  if (wanted === null) return { why: 'recipe does not tell its kernel; make it anew', notes: [] };
  if (running.build_id !== '') {
    if (running.build_id === wanted.build_id) return { why: '', notes: [] };
    return { why: mismatch(wanted.release, wanted.build_id, running), notes: [] };
  }
  const own = wanted.fingerprint === null ? null : fingerprint();
  if (own === null)
    return {
      why: `recipe is for ${wanted.release} build ${short(wanted.build_id)}, and neither the build-id of this kernel nor its symbols can be read (/sys/kernel/notes, /proc/kallsyms); run ktop as root`,
      notes: [],
    };
  if (own.version !== wanted.fingerprint?.version || own.symbols !== wanted.fingerprint.symbols)
    return { why: mismatch(wanted.release, wanted.build_id, running), notes: [] };
  return {
    why: '',
    notes: [
      'weak match: the build-id of this kernel cannot be read; its version and the layout of its functions are those of the recipe',
    ],
  };
}

function mismatch(release: string, build_id: string, running: RunningKernel): string {
  const own = running.build_id === '' ? 'unknown' : short(running.build_id);
  return `recipe is for ${release} build ${short(build_id)}, this is ${running.release} build ${own}; register and offset data would be wrong: re-make it with ktop recipe make on a matching reference machine`;
}

const short = (id: string): string => id.slice(0, 8);

/** The build is right; still, symbols come from another file than the one the recipe was made of. */
function checkPlace({ module, symbol, offset }: RecipePlace, kernel: Kernel): void {
  const found = kernel.symbols.functions(symbol, (module ?? '').replace(/-/g, '_'));
  const own = module === null ? found.filter((one) => one.module === '') : found;
  const [only] = own;
  if (only === undefined)
    throw new NoProbe(
      'host',
      `this kernel has no function ${symbol}; re-make the recipe on a matching reference machine`,
    );
  if (own.length > 1 || (module === null && found.length > 1))
    throw new NoProbe(
      'host',
      `${found.length} functions here are called ${symbol}: the name alone is ambiguous; unload the module that has one of its own`,
    );
  if (only.size > 0 && offset >= only.size)
    throw new NoProbe(
      'host',
      `${symbol}+${offset} is past the end of ${symbol}, which has ${only.size} bytes here; re-make the recipe`,
    );
  if (kernel.isForbidden(symbol))
    throw new NoProbe(
      'host',
      `${symbol} is on this kernel's blacklist of kprobes: probing it could hang the machine; probe its caller`,
    );
}

function kernelPlace({ module, symbol, offset }: RecipePlace, { kind }: RecipeProbe): string {
  return `${module === null ? '' : `${module}:`}${symbol}${kind === 'kretprobe' ? '' : `+${offset}`}`;
}

function programFit(recipe: Recipe, probe: RecipeProbe, pid: number | undefined): Fit {
  const root = pid === undefined ? '' : `/proc/${pid}/root`;
  for (const binary of new Set(probe.places.map((one) => one.binary ?? ''))) {
    const path = `${root}${binary}`;
    const wanted = recipe.binaries[binary];
    if (!existsSync(path))
      throw new NoProbe(
        'host',
        `${path} is not there, and recipe is for its build ${short(wanted?.build_id ?? '')}; install it, or give the process whose view it is in with -p`,
      );
    const found = programBuildId(path);
    if (found.build_id !== wanted?.build_id)
      throw new NoProbe(
        'host',
        `recipe is for ${binary} build ${short(wanted?.build_id ?? '')}, this is build ${short(found.build_id)}; register and offset data would be wrong: re-make it with ktop recipe make on a matching reference machine`,
      );
    for (const place of probe.places) if (place.binary === binary) checkInFile(place, path);
  }
  const ready = readyOf(probe, ({ binary, file_offset, semaphore }) => {
    const counter = semaphore === null ? '' : `(0x${semaphore.toString(16)})`;
    return `${root}${binary}:0x${(file_offset ?? 0).toString(16)}${counter}`;
  });
  return { probe, state: 'yes', why: '', ready, notes: [] };
}

/** A place that is no code would be written over. */
function checkInFile({ file_offset, symbol }: RecipePlace, path: string): void {
  if (!withElf(path, (elf) => elf.isCode(file_offset ?? -1)))
    throw new NoProbe(
      'host',
      `0x${(file_offset ?? 0).toString(16)} of ${path} (${symbol}) is no code; re-make the recipe`,
    );
}

function readyOf(probe: RecipeProbe, where: (place: RecipePlace) => string): ReadyProbe {
  const definitions = probe.places.map((place) =>
    [where(place), fetchText(probe, place)].filter((part) => part !== '').join(' '),
  );
  const [definition = '', ...also] = definitions;
  const [first, ...others] = probe.places;
  const display = Object.fromEntries(
    probe.args.flatMap((one) =>
      one.display === 'ip' || one.display === 'port' ? [[one.name, one.display]] : [],
    ),
  );
  return {
    name: probe.id,
    probe: {
      kind: probe.kind,
      definition,
      ...(also.length === 0 ? {} : { also }),
      ...(probe.maxactive === null ? {} : { slots: probe.maxactive }),
    },
    place: `${first === undefined ? '' : placeText(first)}${probe.kind.includes('ret') ? '%return' : ''}${others.length === 0 ? '' : ` +${others.length} more`}`,
    fields: probe.args.map(({ name }) => name),
    source: 'recipe',
    notes: [],
    ...(Object.keys(display).length === 0 ? {} : { display }),
    expects: probe.args.map(({ name, type }) => ({ name, type })),
  };
}

/** By its query, from the types of this kernel. */
function resolvedAnew(probe: RecipeProbe, kernel: Kernel): ReadyProbe {
  const found = resolveQuery(probe.query, kernel);
  const display = Object.fromEntries(
    probe.args.flatMap((one) =>
      one.display === 'ip' || one.display === 'port' ? [[one.name, one.display]] : [],
    ),
  );
  const decimal = new Set(
    probe.args.filter(({ display: shown }) => shown === 'dec' || shown === 'bytes').map(({ name }) => name),
  );
  const definition = (found.probe?.definition ?? '')
    .split(' ')
    .map((word) => (decimal.has(/^(\w+)=/.exec(word)?.[1] ?? '') ? word.replace(/:x(\d+)$/, ':u$1') : word))
    .join(' ');
  return {
    ...found,
    name: probe.id,
    source: 'recipe',
    ...(found.probe === undefined ? {} : { probe: { ...found.probe, definition } }),
    ...(Object.keys(display).length === 0 ? {} : { display }),
  };
}
