/** Which test files a stage has, and which of them the words on the command line mean. */
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { SetupError } from './setup.mjs';

/** Test files below a directory, relative to `root`, sorted. */
function testFiles(root, directory) {
  if (!existsSync(join(root, directory))) return [];
  const entries = readdirSync(join(root, directory), { withFileTypes: true });
  return entries
    .flatMap((entry) => {
      const path = `${directory}/${entry.name}`;
      if (entry.isDirectory()) return testFiles(root, path);
      return /\.test\.tsx?$/.test(entry.name) ? [path] : [];
    })
    .sort();
}

/**
 * Of each stage the files whose path contains one of the words; all where there are no words. A stage is left out when
 * other stages have what was asked for. Throws a SetupError when a word means no file of any stage: nothing would have
 * been tested.
 */
export function filesByStage(root, stages, words) {
  const all = stages.map((stage) => [stage, testFiles(root, `test/${stage}`)]);
  if (words.length === 0) return new Map(all);
  for (const word of words)
    if (!all.some(([, files]) => files.some((file) => file.includes(word))))
      throw new SetupError(
        `no test file of ${stages.join(', ') || 'these stages'} has ${JSON.stringify(word)} in its path`,
      );
  const chosen = all.map(([stage, files]) => [
    stage,
    files.filter((file) => words.some((word) => file.includes(word))),
  ]);
  return new Map(chosen.filter(([, files]) => files.length > 0));
}
