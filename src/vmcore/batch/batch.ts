/** Many cores: find them, skip what is done, read the others side by side, keep an index, cluster. Writes no terminal. */
import { mkdir, realpath, stat } from 'node:fs/promises';
import { relative, resolve } from 'node:path';
import type { Clusters } from '../cluster/clusters.ts';
import { type Outcome, runPool } from './pool.ts';
import { type CoreRecord, failedRecord, identity, isSameFile } from './record.ts';
import { mayBeCore } from './sniff.ts';
import { isOwnFile, outputsOf, Store } from './store.ts';
import { type Candidate, causeOf, type WalkCounts, walk } from './walk.ts';

export interface BatchOptions {
  readonly directory: string;
  /** Where results go; default: the directory itself, each beside its core. */
  readonly out?: string;
  readonly workers: number;
  readonly timeout_ms: number;
  /** Read everything again, cluster everything anew. */
  readonly again: boolean;
  /** For cores that cannot be read by themselves: a vmlinux, or a directory with some. */
  readonly vmlinux?: string;
  readonly signal: AbortSignal;
  /** The module of the reader threads. */
  readonly entry: URL;
  readonly onEvent: (event: BatchEvent) => void;
}

export type BatchEvent =
  /** Now and then while looking. */
  | { readonly kind: 'looking'; readonly files: number; readonly cores: number }
  /** Cores to be read, and cores that are done already. */
  | { readonly kind: 'reading'; readonly total: number; readonly known: number }
  | { readonly kind: 'core'; readonly done: number; readonly total: number; readonly record: CoreRecord }
  | { readonly kind: 'clustering'; readonly cores: number };

export interface BatchResult {
  readonly directory: string;
  readonly out: string;
  readonly store: Store;
  readonly clusters: Clusters;
  readonly counts: BatchCounts;
  /** Directories and files that could not be read, with the cause. */
  readonly unreadable: readonly string[];
  readonly stopped: boolean;
  readonly ms: number;
  readonly cluster_ms: number;
}

export interface BatchCounts {
  /** Regular files seen; further names of a file that was seen already. */
  readonly files: number;
  readonly links: number;
  readonly not_cores: number;
  readonly cores: number;
  /** Done by an earlier run. */
  readonly known: number;
  readonly read: number;
  readonly failed: number;
}

/** What cannot be done at all; one sentence: cause; remedy. */
export class BatchError extends Error {}

/** Sent to a reader thread, which answers with a CoreRecord. */
export interface ReadJob {
  readonly candidate: Candidate;
  /** Directory of the index, and the files to write, relative to it. */
  readonly out: string;
  readonly text: string;
  readonly json: string;
  /** Longest time for it. */
  readonly timeout_ms: number;
  readonly vmlinux?: string;
}

/** Heap of a reader thread: several times what the largest kernels met so far take. */
const HEAP_MB = 2048;
/** A core begun may be finished within this time after the user has asked to stop. */
const GRACE_MS = 1000;
const LOOKING_EVERY = 256;

export async function runBatch(options: BatchOptions): Promise<BatchResult> {
  const began = performance.now();
  const directory = await rootOf(options.directory);
  const out = await outputOf(options.out ?? directory);
  const store = openStore(out);
  const problem = store.lock();
  if (problem !== undefined) throw new BatchError(problem);
  try {
    const found = await look(directory, out, store, options);
    options.onEvent({ kind: 'reading', total: found.jobs.length, known: found.known });
    const { read, failed } = await readAll(found.jobs, store, options);
    const clusterBegan = performance.now();
    options.onEvent({ kind: 'clustering', cores: store.records.size });
    const clusters = store.clusters({}, options.again);
    store.saveClusters(clusters);
    return {
      directory,
      out,
      store,
      clusters,
      counts: { ...found.counts, known: found.known, read, failed },
      unreadable: found.unreadable,
      stopped: options.signal.aborted,
      ms: performance.now() - began,
      cluster_ms: performance.now() - clusterBegan,
    };
  } finally {
    store.close();
  }
}

