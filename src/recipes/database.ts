/** Lines and variables of functions, stored to be looked up where there is neither debug information nor source. */
import { sanitise } from '../panels/sanitise.ts';
import { withElf } from '../probes/elf.ts';
import { NoProbe } from '../probes/probe.ts';
import { isLine, isSymbol } from './check.ts';
import { parseLines, parseVariables, type SourceLine, type VariablesAt } from './definitions.ts';
import { askPerf } from './perf.ts';
import { readBounded } from './read.ts';
import { BadRecipe } from './recipe.ts';
import type { Subject } from './subject.ts';
import { type Sources, Subjects } from './subjects.ts';

const FORMAT = 'ktop-probe-db';
const VERSION = 1;
const MOST_BYTES = 64 * 2 ** 20;
/** Lines and variables that are stored at most. */
const MOST_ENTRIES = 400_000;
const MOST_TEXT = 300;

export interface StoredVariable {
  readonly name: string;
  readonly type: string;
}

/** What there is at one line, or at the entry. */
export interface StoredPlace {
  /** Null = the entry. */
  readonly line: number | null;
  /** `tcp_push+86`; of an inlined function there may be several. */
  readonly places: readonly string[];
  readonly variables: readonly StoredVariable[];
}

export interface StoredFunction {
  readonly name: string;
  readonly file: string;
  readonly lines: readonly SourceLine[];
  readonly places: readonly StoredPlace[];
}

export interface ProbeDatabase {
  readonly format: typeof FORMAT;
  readonly version: typeof VERSION;
  readonly made_by: string;
  readonly made_at: string;
  /** Whose functions: a kernel with its release, a module, or a program. */
  readonly of: { readonly name: string; readonly release: string; readonly build_id: string };
  /** False: it was ended early, or there was too much. */
  readonly complete: boolean;
  readonly functions: readonly StoredFunction[];
}

export interface StoreWanted extends Sources {
  readonly glob: string;
  readonly lines: boolean;
  readonly vars: boolean;
  /** Functions at most. */
  readonly most: number;
}

export interface StoreContext {
  readonly made_by: string;
  readonly say: (note: string) => void;
  readonly progress: (done: number, all: number, name: string) => void;
  /** Ends it: what has been found is kept. */
  readonly signal: AbortSignal;
}

/** Throws a NoProbe. */
export async function storeFunctions(wanted: StoreWanted, context: StoreContext): Promise<ProbeDatabase> {
  const { owner, glob } = apart(wanted.glob);
  const subjects = new Subjects(wanted);
  const subject = await subjects.all(owner);
  const other = subjects.sourceNote(subject);
  if (other !== '') context.say(other);
  const all = namesIn(subject, glob);
  if (all.length > wanted.most)
    throw new NoProbe(
      'usage',
      `${all.length} functions match ${glob}, and each takes perf up to a second; give a narrower pattern, or --most ${all.length}`,
    );
  const functions: StoredFunction[] = [];
  let entries = 0;
  let noSource = false;
  for (const [index, name] of all.entries()) {
    if (context.signal.aborted || entries > MOST_ENTRIES) break;
    context.progress(index, all.length, name);
    const listed = wanted.lines ? await linesOf(subject, name) : undefined;
    noSource ||= wanted.lines && listed === undefined;
    const lines = listed?.lines ?? [];
    const places = wanted.vars ? await variablesOf(subject, name, lines, context.signal) : [];
    if (lines.length === 0 && places.length === 0) continue;
    entries += lines.length + places.reduce((sum, { variables }) => sum + variables.length + 1, 0);
    functions.push({ name, file: listed?.file ?? '', lines, places });
  }
  context.progress(all.length, all.length, '');
  const complete = !context.signal.aborted && entries <= MOST_ENTRIES;
  if (noSource)
    context.say(
      'source lines of some functions were not found; give the directory that holds fs, net and the others with --src (Debian: linux-source)',
    );
  if (functions.length === 0)
    throw new NoProbe(
      'host',
      `perf tells nothing of ${glob} in ${subject.label}; ${wanted.vars ? 'check the pattern' : 'give --src DIR, or --vars'}`,
    );
  return {
    format: FORMAT,
    version: VERSION,
    made_by: context.made_by,
    made_at: new Date().toISOString(),
    of: aboutOf(subject),
    complete,
    functions,
  };
}

function aboutOf({ image, path, label }: Subject): ProbeDatabase['of'] {
  if (image !== undefined)
    return {
      name: image.module === '' ? 'kernel' : image.module,
      release: image.release,
      build_id: image.build_id,
    };
  return { name: path === '' ? label : path, release: '', build_id: withElf(path, (elf) => elf.buildId) };
}

function apart(text: string): { owner: string; glob: string } {
  const colon = text.lastIndexOf(':');
  return colon < 0 ? { owner: '', glob: text } : { owner: text.slice(0, colon), glob: text.slice(colon + 1) };
}

/** Functions that match; one that is named in full may be inlined, which no table lists. */
function namesIn({ image, path, label }: Subject, glob: string): string[] {
  const body = glob
    .replace(/[.+^${}()|[\]\\]/g, '\\$&')
    .replace(/\*/g, '.*')
    .replace(/\?/g, '.');
  const test = new RegExp(`^${body}$`);
  const found =
    image === undefined
      ? [...new Set(withElf(path, (elf) => elf.functions(test)).map(({ name }) => name))].sort()
      : image.names(test);
  const whole = found.filter((name) => isSymbol(name) && !/\.(?:cold|part|isra|constprop)/.test(name));
  if (whole.length > 0) return whole;
  if (isSymbol(glob)) return [glob];
  throw new NoProbe(
    'host',
    `no function of ${label} matches ${glob}; * and ? stand for anything, inlined ones must be named in full`,
  );
}

