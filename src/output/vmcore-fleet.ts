/** A fleet of cores as text and JSON, and how far a batch is. */
import { sanitise } from '../panels/sanitise.ts';
import type { BatchEvent, BatchResult } from '../vmcore/batch/batch.ts';
import type { CoreRecord } from '../vmcore/batch/record.ts';
import type { Explanation } from '../vmcore/cluster/explain.ts';
import { sentence } from '../vmcore/cluster/explain.ts';
import {
  CLUSTERS_PANEL,
  FACTS_PANEL,
  FRAMES_PANEL,
  MEMBERS_PANEL,
  SIMILAR_PANEL,
} from '../vmcore/fleet/panels.ts';
import {
  type ClusterFacts,
  type CoreDiff,
  clusterFacts,
  clustersTable,
  type Fleet,
  membersTable,
} from '../vmcore/fleet/tables.ts';
import { type Json, jsonText, rows } from './json.ts';
import { tableLines } from './plain.ts';

/** Members named under a cluster; all are in its own list. */
const MEMBERS_NAMED = 3;
/** Failures named; all are in the index. */
const FAILURES_NAMED = 20;

/** What a batch has come to: the clusters by size with some of their members, then what could not be read. */
export function batchText(result: BatchResult, fleet: Fleet): string {
  const facts = clusterFacts(fleet);
  const failed = failuresOf(result);
  const lines = [
    countLine(result, facts.length, copiesOf(fleet)),
    '',
    ...clusterLines(facts),
    ...(facts.length === 0 ? [] : ['', ...facts.map((one) => memberLine(one, result.directory))]),
    ...(failed.length === 0 ? [] : ['', 'not read:']),
    ...some(failed.map(({ path, failure }) => `  ${below(path, result.directory)}: ${failure ?? 'unknown'}`)),
    ...(result.unreadable.length === 0 ? [] : ['', 'could not be opened:']),
    ...some(result.unreadable.map((text) => `  ${text}`)),
    '',
    `results in ${result.out}`,
  ];
  return textOf(lines);
}

/** Files beside the first of each crash. */
const copiesOf = ({ files }: Fleet): number =>
  [...files.values()].reduce((sum, records) => sum + records.length - 1, 0);

function countLine({ counts, stopped, ms }: BatchResult, clusters: number, copies: number): string {
  const parts = [
    `${count(counts.cores, 'core')} in ${count(clusters, 'cluster')}`,
    `${counts.read} read`,
    `${counts.known} known`,
    `${counts.failed} failed`,
    `${counts.not_cores} other files`,
    ...(copies === 0 ? [] : [`${copies} further files of the same crash`]),
    ...(counts.links === 0 ? [] : [`${counts.links} further links`]),
    `${(ms / 1000).toFixed(1)} s`,
    ...(stopped ? ['stopped before the end'] : []),
  ];
  return parts.join(', ');
}

const count = (n: number, what: string): string => `${n} ${what}${n === 1 ? '' : 's'}`;

function memberLine({ name, members }: ClusterFacts, directory: string): string {
  const named = members.slice(0, MEMBERS_NAMED).map(({ path }) => below(path, directory));
  const rest = members.length - named.length;
  return `${name}: ${named.join(', ')}${rest > 0 ? ` and ${rest} more` : ''}`;
}

const below = (path: string, directory: string): string =>
  path.startsWith(`${directory}/`) ? path.slice(directory.length + 1) : path;

function some(lines: readonly string[]): string[] {
  const rest = lines.length - FAILURES_NAMED;
  return rest > 0 ? [...lines.slice(0, FAILURES_NAMED), `  and ${rest} more`] : [...lines];
}

/** `{"ktop":1,"vmcores":{…},"clusters":[…],"failed":[…],"unreadable":[…]}` on one line. */
export function batchJson(result: BatchResult, fleet: Fleet): string {
  const { counts, directory, out, stopped, ms, cluster_ms } = result;
  return line({
    ktop: 1,
    vmcores: { directory, out, ...counts, stopped, ms: Math.round(ms), cluster_ms: Math.round(cluster_ms) },
    clusters: clusterRows(clusterFacts(fleet)),
    failed: failuresOf(result).map(({ path, failure }) => ({ path, why: failure ?? '' })),
    unreadable: result.unreadable,
  });
}

const memberPaths = (facts: ClusterFacts | undefined): string[] =>
  facts?.members.map(({ path }) => path) ?? [];

/** Cores of this directory that nothing is known of. */
const failuresOf = ({ store, directory }: BatchResult): CoreRecord[] =>
  store
    .inOrder()
    .filter(
      ({ status, path }) => (status === 'failed' || status === 'none') && path.startsWith(`${directory}/`),
    );

export function clustersText(fleet: Fleet): string {
  return textOf(clusterLines(clusterFacts(fleet)));
}

const clusterLines = (facts: readonly ClusterFacts[]): string[] =>
  facts.length === 0 ? [CLUSTERS_PANEL.empty] : tableLines(CLUSTERS_PANEL, clustersTable(facts));

export function clustersJson(fleet: Fleet): string {
  return line({ ktop: 1, clusters: clusterRows(clusterFacts(fleet)) });
}

/** With all members' paths. */
function clusterRows(facts: readonly ClusterFacts[]): Json[] {
  const byName = new Map(facts.map((one) => [one.name, one]));
  const shown = rows(CLUSTERS_PANEL, clustersTable(facts)) as readonly { readonly [key: string]: Json }[];
  return shown.map((row) => ({ ...row, members: memberPaths(byName.get(String(row.cluster))) }));
}

