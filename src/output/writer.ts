/** stdout and stderr for everything but the dashboard. */
import { write, writeSync } from 'node:fs';

/** How writing went: `gone` = the reader of the pipe has ended (| head), which is no error. */
export type Written = 'ok' | 'gone';

export interface Writer {
  /** Resolves when the text has left the process; rejects on errors such as a full disk. */
  write(text: string): Promise<Written>;
}

/** Writes to a stream such as process.stdout, one text at a time. */
export function streamWriter(stream: NodeJS.WriteStream): Writer {
  let gone = false;
  let failed: Error | undefined;
  // Without a listener a broken pipe would end the process with a stack trace.
  stream.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE') gone = true;
    else failed = error;
  });
  return {
    write: (text) =>
      new Promise((resolve, reject) => {
        if (gone) return resolve('gone');
        if (failed !== undefined) return reject(failed);
        stream.write(text, (error) => {
          if (error === null || error === undefined) resolve('ok');
          else if ((error as NodeJS.ErrnoException).code === 'EPIPE') resolve('gone');
          else reject(error);
        });
      }),
  };
}

/** One line on stderr, at once: it must be out before the process ends. Never throws. */
export function complain(text: string): void {
  try {
    writeSync(2, `ktop: ${text.replace(/\s*\n\s*/g, ' ')}\n`);
  } catch {
    // stderr is closed or full: there is nobody left to tell.
  }
}

/** A line on stderr as it stands, below what was complained of: a caret under the place at fault. Never throws. */
export function underline(text: string): void {
  try {
    writeSync(2, `${text}\n`);
  } catch {
    // As above.
  }
}

/** A question to who sits there: whether the answer begins with y. Undefined: nobody can be asked. */
export async function agreed(question: string): Promise<boolean | undefined> {
  if (process.stdin.isTTY !== true || process.stderr.isTTY !== true) return undefined;
  const { createInterface } = await import('node:readline/promises');
  const asked = createInterface({ input: process.stdin, output: process.stderr });
  const answer = await asked.question(`ktop: ${question} [y/N] `);
  asked.close();
  return /^y/i.test(answer.trim());
}

const ERASE = '\r\x1b[K';

/** One line on a terminal's stderr, drawn over and over. A terminal that is stopped is not waited for. */
export class StatusLine {
  /** Somebody sits there to see it. */
  readonly seen = process.stderr.isTTY === true;
  #busy = false;
  #drawn = false;

  /** `text` is harmless; at most a line of it is shown. */
  draw(text: string): void {
    if (this.#busy) return;
    this.#busy = true;
    this.#drawn = true;
    const width = (process.stderr.columns ?? 80) - 1;
    write(2, `${ERASE}${[...text].slice(0, width).join('')}`, () => {
      this.#busy = false;
    });
  }

  /** Before something else is written. */
  clear(): void {
    if (!this.#drawn || this.#busy) return;
    this.#drawn = false;
    try {
      writeSync(2, ERASE);
    } catch {
      // There is no terminal any more.
    }
  }
}
