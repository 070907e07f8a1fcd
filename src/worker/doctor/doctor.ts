/** What this host can do, capability by capability: each is found by doing it and undoing it, never by a version. */
import type { Finding } from '../../sources/source.ts';
import { type Check, type Host, restricted } from './check.ts';
import { MEASURING } from './measuring.ts';
import { PROBING } from './probing.ts';
import { TRACING } from './tracing.ts';

/** In the order they are shown. */
export const CHECKS: readonly Check[] = [...TRACING, ...PROBING, ...MEASURING];

/** Nothing is said of a kernel that could not be asked. */
const UNKNOWN = restricted('not known: tracefs is not mounted, or not readable', 'run ktop as root');

/** One entry per check, in their order. Never throws. Takes about a second. */
export function examine(host: Host, checks: readonly Check[] = CHECKS): Finding[] {
  const closed = host.tracefs === '';
  return checks.map(({ name, affects, remedy, in_tracefs = false, run }) => {
    const verdict = in_tracefs && closed ? UNKNOWN : attempt(() => run(host));
    return {
      name,
      state: verdict.state,
      why: verdict.why,
      affects,
      remedy: verdict.state === 'yes' ? '' : (verdict.remedy ?? remedy),
    };
  });
}

function attempt(run: () => ReturnType<Check['run']>): ReturnType<Check['run']> {
  try {
    return run();
  } catch (error) {
    return { state: 'no', why: error instanceof Error ? error.message : String(error) };
  }
}
