/** What the options given mean to each of the monitors they are given to. */
import type { Monitor } from '../monitors/monitor.ts';
import { onlineCpus } from '../sources/host.ts';
import type { Flags } from './flags.ts';
import { type Given, OPTIONS, type OptionRow, type ReadContext } from './option-table.ts';
import { optionLabel } from './tokens.ts';
import { UsageError } from './usage-error.ts';

export const DEFAULT_INTERVAL_MS = 1000;

export interface ForMonitor {
  readonly monitor: Monitor;
  readonly given: Given;
  /** The parts of it that other monitors may share. */
  readonly shared: readonly (readonly [OptionRow, Given])[];
}

/** Throws a UsageError for an option that none of `chosen` uses, for values that are not right, for contradictions. */
export function readGiven(
  flags: Flags['flags'],
  chosen: readonly Monitor[],
  monitors: readonly Monitor[],
): readonly ForMonitor[] {
  const rows = OPTIONS.filter(({ name }) => flags.has(name));
  for (const row of rows) refuseUnused(row, chosen, monitors);
  const elsewhere = flags.has('input');
  for (const row of rows) if (elsewhere && row.live === true) throw notOfAFile(row);
  let online: ReturnType<typeof onlineCpus> | undefined;
  return chosen.map((monitor) => {
    const here = () => {
      online ??= onlineCpus();
      return online;
    };
    const context: ReadContext = { monitor, online: elsewhere ? undefined : here };
    let given: Given = {};
    let shared: [OptionRow, Given][] = [];
    for (const row of rows) {
      if (row.uses !== undefined && !monitor.options.includes(row.uses)) continue;
      const part = row.read(flags.get(row.name) ?? [], optionLabel(row), context);
      given = { ...given, ...part };
      if (row.shared === true) shared = [...shared, [row, part]];
    }
    refuseContradictions(given);
    refuseTooFew(given, monitor);
    return { monitor, given, shared };
  });
}

function notOfAFile(row: OptionRow): UsageError {
  const why = row.name === 'record' ? 'is for what happens now' : 'says how a kernel is watched';
  return new UsageError(
    `${optionLabel(row)} ${why}, and --input is what was recorded; leave one of them out`,
  );
}

function refuseUnused(row: OptionRow, chosen: readonly Monitor[], monitors: readonly Monitor[]): void {
  const { uses } = row;
  if (uses === undefined || chosen.some(({ options }) => options.includes(uses))) return;
  const users = monitors.filter(({ options }) => options.includes(uses)).map(({ name }) => name);
  const remedy = users.length === 0 ? 'no monitor does yet' : `monitors that do: ${users.join(', ')}`;
  const names = chosen.map(({ name }) => name).join(', ');
  throw new UsageError(
    chosen.length === 1
      ? `${names} does not use ${optionLabel(row)}; ${remedy}`
      : `none of ${names} uses ${optionLabel(row)}; ${remedy}`,
  );
}

function refuseTooFew({ events }: Given, { name, least_events = 0 }: Monitor): void {
  if (events !== undefined && events.length < least_events)
    throw new UsageError(
      `${name} takes at least ${least_events} events, not ${events.length}; give -e/--event ${least_events} of them, such as sched:sched_wakeup,sched:sched_switch`,
    );
}

function refuseContradictions({ guest, exclude_guest, exclude_user, exclude_kernel }: Given): void {
  if (guest === true && exclude_guest === true)
    throw new UsageError('-G/--guest and --exclude-guest leave nothing; give one of them');
  if (exclude_user === true && exclude_kernel === true)
    throw new UsageError('--exclude-user and --exclude-kernel leave nothing; give one of them');
}
