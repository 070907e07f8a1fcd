/** A thread that reads cores for a batch: one at a time, report to files, record back. */
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { parentPort } from 'node:worker_threads';
import { crashText } from '../../output/crash-text.ts';
import { reportJson } from '../../output/vmcore-report.ts';
import { CrashDesk } from '../crash/desk.ts';
import { wantsFallback } from '../crash/fallback.ts';
import { openCore } from '../open.ts';
import type { Report } from '../report.ts';
import type { ReadJob } from './batch.ts';
import { type CoreRecord, recordOf } from './record.ts';
import { writeAtomically } from './store.ts';
import { causeOf } from './walk.ts';

/** Of the time for one core: what is kept for ending crash and writing the report. */
const MARGIN = 0.1;

parentPort?.on('message', (job: ReadJob) => {
  void read(job).then((record) => parentPort?.postMessage(record));
});

/** Rejects, and so ends the thread, only where the reader itself is broken. */
async function read(job: ReadJob): Promise<CoreRecord> {
  const { candidate, out, text, json } = job;
  const began = performance.now();
  const core = openCore(candidate.path, outsideOf(job));
  let report: Report;
  try {
    report = await core.report();
  } finally {
    core.close();
  }
  if (wantsFallback(report)) report = await byCrash(report, job, began);
  const record = recordOf(candidate, report);
  // A file that turned out to be no core leaves nothing behind.
  if (report.status === 'none') {
    for (const name of [text, json]) rmSync(join(out, name), { force: true });
    return record;
  }
  try {
    writeAtomically(join(out, json), reportJson(report));
    writeAtomically(join(out, text), crashText(report));
    return { ...record, text, json };
  } catch (error) {
    return {
      ...record,
      failure: `cannot write its report (${causeOf(error)}); free some space or write elsewhere with -o`,
    };
  }
}

const outsideOf = ({ vmlinux }: ReadJob): { readonly vmlinux?: string } =>
  vmlinux === undefined ? {} : { vmlinux };

/** What crash knows of it, in the time that is left; it must have ended before this thread is. */
async function byCrash(report: Report, job: ReadJob, began: number): Promise<Report> {
  const desk = new CrashDesk({
    core: job.candidate.path,
    kernel: () => report.kernel,
    index: { cache: '' },
    ...outsideOf(job),
  });
  const left = began + job.timeout_ms * (1 - MARGIN) - performance.now();
  let late = false;
  const timer = setTimeout(() => {
    late = true;
    void desk.close();
  }, left);
  try {
    const made = await desk.completedOrWhy(report);
    if (!late) return made;
    const text = `crash had not read it within ${job.timeout_ms / 1000} s; give more time with --timeout`;
    return { ...report, failures: [...report.failures, { stage: 'crash', text }] };
  } finally {
    clearTimeout(timer);
    await desk.close();
  }
}
