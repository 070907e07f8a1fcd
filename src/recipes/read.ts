/** A recipe file → a Recipe. Nothing in it is believed: sizes, keys, letters. */
import { closeSync, constants, fstatSync, openSync, readSync } from 'node:fs';
import {
  isBuildId,
  isFetch,
  isIdentifier,
  isLine,
  isModule,
  isPath,
  isSymbol,
  isType,
  isTypesQuery,
} from './check.ts';
import {
  BadRecipe,
  type Display,
  type Fingerprint,
  FORMAT,
  type KernelId,
  MOST,
  type Recipe,
  type RecipeArgument,
  type RecipeKind,
  type RecipePlace,
  type RecipeProbe,
  type RecipeView,
  VERSION_OF_FORMAT,
} from './recipe.ts';

/** Throws a BadRecipe. */
export function readRecipe(path: string): Recipe {
  return parseRecipe(readBounded(path, MOST.bytes, 'a recipe'), path);
}

/** The text of a file of at most so many bytes. Throws a BadRecipe for what is none, such as a pipe. */
export function readBounded(path: string, most: number, what: string): string {
  let file: number;
  try {
    // A pipe would wait for somebody to write.
    file = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw new BadRecipe(
      code === 'ENOENT'
        ? `${path} is not there; give ${what} that ktop has made`
        : `${path} cannot be read (${code}); check its permissions`,
    );
  }
  try {
    const facts = fstatSync(file);
    if (!facts.isFile()) throw new BadRecipe(`${path} is no file; give ${what} that ktop has made`);
    if (facts.size > most)
      throw new BadRecipe(
        `${path} has ${facts.size} bytes, and ${what} has ${most} at most; it is something else`,
      );
    const bytes = Buffer.alloc(facts.size);
    let got = 0;
    for (let n = 1; n > 0 && got < bytes.length; got += n)
      n = readSync(file, bytes, got, bytes.length - got, got);
    return bytes.toString('utf8', 0, got);
  } finally {
    closeSync(file);
  }
}

/** Throws a BadRecipe: one sentence, with the place in the file that is not right. */
export function parseRecipe(text: string, path: string): Recipe {
  const bad = (why: string): BadRecipe =>
    new BadRecipe(`${path} is no probe recipe: ${why}; make it anew with ktop recipe make`);
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw bad(text.trim() === '' ? 'it is empty' : 'it is no JSON, or cut off');
  }
  const top = new Fields(value, '', bad);
  const format = top.text('format', (one) => one === FORMAT, `"${FORMAT}"`);
  const version = top.number('version', 0, 1e9);
  if (version !== VERSION_OF_FORMAT)
    throw new BadRecipe(
      `${path} is a recipe of version ${version}, and this ktop reads version ${VERSION_OF_FORMAT}; use the ktop that it was made with, or a newer one`,
    );
  const recipe: Recipe = {
    format: format as typeof FORMAT,
    version: VERSION_OF_FORMAT,
    arch: top.text('arch', (one) => /^\w{1,32}$/.test(one), 'a machine such as x86_64'),
    made_by: top.text('made_by', (one) => isLine(one, 200), 'one line'),
    made_at: top.text('made_at', (one) => isLine(one, 40), 'a time'),
    kernel: top.nullable('kernel', kernelOf),
    modules: top.record('modules', isModule, (one) => ({
      build_id: one.text('build_id', isBuildId, 'hexadecimal digits'),
    })),
    binaries: top.record('binaries', isPath, (one) => ({
      build_id: one.text('build_id', isBuildId, 'hexadecimal digits'),
      size: one.number('size', 0, Number.MAX_SAFE_INTEGER),
    })),
    probes: top.list('probes', MOST.probes, probeOf),
  };
  top.end();
  if (recipe.probes.length === 0) throw bad('it has no probes');
  const ids = new Set(recipe.probes.map(({ id }) => id));
  if (ids.size < recipe.probes.length) throw bad('two of its probes have the same id');
  for (const probe of recipe.probes) belongs(probe, recipe, bad);
  return recipe;
}

/** What a probe is bound to must be told: a build for each kernel, module and program that it is in. */
function belongs(
  { id, kind, mode, places }: RecipeProbe,
  recipe: Recipe,
  bad: (why: string) => BadRecipe,
): void {
  for (const { module, binary } of places) {
    if ((binary !== null) !== kind.startsWith('u'))
      throw bad(
        `probe ${id} is a ${kind}, and its place is ${binary === null ? 'in the kernel' : 'in a program'}`,
      );
    if (binary !== null && !Object.hasOwn(recipe.binaries, binary))
      throw bad(`it does not tell the build of ${binary}, which probe ${id} is in`);
    if (mode === 'btf') continue;
    if (binary === null && recipe.kernel === null)
      throw bad(`it does not tell the kernel that probe ${id} is of`);
    if (module !== null && !Object.hasOwn(recipe.modules, module))
      throw bad(`it does not tell the build of module ${module}, which probe ${id} is in`);
  }
}

