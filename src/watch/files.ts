/** The user's own monitors: `~/.config/ktop/monitors/*.json`, one each. */
import { readdir, readFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { distrust, firstLine } from '../config/trust.ts';
import { suggestion } from '../filter/nearest.ts';
import type { CustomSpec } from './custom.ts';
import { type Declaration, declare } from './declare.ts';
import { lookUp } from './source.ts';
import { eventFormat } from './tracefs.ts';

/** Where they lie. */
export const monitorDirectory = (env: NodeJS.ProcessEnv = process.env): string =>
  join(env.XDG_CONFIG_HOME || join(homedir(), '.config'), 'ktop', 'monitors');

export interface OwnMonitors {
  readonly customs: readonly CustomSpec[];
  /** Files that were not taken; one sentence each. */
  readonly refused: readonly string[];
}

const MOST_BYTES = 64 * 1024;
const LONGEST_TITLE = 10;

/** All of a directory, which need not be there. `taken`: names that are given already; `self`: ktop's own process. */
export async function findMonitors(
  taken: readonly string[],
  self: number,
  directory = monitorDirectory(),
): Promise<OwnMonitors> {
  const customs: CustomSpec[] = [];
  const refused: string[] = [];
  const names = new Set(taken);
  for (const file of await filesIn(directory)) {
    const path = join(directory, file);
    const found = await loadMonitor(path, self);
    const name = typeof found === 'string' ? '' : found.spec.name;
    if (typeof found === 'string') refused.push(found);
    else if (names.has(name))
      refused.push(`${path}: there is a monitor ${name} already; give it another name`);
    else {
      customs.push(found);
      names.add(name);
    }
  }
  return { customs, refused };
}

async function filesIn(directory: string): Promise<string[]> {
  try {
    return (await readdir(directory)).filter((name) => name.endsWith('.json')).sort();
  } catch {
    return [];
  }
}

/** A monitor from a file, or why not: one sentence. */
export async function loadMonitor(path: string, self: number): Promise<CustomSpec | string> {
  const trouble = await distrust(path, undefined, '.json');
  if (trouble !== undefined) return trouble;
  try {
    const text = await readFile(path, 'utf8');
    if (text.length > MOST_BYTES) return `${path} has ${text.length} characters; a monitor needs a few lines`;
    return await declare(declarationOf(JSON.parse(text)), (words) => lookUp(words), eventFormat, self);
  } catch (error) {
    if (error instanceof SyntaxError) return `${path} is no JSON (${firstLine(error)}); correct it`;
    return `${path}: ${firstLine(error)}`;
  }
}

type Check = (value: unknown) => boolean;
const isText: Check = (value) => typeof value === 'string' && value !== '' && value.length <= 4096;
const isFlag: Check = (value) => typeof value === 'boolean';
const isTexts: Check = (value) => isText(value) || (Array.isArray(value) && value.every(isText));
const isCount: Check = (value) =>
  Number.isInteger(value) && (value as number) > 0 && (value as number) <= 10_000;

const KEYS: Readonly<Record<string, readonly [Check, string]>> = {
  name: [(value) => typeof value === 'string' && /^[a-z][\w-]{0,30}$/.test(value), 'a word such as opens'],
  title: [
    (value) => isText(value) && (value as string).length <= LONGEST_TITLE,
    `up to ${LONGEST_TITLE} characters`,
  ],
  summary: [isText, 'a sentence'],
  watch: [isText, 'SRC ARG… [if FILTER]'],
  list: [isFlag, 'true'],
  count: [isTexts, 'a field, or a list of them'],
  hist: [isText, 'a field'],
  lat: [isFlag, 'true'],
  by: [isText, 'pid, tid, comm, cpu or stack'],
  top: [isCount, 'a number of rows'],
};

/** Checks what a file holds; throws with what is wrong. */
export function declarationOf(value: unknown): Declaration {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new Error('it holds no object; write { "name": …, "watch": "SRC if FILTER" }');
  const entries = value as Readonly<Record<string, unknown>>;
  for (const [key, entry] of Object.entries(entries)) {
    const rule = Object.hasOwn(KEYS, key) ? KEYS[key] : undefined;
    if (rule === undefined)
      throw new Error(
        `"${key}" is not known${suggestion(key, Object.keys(KEYS)) || `; it may have ${Object.keys(KEYS).join(', ')}`}`,
      );
    if (!rule[0](entry)) throw new Error(`"${key}" is not right; give ${rule[1]}`);
  }
  for (const key of ['name', 'watch'])
    if (entries[key] === undefined) throw new Error(`"${key}" is missing; give ${KEYS[key]?.[1]}`);
  const { count, ...rest } = entries as unknown as Declaration & {
    readonly count?: string | readonly string[];
  };
  const title = rest.title ?? rest.name.slice(0, LONGEST_TITLE);
  const split = typeof count === 'string' ? count.split(',').map((part) => part.trim()) : count;
  return { ...rest, title, ...(split === undefined ? {} : { count: split }) };
}