export function membersText(fleet: Fleet, id: number): string {
  return textOf(tableLines(MEMBERS_PANEL, membersTable(fleet, id)));
}

export function membersJson(fleet: Fleet, id: number): string {
  return line({ ktop: 1, members: rows(MEMBERS_PANEL, membersTable(fleet, id)) });
}

export function similarText(table: Parameters<typeof tableLines>[1]): string {
  return textOf(table.length === 0 ? [SIMILAR_PANEL.empty] : tableLines(SIMILAR_PANEL, table));
}

export function similarJson(table: Parameters<typeof tableLines>[1]): string {
  return line({ ktop: 1, similar: rows(SIMILAR_PANEL, table) });
}

export function diffText({ explanation, facts, frames }: CoreDiff): string {
  return textOf([
    `distance ${explanation.distance.toFixed(3)}`,
    sentence(explanation),
    '',
    ...tableLines(FACTS_PANEL, facts),
    '',
    ...(frames.length === 0 ? [FRAMES_PANEL.empty] : tableLines(FRAMES_PANEL, frames)),
  ]);
}

export function diffJson({ explanation, facts, frames }: CoreDiff): string {
  const { distance, same, differs }: Explanation = explanation;
  return line({
    ktop: 1,
    distance,
    same,
    differs,
    facts: rows(FACTS_PANEL, facts),
    frames: rows(FRAMES_PANEL, frames),
  });
}

const line = (value: Json): string => jsonText(value);
const textOf = (lines: readonly string[]): string => `${lines.map((text) => sanitise(text)).join('\n')}\n`;

/** Where progress goes: a terminal is drawn over, anything else gets lines. */
export interface ProgressStream {
  write(text: string): unknown;
  readonly isTTY?: boolean;
  readonly columns?: number;
}

const DRAWN_EVERY_MS = 100;
const BAR = 24;

/** How far a batch is, as it tells it. `clear` before anything else is written. */
export class BatchProgress {
  readonly #stream: ProgressStream;
  readonly #now: () => number;
  #drawn = Number.NEGATIVE_INFINITY;
  #shown = false;
  #began = 0;

  constructor(stream: ProgressStream, now: () => number = () => performance.now()) {
    this.#stream = stream;
    this.#now = now;
  }

  show(event: BatchEvent): void {
    if (this.#stream.isTTY === true) this.#draw(event);
    else this.#print(event);
  }

  clear(): void {
    if (this.#shown) this.#stream.write('\r\x1b[K');
    this.#shown = false;
  }

  #print(event: BatchEvent): void {
    if (event.kind === 'reading')
      this.#stream.write(`ktop: ${count(event.total, 'core')} to read, ${event.known} known\n`);
    if (event.kind === 'core')
      this.#stream.write(`${event.done}/${event.total} ${sanitise(coreLine(event.record))}\n`);
  }

  #draw(event: BatchEvent): void {
    const now = this.#now();
    if (event.kind === 'reading') this.#began = now;
    const last = event.kind === 'core' && event.done === event.total;
    if (
      !last &&
      event.kind !== 'reading' &&
      event.kind !== 'clustering' &&
      now - this.#drawn < DRAWN_EVERY_MS
    )
      return;
    this.#drawn = now;
    this.#shown = true;
    const text = [...sanitise(this.#line(event, now))].slice(
      0,
      Math.max(1, (this.#stream.columns ?? 80) - 1),
    );
    this.#stream.write(`\r${text.join('')}\x1b[K`);
  }

  #line(event: BatchEvent, now: number): string {
    switch (event.kind) {
      case 'looking':
        return `looking: ${event.files} files, ${event.cores} cores`;
      case 'clustering':
        return `clustering ${count(event.cores, 'core')}`;
      case 'reading':
        return `${bar(0)} 0/${event.total}`;
      case 'core': {
        const { done, total } = event;
        const seconds = Math.max(0.001, (now - this.#began) / 1000);
        const rate = done / seconds;
        const left = done === total ? '' : `  ETA ${duration((total - done) / rate)}`;
        return `${bar(done / total)} ${done}/${total}  ${Math.round(rate * 60)} cores/min${left}  ${coreLine(event.record)}`;
      }
    }
  }
}

const bar = (share: number): string => {
  const full = Math.round(share * BAR);
  return `[${'#'.repeat(full)}${'-'.repeat(BAR - full)}]`;
};

/** 9 s, 1 m 05 s, 2 h 07 m */
export function duration(seconds: number): string {
  const whole = Math.ceil(seconds);
  if (whole < 60) return `${whole} s`;
  const pad = (n: number): string => String(n).padStart(2, '0');
  if (whole < 3600) return `${Math.floor(whole / 60)} m ${pad(whole % 60)} s`;
  return `${Math.floor(whole / 3600)} h ${pad(Math.floor((whole % 3600) / 60))} m`;
}

function coreLine({ path, status, failure, class: name, traits, ms }: CoreRecord): string {
  if (status === 'failed' || status === 'none') return `${path}: ${failure ?? 'not read'}`;
  return `${path}: ${name}${traits.blame === undefined ? '' : ` ${traits.blame}`}${status === 'full' ? '' : ` (${status})`}, ${ms} ms`;
}
