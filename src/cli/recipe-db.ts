/** `ktop recipe db`: lines and variables stored, and looked up. */
import { align } from '../output/align.ts';
import { complain, StatusLine } from '../output/writer.ts';
import { sanitise } from '../panels/sanitise.ts';
import { NoProbe } from '../probes/probe.ts';
import { type ProbeDatabase, readDatabase, storedFunction, storeFunctions } from '../recipes/database.ts';
import { refuseThere, writeWhole } from '../recipes/write.ts';
import type { RecipeCommand } from './recipe.ts';
import { MADE_BY, orRefuse, type RecipeRun, short } from './recipe-run.ts';

export async function store(
  command: Extract<RecipeCommand, { kind: 'recipe-db-make' }>,
  { print, untilSignalled }: RecipeRun,
): Promise<number> {
  refuseThere(command.output);
  const line = new StatusLine();
  let said = performance.now();
  const database = await storeFunctions(
    { ...command, ...command.files, types_only: false },
    {
      made_by: MADE_BY,
      say: (note) => complain(sanitise(note)),
      signal: untilSignalled(),
      progress: (done, all, name) => {
        const text = `${done} of ${all} functions ${sanitise(name)}`;
        if (line.seen && name === '') line.clear();
        else if (line.seen) line.draw(text);
        else if (performance.now() - said > 5000) {
          said = performance.now();
          complain(text);
        }
      },
    },
  );
  writeWhole(command.output, `${JSON.stringify(database)}\n`);
  if (!database.complete) complain('it was ended early: what was found until then is in the file');
  const places = database.functions.reduce((sum, one) => sum + one.places.length, 0);
  const lines = database.functions.reduce((sum, one) => sum + one.lines.length, 0);
  return print(
    `${command.output}: ${database.functions.length} functions of ${sanitise(database.of.name)}, ${lines} lines, variables at ${places} places\n`,
  );
}

export function storedText({ file, place, json }: Extract<RecipeCommand, { kind: 'recipe-db' }>): string {
  const database = readDatabase(file);
  if (place === '') {
    if (json)
      return `${JSON.stringify({
        ktop: 1,
        of: database.of,
        complete: database.complete,
        functions: database.functions.map(({ name, file: source, lines, places }) => ({
          name,
          file: source,
          lines: lines.length,
          places: places.length,
        })),
      })}\n`;
    const rows = database.functions.map(({ name, file: source, lines, places }) =>
      [name, String(lines.length), String(places.length), source].map((text) => sanitise(text)),
    );
    const { name, release, build_id } = database.of;
    return `${[
      sanitise(
        `${name}${release === '' ? '' : ` ${release}`} build ${short(build_id)}${database.complete ? '' : ', not complete'}`,
      ),
      ...align([['FUNCTION', 'LINES', 'PLACES', 'FILE'], ...rows], [false, true, true, false]),
    ].join('\n')}\n`;
  }
  return json
    ? `${JSON.stringify({ ktop: 1, of: database.of, ...storedAt(database, place) })}\n`
    : storedListing(database, place);
}

/** A function, or what there is at one line of it. */
function storedAt(database: ProbeDatabase, place: string) {
  const [, name = place, line] = /^(.*?)(?::(\d+))?$/.exec(place) ?? [];
  const found = storedFunction(database, name);
  if (line === undefined) return { function: found };
  const number = Number(line);
  const at = found.places.find((one) => one.line === number);
  if (at === undefined && !found.lines.some((one) => one.line === number))
    throw new NoProbe(
      'host',
      `the database has nothing at line ${line} of ${name}; see ktop recipe db FILE ${name}`,
    );
  return {
    function: {
      ...found,
      lines: found.lines.filter((one) => one.line === number),
      places: at === undefined ? [] : [at],
    },
  };
}

/** For the eye: what perf shows, from the file. `part`: lines alone, or variables alone. */
function storedListing(
  database: ProbeDatabase,
  place: string,
  part: 'all' | 'lines' | 'vars' = 'all',
): string {
  const { function: found } = storedAt(database, place);
  const text: string[] = [];
  if (part !== 'vars') {
    if (found.file !== '') text.push(`<${found.name}@${found.file}>`);
    for (const { line, text: source, probed } of found.lines)
      text.push(`${(probed ? String(line) : '').padStart(7)}  ${source}`.trimEnd());
    if (found.lines.length === 0 && part === 'lines')
      throw new NoProbe(
        'host',
        `the database has no lines of ${place}; store them with --lines and --src DIR`,
      );
  }
  if (part !== 'lines') {
    for (const { line, places, variables } of found.places) {
      text.push(`variables at ${found.name}${line === null ? '' : `:${line}`} (${places.join(', ')})`);
      for (const { name, type } of variables) text.push(`    ${type} ${name}`);
      if (variables.length === 0) text.push('    none');
    }
    if (found.places.length === 0 && part === 'vars')
      throw new NoProbe('host', `the database has no variables of ${place}; store them with --vars`);
  }
  return `${text.map((line) => sanitise(line)).join('\n')}\n`;
}

/** `ktop probe lines` and `vars`, from a database. */
function probeListing(file: string, place: string, part: 'lines' | 'vars', json: boolean): string {
  const database = readDatabase(file);
  if (json)
    return `${JSON.stringify({ ktop: 1, from: 'db', of: database.of, ...storedAt(database, place) })}\n`;
  return storedListing(database, place, part);
}

/** For the command line of probes, which has its own way to say what is wrong. */
export function databaseListing(
  file: string,
  place: string,
  part: 'lines' | 'vars',
  json: boolean,
  print: RecipeRun['print'],
): Promise<number> {
  return orRefuse(() => print(probeListing(file, place, part, json)));
}
