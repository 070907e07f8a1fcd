/**
 * A recording as OpenMetrics text, with a time on every sample, as `promtool tsdb create-blocks-from openmetrics` reads it.
 * All samples of a metric must stand together, and those of one label set among them: they are gathered first.
 */
import type { ColumnSpec, Monitor, TablePanel } from '../monitors/monitor.ts';
import { cellNumber, columnsFor } from '../panels/cell.ts';
import { sanitise } from '../panels/sanitise.ts';
import { numberAt, type Snapshot, type Table, textAt } from '../sources/snapshot.ts';
import { shownPanels } from './shape.ts';

/** More would not fit into memory. */
const MOST_SAMPLES = 20_000_000;

interface Series {
  /** Seconds since the epoch. */
  readonly times: number[];
  readonly values: number[];
}

interface Family {
  readonly help: string;
  readonly series: Map<string, Series>;
}

/** A column of the main table with the name of its metric. */
interface Metric {
  readonly spec: ColumnSpec;
  readonly family: Family;
}

export class OpenMetrics {
  readonly #families = new Map<string, Family>();
  #samples = 0;

  /** Throws an Error, one sentence, when there is more than can be gathered. */
  add(monitor: Monitor, snapshot: Snapshot): void {
    const time = Math.round(snapshot.time) / 1000;
    const of = labels([['monitor', monitor.name]]);
    this.#put(this.#family('ktop_events', 'events received in the interval'), of, time, snapshot.events);
    this.#put(this.#family('ktop_lost_events', 'events lost in the interval'), of, time, snapshot.lost);
    if (snapshot.shed !== undefined) {
      const help = 'share of what there was that has been watched; amounts are what was seen divided by it';
      this.#put(this.#family('ktop_watched_share', help), of, time, snapshot.shed.share);
    }
    const panel = shownPanels(monitor).find(({ key }) => key === 'rows')?.panel as TablePanel | undefined;
    const table = panel === undefined ? undefined : snapshot.tables[panel.table];
    if (panel === undefined || table === undefined) return;
    const columns = columnsFor(panel, table, 'json');
    const naming = columns.filter((spec) => isName(spec, table));
    const metrics = columns
      .filter((spec) => !isName(spec, table))
      .map((spec): Metric => ({ spec, family: this.#family(metricName(monitor, spec), spec.help) }));
    for (let row = 0; row < table.length; row += 1) {
      const label = labels([...keys(table, naming, row), ...naming.map((spec) => named(table, spec, row))]);
      for (const { spec, family } of metrics)
        this.#put(family, label, time, cellNumber(table, spec, row, snapshot.interval_ms));
    }
  }

  /** The text in pieces, the last of which ends it. */
  *text(): Generator<string> {
    for (const [name, { help, series }] of this.#families) {
      yield `# TYPE ${name} gauge\n# HELP ${name} ${escaped(help)}\n`;
      for (const [label, { times, values }] of series)
        yield times.map((time, index) => `${name}${label} ${number(values[index])} ${time}\n`).join('');
    }
    yield '# EOF\n';
  }

  #family(name: string, help: string): Family {
    const known = this.#families.get(name);
    if (known !== undefined) return known;
    const family: Family = { help, series: new Map() };
    this.#families.set(name, family);
    return family;
  }

  /** Left out: what is not known, and what is not later than what was there before. */
  #put({ series }: Family, label: string, time: number, value: number): void {
    if (Number.isNaN(value)) return;
    let found = series.get(label);
    if (found === undefined) {
      found = { times: [], values: [] };
      series.set(label, found);
    }
    if (time <= (found.times.at(-1) ?? -1)) return;
    found.times.push(time);
    found.values.push(value);
    this.#samples += 1;
    if (this.#samples > MOST_SAMPLES)
      throw new Error(
        `there are more than ${MOST_SAMPLES} samples; give --monitor to take one monitor at a time`,
      );
  }
}

/** Columns that say which row it is become labels: texts, and parts of the key. */
function isName(spec: ColumnSpec, table: Table): boolean {
  return spec.format === 'text' || table.key.includes(spec.from ?? spec.id);
}

function named(table: Table, spec: ColumnSpec, row: number): [string, string] {
  return [spec.id, valueAt(table, spec.from ?? spec.id, row)];
}

/** Parts of the key that are no column of the panel: without them rows could not be told apart. */
function keys(table: Table, naming: readonly ColumnSpec[], row: number): [string, string][] {
  const there = new Set(naming.map((spec) => spec.from ?? spec.id));
  return table.key.filter((name) => !there.has(name)).map((name) => [name, valueAt(table, name, row)]);
}

function valueAt(table: Table, name: string, row: number): string {
  const column = table.columns[name];
  return column instanceof Float64Array ? String(numberAt(column, row)) : textAt(column, row);
}

function metricName(monitor: Monitor, { id }: ColumnSpec): string {
  return `ktop_${monitor.name}_${id}`.replace(/[^a-zA-Z0-9_]/g, '_');
}

function labels(pairs: readonly (readonly [string, string])[]): string {
  const texts = pairs.map(
    ([name, value]) => `${name.replace(/[^a-zA-Z0-9_]/g, '_')}="${escaped(sanitise(value))}"`,
  );
  return `{${texts.join(',')}}`;
}

const escaped = (text: string): string =>
  text.replaceAll('\\', '\\\\').replaceAll('\n', '\\n').replaceAll('"', '\\"');

function number(value: number | undefined): string {
  if (value === Number.POSITIVE_INFINITY) return '+Inf';
  if (value === Number.NEGATIVE_INFINITY) return '-Inf';
  return String(value);
}
