/** Runs the built program as a user does: `ktop <monitor> --json`, one object per interval. */
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { Lines } from './lines.ts';
import { paths } from './paths.ts';

/** One cell of a row. */
export type Cell = string | number | null;
export type Row = Readonly<Record<string, Cell>>;

/** One JSON line of `ktop <monitor> --json`. */
export interface Picture {
  readonly ktop: number;
  readonly monitor: string;
  readonly time: string;
  readonly interval_ms: number;
  readonly backend: string;
  readonly events: number;
  readonly lost: number;
  readonly late: number;
  readonly unseen?: number;
  readonly rows: readonly Row[];
  readonly histogram?: readonly { readonly low: number; readonly high: number; readonly count: number }[];
  readonly log?: readonly Row[];
  readonly notes?: readonly string[];
  readonly [panel: string]: unknown;
}

const FIRST_MS = 15_000;

export function number(row: Row, key: string): number {
  const value = row[key];
  if (typeof value !== 'number') throw new Error(`${key} is no number in ${JSON.stringify(row)}`);
  return value;
}

/** Sum of a column over the rows of all pictures that satisfy `where`. */
export function sum(
  pictures: readonly Picture[],
  key: string,
  where: (row: Row) => boolean = () => true,
): number {
  let total = 0;
  for (const picture of pictures) {
    for (const row of picture.rows) if (where(row)) total += number(row, key);
  }
  return total;
}

/** A running ktop. Made by `startKtop`, which returns once the first interval is over: it records. */
export class Ktop {
  readonly pictures: Picture[] = [];
  #errors = '';
  readonly #lines: Lines;
  readonly #child: ChildProcess;
  readonly #closed: Promise<void>;
  #end = '';

  constructor(args: readonly string[], onPicture: (picture: Picture) => void) {
    if (!existsSync(paths.ktop)) throw new Error('dist/ktop.mjs is missing; run npm run build');
    const child = spawn(paths.node(), [paths.ktop, ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
    this.#child = child;
    this.#closed = new Promise((resolve) =>
      child.on('close', (status, signal) => {
        this.#end = ` and ended by ${signal ?? status}`;
        resolve();
      }),
    );
    child.stderr.setEncoding('utf8').on('data', (text: string) => (this.#errors += text));
    this.#lines = new Lines(child.stdout, (line) => {
      const picture = JSON.parse(line) as Picture;
      this.pictures.push(picture);
      onPicture(picture);
    });
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  get errors(): string {
    return this.#errors;
  }

  /** Waits for this many further pictures. */
  async more(count: number, timeout_ms = FIRST_MS): Promise<void> {
    const want = this.pictures.length + count;
    try {
      await this.#lines.until(() => this.pictures.length >= want, timeout_ms, `picture ${want}`);
    } catch (error) {
      throw new Error(
        `${(error as Error).message}; ktop says: ${this.#errors.trim() || 'nothing'}${this.#end}`,
      );
    }
  }

  /** Ends it after two further pictures, so that nothing that happened before is missing; all pictures. */
  async stop(): Promise<readonly Picture[]> {
    await this.more(2);
    this.#child.kill('SIGINT');
    await this.#closed;
    return this.pictures;
  }

  async kill(): Promise<void> {
    this.#child.kill('SIGKILL');
    await this.#closed;
  }
}

/** Starts `ktop <args> --json` and waits until it records. */
export async function startKtop(
  args: readonly string[],
  onPicture: (picture: Picture) => void = () => {},
): Promise<Ktop> {
  const ktop = new Ktop([...args, '--json'], onPicture);
  await ktop.more(1);
  return ktop;
}

/** Records while `load` runs; what ktop showed, from start to end, and what the load returned. */
export async function watch<T>(
  args: readonly string[],
  load: (ktop: Ktop) => Promise<T>,
): Promise<{ pictures: readonly Picture[]; load: T }> {
  const ktop = await startKtop(args);
  try {
    const result = await load(ktop);
    return { pictures: await ktop.stop(), load: result };
  } finally {
    await ktop.kill();
  }
}
