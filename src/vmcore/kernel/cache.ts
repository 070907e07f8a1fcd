/**
 * What was found out about a kernel's build: places of symbols and members of types. One file per build-id in the
 * user's cache directory, which only the user can read and change. A file that is not as it should be is ignored.
 */
import {
  closeSync,
  existsSync,
  fstatSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';
import type { MemberInfo } from '../core.ts';
import type { NameAnswers } from './kernel-names.ts';
import type { TypeAnswers } from './types.ts';

/** Raised when what is kept, or what it means, changes. */
const VERSION = 1;
const LARGEST = 16 * 2 ** 20;
const MOST_FILES = 128;
const OTHERS_WRITE = 0o022;

export interface BuildAnswers {
  readonly names: NameAnswers;
  readonly types: TypeAnswers;
}

/** ktop/vmcore in XDG_CACHE_HOME or ~/.cache; `''` where there is no such thing. */
export function defaultCache(): string {
  const base = process.env.XDG_CACHE_HOME;
  if (base?.startsWith('/') === true) return join(base, 'ktop', 'vmcore');
  const home = homedir();
  return home.startsWith('/') && home !== '/' ? join(home, '.cache', 'ktop', 'vmcore') : '';
}

/** Undefined when there is nothing, or nothing that can be trusted. Never throws. */
export function loadAnswers(directory: string, buildId: string): BuildAnswers | undefined {
  if (directory === '') return undefined;
  let file: number | undefined;
  try {
    if (!isOwn(lstatSync(directory), 'directory')) return undefined;
    file = openSync(fileOf(directory, buildId), 'r');
    const stat = fstatSync(file);
    if (!isOwn(stat, 'file') || stat.size > LARGEST) return undefined;
    return check(JSON.parse(readFileSync(file, 'utf8')), buildId);
  } catch {
    return undefined;
  } finally {
    if (file !== undefined) closeSync(file);
  }
}

/** Written beside and renamed, so that readers see all of it or nothing. Never throws: it is only a cache. */
export function saveAnswers(directory: string, buildId: string, answers: BuildAnswers): void {
  if (directory === '') return;
  const target = fileOf(directory, buildId);
  const fresh = `${target}.${process.pid}.${Math.random().toString(36).slice(2)}`;
  try {
    makeDirectories(directory);
    if (!isOwn(lstatSync(directory), 'directory')) return;
    const text = JSON.stringify({ v: VERSION, build_id: buildId, ...answers });
    if (text.length > LARGEST) return;
    writeFileSync(fresh, text, { mode: 0o600, flag: 'wx' });
    renameSync(fresh, target);
    prune(directory);
  } catch {
    try {
      rmSync(fresh, { force: true });
    } catch {
      // Where there is no directory there is no file.
    }
  }
}

/** As mkdir -p, for the user alone. Node's own does not come back where a directory above refuses (/proc, autofs). */
export function makeDirectories(path: string): void {
  try {
    mkdirSync(path, { mode: 0o700 });
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'EEXIST') return;
    if (code !== 'ENOENT' || dirname(path) === path || existsSync(dirname(path))) throw error;
    makeDirectories(dirname(path));
    mkdirSync(path, { mode: 0o700 });
  }
}

const fileOf = (directory: string, buildId: string): string => join(directory, `${buildId}.json`);

function isOwn(
  stat: { isFile(): boolean; isDirectory(): boolean; uid: number; mode: number },
  kind: 'file' | 'directory',
): boolean {
  const right = kind === 'file' ? stat.isFile() : stat.isDirectory();
  return right && stat.uid === process.getuid?.() && (stat.mode & OTHERS_WRITE) === 0;
}

/** The oldest go when there are too many. */
function prune(directory: string): void {
  const files = readdirSync(directory).filter((name) => name.endsWith('.json'));
  if (files.length <= MOST_FILES) return;
  const aged = files
    .map((name) => ({ path: join(directory, name), time: statSync(join(directory, name)).mtimeMs }))
    .sort((a, b) => a.time - b.time);
  for (const { path } of aged.slice(0, files.length - MOST_FILES)) rmSync(path, { force: true });
}

// ---------------------------------------------------------------- checking

type Loose = Readonly<Record<string, unknown>>;

function check(found: unknown, buildId: string): BuildAnswers | undefined {
  if (!isObject(found) || found.v !== VERSION || found.build_id !== buildId) return undefined;
  const { names, types } = found;
  if (!isObject(names) || !isObject(types)) return undefined;
  const { marks, symbols } = names;
  const { members, sizes, constants, enumerations } = types;
  const right =
    isObject(marks) &&
    [marks.count, marks.first].every(isCount) &&
    typeof marks.absolute_percpu === 'boolean' &&
    isList(marks.places, isCount) &&
    isRecord(symbols, (text) => typeof text === 'string' && /^[+=]\d{1,20}$/.test(text)) &&
    isRecord(members, isMember) &&
    isRecord(sizes, isCount) &&
    isRecord(constants, Number.isSafeInteger) &&
    isRecord(enumerations, (pairs) => isList(pairs, isPair));
  return right ? (found as unknown as BuildAnswers) : undefined;
}

const isObject = (value: unknown): value is Loose =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
const isCount = (value: unknown): boolean => Number.isSafeInteger(value) && (value as number) >= 0;
const isList = (value: unknown, test: (item: unknown) => boolean): boolean =>
  Array.isArray(value) && value.every(test);
const isRecord = (value: unknown, test: (item: unknown) => boolean): boolean =>
  isObject(value) && Object.values(value).every((item) => item === null || test(item));
const isPair = (value: unknown): boolean =>
  Array.isArray(value) &&
  value.length === 2 &&
  typeof value[0] === 'string' &&
  Number.isSafeInteger(value[1]);

const KINDS: ReadonlySet<unknown> = new Set<MemberInfo['kind']>([
  ...(['int', 'pointer', 'struct', 'array', 'enum', 'float', 'other'] as const),
]);

function isMember(value: unknown): boolean {
  if (!isObject(value)) return false;
  const { offset, size, bit_offset, bits, count, element, kind, signed, type } = value;
  return (
    [offset, size, bit_offset, bits, count, element].every(isCount) &&
    (bits as number) <= 64 &&
    (bit_offset as number) < 64 &&
    KINDS.has(kind) &&
    typeof signed === 'boolean' &&
    typeof type === 'string'
  );
}
