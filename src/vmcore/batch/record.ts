/** One line of the index: what is kept of a core to list it, to cluster it, and to know that it is done. */
import { createHash } from 'node:crypto';
import { type Features, featuresOf, type Traits } from '../cluster/features.ts';
import type { CrashClass, Report } from '../report.ts';
import type { Candidate } from './walk.ts';

/** Raised when a record of before cannot serve any more: its core is read again. */
export const INDEX_SCHEMA = 1;

export interface CoreRecord extends Candidate {
  readonly v: typeof INDEX_SCHEMA;
  /** Of the crash, whatever file it is in: see coreKey. */
  readonly key: string;
  readonly status: Report['status'] | 'failed';
  /** Why nothing, or not all, could be read; one sentence. */
  readonly failure?: string;
  readonly class: CrashClass;
  readonly panic: string;
  readonly stack: readonly string[];
  readonly folded: number;
  readonly signature?: string;
  readonly traits: Traits;
  readonly hostname?: string;
  /** Wall clock, milliseconds since the epoch. */
  readonly crash_time?: number;
  readonly uptime_s?: number;
  /** Rules that found something. */
  readonly findings: readonly string[];
  /** Time to read it. */
  readonly ms: number;
  /** Paths of the text and of the JSON, relative to the directory of the index. */
  readonly text?: string;
  readonly json?: string;
}

/** The record of a core that was read, however far. */
export function recordOf(candidate: Candidate, report: Report): CoreRecord {
  const { crash, kernel } = report;
  const features = featuresOf(report, coreKey(candidate, report));
  const failure = report.failures[0]?.text;
  return {
    v: INDEX_SCHEMA,
    ...candidate,
    key: features.key,
    status: report.status,
    ...(failure === undefined ? {} : { failure }),
    class: features.class,
    panic: crash.panic_line,
    stack: features.stack,
    folded: features.folded,
    ...(features.signature === undefined ? {} : { signature: features.signature }),
    traits: features.traits,
    ...(kernel.hostname === undefined ? {} : { hostname: kernel.hostname }),
    ...(kernel.crash_time === undefined ? {} : { crash_time: kernel.crash_time }),
    ...(kernel.uptime_s === undefined ? {} : { uptime_s: kernel.uptime_s }),
    findings: report.findings.map(({ id }) => id),
    ms: Math.round(report.ms),
  };
}

/** The record of a core that no report could be made of. */
export function failedRecord(candidate: Candidate, failure: string, ms: number): CoreRecord {
  return {
    v: INDEX_SCHEMA,
    ...candidate,
    key: fileKey(candidate),
    status: 'failed',
    failure,
    class: 'unknown',
    panic: '',
    stack: [],
    folded: 0,
    traits: {},
    findings: [],
    ms: Math.round(ms),
  };
}

/** What a clustering needs of a record. */
export function featuresOfRecord(record: CoreRecord): Features {
  const { key, stack, folded, signature, traits } = record;
  return {
    key,
    class: record.class,
    stack,
    folded,
    ...(signature === undefined ? {} : { signature }),
    traits,
  };
}

/** Whether the file is still the one that the record is of. */
export const isSameFile = (a: Candidate, b: Candidate): boolean => identity(a) === identity(b);

export const identity = ({ device, inode, size, mtime }: Candidate): string =>
  `${device}:${inode}:${size}:${mtime}`;

/** When the core was made, as far as is known; milliseconds since the epoch. */
export const timeOf = (record: CoreRecord): number => record.crash_time ?? record.mtime;

/**
 * A name for the crash that every file of it has, in whatever format and wherever it lies, so that decisions and clusters
 * outlive moves and conversions: of the build, the boot and the moment. A core that does not tell these goes by its file.
 */
export function coreKey(candidate: Candidate, { kernel, crash }: Report): string {
  const { build_id, release, boot_time, crash_time, kaslr_offset, hostname } = kernel;
  if (crash_time === undefined) return fileKey(candidate);
  const { panic_cpu, panic_task } = crash;
  return hash([
    build_id,
    release,
    boot_time,
    crash_time,
    kaslr_offset,
    hostname,
    panic_cpu,
    panic_task?.task,
  ]);
}

const fileKey = (candidate: Candidate): string => hash([identity(candidate)]);

const hash = (parts: readonly unknown[]): string =>
  createHash('sha256').update(JSON.stringify(parts)).digest('hex').slice(0, 16);

/** A line of the index, undefined when it is torn, damaged, or of another schema. */
export function parseRecord(line: string): CoreRecord | undefined {
  try {
    const found = JSON.parse(line) as Partial<CoreRecord> | null;
    if (found === null || typeof found !== 'object' || found.v !== INDEX_SCHEMA) return undefined;
    const { path, key, device, inode, size, mtime, stack, traits, findings } = found;
    const complete =
      [path, key, device, inode].every((text) => typeof text === 'string') &&
      [size, mtime].every((number) => typeof number === 'number') &&
      [stack, findings].every(
        (list) => Array.isArray(list) && list.every((text) => typeof text === 'string'),
      ) &&
      typeof traits === 'object' &&
      traits !== null;
    return complete ? (found as CoreRecord) : undefined;
  } catch {
    return undefined;
  }
}
