/** Files of a directory tree that may be cores, each once, however many names and links it has. */
import { type Dirent, readdirSync, realpathSync, type Stats, statSync } from 'node:fs';
import { join } from 'node:path';

export interface Candidate {
  readonly path: string;
  readonly device: string;
  readonly inode: string;
  readonly size: number;
  /** Milliseconds since the epoch. */
  readonly mtime: number;
}

export interface WalkCounts {
  /** Regular files seen. */
  files: number;
  /** Further names of a file that was seen already. */
  links: number;
  /** Directories and files that could not be read, with the cause. */
  readonly unreadable: string[];
}

export interface WalkOptions {
  /** Directories left out, by their real path: where the results go. */
  readonly except?: readonly string[];
  /** Files that are ours, by their names: neither yielded nor counted. */
  readonly own?: (name: string) => boolean;
  readonly signal?: AbortSignal;
}

/** Smallest file that can hold a header of a core and something besides. */
const LEAST_BYTES = 4096;
/** Longest time without looking up. */
const BREATH_MS = 30;

/**
 * Regular files of at least one page below `root`, directory by directory, in order of their names. Links to directories
 * are not followed (so there are no loops, and nothing outside the tree is read); links to files are, and what has been
 * seen under another name is not seen again. Nothing is opened: a FIFO cannot hold up anything.
 *
 * Calls are synchronous, five times as fast as by the thread pool, with a breath in between for signals and the screen.
 */
export async function* walk(
  root: string,
  counts: WalkCounts,
  options: WalkOptions = {},
): AsyncGenerator<Candidate> {
  const seen = new Set<string>();
  const except = new Set(options.except ?? []);
  const open = [realpathSync(root)];
  let breathed = performance.now();
  for (let directory = open.pop(); directory !== undefined; directory = open.pop()) {
    if (options.signal?.aborted) return;
    if (except.has(directory)) continue;
    const inside: string[] = [];
    for (const entry of entriesOf(directory, counts)) {
      if (performance.now() - breathed > BREATH_MS) {
        await new Promise((resolve) => setImmediate(resolve));
        breathed = performance.now();
      }
      if (options.signal?.aborted) return;
      const path = join(directory, entry.name);
      if (entry.isDirectory()) inside.push(path);
      else if (options.own?.(entry.name) === true) continue;
      else if (entry.isFile() || entry.isSymbolicLink()) {
        const candidate = candidateAt(path, counts, seen);
        if (candidate !== undefined) yield candidate;
      }
    }
    open.push(...inside.reverse());
  }
}

function entriesOf(directory: string, counts: WalkCounts): Dirent[] {
  try {
    const entries = readdirSync(directory, { withFileTypes: true });
    return entries.sort((a, b) => (a.name < b.name ? -1 : 1));
  } catch (error) {
    counts.unreadable.push(`${directory}: ${causeOf(error)}`);
    return [];
  }
}

function candidateAt(path: string, counts: WalkCounts, seen: Set<string>): Candidate | undefined {
  let found: Stats;
  try {
    found = statSync(path);
  } catch (error) {
    // A link that leads nowhere is no file; neither is one that went away meanwhile.
    if (!['ENOENT', 'ELOOP'].includes((error as NodeJS.ErrnoException).code ?? ''))
      counts.unreadable.push(`${path}: ${causeOf(error)}`);
    return undefined;
  }
  if (!found.isFile()) return undefined;
  const id = `${found.dev}:${found.ino}`;
  if (seen.has(id)) {
    counts.links += 1;
    return undefined;
  }
  seen.add(id);
  counts.files += 1;
  if (found.size < LEAST_BYTES) return undefined;
  return {
    path,
    device: String(found.dev),
    inode: String(found.ino),
    size: found.size,
    mtime: found.mtimeMs,
  };
}

const CAUSES: Readonly<Record<string, string>> = {
  EACCES: 'permission denied',
  EPERM: 'permission denied',
  EIO: 'input/output error',
  ENOENT: 'no such file or directory',
  ENOTDIR: 'not a directory',
};

/** Why a file could not be had, in words. */
export function causeOf(error: unknown): string {
  const { code, message } = error as NodeJS.ErrnoException;
  return CAUSES[code ?? ''] ?? code ?? message;
}
