/** Worker threads that each do one job at a time; one that hangs or dies costs its job, never the batch. */
import { Worker } from 'node:worker_threads';

export interface PoolOptions {
  /** The module that a worker runs: answers each message with one of its own. */
  readonly entry: URL;
  readonly size: number;
  /** Longest time for one job. */
  readonly timeout_ms: number;
  /** Heap of a worker, MB; what goes beyond it ends that worker only. */
  readonly heap_mb: number;
  /** When this is aborted no more jobs are begun, and those begun get this long. */
  readonly signal: AbortSignal;
  readonly grace_ms: number;
}

export type Outcome<Result> =
  | { readonly kind: 'done'; readonly result: Result; readonly ms: number }
  /** One sentence. */
  | { readonly kind: 'failed'; readonly text: string; readonly ms: number }
  /** Given up because of the signal: to be done another time. */
  | { readonly kind: 'stopped' };

/** Does all jobs, `size` at a time; tells of each in the order they end. Rejects only when `settle` throws. */
export async function runPool<Job, Result>(
  jobs: Iterable<Job>,
  options: PoolOptions,
  settle: (job: Job, outcome: Outcome<Result>) => void,
): Promise<void> {
  const source = jobs[Symbol.iterator]();
  const slots = Array.from({ length: options.size }, () => runSlot(source, options, settle));
  await Promise.all(slots);
}

async function runSlot<Job, Result>(
  source: Iterator<Job>,
  options: PoolOptions,
  settle: (job: Job, outcome: Outcome<Result>) => void,
): Promise<void> {
  let live: Live | undefined;
  try {
    while (!options.signal.aborted) {
      const next = source.next();
      if (next.done === true) break;
      if (live === undefined || live.ended) live = startWorker(options);
      let answer = await runJob<Job, Result>(live.worker, next.value, options);
      if (answer.died && live.jobs > 0) {
        // An earlier job may have left it that way: this one gets a thread of its own before it is to blame.
        await live.worker.terminate();
        live = startWorker(options);
        answer = await runJob<Job, Result>(live.worker, next.value, options);
      }
      live.jobs += 1;
      if (answer.outcome.kind !== 'done') {
        await live.worker.terminate();
        live = undefined;
      }
      settle(next.value, answer.outcome);
    }
  } finally {
    await live?.worker.terminate();
  }
}

interface Live {
  readonly worker: Worker;
  /** Jobs it has done. */
  jobs: number;
  /** It died between two jobs. */
  ended: boolean;
}

function startWorker({ entry, heap_mb }: PoolOptions): Live {
  const worker = new Worker(entry, {
    resourceLimits: { maxOldGenerationSizeMb: heap_mb },
    stdin: false,
    stdout: true,
    stderr: true,
  });
  // Nothing but the batch itself writes to the terminal.
  worker.stdout.resume();
  worker.stderr.resume();
  // Without a job there is nobody to tell; the next job finds the worker gone.
  worker.on('error', () => {});
  const live: Live = { worker, jobs: 0, ended: false };
  worker.on('exit', () => {
    live.ended = true;
  });
  return live;
}

function runJob<Job, Result>(
  worker: Worker,
  job: Job,
  { timeout_ms, grace_ms, signal }: PoolOptions,
): Promise<{ outcome: Outcome<Result>; died: boolean }> {
  const began = performance.now();
  return new Promise((resolve) => {
    const end = (outcome: Outcome<Result>, died = false): void => {
      clearTimeout(limit);
      clearTimeout(grace);
      worker.off('message', onMessage).off('error', onError).off('exit', onExit);
      signal.removeEventListener('abort', onAbort);
      resolve({ outcome, died });
    };
    const ms = (): number => performance.now() - began;
    const fail = (text: string, died: boolean): void => end({ kind: 'failed', text, ms: ms() }, died);
    const onMessage = (result: Result): void => end({ kind: 'done', result, ms: ms() });
    const onError = (error: unknown): void => fail(reasonOf(error), true);
    const onExit = (): void => fail('the reader ended without an answer', true);
    let grace: NodeJS.Timeout | undefined;
    const onAbort = (): void => {
      grace = setTimeout(() => end({ kind: 'stopped' }), grace_ms);
    };
    const limit = setTimeout(
      () => fail(`not read within ${timeout_ms / 1000} s; give more time with --timeout`, false),
      timeout_ms,
    );
    worker.on('message', onMessage).on('error', onError).on('exit', onExit);
    signal.addEventListener('abort', onAbort);
    if (signal.aborted) onAbort();
    worker.postMessage(job);
  });
}

function reasonOf(error: unknown): string {
  const { code, message } = error as NodeJS.ErrnoException;
  if (code === 'ERR_WORKER_OUT_OF_MEMORY') return 'the reader ran out of memory';
  return `the reader failed: ${String(message ?? error).split('\n')[0]}`;
}
