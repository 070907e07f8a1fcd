/** Deadlocks, owners that sleep, CPUs that all want the same. */
import type { Finding } from '../report.ts';
import { type Examined, plural, rowsOf, type TableRow, time } from './evidence.ts';

/** Waiters named in evidence, at most. */
const MOST_NAMED = 8;

const who = (row: TableRow): string => `${row.text('comm')} ${row.num('pid')}`;
const owner = (row: TableRow): string => {
  const pid = row.num('owner_pid');
  return Number.isNaN(pid) ? 'nobody known' : `${row.text('owner')} ${pid}`;
};

/**
 * Of a lock that is held for reading the kernel notes the last task that took it, and leaves that there when the task
 * lets go: it need not be one of those that hold it now.
 */
const isHint = (row: TableRow): boolean => row.text('readers') === 'readers';
const HINT =
  'held for reading: its owner is the last task that took it, which may have let go of it; the others are not noted';

/** Tasks that wait for each other in a circle: none of them will ever run again. */
export function deadlocks(report: Examined): Finding[] {
  const hints = new Set(
    rowsOf(report, 'locks')
      .filter(isHint)
      .map((row) => row.text('address')),
  );
  const waits = rowsOf(report, 'locks', 'waits');
  const cycles = new Map<number, TableRow[]>();
  for (const row of waits) {
    const cycle = row.num('cycle');
    if (Number.isNaN(cycle)) continue;
    const known = cycles.get(cycle);
    if (known === undefined) cycles.set(cycle, [row]);
    else known.push(row);
  }
  return [...cycles].map(([cycle, members]) => {
    const behind = waitersBehind(waits, members);
    const more = behind.length === 0 ? '' : `; ${plural(behind.length, 'more waits', 'more wait')} for them`;
    const unsure = members.find((row) => hints.has(row.text('address')));
    return {
      id: 'deadlock',
      severity: unsure === undefined ? 'alarm' : 'warning',
      text: `${unsure === undefined ? '' : 'perhaps a '}deadlock: ${plural(members.length, 'task')} wait for each other (${members.map(who).join(', ')})${more}`,
      evidence: [
        ...[...members, ...behind.slice(0, MOST_NAMED)].map(
          (row) =>
            `${who(row)} waits for ${row.text('lock')}, held by ${owner(row)}, since ${time(row.num('blocked_ms'))}`,
        ),
        ...(behind.length > MOST_NAMED ? [`and ${behind.length - MOST_NAMED} more`] : []),
        ...(unsure === undefined ? [] : [`${unsure.text('lock')} is ${HINT}`]),
      ],
      see: { section: 'locks', key: String(cycle) },
    };
  });
}

/** Who waits for one of a circle without being in it, or for one who does. */
function waitersBehind(waits: readonly TableRow[], members: readonly TableRow[]): readonly TableRow[] {
  const stuck = new Set(members.map((row) => row.num('pid')));
  const behind: TableRow[] = [];
  for (let before = -1; before !== behind.length; ) {
    before = behind.length;
    for (const row of waits) {
      const pid = row.num('pid');
      if (stuck.has(pid) || !stuck.has(row.num('owner_pid'))) continue;
      stuck.add(pid);
      behind.push(row);
    }
  }
  return behind;
}

/** States in which a task does nothing until somebody wakes it. */
const ASLEEP = /^[SDIKP]/;

/** A lock that tasks wait for while its owner sleeps, and not because of another lock. */
export function sleepingOwners(report: Examined): Finding[] {
  const waiting = new Set(rowsOf(report, 'locks', 'waits').map((row) => row.num('pid')));
  return rowsOf(report, 'locks').flatMap((row): Finding[] => {
    const [pid, waiters] = [row.num('owner_pid'), row.num('waiters')];
    if (!(waiters > 0) || Number.isNaN(pid) || !ASLEEP.test(row.text('owner_state')) || waiting.has(pid))
      return [];
    const lock = row.text('lock') || row.text('address');
    const at = row.text('owner_at');
    const hint = isHint(row);
    return [
      {
        id: 'owner-asleep',
        severity: hint ? 'warning' : 'alarm',
        text: `${lock} is held ${hint ? 'for reading, last taken so ' : ''}by ${owner(row)}, which sleeps${at === '' ? '' : ` in ${at}`}; ${plural(waiters, 'task waits', 'tasks wait')} for it`,
        evidence: [
          ...(hint ? [HINT] : []),
          `owner ${owner(row)} in state ${row.text('owner_state')}${at === '' ? '' : ` at ${at}`}`,
          `${row.text('kind')} at ${row.text('address')}, longest wait ${time(row.num('longest_ms'))}`,
          ...waitersFor(report, row.text('address')),
        ],
        see: { section: 'locks', key: row.text('address') },
      },
    ];
  });
}

