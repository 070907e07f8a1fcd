/** What this host gives to each monitor: by trying, and closing again. */
import type { Monitor, Options, Plan } from '../monitors/monitor.ts';
import type { Capability } from '../sources/source.ts';
import type { PlanCheck } from './addon.ts';
import { failureOf } from './failure.ts';

const POLLED: Readonly<Record<string, string>> = {
  'cpu-times': '/proc/stat',
  'process-io': '/proc/PID/io',
  'net-devices': '/proc/net/dev',
  'net-counters': '/proc/net/snmp',
  'nfs-mounts': '/proc/self/mountstats',
  'disk-devices': '/proc/diskstats',
  counters: 'perf counters',
  'kernel-log': '/dev/kmsg',
  watchdog: '/proc/sys/kernel/watchdog',
};

/**
 * One entry per monitor, in their order. Never throws: what cannot be checked is a `no` with the reason. `optionsOf`:
 * what a monitor is opened with when nobody has said anything.
 */
export function checkAll(
  check: (plan: Plan) => PlanCheck,
  monitors: readonly Monitor[],
  optionsOf: (monitor: Monitor) => Options,
): Capability[] {
  return monitors.map((monitor) => {
    let needs: string[] = [];
    try {
      const plan = monitor.plan(optionsOf(monitor));
      needs = needsOf(plan);
      return capability(monitor.name, needs, check(plan));
    } catch (error) {
      return { monitor: monitor.name, state: 'no', needs, backend: '', ...split(failureOf('', error).text) };
    }
  });
}

/** Events (alternatives joined by `|`), probes as `kind:place`, and files. */
function needsOf(plan: Plan): string[] {
  const events = plan.events.map(({ names, probe }) =>
    probe === undefined ? names.join('|') : `${probe.kind}:${probe.definition.split(' ')[0]}`,
  );
  const { sampler: samples } = plan;
  const sampler = samples === undefined ? [] : [samples.hardware === true ? 'cycles|cpu-clock' : 'cpu-clock'];
  return [...events, ...sampler, ...(plan.polls ?? []).flatMap(polled)];
}

/** Counters that are the whole point are named, those that only refine are not. */
function polled({ poll, events, filters }: NonNullable<Plan['polls']>[number]): string[] {
  const names = Object.values(events ?? {});
  if (names.length > 0 && names.every((name) => name.startsWith('pmu:cycles'))) return [];
  if (filters === undefined) return [POLLED[poll] ?? poll];
  return [...new Set(names)];
}

function capability(monitor: string, needs: string[], check: PlanCheck): Capability {
  if (!check.ok) return { monitor, state: 'no', needs, backend: check.backend, ...split(check.why) };
  // An event whose absence takes nothing away has no note.
  const missing = check.missing
    .filter(({ optional }) => optional !== '')
    .map(({ event, optional }) => `no ${event}: ${optional}`);
  if (missing.length === 0 && check.why === '') {
    return { monitor, state: 'yes', needs, backend: check.backend, why: '', remedy: '' };
  }
  const parts = split(check.why);
  const why = [...missing, ...(parts.why === '' ? [] : [parts.why])].join('; ');
  return { monitor, state: 'degraded', needs, backend: check.backend, why, remedy: parts.remedy };
}

/** "cause; remedy" in two. */
function split(text: string): { why: string; remedy: string } {
  const at = text.indexOf('; ');
  return at < 0 ? { why: text, remedy: '' } : { why: text.slice(0, at), remedy: text.slice(at + 2) };
}
