/** The built ktop inside a guest. */
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { Picture } from '../helpers/ktop.ts';
import { paths } from '../helpers/paths.ts';
import { type Job, type Outcome, runGuest } from './guest.ts';

const PRELUDE = fileURLToPath(new URL('prelude.sh', import.meta.url));

/** Runs a script that may use the functions of prelude.sh; fails unless it ends with status 0. */
export async function runKtopGuest(job: Job): Promise<Outcome> {
  if (!existsSync(paths.ktop)) throw new Error('dist/ktop.mjs is missing; run npm run build');
  const files = { ...job.files, 'prelude.sh': PRELUDE, dist: paths.dist };
  const outcome = await runGuest({ ...job, files, script: `. ./prelude.sh\n${job.script}` });
  if (outcome.status !== 0) {
    throw new Error(`the guest's script failed (${outcome.status}): ${outcome.stderr}\n${outcome.stdout}`);
  }
  return outcome;
}

/** The pictures ktop wrote to /out/<name>.json. */
export function picturesOf(outcome: Outcome, name: string): Picture[] {
  const text = outcome.files.get(`${name}.json`) ?? '';
  return text
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line) as Picture);
}

/** A file of /out; a missing one is an error. */
export function fileOf(outcome: Outcome, name: string): string {
  const text = outcome.files.get(name);
  if (text === undefined) throw new Error(`the guest left no ${name}: ${outcome.stderr}`);
  return text;
}
