/**
 * Reads a core in a thread of its own, so that the screen never waits: what is known is posted as it grows, at once
 * after the head (panic line and log), then after every few sections.
 */
import { parentPort, workerData } from 'node:worker_threads';
import { CrashDesk } from './crash/desk.ts';
import { wantsFallback } from './crash/fallback.ts';
import { openCore } from './open.ts';
import type { Report } from './report.ts';
import type { CoreThreadData, FromCore, ToCore } from './screen/protocol.ts';

/** Between two posts of a growing report: each is copied as a whole. */
const POST_MS = 100;

const ASKED = 'crash is asked, which takes seconds';

/** To be called once, in a worker thread started with `CoreThreadData`. */
export function serveCore(): void {
  const port = parentPort;
  if (port === null) throw new Error('not a worker thread');
  const { path, vmlinux, cache } = workerData as CoreThreadData;
  const post = (message: FromCore) => port.postMessage(message);
  const core = openCore(path, {
    ...(vmlinux === undefined ? {} : { vmlinux }),
    ...(cache === undefined ? {} : { cache }),
  });
  const stop = new AbortController();
  let known: Report | undefined;
  let done: Report | undefined;
  let compared = false;
  const desk = new CrashDesk({
    core: path,
    kernel: () => (known ?? core.head()).kernel,
    ...(vmlinux === undefined ? {} : { vmlinux }),
    indexForNext: true,
  });
  core.setCrash((command) => desk.answer(command));

  /** Once both have read the core. */
  const compare = async (report: Report): Promise<void> => {
    if (compared || stop.signal.aborted) return;
    compared = true;
    try {
      post({ type: 'report', report: await desk.completed(report), done: true });
    } catch (error) {
      if (stop.signal.aborted) return;
      // Who gave a vmlinux expects crash to run; who has no report expects to know why.
      const failure = { stage: 'crash', text: (error as Error).message };
      if (vmlinux !== undefined || wantsFallback(report))
        post({ type: 'report', report: { ...report, failures: [...report.failures, failure] }, done: true });
    }
  };
  const answer = async (id: number, command: string): Promise<void> => {
    try {
      post({ type: 'answer', id, text: await desk.answer(command) });
      if (done !== undefined) await compare(done);
    } catch (error) {
      post({ type: 'answer', id, text: `${(error as Error).message}\n` });
    }
  };
  const close = async (): Promise<void> => {
    stop.abort();
    core.close();
    await desk.close();
    post({ type: 'closed' });
    port.close();
  };
  port.on('message', (message: ToCore) => {
    if (message.type === 'command') void answer(message.id, message.text);
    else if (message.type === 'interrupt') desk.interrupt();
    else void close();
  });

  let posted = 0;
  void core
    .report((report) => {
      known = report;
      const now = performance.now();
      if (posted !== 0 && now - posted < POST_MS) return;
      posted = now;
      post({ type: 'report', report, done: false });
    }, stop.signal)
    .then(async (report) => {
      if (stop.signal.aborted) return;
      done = report;
      known = report;
      const asks = vmlinux !== undefined || wantsFallback(report);
      const pending = asks && desk.problem() === undefined ? { pending: ASKED } : {};
      post({ type: 'report', report, done: true, ...pending });
      if (asks) await compare(report);
    });
}
