/** Every option that a monitor says it uses makes a difference to what is opened. */
import { expect, test } from 'vitest';
import { monitors } from '../../src/monitors/index.ts';
import type { OptionName, Options } from '../../src/monitors/monitor.ts';

const PROBE = {
  name: 'p',
  event: 'sched:sched_switch',
  place: '',
  fields: [],
  source: 'event',
  end: { kind: 'kretprobe', definition: 'vfs_read' },
} as const;
const NONE: Options = { interval_ms: 1000 };
/** A value of each that is nobody's default, and what has to be given with it. */
const GIVEN: Readonly<Record<OptionName, Partial<Options>>> = {
  cpu: { cpus: [0] },
  pid: { pids: [4242] },
  'mmap-pages': { mmap_pages: 1 },
  than: { than_ms: 7, than_us: 7000, than_pct: 7 },
  percpu: { percpu: true },
  'call-graph': { callgraph: true },
  S: { sleeping: true },
  D: { uninterruptible: true },
  filter: { filter: 'ng*' },
  alloc: { alloc: [{ name: 'kmem:mm_page_alloc' }] },
  free: { free: [{ name: 'kmem:mm_page_free' }] },
  age: { age_ms: 7 },
  freq: { frequency: 7 },
  latency: { latency_us: 7000 },
  event: { events: [{ name: 'read' }, { name: 'write' }] },
  key: { key: 'dev' },
  precise: { precise: true },
  'exclude-user': { exclude_user: true },
  'exclude-kernel': { exclude_kernel: true },
  'exclude-guest': { exclude_guest: true },
  guest: { guest: true },
  trigger: { trigger: 7 },
  test: { test: true },
  syscalls: { syscalls: true },
  summary: { summary: true },
  subtree: { subtrees: ['vfs_read'] },
  depth: { depth: 2 },
  all: { all: true },
  collapse: { collapse: true },
  yes: { yes: true },
};
/** What has to be given, too. */
const WITH: Readonly<Record<string, Partial<Options>>> = {
  'watchdog freq': { callgraph: true },
  'split-lock mmap-pages': { trigger: 1 },
  'calls depth': { functions: ['vfs_*'] },
  'calls subtree': { functions: ['vfs_*'] },
  'probe pid': { probes: { list: [PROBE] } },
  'probe than': { probes: { list: [PROBE], latency: true } },
};
/** Chains are what profile shows: there the option is for those who give it from habit. strace chooses lines later; who is
 * asked whether to trace so much is asked before. */
const SAME_PLAN = ['profile call-graph', 'strace than', 'calls yes'];

test.each(
  monitors.flatMap((monitor) => monitor.options.map((option) => [monitor.name, option, monitor] as const)),
)('%s %s', (name, option, monitor) => {
  const base = { ...NONE, ...WITH[`${name} ${option}`] };
  const shown = (options: Options) =>
    JSON.stringify([monitor.plan(options), monitor.plain?.(options) ?? null]);
  const differs = shown({ ...base, ...GIVEN[option] }) !== shown(base);
  expect(differs).toBe(!SAME_PLAN.includes(`${name} ${option}`));
});
