/**
 * Loaded into ktop before all else (`--import`): how long its main thread's event loop was held up. With each SIGUSR2 the
 * longest since the last one, in ms, goes to the file LOOP_DELAY.
 */
import { writeFileSync } from 'node:fs';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { isMainThread } from 'node:worker_threads';

const RESOLUTION_MS = 1;

if (isMainThread) {
  const delay = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
  delay.enable();
  process.on('SIGUSR2', () => {
    const ms = (ns) => ns / 1e6 - RESOLUTION_MS;
    writeFileSync(
      process.env.LOOP_DELAY,
      JSON.stringify({ max_ms: ms(delay.max), p99_ms: ms(delay.percentile(99)) }),
    );
    delay.reset();
  });
}
