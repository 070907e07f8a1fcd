/** A fleet of crashed kernels on the screen: clusters, cores, and a line for questions and decisions. */
import { basename } from 'node:path';
import { openFleet } from '../sources/fleet.ts';
import type { Store } from '../vmcore/batch/store.ts';
import { type Fleet, fleetOf } from '../vmcore/fleet/tables.ts';
import { CLUSTERS, fleetTabs } from '../vmcore/fleet/tabs.ts';
import { lookOf } from './look.ts';
import { UsageError } from './usage-error.ts';
import type { FleetAction } from './vmcore.ts';
import { answer, decide } from './vmcore-run.ts';

const WAYS = 'ask for: similar CORE, diff CORE CORE, members CLUSTER, merge CLUSTER CLUSTER, split CORE …';

/** Resolves to the exit code. */
export async function fleetOnScreen(store: Store, found: Fleet, directory: string): Promise<number> {
  let fleet = found;
  const ask = async (line: string) => {
    const action = actionOf(line);
    if (action.what !== 'merge' && action.what !== 'split') {
      return { text: answer(action, fleet, { format: 'plain', directory }), fleet };
    }
    let text = '';
    const keep = async (said: string) => {
      text = said;
      return 0;
    };
    // A batch may be adding to it: decided on what is there now.
    const fresh = fleetOf(store.inOrder(), store.clusters());
    await decide(action, store, fresh, keep);
    fleet = fleetOf(store.inOrder(), store.clusters());
    return {
      text: text === '' ? 'not decided: another ktop is at work on this index; try again' : text,
      fleet,
    };
  };
  const source = openFleet({ fleet, name: basename(directory.replace(/\/+$/, '')) || directory, ask });
  const { runDashboard } = await import('../ui/dashboard.tsx');
  const options = () => ({ interval_ms: 1000 });
  return runDashboard({
    source,
    monitors: fleetTabs,
    initial: CLUSTERS,
    options,
    ...lookOf({}),
  });
}

/** Throws a UsageError for what is no question. */
function actionOf(line: string): FleetAction {
  const [what, first, second, ...more] = line.trim().split(/[\s,]+/);
  const rest = [second, ...more].filter((word) => word !== undefined);
  if (what === 'similar' && first !== undefined) return { what, core: first };
  if (what === 'members' && first !== undefined) return { what, cluster: first };
  if (what === 'diff' && first !== undefined && second !== undefined) return { what, cores: [first, second] };
  if (what === 'merge' && first !== undefined && second !== undefined)
    return { what, clusters: [first, second] };
  if (what === 'split' && first !== undefined) return { what, cores: [first, ...rest] };
  throw new UsageError(WAYS);
}
