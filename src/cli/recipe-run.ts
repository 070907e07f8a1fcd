/** `ktop recipe …`: what its commands do, but for drawing. */
import type { Monitor, Options, ProbeChoice, ProbeChoices } from '../monitors/monitor.ts';
import { align } from '../output/align.ts';
import type { Later } from '../output/stream.ts';
import { agreed, complain } from '../output/writer.ts';
import { sanitise } from '../panels/sanitise.ts';
import { tooMuch } from '../probes/choose.ts';
import { Kernel } from '../probes/kernel.ts';
import { NoProbe } from '../probes/probe.ts';
import { testProbe, tryProbe } from '../probes/tracefs.ts';
import { isLoaded, runningKernel } from '../recipes/build-ids.ts';
import type { Fit } from '../recipes/fit.ts';
import { makeRecipe } from '../recipes/make.ts';
import { readRecipe } from '../recipes/read.ts';
import { BadRecipe, placeText, type Recipe } from '../recipes/recipe.ts';
import { allFits, choicesOf, fitRecipe, modulesOf, viewsOf } from '../recipes/use.ts';
import { refuseThere, writeRecipe } from '../recipes/write.ts';
import { borne, needsTracefs, onlyPanels, orSay, TRIAL_MS } from './probe-run.ts';
import type { RecipeCommand, UseWanted } from './recipe.ts';
import { VERSION } from './version.ts';

export const MADE_BY = `ktop ${VERSION}`;

export interface RecipeRun {
  readonly print: (text: string) => Promise<number>;
  readonly untilSignalled: () => AbortSignal;
}

/** A file that is no recipe is a failure, not something that this host cannot do. */
export async function orRefuse(use: () => Promise<number> | number): Promise<number> {
  return orSay(async () => {
    try {
      return await use();
    } catch (error) {
      if (!(error instanceof BadRecipe)) throw error;
      complain(sanitise(error.message));
      return 1;
    }
  });
}

/** Everything but `use`, which is pictures of the monitor. */
export function runRecipe(command: RecipeCommand, run: RecipeRun): Promise<number> {
  return orRefuse(async () => {
    switch (command.kind) {
      case 'recipe-make':
        return make(command, run);
      case 'recipe-show':
        return show(command, run);
      case 'recipe-db-make':
        return (await import('./recipe-db.ts')).store(command, run);
      case 'recipe-db':
        return run.print((await import('./recipe-db.ts')).storedText(command));
      default:
        return 0;
    }
  });
}

async function make(
  command: Extract<RecipeCommand, { kind: 'recipe-make' }>,
  { print, untilSignalled }: RecipeRun,
): Promise<number> {
  const { files, output, test_ms, yes, json } = command;
  refuseThere(output);
  const made = await makeRecipe(
    { ...command, ...files },
    {
      made_by: MADE_BY,
      agree: (question) => (yes ? Promise.resolve(true) : agreed(question)),
      say: (note) => complain(sanitise(note)),
      signal: untilSignalled(),
    },
  );
  const recipe = test_ms === 0 ? made : await tested(made, test_ms);
  writeRecipe(output, recipe);
  if (test_ms === 0 && testable(recipe))
    complain('this is the kernel the recipe is for: --test 5s would arm it here and count its hits');
  if (json) return print(`${JSON.stringify({ ktop: 1, file: output, recipe })}\n`);
  return print(`${output}: ${aboutRecipe(recipe)}\n${probeTable(recipe).join('\n')}\n`);
}

function testable({ kernel, probes }: Recipe): boolean {
  return (
    kernel !== null &&
    probes.some(({ kind }) => kind.startsWith('k')) &&
    kernel.build_id === runningKernel().build_id &&
    new Kernel().has('kprobe_events')
  );
}

/** Armed here for a while, each by itself: what the reference machine is for. */
async function tested(recipe: Recipe, ms: number): Promise<Recipe> {
  const kernel = new Kernel();
  needsTracefs(kernel);
  const fits = fitRecipe(recipe, kernel, { only: [], pid: undefined });
  const choices = choicesOf(fits, { filter: '', stack: false });
  const probes = [];
  for (const [index, { probe, ready, why }] of fits.entries()) {
    if (ready === undefined) throw new NoProbe('host', `${probe.id} cannot be tested: ${why}`);
    complain(`testing ${probe.id} for ${ms / 1000} s`);
    const hits = await testProbe(kernel.tracefs, ready, choices[index]?.filter ?? '', ms);
    if (Number.isNaN(hits))
      throw new NoProbe('host', `hits of ${probe.id} are not counted on this kernel; leave --test out`);
    if (hits === 0) complain(`${probe.id} was not hit: nothing has come by, or it is the wrong place`);
    probes.push({ ...probe, tested: { hits, seconds: ms / 1000, when: new Date().toISOString() } });
  }
  return { ...recipe, probes };
}

