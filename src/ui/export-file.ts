/** Files that the user asks for. */
import { closeSync, openSync, writeFileSync } from 'node:fs';

/**
 * Writes `ktop-<name>-<time>.<suffix>` in the current directory, readable by its owner only. An existing file is
 * never touched: the next free name is taken. Returns a word for the footer: where it is, or why it is not.
 */
export function exportFile(name: string, suffix: string, text: string, now: number): string {
  const time = new Date(now).toISOString().slice(0, 19).replace(/[-:]/g, '').replace('T', '-');
  for (let copy = 1; copy <= 100; copy += 1) {
    const path = `./ktop-${name}-${time}${copy === 1 ? '' : `-${copy}`}.${suffix}`;
    try {
      const file = openSync(path, 'wx', 0o600);
      try {
        writeFileSync(file, text);
      } finally {
        closeSync(file);
      }
      return `written to ${path}`;
    } catch (error) {
      const code = error instanceof Error && 'code' in error ? error.code : '';
      if (code !== 'EEXIST') return `cannot write ${path}: ${code === '' ? String(error) : code}`;
    }
  }
  return 'cannot write: too many files of this second';
}
