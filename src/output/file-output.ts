/** A new file to write texts to. Nothing is overwritten. */
import { closeSync, openSync, write as writeText } from 'node:fs';
import { promisify } from 'node:util';
import type { Writer } from './writer.ts';

export interface FileOutput {
  readonly writer: Writer;
  close(): void;
}

const write = promisify(writeText);

/** Throws an Error, one sentence, when the file cannot be made. */
export function createOutput(path: string): FileOutput {
  let fd: number;
  try {
    fd = openSync(path, 'wx', 0o600);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    const cause = code === 'EEXIST' ? 'is there already; nothing is overwritten' : `cannot be made (${code})`;
    throw new Error(`${path} ${cause}, write to another name`);
  }
  return {
    writer: {
      async write(text) {
        const bytes = Buffer.from(text);
        for (let at = 0; at < bytes.length; )
          at += (await write(fd, bytes, at, bytes.length - at)).bytesWritten;
        return 'ok';
      },
    },
    close: () => closeSync(fd),
  };
}