function waitersFor(report: Examined, address: string): string[] {
  const rows = rowsOf(report, 'locks', 'waits').filter((row) => row.text('address') === address);
  const named = rows
    .slice(0, MOST_NAMED)
    .map((row) => `${who(row)} waits since ${time(row.num('blocked_ms'))}`);
  return rows.length > MOST_NAMED ? [...named, `and ${rows.length - MOST_NAMED} more`] : named;
}

/** A task that holds a lock and is no more, or is no task at all. */
export function lostOwners(report: Examined): Finding[] {
  return rowsOf(report, 'locks').flatMap((row): Finding[] => {
    if (!(row.num('waiters') > 0) || !/^[ZX]/.test(row.text('owner_state'))) return [];
    return [
      {
        id: 'owner-gone',
        severity: 'alarm',
        text: `${row.text('lock') || row.text('address')} is held by ${owner(row)}, which has exited`,
        evidence: [`state ${row.text('owner_state')}`, ...waitersFor(report, row.text('address'))],
        see: { section: 'locks', key: row.text('address') },
      },
    ];
  });
}

const SPINNING =
  /(?:^|\s)(?:native_|__pv_|pv_)?queued_(?:spin|read|write)_lock_slowpath\b|\b(?:_raw_spin_lock|do_raw_spin_lock|osq_lock|mutex_spin_on_owner|rwsem_spin_on_owner)\w*/;

/** Several CPUs, at least half of all, that spin for a lock. */
export function crowdedLock(report: Examined): Finding[] {
  const cpus = rowsOf(report, 'cpus');
  const spinning = (report.sections.cpus?.stacks ?? []).flatMap(({ cpu, frames }) => {
    const at = frames.findIndex((frame) => SPINNING.test(frame.function));
    if (at < 0 || cpu === undefined) return [];
    const caller = frames.slice(at).find((frame) => !SPINNING.test(frame.function))?.function ?? '';
    return [{ cpu, caller }];
  });
  const all = Math.max(cpus.length, report.kernel.cpus ?? 0);
  if (spinning.length < 2 || spinning.length * 2 < all) return [];
  const callers = [...new Set(spinning.map(({ caller }) => caller))];
  const lock = rowsOf(report, 'locks').find(
    (row) => /spinlock|rwlock/.test(row.text('kind')) && row.num('waiters') >= 2,
  );
  const name = lock?.text('lock') || lock?.text('address');
  return [
    {
      id: 'one-lock',
      severity: 'alarm',
      text: `${spinning.length} of ${all} CPUs spin for ${name === undefined ? 'a lock' : `the lock ${name}`}, ${callers.length === 1 ? `all in ${callers[0]}` : `in ${callers.slice(0, 3).join(', ')}`}`,
      evidence: [
        ...(lock === undefined
          ? []
          : [
              `held by ${owner(lock)} in state ${lock.text('owner_state') || 'unknown'}${lock.text('owner_at') === '' ? '' : ` at ${lock.text('owner_at')}`}`,
            ]),
        ...spinning.map(({ cpu, caller }) => `CPU ${cpu} spins in ${caller}`),
      ],
      see: { section: 'cpus' },
    },
  ];
}

/** A filesystem that was frozen, with writers waiting for it to thaw. */
export function frozenFilesystems(report: Examined): Finding[] {
  return rowsOf(report, 'mounts').flatMap((row): Finding[] => {
    const frozen = row.text('frozen');
    if (frozen === '' || frozen === 'no') return [];
    const waiters = row.num('waiters');
    const place = row.text('mounted') || row.text('device');
    const waits = waiters > 0 ? `; ${plural(waiters, 'task waits', 'tasks wait')} for it to thaw` : '';
    return [
      {
        id: 'frozen-fs',
        severity: waiters > 0 ? 'alarm' : 'warning',
        text: `the ${row.text('type')} filesystem at ${place} is frozen${waits}`,
        evidence: [`frozen up to: ${frozen}`, `device ${row.text('device')}`],
        see: { section: 'mounts', key: row.text('mounted') },
      },
    ];
  });
}