async function linesOf(
  subject: Subject,
  name: string,
): Promise<{ file: string; lines: SourceLine[] } | undefined> {
  const said = await askPerf([...subject.options, '-L', name]);
  if (said.code !== 0) return undefined;
  const { file, lines } = parseLines(said.stdout);
  return {
    file: sanitise(file),
    lines: lines.map((one) => ({
      ...one,
      text: sanitise(one.text.replace(/\t/g, '    ')).slice(0, MOST_TEXT),
    })),
  };
}

/** At the entry, and at each line that can be probed. */
async function variablesOf(
  subject: Subject,
  name: string,
  lines: readonly SourceLine[],
  signal: AbortSignal,
): Promise<StoredPlace[]> {
  const wanted = [name, ...lines.filter(({ probed }) => probed).map(({ line }) => `${name}:${line}`)];
  const ask = (places: readonly string[]) =>
    askPerf([...subject.options, ...places.flatMap((place) => ['-V', place])], signal);
  const together = await ask(wanted).catch(abortedAs(signal));
  if (together?.code === 0) return placesOf(parseVariables(together.stdout));
  // One that perf cannot tell ends it all: the others are asked about one by one.
  const found: VariablesAt[] = [];
  for (const place of wanted) {
    if (signal.aborted) break;
    const said = await ask([place]).catch(abortedAs(signal));
    if (said?.code === 0) found.push(...parseVariables(said.stdout));
  }
  return placesOf(found);
}

const abortedAs = (signal: AbortSignal) => (error: unknown) => {
  if (signal.aborted) return undefined;
  throw error;
};

function placesOf(found: readonly VariablesAt[]): StoredPlace[] {
  const all = new Map<string, StoredPlace>();
  for (const { of, place, variables } of found) {
    const line = /:(\d+)$/.exec(of)?.[1];
    const before = all.get(of);
    const known = new Set(before?.variables.map((one) => one.name));
    const fresh = variables
      .filter((one) => !known.has(one.name))
      .map((one) => ({ name: one.name, type: sanitise(one.type).slice(0, 200) }));
    all.set(of, {
      line: line === undefined ? null : Number(line),
      places: [...new Set([...(before?.places ?? []), sanitise(place).slice(0, 300)])],
      variables: [...(before?.variables ?? []), ...fresh],
    });
  }
  return [...all.values()];
}

/** Throws a BadRecipe for what is none. */
export function readDatabase(path: string): ProbeDatabase {
  const bad = (why: string) =>
    new BadRecipe(
      `${path} is no probe database: ${why}; make it anew with ktop recipe db 'GLOB' --lines --vars -o FILE`,
    );
  const text = readBounded(path, MOST_BYTES, 'a probe database');
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw bad(text.trim() === '' ? 'it is empty' : 'it is no JSON, or cut off');
  }
  const top = value as Partial<ProbeDatabase> | null;
  if (typeof top !== 'object' || top === null || top.format !== FORMAT)
    throw bad(`its format is not "${FORMAT}"`);
  if (top.version !== VERSION)
    throw bad(
      `it is of version ${sanitise(String(top.version)).slice(0, 20)}, and this ktop reads ${VERSION}`,
    );
  const isText = (one: unknown, most = 1000): boolean => typeof one === 'string' && isLine(one, most);
  const isNumber = (one: unknown) => Number.isInteger(one) && (one as number) >= 0 && (one as number) < 1e9;
  const every = (list: unknown, test: (one: Record<string, unknown>) => boolean): boolean =>
    Array.isArray(list) &&
    list.every((one) => typeof one === 'object' && one !== null && test(one as Record<string, unknown>));
  const fits =
    isText(top.made_by) &&
    isText(top.made_at) &&
    typeof top.complete === 'boolean' &&
    every([top.of], (of) => isText(of.name) && isText(of.release) && isText(of.build_id)) &&
    every(
      top.functions,
      (one) =>
        typeof one.name === 'string' &&
        isSymbol(one.name) &&
        isText(one.file) &&
        every(
          one.lines,
          (line) => isNumber(line.line) && isText(line.text) && typeof line.probed === 'boolean',
        ) &&
        every(
          one.places,
          (place) =>
            (place.line === null || isNumber(place.line)) &&
            Array.isArray(place.places) &&
            place.places.every((each) => isText(each)) &&
            every(place.variables, (variable) => isText(variable.name) && isText(variable.type)),
        ),
    );
  if (!fits) throw bad('a part of it is not what it should be');
  return top as ProbeDatabase;
}

/** A function of it. Throws a NoProbe (host). */
export function storedFunction(database: ProbeDatabase, name: string): StoredFunction {
  const found = database.functions.find((one) => one.name === name);
  if (found !== undefined) return found;
  const near = database.functions
    .map((one) => one.name)
    .filter((one) => one.includes(name.replace(/^_+/, '')));
  const some = near.length > 0 ? near : database.functions.map((one) => one.name);
  throw new NoProbe(
    'host',
    `the database has no function ${name}; it has ${some.slice(0, 8).join(', ')}${some.length > 8 ? ' …' : ''}`,
  );
}
