/** No shell runs in ktop, and no text becomes a command line: programs are started with a list of arguments, or not at all. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';

const ROOT = new URL('../..', import.meta.url).pathname;

/** Sources below a directory of the project, by path. */
function sources(directory: string, ending: RegExp, without: RegExp): [string, string][] {
  return readdirSync(join(ROOT, directory), { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile() && ending.test(entry.name))
    .map((entry) => join(entry.parentPath, entry.name).slice(ROOT.length))
    .filter((path) => !without.test(path))
    .map((path) => [path, withoutComments(readFileSync(join(ROOT, path), 'utf8'))]);
}

const withoutComments = (text: string) =>
  text.replace(/\/\*[\s\S]*?\*\//g, '').replace(/(^|\s)\/\/.*$/gm, '');

/** What starts a shell, or may. */
const FORBIDDEN = {
  TypeScript: [
    /\bexec(?:Sync)?\s*\(\s*['"`]/,
    /\bshell\s*:\s*(?:true|['"`])/,
    /import\s*{[^}]*\bexec(?:Sync)?\b[^}]*}\s*from\s*'node:child_process'/,
    /['"`](?:\/usr)?\/bin\/(?:ba|da|z|k)?sh['"`]/,
    /spawn(?:Sync)?\(\s*['"`](?:ba|da|z)?sh['"`]/,
    /\bnew Function\b|\beval\s*\(/,
  ],
  'C++': [
    /\bsystem\s*\(\s*["a-z]/,
    /\bpopen\s*\(/,
    /\bexecl[pe]?\s*\(/,
    /"(?:\/usr)?\/bin\/(?:ba|da)?sh"/,
    /\bwordexp\s*\(/,
  ],
};

test.each([
  ['TypeScript', sources('src', /\.tsx?$/, /^$/)],
  ['C++', sources('native', /\.(?:cc|h)$/, /^native\/(?:test|fuzz|bench)\//)],
] as const)('%s', (language, files) => {
  expect(files.length).toBeGreaterThan(50);
  for (const [path, text] of files)
    for (const pattern of FORBIDDEN[language])
      expect(pattern.exec(text)?.[0], `${path}: ${pattern}`).toBeUndefined();
});

test('who starts programs at all', () => {
  const starts = sources('src', /\.tsx?$/, /^$/).filter(([, text]) => /from 'node:child_process'/.test(text));
  // Each hands over a list of arguments; a new one is to be thought about, and named in docs/privileges.md.
  expect(starts.map(([path]) => path).sort()).toEqual([
    'src/cli/launch.ts',
    'src/cli/probe-run.ts',
    'src/recipes/perf.ts',
    'src/vmcore/crash/gdb-index.ts',
    'src/vmcore/crash/launch.ts',
    'src/vmcore/crash/session.ts',
  ]);
});
