/** What a process holds, as /proc and tracefs tell it. */
import { readdirSync, readFileSync } from 'node:fs';

export interface Held {
  /** Resident memory, MB: all of it, and that which is no file's and no ring's. */
  readonly rss: number;
  readonly anon: number;
  readonly fds: number;
  readonly threads: number;
  /** ktop's own instances in tracefs. */
  readonly instances: number;
}

const INSTANCES = '/sys/kernel/tracing/instances';

export function heldBy(pid: number): Held {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  const number = (key: string) => Number(new RegExp(`^${key}:\\s*(\\d+)`, 'm').exec(status)?.[1]);
  return {
    rss: number('VmRSS') / 1024,
    anon: number('RssAnon') / 1024,
    fds: readdirSync(`/proc/${pid}/fd`).length,
    threads: number('Threads'),
    instances: readdirSync(INSTANCES).filter((name) => new RegExp(`^ktop_${pid}(_|$)`).test(name)).length,
  };
}
