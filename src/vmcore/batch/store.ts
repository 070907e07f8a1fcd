/**
 * What a batch keeps in its directory: the index (a line per core), the clusters, and the user's decisions. The index grows
 * by whole lines while cores are read, so that an end without warning loses nothing; everything else, and the index once a
 * run is over, is written beside and renamed into place.
 */
import {
  closeSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  unlinkSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { type ClusterSettings, Clusters, type Reason } from '../cluster/clusters.ts';
import { Pins, type PinsData } from '../cluster/pins.ts';
import { type CoreRecord, featuresOfRecord, parseRecord, timeOf } from './record.ts';
import { causeOf } from './walk.ts';

const INDEX = 'ktop-vmcores.ndjson';
const CLUSTERS = 'ktop-clusters.json';
const DECISIONS = 'ktop-decisions.json';
const LOCK = 'ktop-batch.lock';
const TEXT = '.crash';
const JSON_TEXT = '.crash.json';

/** Files that a batch writes, by their names. */
export const isOwnFile = (name: string): boolean =>
  [INDEX, CLUSTERS, DECISIONS, LOCK].some((own) => name.startsWith(own)) ||
  name.endsWith(TEXT) ||
  name.endsWith(JSON_TEXT);

/** Where the text and the JSON of a core go, relative to the directory of the index. */
export const outputsOf = (relative: string): { readonly text: string; readonly json: string } => ({
  text: `${relative}${TEXT}`,
  json: `${relative}${JSON_TEXT}`,
});

const CLUSTERS_SCHEMA = 1;

interface ClustersData {
  readonly v: typeof CLUSTERS_SCHEMA;
  readonly settings: ClusterSettings;
  readonly next: number;
  /** Key → cluster, reason, nearest, distance. */
  readonly members: Readonly<Record<string, readonly [number, Reason, string | null, number | null]>>;
}

/** Writes beside and renames into place: a reader sees the old file or the new one, whole. */
export function writeAtomically(path: string, text: string | Buffer): void {
  const fresh = `${path}.${process.pid}.new`;
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  try {
    // Of an earlier process with our number; or a link of somebody who can write here.
    rmSync(fresh, { force: true });
    const file = openSync(fresh, 'wx', 0o600);
    try {
      writeFileSync(file, text);
      fsyncSync(file);
    } finally {
      closeSync(file);
    }
    renameSync(fresh, path);
  } catch (error) {
    rmSync(fresh, { force: true });
    throw error;
  }
}

export class Store {
  readonly directory: string;
  /** By path: the newest record of each file. */
  readonly records = new Map<string, CoreRecord>();
  /** Lines of the index that could not be used. */
  readonly damaged: number;
  #index: number | undefined;
  #locked = false;

  constructor(directory: string) {
    this.directory = directory;
    const lines = readText(join(directory, INDEX)).split('\n');
    let damaged = 0;
    for (const line of lines) {
      if (line === '') continue;
      const record = parseRecord(line);
      if (record === undefined) damaged += 1;
      else this.records.set(record.path, record);
    }
    this.damaged = damaged;
  }

  /** For writing: makes the directory and keeps others out. Undefined, or why it cannot be. */
  lock(): string | undefined {
    try {
      mkdirSync(this.directory, { recursive: true, mode: 0o700 });
    } catch (error) {
      return `cannot make ${this.directory} (${causeOf(error)}); give another directory with -o`;
    }
    const path = join(this.directory, LOCK);
    for (let attempt = 0; attempt < 2; attempt += 1) {
      try {
        writeFileSync(path, `${process.pid}\n`, { flag: 'wx', mode: 0o600 });
        this.#locked = true;
        return undefined;
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'EEXIST')
          return `cannot write to ${this.directory} (${causeOf(error)}); give another directory with -o`;
        const holder = Number(readText(path));
        if (isAlive(holder))
          return `process ${holder} is writing to ${this.directory} already; wait for it, or give another directory with -o`;
        rmSync(path, { force: true });
      }
    }
    return `cannot lock ${this.directory}; remove ${path}`;
  }

  /** One more core, in the file before this returns. */
  append(record: CoreRecord): void {
    this.#index ??= this.#openIndex();
    writeSync(this.#index, `${JSON.stringify(record)}\n`);
    this.records.set(record.path, record);
  }

  /** The file lies elsewhere now. */
  move(record: CoreRecord, path: string): void {
    this.records.delete(record.path);
    this.append({ ...record, path });
  }

  /** A torn last line must not take the first one of this run with it. */
  #openIndex(): number {
    const path = join(this.directory, INDEX);
    const torn = !/(?:^|\n)$/.test(readText(path));
    const file = openSync(path, 'a', 0o600);
    if (torn) writeSync(file, '\n');
    return file;
  }

  /** Records in order of their crashes: the same order whatever order they were read in. */
  inOrder(): CoreRecord[] {
    return [...this.records.values()].sort((a, b) => timeOf(a) - timeOf(b) || (a.path < b.path ? -1 : 1));
  }

  /**
   * The clusters as they were left, with what has come since added. A core that could not be read is in none. `anew`
   * forgets all but the user's decisions.
   */
  clusters(settings: Partial<ClusterSettings> = {}, anew = false): Clusters {
    const pins = new Pins(
      parseOr<PinsData>(readText(join(this.directory, DECISIONS)), isPinsData, { together: [], apart: [] }),
    );
    const clusters = new Clusters(settings, pins);
    const saved = anew
      ? undefined
      : parseOr<ClustersData | undefined>(
          readText(join(this.directory, CLUSTERS)),
          isClustersData,
          undefined,
        );
    const fits = saved !== undefined && saved.settings.threshold === clusters.settings.threshold;
    const records = this.inOrder().filter(isClustered);
    if (fits) {
      for (const record of records) {
        const [cluster, reason, nearest, distance] = saved.members[record.key] ?? [];
        if (cluster === undefined || reason === undefined) continue;
        const more = nearest === null || nearest === undefined ? {} : { nearest };
        clusters.restore(featuresOfRecord(record), {
          cluster,
          reason,
          ...more,
          distance: distance ?? Number.NaN,
        });
      }
      clusters.next = saved.next;
    }
    for (const record of records) clusters.add(featuresOfRecord(record));
    return clusters;
  }

  saveClusters(clusters: Clusters): void {
    const members: Record<string, [number, Reason, string | null, number | null]> = {};
    for (const id of clusters.ids())
      for (const key of clusters.membersOf(id)) {
        const member = clusters.member(key);
        if (member === undefined) continue;
        const { cluster, reason, nearest = null, distance } = member;
        members[key] = [
          cluster,
          reason,
          nearest,
          Number.isNaN(distance) ? null : Number(distance.toFixed(4)),
        ];
      }
    const data: ClustersData = {
      v: CLUSTERS_SCHEMA,
      settings: clusters.settings,
      next: clusters.next,
      members,
    };
    writeAtomically(join(this.directory, CLUSTERS), `${JSON.stringify(data)}\n`);
    if (!clusters.pins.empty) this.saveDecisions(clusters.pins);
  }

  saveDecisions(pins: Pins): void {
    writeAtomically(join(this.directory, DECISIONS), `${JSON.stringify(pins, undefined, 2)}\n`);
  }

  /** Ends the run: one line per core in the index, the lock given back. */
  close(): void {
    if (this.#index !== undefined) {
      closeSync(this.#index);
      this.#index = undefined;
      const lines = this.inOrder().map((record) => `${JSON.stringify(record)}\n`);
      writeAtomically(join(this.directory, INDEX), lines.join(''));
    }
    if (this.#locked) unlinkSync(join(this.directory, LOCK));
    this.#locked = false;
  }
}

/** Cores that tell nothing of how they came to be are not compared. */
export const isClustered = ({ status }: CoreRecord): boolean =>
  status === 'full' || status === 'partial' || status === 'log';

function readText(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    // No such file, or a directory that is none: making it will say so.
    if (['ENOENT', 'ENOTDIR'].includes((error as NodeJS.ErrnoException).code ?? '')) return '';
    throw error;
  }
}

function parseOr<Data>(text: string, fits: (value: unknown) => boolean, otherwise: Data): Data {
  try {
    const value: unknown = JSON.parse(text);
    return fits(value) ? (value as Data) : otherwise;
  } catch {
    return otherwise;
  }
}

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null;

const isPairs = (value: unknown): boolean =>
  Array.isArray(value) &&
  value.every(
    (pair) => Array.isArray(pair) && pair.length === 2 && pair.every((key) => typeof key === 'string'),
  );

const isPinsData = (value: unknown): boolean =>
  isObject(value) && isPairs(value.together) && isPairs(value.apart);

const isClustersData = (value: unknown): boolean =>
  isObject(value) &&
  value.v === CLUSTERS_SCHEMA &&
  isObject(value.settings) &&
  typeof value.next === 'number' &&
  isObject(value.members) &&
  Object.values(value.members).every((member) => Array.isArray(member) && typeof member[0] === 'number');

function isAlive(pid: number): boolean {
  if (!Number.isInteger(pid) || pid <= 0) return false;
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}
