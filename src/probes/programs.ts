/** Programs and libraries by the names people have for them. */
import { existsSync, readdirSync, realpathSync, statSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { NoProbe } from './probe.ts';

const LIBRARIES = [
  '/lib/x86_64-linux-gnu',
  '/usr/lib/x86_64-linux-gnu',
  '/lib/aarch64-linux-gnu',
  '/usr/lib/aarch64-linux-gnu',
  '/lib64',
  '/usr/lib64',
  '/lib',
  '/usr/lib',
  '/usr/local/lib',
];

/**
 * The file of a program (`bash`), a library (`libc`, `c`, `libssl.so.3`) or a path; of a process' own view with its `pid`.
 * Throws a NoProbe (host).
 */
export function findProgram(name: string, pid?: number): string {
  const root = pid === undefined ? '' : `/proc/${pid}/root`;
  if (name.includes('/')) {
    const path = `${root}${name}`;
    if (!existsSync(path))
      throw new NoProbe('host', `${path} is not there; give the path of a program or library`);
    // The kernel probes an inode: the path may be of anybody's view, links must be those of the right one.
    return root === '' ? realpathSync(path) : path;
  }
  const found = inPath(name, root) ?? inLibraries(name, root);
  if (found !== undefined) return root === '' ? realpathSync(found) : found;
  throw new NoProbe('host', `no program or library is called ${name}; give its path`);
}

function inPath(name: string, root: string): string | undefined {
  const directories = (process.env.PATH ?? '/usr/bin:/bin').split(delimiter);
  return directories
    .map((directory) => `${root}${join(directory, name)}`)
    .find((path) => statSync(path, { throwIfNoEntry: false })?.isFile() === true);
}

/** Of several versions the newest. */
function inLibraries(name: string, root: string): string | undefined {
  const plain = name.startsWith('lib') ? name : `lib${name}`;
  for (const directory of LIBRARIES) {
    let names: string[];
    try {
      names = readdirSync(`${root}${directory}`);
    } catch {
      continue;
    }
    const exact = names.find((each) => each === name || each === `${plain}.so`);
    const versions = names.filter((each) => each.startsWith(`${plain}.so.`)).sort();
    // A .so without version may be a text for the linker.
    const chosen = versions.at(-1) ?? exact;
    if (chosen !== undefined) return `${root}${directory}/${chosen}`;
  }
  return undefined;
}
