/**
 * Own commands: the shipped ones, those in the user's directory, and one file named on the command line. A file is run with
 * the user's rights, so it must be the user's own (or root's) and nobody else may be able to change it.
 */
import { readdir, realpath } from 'node:fs/promises';
import { homedir } from 'node:os';
import { extname, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { distrust, firstLine } from '../../config/trust.ts';
import type { OwnCommand } from '../core.ts';
import { cgroupinfo } from './cgroupinfo.ts';
import { cpuinfo } from './cpuinfo.ts';
import { lockinfo } from './lockinfo.ts';

export const SHIPPED: readonly OwnCommand[] = [cpuinfo, lockinfo, cgroupinfo];

const EXTENSIONS = ['.ts', '.js', '.mts', '.mjs'];

/** Where the user's own commands lie. */
export const commandDirectory = (env: NodeJS.ProcessEnv = process.env): string =>
  join(env.XDG_CONFIG_HOME || join(homedir(), '.config'), 'ktop', 'vmcore');

export interface Commands {
  readonly commands: readonly OwnCommand[];
  /** Files that were not taken; one sentence each. */
  readonly refused: readonly string[];
}

/** The shipped ones and those of a directory, which need not be there. One of the user's own goes before a shipped one. */
export async function findCommands(directory = commandDirectory()): Promise<Commands> {
  const refused: string[] = [];
  const own: OwnCommand[] = [];
  for (const name of await filesIn(directory)) {
    const loaded = await loadCommand(join(directory, name));
    if (typeof loaded === 'string') refused.push(loaded);
    else own.push(loaded);
  }
  const names = new Set(own.map(({ name }) => name));
  return { commands: [...SHIPPED.filter(({ name }) => !names.has(name)), ...own], refused };
}

async function filesIn(directory: string): Promise<string[]> {
  try {
    const names = await readdir(directory);
    return names.filter((name) => EXTENSIONS.includes(extname(name)) && !name.endsWith('.d.ts')).sort();
  } catch {
    return [];
  }
}

/** A command from a file, or why not: one sentence. */
export async function loadCommand(path: string): Promise<OwnCommand | string> {
  const trouble = await distrust(path);
  if (trouble !== undefined) return trouble;
  let loaded: { readonly default?: unknown };
  try {
    loaded = await import(pathToFileURL(await realpath(path)).href);
  } catch (error) {
    return `${path} cannot be loaded (${firstLine(error)}); correct it`;
  }
  const command = loaded.default as Partial<OwnCommand> | undefined;
  if (
    typeof command !== 'object' ||
    command === null ||
    typeof command.name !== 'string' ||
    typeof command.run !== 'function'
  )
    return `${path} exports no command; its default export must be { name, summary, run(ctx, args) }`;
  if (!/^[a-z][\w-]*$/i.test(command.name))
    return `${path} has a command with the name ${JSON.stringify(command.name)}; use letters, digits, - and _`;
  return { name: command.name, summary: String(command.summary ?? ''), run: command.run.bind(command) };
}

export { distrust, firstLine };
