/** How often what is about to be traced happens: it is opened for a moment, so that nobody slows a machine unknowingly. */
import { readFileSync } from 'node:fs';
import type { Monitor, Options } from '../monitors/monitor.ts';
import { agreed, complain } from '../output/writer.ts';
import { costPercent, MANY_PER_S } from '../probes/choose.ts';
import type { Source } from '../sources/source.ts';
import { tracefsHere } from '../watch/tracefs.ts';

export const TRIAL_MS = 100;
/** What is said where functions cannot be traced, and events stand in for them. */
const INSTEAD = 'no function calls here';

/** Functions of the whole system, that nobody has agreed to. */
export function wantsTrial(monitor: Monitor, options: Options): boolean {
  if (options.yes === true || options.all === true) return false;
  const { graph, command } = monitor.plan(options);
  return graph !== undefined && graph.pids === undefined && command === undefined && hasTracer();
}

/** Whether this kernel may have it at all: if not there is nothing to be tried. */
function hasTracer(): boolean {
  try {
    return readFileSync(`${tracefsHere()}/available_tracers`, 'utf8').includes('function_graph');
  } catch {
    return false;
  }
}

/** Opens it and asks, where it is much. False: it must not be opened, and why has been said. */
export async function isBearable(source: Source, monitor: Monitor, options: Options): Promise<boolean> {
  const calls_per_s = await rateOf(source, monitor, options);
  if (calls_per_s <= MANY_PER_S) return true;
  const text = `these functions are called ${Math.round(calls_per_s)} times a second: tracing them would cost ${costPercent('fprobe', calls_per_s).toFixed(0)} % of a CPU`;
  const answer = await agreed(`${text}. Trace them all the same?`);
  if (answer === undefined)
    complain(`${text}; name fewer of them, or a process with -p or -- COMMAND, or say --yes`);
  return answer === true;
}

/** Calls a second; 0 where functions cannot be traced, or where it fails, of which whoever opens it tells. */
function rateOf(source: Source, monitor: Monitor, options: Options): Promise<number> {
  return new Promise((resolve) => {
    const unsubscribe = source.subscribe((message) => {
      if (message.type === 'failed') resolve(0);
      if (message.type !== 'snapshot' || message.snapshot.monitor !== monitor.name) return;
      const { events, interval_ms, notes } = message.snapshot;
      unsubscribe();
      source.stop(monitor.name);
      // An entry and a return.
      const per_s = notes.some((note) => note.startsWith(INSTEAD)) ? 0 : (events * 500) / interval_ms;
      resolve(per_s);
    });
    source.start(monitor.name, { ...options, interval_ms: TRIAL_MS });
  });
}
