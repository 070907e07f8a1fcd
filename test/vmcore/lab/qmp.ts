/** QEMU's machine protocol on its stdin and stdout: one command at a time, each answered. */
import type { ChildProcess } from 'node:child_process';
import { createInterface } from 'node:readline';

interface Answer {
  readonly return?: unknown;
  readonly error?: { readonly desc: string };
  readonly event?: string;
}

interface Waiting {
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: Error) => void;
}

export class Qmp {
  readonly #write: (line: string) => void;
  readonly #waiting: Waiting[] = [];

  constructor(qemu: ChildProcess) {
    const { stdin, stdout } = qemu;
    if (stdin === null || stdout === null) throw new Error('QEMU was started without pipes');
    this.#write = (line) => stdin.write(line);
    stdin.on('error', () => {});
    createInterface({ input: stdout }).on('line', (line) => this.#take(JSON.parse(line)));
    qemu.on('close', (status, signal) => this.#end(new Error(`QEMU ended (${signal ?? status})`)));
  }

  run(command: string, args: Readonly<Record<string, unknown>> = {}): Promise<unknown> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ resolve, reject });
      this.#write(`${JSON.stringify({ execute: command, arguments: args })}\n`);
    });
  }

  #take(answer: Answer): void {
    if (answer.return === undefined && answer.error === undefined) return;
    const waiting = this.#waiting.shift();
    if (answer.error === undefined) waiting?.resolve(answer.return);
    else waiting?.reject(new Error(`QEMU: ${answer.error.desc}`));
  }

  #end(error: Error): void {
    for (const { reject } of this.#waiting.splice(0)) reject(error);
  }
}
