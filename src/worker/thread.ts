/** A Reader in a worker thread: the port, the addon, the load meter. */
import { createRequire } from 'node:module';
import { parentPort, workerData } from 'node:worker_threads';
import type { Monitor } from '../monitors/monitor.ts';
import { withCustom } from '../watch/custom.ts';
import type { Addon } from './addon.ts';
import { FileReader } from './file-reader.ts';
import { loadMeter } from './load.ts';
import type { FromReader, ReaderData, ToReader } from './protocol.ts';
import { Reader } from './reader.ts';
import { Ticker } from './ticker.ts';

/** The load goes along with snapshots, at most this often: nobody is woken for its sake. */
const LOAD_MS = 900;
/** Where there are no snapshots to go along with: how often is looked, and what is too long without. */
const LOAD_ALONE_MS = 2000;
const LOAD_LATE_MS = 1500;

/** Serves the parent thread until it says `close`. To be called once, in a worker thread started with `ReaderData`. */
export function serve(shipped: readonly Monitor[]): void {
  const port = parentPort;
  if (port === null) throw new Error('not a worker thread');
  const { addon, settings, life } = workerData as ReaderData;
  const monitors = withCustom(shipped, settings.custom ?? []);
  const measure = loadMeter();
  let measured = 0;
  const sendLoad = () => {
    measured = performance.now();
    port.postMessage({ type: 'load', load: measure() } satisfies FromReader);
  };
  const post = (message: FromReader, transfer: readonly ArrayBuffer[] = []) => {
    const due = settings.load && message.type === 'snapshot' && performance.now() - measured >= LOAD_MS;
    if (due) sendLoad();
    port.postMessage(message, transfer);
  };
  const load = () => loadAddon(addon);
  const reader =
    settings.input === undefined
      ? new Reader(load, monitors, settings, post)
      : new FileReader(load, monitors, settings.input, post);
  const ticker = new Ticker(LOAD_ALONE_MS, () => {
    if (performance.now() - measured >= LOAD_LATE_MS) sendLoad();
  });
  if (settings.load) {
    sendLoad();
    ticker.start();
  }
  port.on('message', (message: ToReader) => {
    reader.handle(message);
    if (message.type !== 'close') return;
    ticker.stop();
    port.close();
  });
  crashWhenAsked(life);
}

/** The addon at `path`. The bundle is ESM, which cannot import a native module. */
function loadAddon(path: string): Addon {
  try {
    return createRequire(import.meta.url)(path) as Addon;
  } catch (error) {
    const cause = error instanceof Error ? error.message.split('\n')[0] : String(error);
    throw new Error(`the native addon does not load (${cause}); build it with npm run build`);
  }
}

/** Test hook: KTOP_TEST_CRASH_WORKER_AFTER_MS=500 kills the first thread, 500,500 also its replacement. */
function crashWhenAsked(life: number): void {
  const after_ms = (process.env.KTOP_TEST_CRASH_WORKER_AFTER_MS ?? '').split(',')[life];
  if (after_ms === undefined || after_ms === '') return;
  const crash = () => {
    throw new Error('crashed by KTOP_TEST_CRASH_WORKER_AFTER_MS');
  };
  setTimeout(crash, Number(after_ms)).unref();
}