function kernelOf(one: Fields): KernelId {
  return {
    release: one.text('release', (text) => isLine(text, 200), 'one line'),
    version_string: one.text('version_string', (text) => isLine(text, 1000), 'one line'),
    build_id: one.text('build_id', isBuildId, 'hexadecimal digits'),
    fingerprint: one.nullable('fingerprint', fingerprintOf),
  };
}

function fingerprintOf(one: Fields): Fingerprint {
  const isHash = (text: string) => /^[0-9a-f]{64}$/.test(text);
  return {
    version: one.text('version', isHash, 'a SHA-256'),
    symbols: one.text('symbols', isHash, 'a SHA-256'),
  };
}

const KINDS: readonly string[] = ['kprobe', 'kretprobe', 'uprobe', 'uretprobe'];
const DISPLAYS: readonly string[] = ['dec', 'hex', 'bytes', 'ip', 'port', 'string'];

function probeOf(one: Fields): RecipeProbe {
  const mode = one.text('mode', (text) => text === 'dwarf' || text === 'btf', 'dwarf or btf') as
    | 'dwarf'
    | 'btf';
  const kind = one.text('kind', (text) => KINDS.includes(text), KINDS.join(', ')) as RecipeKind;
  const args = one.list('args', MOST.arguments, (arg) => argumentOf(arg, mode));
  const probe: RecipeProbe = {
    id: one.text('id', isIdentifier, 'letters, digits and _'),
    kind,
    query: one.text(
      'query',
      (text) => text !== '' && isLine(text, MOST.text) && (mode === 'dwarf' || isTypesQuery(text)),
      mode === 'btf' ? 'FUNCTION and names of its arguments' : 'one line',
    ),
    mode,
    places: one.list('places', MOST.places, (place) => placeOf(place, args.length)),
    args,
    filter: one.nullableText(
      'filter',
      (text) => text !== '' && isLine(text, MOST.text),
      'a filter on one line',
    ),
    maxactive: one.nullableNumber('maxactive', 1, 4096),
    view: one.object('view', viewOf),
    note: one.text('note', (text) => isLine(text, MOST.text), 'one line'),
    tested: one.nullable('tested', (tested) => ({
      hits: tested.number('hits', 0, Number.MAX_SAFE_INTEGER),
      seconds: tested.number('seconds', 0, 1e6, false),
      when: tested.text('when', (text) => isLine(text, 40), 'a time'),
    })),
  };
  if (probe.places.length === 0) throw one.wrong('places', 'at least one place');
  if (new Set(args.map(({ name }) => name)).size < args.length)
    throw one.wrong('args', 'a name of its own for each argument');
  if (kind.includes('ret') && probe.places.some(({ offset }) => offset !== 0))
    throw one.wrong('places', 'whole functions: returns have no offset');
  const { mode: shown, key } = probe.view;
  const names = [...args.map(({ name }) => name), ...(shown === 'count' ? OF_TASK : [])];
  if (shown !== 'list' && !names.includes(key))
    throw one.wrong('view', 'an argument of the probe as its key');
  return probe;
}

const OF_TASK = ['comm', 'pid', 'tid', 'cpu', 'stack'];

function viewOf(one: Fields): RecipeView {
  return {
    mode: one.text(
      'mode',
      (text) => /^(?:list|hist|count)$/.test(text),
      'list, hist or count',
    ) as RecipeView['mode'],
    key: one.text('key', (text) => text === '' || isIdentifier(text), 'the name of an argument'),
  };
}

/** By names, what is fetched is looked up anew and only told here. */
function argumentOf(one: Fields, mode: 'dwarf' | 'btf'): RecipeArgument {
  const isValue = mode === 'btf' ? (text: string) => isLine(text, 300) : isFetch;
  return {
    name: one.text('name', (text) => isIdentifier(text) && text.length <= 31, 'letters, digits and _'),
    ctype: one.text('ctype', (text) => isLine(text, 200), 'a type of C'),
    fetch: one.text('fetch', isValue, 'a value as tracefs fetches it, such as +112(%dx)'),
    type: one.text('type', isType, 'a type of tracefs, such as s32'),
    display: one.text('display', (text) => DISPLAYS.includes(text), DISPLAYS.join(', ')) as Display,
  };
}

function placeOf(one: Fields, count: number): RecipePlace {
  const binary = one.nullableText('binary', isPath, 'an absolute path without blanks');
  const place: RecipePlace = {
    module: one.nullableText('module', isModule, 'the name of a module'),
    binary,
    symbol: one.text('symbol', (text) => isSymbol(text) || (binary !== null && text === ''), 'a function'),
    offset: one.number('offset', 0, 2 ** 31),
    symbol_size: one.number('symbol_size', 0, 2 ** 31),
    file_offset: one.nullableNumber('file_offset', 0, 2 ** 40),
    semaphore: one.nullableNumber('semaphore', 1, 2 ** 40),
    inlined_function: one.nullableText('inlined_function', isSymbol, 'a function'),
    file: one.nullableText('file', (text) => isLine(text, 1000), 'a path'),
    line: one.nullableNumber('line', 0, 1e9),
    fetch: one.nullable('fetch', undefined, () =>
      one.texts('fetch', isFetch, 'values as tracefs fetches them'),
    ),
  };
  if ((place.file_offset !== null) !== (binary !== null))
    throw one.wrong(
      'file_offset',
      binary === null ? 'nothing: it is no program' : 'where in the program it is',
    );
  if (place.module !== null && binary !== null) throw one.wrong('module', 'nothing: it is in a program');
  if (place.semaphore !== null && binary === null) throw one.wrong('semaphore', 'nothing: it is no program');
  if (place.fetch !== null && place.fetch.length !== count)
    throw one.wrong('fetch', 'a value for each argument');
  if (place.symbol_size > 0 && place.offset >= place.symbol_size)
    throw one.wrong('offset', `less than the ${place.symbol_size} bytes of the function`);
  return place;
}