export const short = (id: string): string => id.slice(0, 8);

function aboutRecipe({ kernel, arch, modules, binaries, probes }: Recipe): string {
  const parts = [
    ...(kernel === null ? [] : [`kernel ${kernel.release} build ${short(kernel.build_id)}`]),
    ...Object.entries(modules).map(([name, { build_id }]) => `module ${name} build ${short(build_id)}`),
    ...Object.entries(binaries).map(([path, { build_id }]) => `${path} build ${short(build_id)}`),
  ];
  const count = `${probes.length} probe${probes.length === 1 ? '' : 's'}`;
  return sanitise(`${count} for ${arch}, ${parts.join(', ')}`);
}

function probeTable(recipe: Recipe, fits?: readonly Fit[]): string[] {
  const rows = recipe.probes.flatMap((probe, index) => {
    const { id, kind, mode, places, args, view, tested } = probe;
    const fit = fits?.[index];
    return places.map((place, at) => {
      const first = at === 0;
      const source = place.file === null ? '' : `${place.file}:${place.line}`;
      return [
        first ? id : '',
        first ? kind : '',
        first ? mode : '',
        placeText(place),
        source,
        first ? args.map(({ name }) => name).join(' ') : '',
        first ? (view.mode === 'list' ? 'list' : `${view.mode} ${view.key}`) : '',
        first && tested !== null ? `${tested.hits} in ${tested.seconds} s` : '',
        ...(fit === undefined ? [] : [first ? fit.state : '']),
      ].map((text) => sanitise(text));
    });
  });
  const head = [
    'ID',
    'KIND',
    'MODE',
    'PLACE',
    'SOURCE',
    'ARGS',
    'VIEW',
    'TESTED',
    ...(fits === undefined ? [] : ['FITS']),
  ];
  return align(
    [head, ...rows],
    head.map(() => false),
  );
}

function show(
  { file, json, pids }: Extract<RecipeCommand, { kind: 'recipe-show' }>,
  { print }: RecipeRun,
): Promise<number> {
  const recipe = readRecipe(file);
  const kernel = new Kernel();
  const fits = allFits(recipe, kernel, pids[0]);
  const { release, build_id, arch } = runningKernel();
  const here = { release, build_id, arch };
  if (json)
    return print(
      `${JSON.stringify({
        ktop: 1,
        file,
        recipe,
        here,
        fits: fits.map(({ probe, state, why, notes, ready }) => ({
          id: probe.id,
          state,
          why,
          notes,
          definitions:
            ready?.probe === undefined ? [] : [ready.probe.definition, ...(ready.probe.also ?? [])],
        })),
      })}\n`,
    );
  const details = recipe.probes.flatMap(({ id, query, args, filter, note }) => [
    '',
    `${id}: ${query}`,
    ...args.map(
      ({ name, ctype, fetch, type, display }) =>
        `  ${name}: ${ctype === '' ? type : ctype}, ${fetch}, ${display}`,
    ),
    ...(filter === null ? [] : [`  if ${filter}`]),
    ...(note === '' ? [] : [`  ${note}`]),
  ]);
  const lacking =
    fits.some(({ ready }) => ready?.probe?.kind.startsWith('k')) && !kernel.has('kprobe_events');
  const why = [...new Set(fits.flatMap((fit) => (fit.why === '' ? fit.notes : [fit.why, ...fit.notes])))];
  const verdict = fits.some(({ state }) => state === 'no') ? 'It does not fit here.' : 'It fits here.';
  return print(
    [
      `${aboutRecipe(recipe)}`,
      `made ${recipe.made_at} by ${recipe.made_by}`,
      `here: ${release}${build_id === '' ? '' : ` build ${short(build_id)}`}, ${arch}`,
      '',
      ...probeTable(recipe, fits),
      ...details,
      '',
      verdict,
      ...(lacking
        ? [
            'It cannot be armed here: no kprobes (tracefs is not readable, or the kernel has no CONFIG_KPROBE_EVENTS).',
          ]
        : []),
      ...why,
      '',
    ]
      .map((line) => sanitise(line))
      .join('\n'),
  );
}

