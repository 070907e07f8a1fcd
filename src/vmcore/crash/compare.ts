/** Both backends have read the same core: where they differ, both values go into the report. */
import { numberAt, type Table, textAt } from '../../sources/snapshot.ts';
import type { Disagreement, Report, Section, SectionName } from '../report.ts';
import type { Cell, Row } from '../sections/table.ts';
import type { CrashSaid } from './facts.ts';

const UNKNOWN = '-';
const shown = (value: Cell): string => (value === undefined || value === '' ? UNKNOWN : String(value));
/** Of one section; how many more there are is said. */
const MOST = 20;
/** crash writes other characters as it likes. */
const PRINTABLE = /^[ -~]*$/;

type Found = [SectionName, Disagreement];

/** The sections they belong to come first. What one of them does not say is no disagreement. */
export function findDisagreements(report: Report, said: CrashSaid): Found[] {
  const { kernel, crash } = report;
  // crash counts the idle tasks of the CPUs it knows with the others.
  const idle = said.cpus ?? kernel.cpus;
  const tasks = said.tasks === undefined || idle === undefined ? undefined : said.tasks - idle;
  const pairs: readonly (readonly [SectionName, string, Cell, Cell])[] = [
    ['tasks', 'tasks', kernel.tasks, tasks],
    ['cpus', 'CPUs', kernel.cpus, said.cpus],
    ['cpus', 'panic CPU', crash.panic_cpu, said.panic_cpu],
    ['cpus', 'panic task', crash.panic_task?.task, said.panic_task],
    ['cpus', 'pid of the panic task', crash.panic_task?.pid, said.panic_pid],
  ];
  const facts = pairs
    .filter(([, , native, other]) => native !== undefined && other !== undefined && native !== other)
    .map(
      ([section, what, native, other]): Found => [
        section,
        { what, native: shown(native), crash: shown(other) },
      ],
    );
  return [...facts, ...(said.tables === undefined ? [] : inTables(report, said.tables))];
}

function inTables({ sections }: Report, said: NonNullable<CrashSaid['tables']>): Found[] {
  const of = (name: 'tasks' | 'modules' | 'cpus'): Row[] | undefined => {
    const table = sections[name]?.backend === 'native' ? sections[name].tables[name] : undefined;
    return table === undefined ? undefined : rowsOf(table);
  };
  const [tasks, modules, cpus] = [of('tasks'), of('modules'), of('cpus')];
  // To crash idle tasks have no parent.
  const others = said.tasks.map((row) => (row.pid === 0 ? { ...row, ppid: undefined } : row));
  const current = said.tasks.filter(({ oncpu }) => oncpu === 1);
  const list = (name: SectionName, found: readonly Disagreement[]) =>
    atMost(found).map((one): Found => [name, one]);
  return [
    ...(tasks === undefined
      ? []
      : list(
          'tasks',
          compareRows('task', tasks, others, 'task', 'pid', ['pid', 'comm', 'state', 'cpu', 'ppid']),
        )),
    ...(modules === undefined
      ? []
      : list(
          'modules',
          compareRows('module', modules, said.modules, 'module', 'module', ['address', 'size']),
        )),
    ...(cpus === undefined
      ? []
      : list('cpus', changed('CPU', pairUp(cpus, current, 'cpu'), 'cpu', ['pid', 'task']))),
  ];
}

function rowsOf({ length, columns }: Table): Row[] {
  const cells = Object.entries(columns);
  return Array.from({ length }, (_, row) =>
    Object.fromEntries(
      cells.map(([id, column]) => [
        id,
        column instanceof Float64Array ? numberAt(column, row) : textAt(column, row),
      ]),
    ),
  );
}

type Pair = readonly [native: Row, crash: Row];

function pairUp(native: readonly Row[], crash: readonly Row[], key: string): Pair[] {
  const others = new Map(crash.map((row) => [row[key], row]));
  return native.flatMap((row): Pair[] => {
    const other = others.get(row[key]);
    return other === undefined ? [] : [[row, other]];
  });
}

/** Rows that only one has, then cells that differ. `label` names a row to people. */
function compareRows(
  what: string,
  native: readonly Row[],
  crash: readonly Row[],
  key: string,
  label: string,
  columns: readonly string[],
): Disagreement[] {
  const alone = (rows: readonly Row[], others: readonly Row[]): Cell[] => {
    const known = new Set(others.map((row) => row[key]));
    return rows.filter((row) => !known.has(row[key])).map((row) => row[label]);
  };
  const [onlyNative, onlyCrash] = [alone(native, crash), alone(crash, native)];
  const missing =
    onlyNative.length + onlyCrash.length === 0
      ? []
      : [{ what: `${what}s that it has alone`, native: some(onlyNative), crash: some(onlyCrash) }];
  return [...missing, ...changed(what, pairUp(native, crash, key), label, columns)];
}

function changed(
  what: string,
  pairs: readonly Pair[],
  label: string,
  columns: readonly string[],
): Disagreement[] {
  return pairs.flatMap(([native, crash]) =>
    columns
      .filter((column) => differ(native[column], crash[column]))
      .map((column) => ({
        what: `${column} of ${what} ${shown(native[label])}`,
        native: shown(native[column]),
        crash: shown(crash[column]),
      })),
  );
}

function differ(native: Cell, crash: Cell): boolean {
  const unknown = (cell: Cell) => cell === undefined || cell === '' || cell === '??' || Number.isNaN(cell);
  if (unknown(native) || unknown(crash) || native === crash) return false;
  return PRINTABLE.test(String(native));
}

function some(cells: readonly Cell[]): string {
  const named = cells.slice(0, MOST).map(shown).join(' ');
  if (cells.length > MOST) return `${named} … (${cells.length})`;
  return named || UNKNOWN;
}

function atMost(found: readonly Disagreement[]): readonly Disagreement[] {
  const rest = String(found.length - MOST);
  return found.length <= MOST + 1
    ? found
    : [...found.slice(0, MOST), { what: 'more of these', native: rest, crash: rest }];
}

/** The same report with what crash says otherwise, and what it warned of. */
export function withCrash(report: Report, said: CrashSaid): Report {
  const sections: Partial<Record<SectionName, Section>> = { ...report.sections };
  for (const [name, disagreement] of findDisagreements(report, said)) {
    const section = sections[name];
    if (section === undefined) continue;
    sections[name] = { ...section, disagreements: [...(section.disagreements ?? []), disagreement] };
  }
  const { cpus } = sections;
  if (cpus !== undefined && said.warnings.length > 0)
    sections.cpus = {
      ...cpus,
      warnings: [...cpus.warnings, ...said.warnings.map((text) => `crash: ${text}`)],
    };
  return { ...report, sections };
}