function openStore(out: string): Store {
  try {
    return new Store(out);
  } catch (error) {
    throw new BatchError(
      `cannot read the index in ${out} (${causeOf(error)}); give another directory with -o`,
    );
  }
}

async function rootOf(path: string): Promise<string> {
  try {
    const root = await realpath(path);
    if ((await stat(root)).isDirectory()) return root;
  } catch (error) {
    throw new BatchError(`cannot read ${path} (${causeOf(error)}); give a directory with cores`);
  }
  throw new BatchError(`${path} is not a directory; for a single core leave out -d`);
}

async function outputOf(path: string): Promise<string> {
  try {
    await mkdir(path, { recursive: true, mode: 0o700 });
    return await realpath(path);
  } catch (error) {
    throw new BatchError(`cannot make ${resolve(path)} (${causeOf(error)}); give another directory with -o`);
  }
}

interface Found {
  readonly jobs: readonly ReadJob[];
  readonly known: number;
  readonly counts: {
    readonly files: number;
    readonly links: number;
    readonly not_cores: number;
    readonly cores: number;
  };
  readonly unreadable: readonly string[];
}

/** What there is to do. Records of files that lie elsewhere now get their new path. */
async function look(directory: string, out: string, store: Store, options: BatchOptions): Promise<Found> {
  const walked: WalkCounts = { files: 0, links: 0, unreadable: [] };
  const jobs: ReadJob[] = [];
  let [known, not_cores] = [0, 0];
  const moved = new Map([...store.records.values()].map((record) => [identity(record), record]));
  const except = out === directory ? [] : [out];
  const walking = walk(directory, walked, { except, own: isOwnFile, signal: options.signal });
  for await (const candidate of walking) {
    if (walked.files % LOOKING_EVERY === 0)
      options.onEvent({ kind: 'looking', files: walked.files, cores: jobs.length + known });
    const record = store.records.get(candidate.path) ?? moved.get(identity(candidate));
    if (record !== undefined && !options.again && isSameFile(record, candidate)) {
      known += 1;
      if (record.path !== candidate.path) store.move(record, candidate.path);
    } else if (isCore(candidate.path, walked)) jobs.push(jobFor(candidate, directory, out, options));
    else not_cores += 1;
  }
  const small = walked.files - known - not_cores - jobs.length;
  const counts = {
    files: walked.files,
    links: walked.links,
    not_cores: not_cores + small,
    cores: known + jobs.length,
  };
  return { jobs, known, counts, unreadable: walked.unreadable };
}

function isCore(path: string, walked: WalkCounts): boolean {
  try {
    return mayBeCore(path);
  } catch (error) {
    walked.unreadable.push(`${path}: ${causeOf(error)}`);
    return false;
  }
}

function jobFor(
  candidate: Candidate,
  directory: string,
  out: string,
  { timeout_ms, vmlinux }: BatchOptions,
): ReadJob {
  return {
    candidate,
    out,
    timeout_ms,
    ...outputsOf(relative(directory, candidate.path)),
    ...(vmlinux === undefined ? {} : { vmlinux }),
  };
}

async function readAll(
  jobs: readonly ReadJob[],
  store: Store,
  options: BatchOptions,
): Promise<{ read: number; failed: number }> {
  let [done, failed] = [0, 0];
  const settle = ({ candidate }: ReadJob, outcome: Outcome<CoreRecord>): void => {
    if (outcome.kind === 'stopped') return;
    const record =
      outcome.kind === 'done' ? outcome.result : failedRecord(candidate, outcome.text, outcome.ms);
    done += 1;
    if (record.status === 'failed' || record.status === 'none') failed += 1;
    store.append(record);
    options.onEvent({ kind: 'core', done, total: jobs.length, record });
  };
  const { entry, workers, timeout_ms, signal } = options;
  const size = Math.min(workers, jobs.length);
  await runPool(jobs, { entry, size, timeout_ms, heap_mb: HEAP_MB, signal, grace_ms: GRACE_MS }, settle);
  return { read: done - failed, failed };
}
