/** The files that a host is asked through. Nothing here throws: what fails is the code of its errno. */
import {
  closeSync,
  constants,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  rmdirSync,
  writeSync,
} from 'node:fs';

export interface Files {
  has(path: string): boolean;
  /** Undefined: it cannot be read. */
  read(path: string): string | undefined;
  bytes(path: string): Buffer | undefined;
  /** Names in a directory; none where it cannot be read. */
  list(directory: string): readonly string[];
  /** Lines of the kernel's log that are still there, without their heads; none where it is closed to us. */
  kernelLog(): readonly string[];
  /** In one go, as tracefs wants it; `''`, or the code of the error. `append`: to a file that is shared with other tools. */
  write(path: string, text: string, append?: boolean): string;
  /** `''`, or the code of the error. */
  make(directory: string): string;
  remove(directory: string): string;
}

export const realFiles: Files = {
  has: existsSync,
  read: (path) => {
    try {
      return readFileSync(path, 'latin1');
    } catch {
      return undefined;
    }
  },
  bytes: (path) => {
    try {
      return readFileSync(path);
    } catch {
      return undefined;
    }
  },
  list: (directory) => {
    try {
      return readdirSync(directory);
    } catch {
      return [];
    }
  },
  kernelLog: () => {
    const lines: string[] = [];
    codeOf(() => {
      const fd = openSync('/dev/kmsg', constants.O_RDONLY | constants.O_NONBLOCK);
      try {
        const buffer = Buffer.alloc(8192);
        // A record at a time, "4,12,3456,-;text", until there is none: that is an error.
        for (;;) {
          const text = buffer.toString('utf8', 0, readSync(fd, buffer));
          lines.push(text.slice(text.indexOf(';') + 1).split('\n')[0] ?? '');
        }
      } finally {
        closeSync(fd);
      }
    });
    return lines;
  },
  write: (path, text, append = false) =>
    codeOf(() => {
      const fd = openSync(path, constants.O_WRONLY | (append ? constants.O_APPEND : 0));
      try {
        writeSync(fd, text);
      } finally {
        closeSync(fd);
      }
    }),
  make: (directory) => codeOf(() => mkdirSync(directory)),
  remove: (directory) => codeOf(() => rmdirSync(directory)),
};

function codeOf(use: () => void): string {
  try {
    use();
    return '';
  } catch (error) {
    return (error as NodeJS.ErrnoException).code ?? String(error);
  }
}
