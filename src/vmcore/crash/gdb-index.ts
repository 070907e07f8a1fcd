/**
 * gdb's index of a vmlinux, made once: with it crash starts in half the time. It is a section of the file, so the
 * cache holds a copy of the vmlinux, under its build-id in the user's cache directory.
 */
import { spawn } from 'node:child_process';
import {
  constants,
  existsSync,
  mkdtempSync,
  readdirSync,
  renameSync,
  rmSync,
  statfsSync,
  statSync,
  utimesSync,
} from 'node:fs';
import { copyFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { defaultCache, makeDirectories } from '../kernel/cache.ts';
import { inspectVmlinux, type Vmlinux } from './vmlinux.ts';

/** The least recently used goes; each takes some 600 MB. */
const MOST_KEPT = 3;
const INDEX_MS = 300_000;
/** The copy, the index, and the copy that objcopy makes of both. */
const NEEDED = 2.5;
const MAKER = 'gdb-add-index';

export interface IndexOptions {
  /** Default: ktop/vmlinux in the user's cache directory; `''` = no cache. */
  readonly cache?: string;
  readonly signal?: AbortSignal;
}

export function defaultVmlinuxCache(): string {
  const cache = defaultCache();
  return cache === '' ? '' : join(dirname(cache), 'vmlinux');
}

/** The same vmlinux with an index, where it has one or an earlier session made one; else undefined. */
export function findIndexed(
  vmlinux: Vmlinux,
  { cache = defaultVmlinuxCache() }: IndexOptions = {},
): Vmlinux | undefined {
  if (vmlinux.indexed) return vmlinux;
  if (cache === '' || vmlinux.build_id === '') return undefined;
  try {
    return known(vmlinux, cache);
  } catch {
    return undefined;
  }
}

/** Makes it, at the lowest priority. Never rejects: where it cannot be had, the vmlinux serves as it is. */
export async function makeIndexed(vmlinux: Vmlinux, options: IndexOptions = {}): Promise<Vmlinux> {
  const { cache = defaultVmlinuxCache(), signal } = options;
  const found = findIndexed(vmlinux, options);
  if (found !== undefined || cache === '' || vmlinux.build_id === '') return found ?? vmlinux;
  try {
    return await make(vmlinux, cache, signal);
  } catch {
    return vmlinux;
  }
}

const placeOf = (cache: string, { build_id }: Vmlinux) => join(cache, build_id, 'vmlinux');

function known(vmlinux: Vmlinux, cache: string): Vmlinux | undefined {
  const path = placeOf(cache, vmlinux);
  if (!existsSync(path) || !isOurs(cache) || !isOurs(dirname(path)) || !isOurs(path)) return undefined;
  const found = inspectVmlinux(path);
  if (found.build_id !== vmlinux.build_id || !found.indexed || !found.dwarf) return undefined;
  const now = new Date();
  utimesSync(dirname(path), now, now);
  return found;
}

/** Nobody else can have put something there. */
function isOurs(path: string): boolean {
  const { uid, mode } = statSync(path);
  return uid === process.getuid?.() && (mode & 0o022) === 0;
}

async function make(vmlinux: Vmlinux, cache: string, signal: AbortSignal | undefined): Promise<Vmlinux> {
  makeDirectories(cache);
  if (!isOurs(cache)) return vmlinux;
  const { bavail, bsize } = statfsSync(cache);
  if (bavail * bsize < statSync(vmlinux.path).size * NEEDED) return vmlinux;
  const work = mkdtempSync(join(cache, 'new-'));
  try {
    const copy = join(work, 'vmlinux');
    await copyFile(vmlinux.path, copy, constants.COPYFILE_FICLONE);
    await run('nice', ['-n', '19', MAKER, copy], work, signal);
    const made = inspectVmlinux(copy);
    if (!made.indexed || made.build_id !== vmlinux.build_id) return vmlinux;
    const place = dirname(placeOf(cache, vmlinux));
    // Another ktop may have been faster: both are the same.
    rmSync(place, { recursive: true, force: true });
    renameSync(work, place);
    forget(cache);
    return { ...made, path: join(place, 'vmlinux') };
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

function forget(cache: string): void {
  const kept = readdirSync(cache)
    .filter((name) => /^[0-9a-f]+$/.test(name))
    .map((name) => ({ path: join(cache, name), used: statSync(join(cache, name)).mtimeMs }))
    .sort((a, b) => b.used - a.used);
  for (const { path } of kept.slice(MOST_KEPT)) rmSync(path, { recursive: true, force: true });
}

/** Its temporary files go to the work directory as well: they are large. */
function run(file: string, args: readonly string[], work: string, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const env = { PATH: process.env.PATH ?? '', TMPDIR: work, HOME: work, LC_ALL: 'C' };
    const child = spawn(file, args, {
      cwd: work,
      env,
      stdio: 'ignore',
      timeout: INDEX_MS,
      killSignal: 'SIGKILL',
      ...(signal === undefined ? {} : { signal }),
    });
    child.on('error', reject);
    child.on('close', (status) => (status === 0 ? resolve() : reject(new Error(`${file}: ${status}`))));
  });
}
