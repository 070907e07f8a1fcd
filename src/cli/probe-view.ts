/** `ktop probe watch` and `list` as what they are: pictures of the monitor, with probes looked up before. */
import type { Command } from './parse.ts';
import type { ProbeCommand } from './probe.ts';
import { listMonitor, prepareWatch } from './probe-run.ts';

/** The command that shows it, or the exit code where there is nothing to show. */
export async function viewOfProbes(
  command: Extract<ProbeCommand, { kind: 'probe-list' | 'probe-watch' }>,
): Promise<Extract<Command, { kind: 'stream' | 'dashboard' }> | number> {
  const common = { input: undefined, record: undefined };
  if (command.kind === 'probe-list')
    return {
      kind: 'stream',
      format: command.json ? 'json' : 'plain',
      monitor: listMonitor(),
      options: { interval_ms: 100 },
      count: 1,
      ...common,
    };
  const { wanted, format, look } = command;
  const ready = await prepareWatch(wanted);
  if (typeof ready === 'number') return ready;
  const { monitor, options } = ready;
  const { record } = wanted;
  if (format !== 'screen')
    return { kind: 'stream', format, monitor, options, count: wanted.times, ...common, record };
  const others = { interval_ms: wanted.interval_ms };
  return {
    kind: 'dashboard',
    monitor,
    options: (name) => (name === monitor.name ? options : others),
    look,
    ...common,
    record,
  };
}
