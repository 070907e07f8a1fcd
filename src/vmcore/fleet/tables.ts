/** A fleet of cores as tables: clusters, members, what is alike, what differs. For text, JSON and the dashboard alike. */
import { type Column, type Table, textColumn } from '../../sources/snapshot.ts';
import { type CoreRecord, featuresOfRecord, timeOf } from '../batch/record.ts';
import type { Clusters } from '../cluster/clusters.ts';
import { type Explanation, explain, sentence } from '../cluster/explain.ts';
import { relatedGroups } from '../cluster/related.ts';

/** How a cluster is called: `C12`. */
export const clusterName = (id: number): string => `C${id}`;

/** The number of a cluster by its name, undefined when it is none. */
export function clusterNumber(name: string): number | undefined {
  const found = /^[cC]?(\d{1,9})$/.exec(name)?.[1];
  return found === undefined ? undefined : Number(found);
}

/** Cores and their clusters, with what is needed to look things up. */
export interface Fleet {
  readonly clusters: Clusters;
  /** By key; the first of several files of the same core. */
  readonly byKey: ReadonlyMap<string, CoreRecord>;
  /** Files of each core, more than one where it was copied. */
  readonly files: ReadonlyMap<string, readonly CoreRecord[]>;
  /** The directory that all of them lie in, with a slash at its end. */
  readonly root: string;
}

export function fleetOf(records: readonly CoreRecord[], clusters: Clusters): Fleet {
  const files = new Map<string, CoreRecord[]>();
  for (const record of records) {
    const known = files.get(record.key);
    if (known === undefined) files.set(record.key, [record]);
    else known.push(record);
  }
  const byKey = new Map([...files].map(([key, [first]]) => [key, first as CoreRecord]));
  return { clusters, byKey, files, root: rootOf([...byKey.values()]) };
}

export interface ClusterFacts {
  readonly id: number;
  readonly name: string;
  readonly members: readonly CoreRecord[];
  readonly class: string;
  readonly blame: string;
  readonly module: string;
  readonly kernels: readonly string[];
  readonly hosts: readonly string[];
  /** Milliseconds since the epoch. */
  readonly first: number;
  readonly last: number;
  /** Names of the clusters it is kin to. */
  readonly related: readonly string[];
  readonly findings: readonly string[];
}

/** Largest first, then the one last seen. */
export function clusterFacts(fleet: Fleet): ClusterFacts[] {
  const kin = new Map<number, readonly number[]>();
  for (const group of relatedGroups(fleet.clusters)) for (const id of group) kin.set(id, group);
  return fleet.clusters
    .ids()
    .map((id) => factsOf(fleet, id, kin.get(id) ?? []))
    .sort((a, b) => b.members.length - a.members.length || b.last - a.last || a.id - b.id);
}

function factsOf({ clusters, byKey }: Fleet, id: number, kin: readonly number[]): ClusterFacts {
  const members = clusters.membersOf(id).flatMap((key) => byKey.get(key) ?? []);
  const times = members.map(timeOf);
  return {
    id,
    name: clusterName(id),
    members,
    class: mostCommon(members.map((record) => record.class)),
    blame: mostCommon(members.map(({ traits }) => traits.blame ?? '')),
    module: mostCommon(members.map(({ traits }) => traits.module ?? '')),
    kernels: distinct(members.map(({ traits }) => traits.release ?? '')),
    hosts: distinct(members.map(({ hostname }) => hostname ?? '')),
    first: times.reduce((a, b) => Math.min(a, b), Number.POSITIVE_INFINITY),
    last: times.reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY),
    related: kin.filter((other) => other !== id).map(clusterName),
    findings: distinct(members.flatMap(({ findings }) => findings)),
  };
}

/** The value most members have, `''` last; of equals the first. */
function mostCommon(values: readonly string[]): string {
  const counts = new Map<string, number>();
  for (const value of values) if (value !== '') counts.set(value, (counts.get(value) ?? 0) + 1);
  let [best, most] = ['', 0];
  for (const [value, count] of counts) if (count > most) [best, most] = [value, count];
  return best;
}