/** The monitor with the panels that have something to say, and the options it is opened with; or an exit code. */
export interface UseReady {
  readonly monitor: Monitor;
  readonly options: Options;
  /** Once a module that was waited for is there. */
  readonly later?: Later;
}

export async function prepareUse(wanted: UseWanted): Promise<UseReady | number> {
  let ready: UseReady | undefined;
  const code = await orRefuse(async () => {
    const recipe = readRecipe(wanted.file);
    const kernel = new Kernel();
    const settings = { only: wanted.only, pid: wanted.pids[0], filter: wanted.filter, stack: wanted.stack };
    const fits = fitRecipe(recipe, kernel, settings);
    needsTracefs(kernel);
    const list = choicesOf(fits, settings);
    for (const note of new Set(fits.flatMap(({ notes, ready: one }) => [...notes, ...(one?.notes ?? [])])))
      complain(sanitise(note));
    for (const [index, fit] of fits.entries()) {
      if (fit.state === 'waiting') complain(sanitise(`${fit.probe.id} is waiting: ${fit.why}`));
      if (fit.ready === undefined || !(await tried(kernel, fit, list[index] as ProbeChoice, wanted.yes))) {
        if (fit.ready !== undefined) return 3;
      }
    }
    const views =
      wanted.count !== undefined || wanted.histogram !== undefined || wanted.view === 'list'
        ? {}
        : viewsOf(fits);
    const count = wanted.count ?? views.count;
    const histogram = wanted.histogram ?? views.histogram;
    refuseUnknown(list, count, histogram);
    const choices: ProbeChoices = {
      list: count === 'stack' ? list.map((one) => ({ ...one, stack: true })) : list,
      only: true,
      ...(count === undefined ? {} : { count }),
      ...(histogram === undefined ? {} : { histogram }),
    };
    const options: Options = {
      interval_ms: wanted.interval_ms,
      probes: choices,
      ...(wanted.pids.length === 0 ? {} : { pids: wanted.pids }),
    };
    const shown = onlyPanels({ count, histogram, latency: false, than_ms: undefined });
    const later = laterOf(recipe, fits, settings, options);
    ready = { monitor: shown, options, ...(later === undefined ? {} : { later }) };
    return 0;
  });
  return ready ?? code;
}

async function tried(
  kernel: Kernel,
  { ready }: Fit,
  { filter = '' }: ProbeChoice,
  yes: boolean,
): Promise<boolean> {
  if (ready === undefined) return true;
  const per_s = await tryProbe(kernel.tracefs, ready, filter, yes ? 0 : TRIAL_MS);
  return yes || !tooMuch(ready.probe?.kind ?? 'kprobe', per_s) || (await borne(ready, per_s));
}

function refuseUnknown(
  list: readonly ProbeChoice[],
  count: string | undefined,
  histogram: string | undefined,
): void {
  const known = [...new Set(list.flatMap(({ fields }) => fields))];
  const ofTask = ['comm', 'pid', 'tid', 'cpu', 'stack'];
  for (const name of [histogram, ofTask.includes(count ?? '') ? undefined : count])
    if (name !== undefined && !known.includes(name))
      throw new NoProbe(
        'usage',
        `no probe of the recipe has an argument ${name}; ${known.length === 0 ? 'they have none' : `they have ${known.join(', ')}`}`,
      );
}

/** Undefined: nothing is waited for. */
function laterOf(
  recipe: Recipe,
  fits: readonly Fit[],
  settings: { only: readonly string[]; pid: number | undefined; filter: string; stack: boolean },
  options: Options,
): UseReady['later'] {
  let waiting = fits.filter(({ state }) => state === 'waiting').flatMap(({ probe }) => modulesOf(probe));
  if (waiting.length === 0) return undefined;
  return () => {
    if (!waiting.some(isLoaded)) return undefined;
    try {
      // A kernel's symbols are read once: those of the module are new.
      const now = fitRecipe(recipe, new Kernel(), settings);
      waiting = now.filter(({ state }) => state === 'waiting').flatMap(({ probe }) => modulesOf(probe));
      const list = choicesOf(now, settings);
      const text = 'a module that was waited for is loaded, and of the right build: its probes are armed';
      return { text, code: 0, options: { ...options, probes: { ...options.probes, list } } };
    } catch (error) {
      if (!(error instanceof NoProbe)) throw error;
      return { text: sanitise(error.message), code: 3 };
    }
  };
}
