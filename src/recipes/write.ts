/** Files that are there whole or not at all. */
import { randomBytes } from 'node:crypto';
import {
  closeSync,
  existsSync,
  fsyncSync,
  linkSync,
  openSync,
  renameSync,
  unlinkSync,
  writeSync,
} from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { BadRecipe, type Recipe } from './recipe.ts';

/** Throws a BadRecipe where the file is there already or cannot be made. */
export function writeRecipe(path: string, recipe: Recipe): void {
  writeWhole(path, `${JSON.stringify(recipe, null, 1)}\n`);
}

/** Before the work is done that it is for. Throws a BadRecipe. */
export function refuseThere(path: string): void {
  if (existsSync(path))
    throw new BadRecipe(`${path} is there already; nothing is overwritten, write to another name`);
}

/** A new file: made beside its place, then given its name. Nothing is overwritten. */
export function writeWhole(path: string, text: string): void {
  const made = join(dirname(path), `.${basename(path)}.${randomBytes(6).toString('hex')}`);
  try {
    const file = openSync(made, 'wx', 0o600);
    try {
      const bytes = Buffer.from(text);
      for (let at = 0; at < bytes.length; ) at += writeSync(file, bytes, at);
      fsyncSync(file);
    } finally {
      closeSync(file);
    }
    name(made, path);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    const cause = code === 'EEXIST' ? 'is there already; nothing is overwritten' : `cannot be made (${code})`;
    throw new BadRecipe(`${path} ${cause}, write to another name`);
  } finally {
    try {
      unlinkSync(made);
    } catch {
      // It was not made.
    }
  }
}

/** A link fails where there is a file already; where there are no links, as on a stick, a look must do. */
function name(made: string, path: string): void {
  try {
    linkSync(made, path);
  } catch (error) {
    const { code = '' } = error as NodeJS.ErrnoException;
    if (!['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS', 'EMLINK'].includes(code)) throw error;
    if (existsSync(path)) throw Object.assign(new Error(code), { code: 'EEXIST' });
    renameSync(made, path);
  }
}