const distinct = (values: readonly string[]): string[] =>
  [...new Set(values)].filter((value) => value !== '').sort();

/** One row a cluster. */
export function clustersTable(facts: readonly ClusterFacts[]): Table {
  return tableOf(facts.length, ['cluster'], {
    rank: Float64Array.from(facts.keys()),
    cluster: texts(facts, ({ name }) => name),
    size: numbers(facts, ({ members }) => members.length),
    class: texts(facts, (one) => one.class),
    blame: texts(facts, ({ blame }) => blame),
    module: texts(facts, ({ module }) => module),
    kernels: texts(facts, ({ kernels }) => kernels.join(' ')),
    hosts: numbers(facts, ({ hosts }) => hosts.length),
    first: texts(facts, ({ first }) => minute(first)),
    last: texts(facts, ({ last }) => minute(last)),
    related: texts(facts, ({ related }) => related.join(' ')),
    findings: texts(facts, ({ findings }) => findings.join(' ')),
  });
}

/** One row a core of the cluster, with why it is there. */
export function membersTable(fleet: Fleet, id: number): Table {
  return placesTable(
    fleet,
    fleet.clusters.membersOf(id).flatMap((key) => fleet.byKey.get(key) ?? []),
  );
}

/** One row a core, of all clusters, with its cluster and why it is there. */
export function coresTable(fleet: Fleet): Table {
  const cores = [...fleet.byKey.values()];
  const { columns, ...table } = placesTable(fleet, cores);
  const clusterOf = ({ key }: CoreRecord) => fleet.clusters.member(key)?.cluster;
  const cluster = texts(cores, (core) => {
    const id = clusterOf(core);
    return id === undefined ? '' : clusterName(id);
  });
  return { ...table, columns: { cluster, ...columns } };
}

function placesTable(fleet: Fleet, members: readonly CoreRecord[]): Table {
  const placed = (record: CoreRecord) => fleet.clusters.member(record.key);
  return tableOf(members.length, ['key'], {
    ...coreColumns(members, fleet.root),
    reason: texts(members, (record) => placed(record)?.reason ?? ''),
    distance: numbers(members, (record) => placed(record)?.distance ?? Number.NaN),
    why: texts(members, (record) => whyHere(fleet, record)),
    copies: numbers(members, ({ key }) => (fleet.files.get(key)?.length ?? 1) - 1),
  });
}

/** One row a core like this one, nearest first; undefined when there is no such core. */
export function similarTable(fleet: Fleet, key: string, most = 20): Table | undefined {
  const core = fleet.byKey.get(key);
  if (core === undefined) return undefined;
  const near = fleet.clusters.similar(featuresOfRecord(core), most);
  const cores = near.flatMap((one) => fleet.byKey.get(one.key) ?? []);
  return tableOf(cores.length, ['key'], {
    distance: Float64Array.from(
      near.filter((one) => fleet.byKey.has(one.key)),
      (one) => one.distance,
    ),
    cluster: texts(cores, (record) => clusterName(fleet.clusters.member(record.key)?.cluster ?? 0)),
    ...coreColumns(cores, fleet.root),
    why: texts(cores, (record) =>
      sentence(explain(fleet.clusters.words, featuresOfRecord(core), featuresOfRecord(record))),
    ),
  });
}

export interface CoreDiff {
  readonly explanation: Explanation;
  /** One row a fact of which at least one core tells: what, a, b, same. */
  readonly facts: Table;
  /** The blamed stacks side by side, innermost first: a, b, share. */
  readonly frames: Table;
}

/** Two cores side by side. */
export function diffCores(clusters: Clusters, a: CoreRecord, b: CoreRecord): CoreDiff {
  const explanation = explain(clusters.words, featuresOfRecord(a), featuresOfRecord(b));
  const facts = FACTS.map(([what, of]) => ({ what, a: of(a), b: of(b) })).filter(
    (row) => row.a !== '' || row.b !== '',
  );
  const { steps } = explanation;
  return {
    explanation,
    facts: tableOf(facts.length, ['what'], {
      rank: Float64Array.from(facts.keys()),
      what: texts(facts, ({ what }) => what),
      a: texts(facts, (row) => row.a),
      b: texts(facts, (row) => row.b),
      same: texts(facts, (row) => (row.a === row.b ? 'yes' : 'no')),
    }),
    frames: tableOf(steps.length, ['row'], {
      row: Float64Array.from(steps.keys()),
      a: texts(steps, (step) => (step.in === 'b' ? '' : step.frame)),
      b: texts(steps, (step) => (step.in === 'a' ? '' : step.frame)),
      share: numbers(steps, ({ share }) => share * 100),
    }),
  };
}

