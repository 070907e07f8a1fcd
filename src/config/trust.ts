/** Whether a file may be taken for the user's own word: it must be theirs (or root's), and nobody else able to change it. */
import type { Stats } from 'node:fs';
import { realpath, stat } from 'node:fs/promises';
import { dirname } from 'node:path';

/** Bits of a mode that let others than the owner write. */
const OTHERS_WRITE = 0o022;
/** In such a directory one may only remove what is one's own. */
const STICKY = 0o1000;

/** Why a file may not be run: it, or a directory on the way to it, is somebody else's or can be changed by others. */
export async function distrust(
  path: string,
  uid = process.getuid?.() ?? 0,
  kind = '.ts or .js',
): Promise<string | undefined> {
  try {
    const real = await realpath(path);
    const file = await stat(real);
    if (!file.isFile()) return `${path} is no file; give a ${kind} file`;
    const trouble = distrustOf(path, file, uid);
    // Who may rename a directory on the way may put another file there.
    for (let at = dirname(real), why = trouble; ; at = dirname(at)) {
      why ??= distrustOf(at, await stat(at), uid, STICKY);
      if (why !== undefined || at === dirname(at)) return why;
    }
  } catch (error) {
    return `cannot read ${path} (${(error as NodeJS.ErrnoException).code ?? firstLine(error)}); check its name and permissions`;
  }
}

function distrustOf(path: string, { uid, mode }: Stats, user: number, allowed = 0): string | undefined {
  if (uid !== user && uid !== 0)
    return `${path} belongs to user ${uid}; ktop runs only files of your own or root's, chown it if you trust it`;
  if ((mode & OTHERS_WRITE) !== 0 && (mode & allowed) === 0)
    return `${path} can be changed by others; chmod go-w it if you trust what is in it`;
  return undefined;
}

export const firstLine = (error: unknown): string =>
  (error instanceof Error ? error.message : String(error)).split('\n')[0] ?? '';
