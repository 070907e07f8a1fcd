/** Section on locks: what is waited for, and the chains from waiter to owner. */
import type { Task } from '../core.ts';
import { hex } from '../kernel/unwind.ts';
import { cycleOf, type Lock } from './lock-graph.ts';
import { tellingFrame } from './places.ts';
import type { Scene } from './scene.ts';
import type { Made, Row } from './table.ts';

export function locks(scene: Scene): Made {
  const { locks: all, byTask, unresolved } = scene.locks;
  const lockRows = all.map((lock): Row => {
    const longest = lock.waits.reduce((most, { blocked_ms }) => Math.max(most, blocked_ms || 0), 0);
    const firstWait = lock.waits[0];
    const { owner } = lock;
    return {
      lock: lock.name,
      kind: lock.kind,
      owner_pid: owner?.pid,
      owner: owner?.comm,
      owner_state: owner?.state,
      owner_at:
        owner === undefined ? '' : (tellingFrame(scene.kernel.backtrace(owner).frames)?.function ?? ''),
      waiters: lock.waits.length,
      longest_ms: longest,
      cycle: lock.cycle > 0 ? lock.cycle : undefined,
      first: firstWait === undefined ? '' : `${firstWait.task.comm}:${firstWait.task.pid}`,
      readers:
        lock.kind === 'rwsem' ? (lock.readers ? 'readers' : owner === undefined ? '' : 'a writer') : '',
      address: hex(lock.address),
      owner_task: owner === undefined ? '' : hex(owner.addr),
    };
  });
  const waitRows = all.flatMap((lock) =>
    lock.waits.map(
      ({ task, how, blocked_ms }): Row => ({
        pid: task.pid,
        comm: task.comm,
        state: task.state,
        lock: lock.name,
        kind: how,
        blocked_ms,
        owner_pid: lock.owner?.pid,
        owner: lock.owner?.comm,
        depth: chainLength(task, byTask),
        cycle: cycleOf(scene.locks, task),
        address: hex(lock.address),
        task: hex(task.addr),
      }),
    ),
  );
  const warnings =
    unresolved.length > 0
      ? [
          `${unresolved.length} tasks wait for a lock that was not found on their stack: ${unresolved
            .slice(0, 5)
            .map(({ comm, pid }) => `${comm}:${pid}`)
            .join(' ')}`,
        ]
      : [];
  return { tables: { locks: lockRows, waits: waitRows }, warnings };
}

/** Owners up to one that waits for none; undefined in a cycle. */
function chainLength(start: Task, byTask: ReadonlyMap<bigint, Lock>): number | undefined {
  const seen = new Set<bigint>();
  let task: Task | undefined = start;
  for (let length = 0; ; length++) {
    if (task === undefined) return length - 1;
    if (seen.has(task.addr)) return undefined;
    seen.add(task.addr);
    const lock = byTask.get(task.addr);
    if (lock === undefined) return length;
    task = lock.owner;
  }
}
