/** What `npm run package` leaves, made when the build is newer. */
import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { command } from './command.ts';
import { paths } from './paths.ts';

export interface Packages {
  /** The single executable. */
  readonly executable: string;
  /** What npm can install. */
  readonly archive: string;
}

export function packages(): Packages {
  const directory = join(paths.project, 'build/package');
  const find = (end: RegExp) => {
    const name = list(directory).find((each) => end.test(each));
    return name === undefined ? undefined : join(directory, name);
  };
  const executable = find(/^ktop-[\d.]+-linux-\w+$/);
  const built_ms = statSync(join(paths.dist, 'main.mjs')).mtimeMs;
  if (executable === undefined || statSync(executable).mtimeMs < built_ms)
    command(paths.node(), [join(paths.project, 'scripts/package.mjs')], { cwd: paths.project });
  return {
    executable: find(/^ktop-[\d.]+-linux-\w+$/) ?? '',
    archive: find(/^ktop-[\d.]+\.tgz$/) ?? '',
  };
}

function list(directory: string): string[] {
  try {
    return readdirSync(directory);
  } catch {
    return [];
  }
}