/** The members of an object; each is asked for once, and what nobody asks for is an error. */
class Fields {
  readonly #entries: Map<string, unknown>;
  readonly #where: string;
  readonly #bad: (why: string) => BadRecipe;
  readonly #asked = new Set<string>();

  constructor(value: unknown, where: string, bad: (why: string) => BadRecipe) {
    this.#where = where;
    this.#bad = bad;
    if (typeof value !== 'object' || value === null || Array.isArray(value))
      throw bad(`${where === '' ? 'it' : where} is no object`);
    this.#entries = new Map(Object.entries(value));
  }

  wrong(key: string, what: string): BadRecipe {
    return this.#bad(`${this.#at(key)} is not right, it must be ${what}`);
  }

  text(key: string, test: (text: string) => boolean, what: string): string {
    const value = this.#take(key);
    if (typeof value !== 'string' || !test(value)) throw this.wrong(key, what);
    return value;
  }

  number(key: string, low: number, high: number, whole = true): number {
    const value = this.#take(key);
    if (typeof value !== 'number' || !(value >= low && value <= high) || (whole && !Number.isInteger(value)))
      throw this.wrong(key, `a number from ${low} to ${high}`);
    return value;
  }

  nullableText(key: string, test: (text: string) => boolean, what: string): string | null {
    return this.#isNull(key) ? null : this.text(key, test, what);
  }

  nullableNumber(key: string, low: number, high: number): number | null {
    return this.#isNull(key) ? null : this.number(key, low, high);
  }

  nullable<T>(key: string, use: ((one: Fields) => T) | undefined, other?: () => T): T | null {
    if (this.#isNull(key)) return null;
    return use === undefined ? (other as () => T)() : this.object(key, use);
  }

  object<T>(key: string, use: (one: Fields) => T): T {
    return this.#use(this.#take(key), this.#at(key), use);
  }

  texts(key: string, test: (text: string) => boolean, what: string): string[] {
    const value = this.#take(key);
    if (!Array.isArray(value) || value.length > MOST.arguments) throw this.wrong(key, `a list of ${what}`);
    return value.map((one: unknown) => {
      if (typeof one !== 'string' || !test(one)) throw this.wrong(key, what);
      return one;
    });
  }

  list<T>(key: string, most: number, use: (one: Fields) => T): T[] {
    const value = this.#take(key);
    if (!Array.isArray(value) || value.length > most) throw this.wrong(key, `a list of at most ${most}`);
    return value.map((one: unknown, index) => this.#use(one, `${this.#at(key)}[${index}]`, use));
  }

  record<T>(key: string, test: (name: string) => boolean, use: (one: Fields) => T): Record<string, T> {
    const value = this.#take(key);
    if (typeof value !== 'object' || value === null || Array.isArray(value))
      throw this.wrong(key, 'an object with names');
    const entries = Object.entries(value);
    if (entries.length > MOST.probes) throw this.wrong(key, `at most ${MOST.probes}`);
    return Object.fromEntries(
      entries.map(([name, one]) => {
        if (!test(name) || name === '__proto__')
          throw this.#bad(`${this.#at(key)} has a name that is not right`);
        return [name, this.#use(one, `${this.#at(key)}.${name}`, use)];
      }),
    );
  }

  /** After the last question. */
  end(): void {
    for (const key of this.#entries.keys())
      if (!this.#asked.has(key)) throw this.#bad(`${this.#at(clean(key))} is not known`);
  }

  #use<T>(value: unknown, where: string, use: (one: Fields) => T): T {
    const fields = new Fields(value, where, this.#bad);
    const made = use(fields);
    fields.end();
    return made;
  }

  #isNull(key: string): boolean {
    if (this.#entries.has(key) && this.#entries.get(key) === null) {
      this.#asked.add(key);
      return true;
    }
    return false;
  }

  #take(key: string): unknown {
    if (!this.#entries.has(key)) throw this.#bad(`${this.#at(key)} is missing`);
    this.#asked.add(key);
    return this.#entries.get(key);
  }

  #at(key: string): string {
    return this.#where === '' ? key : `${this.#where}.${key}`;
  }
}

const clean = (text: string): string => text.replace(/[^\x20-\x7e]/g, '?').slice(0, 40);
