/** All cores of the lab, made where they are not, and read: one report each, of the first of its files. */
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { vi } from 'vitest';
import { type Column, textAt } from '../../src/sources/snapshot.ts';
import { type Features, featuresOf } from '../../src/vmcore/cluster/features.ts';
import { openCore } from '../../src/vmcore/open.ts';
import type { Report, SectionName } from '../../src/vmcore/report.ts';
import { makeCores } from './lab/cores.ts';
import { CRASHES } from './lab/crashes.ts';
import type { Truth } from './lab/truth.ts';

export interface ReadCore {
  readonly truth: Truth;
  readonly directory: string;
  readonly file: string;
  readonly report: Report;
  readonly features: Features;
  /** Of the log alone, as where memory cannot be read. */
  readonly logFeatures: Features;
}

/** Booting and crashing all guests, where nothing is there yet. */
export const MAKE_MS = 30 * 60_000;

/** A test that opens every core takes long on a busy machine: seconds on an idle one. */
vi.setConfig({ testTimeout: 4 * 60_000 });

export const labCores = () => makeCores(CRASHES, { guests: availableParallelism() });

/** `cache` of builds: none, so that every core is read from itself. */
export async function readLab(wanted: (truth: Truth) => boolean = () => true): Promise<readonly ReadCore[]> {
  const read: ReadCore[] = [];
  for (const { truth, directory } of await labCores()) {
    if (!wanted(truth)) continue;
    const file = join(directory, Object.values(truth.files)[0] as string);
    const core = openCore(file, { cache: '' });
    try {
      const logFeatures = featuresOf(core.head(), truth.name);
      const report = await core.report();
      read.push({ truth, directory, file, report, features: featuresOf(report, truth.name), logFeatures });
    } finally {
      core.close();
    }
  }
  return read;
}

export type Row = Readonly<Record<string, string | number>>;

/** A table of a report, a row each. */
export function rowsOf(report: Report, section: SectionName, name: string = section): Row[] {
  const table = report.sections[section]?.tables[name];
  if (table === undefined) throw new Error(`the report has no table ${name} in ${section}`);
  const cell = (column: Column, row: number) =>
    column instanceof Float64Array ? (column[row] as number) : textAt(column, row);
  return Array.from({ length: table.length }, (_, row) =>
    Object.fromEntries(Object.entries(table.columns).map(([id, column]) => [id, cell(column, row)])),
  );
}