const FACTS: readonly (readonly [string, (record: CoreRecord) => string])[] = [
  ['file', ({ path }) => path],
  ['host', ({ hostname }) => hostname ?? ''],
  ['time', (record) => minute(timeOf(record))],
  ['class', (record) => record.class],
  ['panic', ({ panic }) => panic],
  ['blame', ({ traits }) => traits.blame ?? ''],
  ['module', ({ traits }) => traits.module ?? ''],
  ['rip', ({ traits }) => traits.rip ?? ''],
  ['lock', ({ traits }) => traits.lock ?? ''],
  ['task', ({ traits }) => traits.comm ?? ''],
  ['kernel', ({ traits }) => traits.release ?? ''],
  ['build', ({ traits }) => traits.build_id ?? ''],
  ['taint', ({ traits }) => traits.taint ?? ''],
  ['cpus', ({ traits }) => (traits.cpus === undefined ? '' : String(traits.cpus))],
  ['uptime', ({ uptime_s }) => (uptime_s === undefined ? '' : `${Math.round(uptime_s)} s`)],
  ['findings', ({ findings }) => findings.join(' ')],
];

/** What all paths begin with, whole directories only. */
function rootOf([first, ...others]: readonly CoreRecord[]): string {
  let root = first?.path ?? '';
  const shorten = () => {
    const shorter = root.slice(0, root.lastIndexOf('/', root.length - 2) + 1);
    root = shorter === root ? '' : shorter;
  };
  shorten();
  for (const { path } of others) while (!path.startsWith(root)) shorten();
  return root;
}

function coreColumns(cores: readonly CoreRecord[], root: string): Record<string, Column> {
  return {
    key: texts(cores, ({ key }) => key),
    file: texts(cores, ({ path }) => (path.startsWith(root) ? path.slice(root.length) : path)),
    path: texts(cores, ({ path }) => path),
    host: texts(cores, ({ hostname }) => hostname ?? ''),
    kernel: texts(cores, ({ traits }) => traits.release ?? ''),
    time: texts(cores, (record) => minute(timeOf(record))),
    uptime: numbers(cores, ({ uptime_s }) => uptime_s ?? Number.NaN),
    comm: texts(cores, ({ traits }) => traits.comm ?? ''),
    class: texts(cores, (record) => record.class),
    blame: texts(cores, ({ traits }) => traits.blame ?? ''),
  };
}

/** Why a core is in its cluster, in words: against the core that it was found to be near to. */
function whyHere({ clusters, byKey }: Fleet, record: CoreRecord): string {
  const placed = clusters.member(record.key);
  if (placed === undefined) return '';
  if (placed.reason === 'founder') return 'first of its kind';
  const other = placed.nearest === undefined ? undefined : byKey.get(placed.nearest);
  const why =
    other === undefined
      ? ''
      : sentence(explain(clusters.words, featuresOfRecord(other), featuresOfRecord(record)));
  return placed.reason === 'decided' ? `decided by the user${why === '' ? '' : `; ${why}`}` : why;
}

function tableOf(length: number, key: readonly string[], columns: Record<string, Column>): Table {
  return { length, key, columns };
}

const texts = <Row>(rows: readonly Row[], of: (row: Row) => string): Column => textColumn(rows.map(of));
const numbers = <Row>(rows: readonly Row[], of: (row: Row) => number): Column => Float64Array.from(rows, of);

/** UTC, to the minute; `''` where it is not known. */
export function minute(time: number): string {
  if (!Number.isFinite(time) || Math.abs(time) > 8.64e15) return '';
  return `${new Date(time).toISOString().slice(0, 16).replace('T', ' ')}Z`;
}
