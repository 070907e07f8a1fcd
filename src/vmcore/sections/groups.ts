/** Sections by control group: the fair runqueues, and the groups themselves with their limits. */
import type { Addr, Struct } from '../core.ts';
import { hex } from '../kernel/unwind.ts';
import { first } from './cpus.ts';
import type { Scene } from './scene.ts';
import type { Cell, Made, Row } from './table.ts';

/** Beyond this only runqueues with something in them. */
const MANY_ROWS = 4096;
const MOST_ROWS = 50_000;
const MOST_GROUPS = 100_000;
const MOST_MASK_BYTES = 1024;
const NO_LIMIT_PAGES = 2 ** 50;
const PAGE = 4096;

export function cfsRunqueues(scene: Scene): Made {
  const { kernel } = scene;
  const head = kernel.sym('task_groups');
  if (head === undefined) return rootOnly(scene);
  const groups = [...kernel.list(head, 'task_group', 'list', MOST_GROUPS)];
  if (groups.length === 0) return rootOnly(scene);
  const root = kernel.sym('root_task_group');
  const all = groups.length * kernel.cpus.length;
  const rows: Row[] = [];
  const warnings: string[] = [];
  for (const group of groups) {
    const queues = group.ptr('cfs_rq');
    const name = groupName(scene, group, group.addr === root);
    for (const cpu of kernel.cpus) {
      const address = queues === undefined ? undefined : kernel.u64(queues + BigInt(cpu * 8));
      if (address === undefined || address === 0n) continue;
      const queue = kernel.struct('cfs_rq', address);
      const idle = nrOf(queue) === 0 && queue.num('throttled') !== 1;
      if (all > MANY_ROWS && idle && group.addr !== root) continue;
      if (rows.length >= MOST_ROWS) break;
      rows.push(cfsRow(scene, cpu, name, queue));
    }
  }
  if (all > MANY_ROWS)
    warnings.push(`of ${all} fair runqueues only those with tasks, throttled ones and the root's are listed`);
  rows.sort((a, b) => Number(a.cpu) - Number(b.cpu) || compare(String(a.group), String(b.group)));
  return { tables: { cfs_rq: rows }, warnings };
}

const compare = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);

/** Kernels without groups of the fair scheduler. */
function rootOnly(scene: Scene): Made {
  const rows = scene.kernel.cpus.flatMap((cpu) => {
    const queue = scene.rq(cpu)?.at('cfs');
    return queue === undefined ? [] : [cfsRow(scene, cpu, '/', queue)];
  });
  return { tables: { cfs_rq: rows } };
}

const nrOf = (queue: Struct): number => first(queue, 'nr_queued', 'nr_running');

function cfsRow(scene: Scene, cpu: number, group: string, queue: Struct): Row {
  // zero_vruntime may be before 0, and min_vruntime begins just before a wrap: both read as signed.
  const vruntime = queue.big(queue.has('min_vruntime') ? 'min_vruntime' : 'zero_vruntime');
  const entity = queue.deref('curr', 'sched_entity');
  const running =
    entity === undefined || (entity.ptr('my_q') ?? 0n) !== 0n ? undefined : taskOf(scene, entity);
  return {
    cpu,
    group,
    nr: nrOf(queue),
    h_nr: first(queue, 'h_nr_queued', 'h_nr_running'),
    min_vruntime_ms: vruntime === undefined ? undefined : Number(BigInt.asIntN(64, vruntime)) / 1e6,
    load: scaled(queue.num('load.weight')),
    load_avg: queue.num('avg.load_avg'),
    util_avg: queue.num('avg.util_avg'),
    runnable_avg: queue.num('avg.runnable_avg'),
    throttled: queue.num('throttled'),
    runtime_left_ms: queue.num('runtime_enabled') === 1 ? queue.num('runtime_remaining') / 1e6 : undefined,
    current: running === undefined ? '' : `${running.comm}:${running.pid}`,
    address: hex(queue.addr),
  };
}

function taskOf({ kernel }: Scene, entity: Struct) {
  const offset = kernel.member('task_struct', 'se')?.offset;
  return offset === undefined ? undefined : kernel.taskAt(entity.addr - BigInt(offset));
}

/** Weights have ten more bits inside than people know them by. */
const scaled = (weight: number): number => Math.round(weight / 1024);

function groupName(scene: Scene, group: Struct, root: boolean): string {
  if (root) return '/';
  const auto = group.deref('autogroup', 'autogroup');
  if (auto !== undefined) return `/autogroup-${auto.num('id')}`;
  const cgroup = group.deref('css.cgroup', 'cgroup');
  return cgroup === undefined ? hex(group.addr) : scene.cgroupPath(cgroup);
}

export function cgroups(scene: Scene): Made {
  const { kernel } = scene;
  const warnings: string[] = [];
  const members = new Map<Addr, number>();
  for (const task of kernel.tasks()) {
    if (task.idle) continue;
    const group = task.struct.deref('cgroups')?.ptr('dfl_cgrp');
    if (group !== undefined) members.set(group, (members.get(group) ?? 0) + 1);
  }
  const rows: Row[] = [];
  const ids = { next: 1, seen: new Set<Addr>() };
  const unified = kernel.sym('cgrp_dfl_root');
  const heads = kernel.sym('cgroup_roots');
  const roots: Struct[] =
    heads === undefined
      ? unified === undefined
        ? []
        : [kernel.struct('cgroup_root', unified)]
      : [...kernel.list(heads, 'cgroup_root', 'root_list', 256)];
  if (unified !== undefined && !roots.some(({ addr }) => addr === unified))
    roots.unshift(kernel.struct('cgroup_root', unified));
  for (const root of roots) {
    const top = root.at('cgrp');
    if (top === undefined) continue;
    const legacy = root.addr !== unified;
    const prefix = legacy ? `${hierarchyName(scene, root)}:` : '';
    // Version 1 knows its tasks by links that nobody follows here.
    visit(scene, top, 0, 0, prefix, legacy ? undefined : members, rows, ids);
  }
  if (rows.length >= MOST_GROUPS) warnings.push(`only the first ${MOST_GROUPS} groups are listed`);
  return { tables: { cgroups: rows }, warnings };
}

function hierarchyName({ kernel }: Scene, root: Struct): string {
  const mask = root.num('subsys_mask');
  const all = [...(kernel.enumeration('cgroup_subsys_id') ?? [])];
  const names = all
    .filter(([name, bit]) => name.endsWith('_cgrp_id') && Math.floor(mask / 2 ** bit) % 2 === 1)
    .map(([name]) => name.replace(/_cgrp_id$/, ''));
  return names.length > 0 ? names.join(',') : root.text('name');
}

function visit(
  scene: Scene,
  group: Struct,
  parent: number,
  level: number,
  prefix: string,
  members: ReadonlyMap<Addr, number> | undefined,
  rows: Row[],
  ids: { next: number; readonly seen: Set<Addr> },
): void {
  if (rows.length >= MOST_GROUPS || level > 128 || ids.seen.has(group.addr)) return;
  ids.seen.add(group.addr);
  const id = ids.next++;
  rows.push({
    path: prefix + scene.cgroupPath(group),
    tasks: members === undefined ? undefined : (members.get(group.addr) ?? 0),
    ...cpuset(scene, group),
    ...cpuLimits(scene, group),
    ...memoryLimits(scene, group),
    ...pidLimits(scene, group),
    level,
    id,
    parent: parent === 0 ? undefined : parent,
    address: hex(group.addr),
  });
  const children = group.addressOf('self.children');
  const offset = scene.kernel.member('cgroup', 'self')?.offset ?? 0;
  if (children === undefined) return;
  const below = [...scene.kernel.list(children, 'cgroup_subsys_state', 'sibling', MOST_GROUPS)].map((css) =>
    scene.kernel.struct('cgroup', css.addr - BigInt(offset)),
  );
  for (const child of below) visit(scene, child, id, level + 1, prefix, members, rows, ids);
}

/** The state of a controller in this very group; undefined where it is not switched on. */
function controller({ kernel }: Scene, group: Struct, name: string, type: string): Struct | undefined {
  const index = kernel.enumValue(`${name}_cgrp_id`);
  const css = index === undefined ? undefined : group.ptr(`subsys[${index}]`);
  const offset = kernel.member(type, 'css')?.offset;
  return css === undefined || css === 0n || offset === undefined
    ? undefined
    : kernel.struct(type, css - BigInt(offset));
}

function cpuset(scene: Scene, group: Struct): Row {
  const set = controller(scene, group, 'cpuset', 'cpuset');
  if (set === undefined) return {};
  return { cpus: maskText(scene, set, 'effective_cpus'), mems: maskText(scene, set, 'effective_mems') };
}

/** A mask that is a member, or points to one (cpumask_var_t). */
function maskText({ kernel }: Scene, struct: Struct, path: string): Cell {
  const member = kernel.member(struct.type, path);
  if (member === undefined) return '';
  const limit = path.endsWith('cpus') ? (wordAt(kernel, 'nr_cpu_ids') ?? 64) : 1024;
  const own = member.kind === 'pointer' ? struct.ptr(path) : struct.addressOf(path);
  const bytes =
    own === undefined ? undefined : kernel.read(own, Math.min(MOST_MASK_BYTES, Math.ceil(limit / 64) * 8));
  if (bytes === undefined) return '';
  const set = Array.from({ length: Math.min(limit, bytes.length * 8) }, (_, bit) => bit).filter(
    (bit) => (((bytes[bit >> 3] as number) >> (bit & 7)) & 1) === 1,
  );
  return rangesText(set);
}

const wordAt = (kernel: Scene['kernel'], symbol: string): number | undefined => {
  const address = kernel.sym(symbol);
  return address === undefined ? undefined : kernel.u32(address);
};

/** 0-3,7 */
export function rangesText(numbers: readonly number[]): string {
  const parts: string[] = [];
  for (let at = 0; at < numbers.length; ) {
    let end = at;
    while (end + 1 < numbers.length && numbers[end + 1] === (numbers[end] as number) + 1) end += 1;
    parts.push(end === at ? String(numbers[at]) : `${numbers[at]}-${numbers[end]}`);
    at = end + 1;
  }
  return parts.join(',');
}

function cpuLimits(scene: Scene, group: Struct): Row {
  const limits = controller(scene, group, 'cpu', 'task_group');
  if (limits === undefined) return {};
  const quota = limits.big('cfs_bandwidth.quota');
  const unlimited = quota === undefined || BigInt.asIntN(64, quota) < 0n;
  const shares = limits.num('shares');
  const top = limits.addr === scene.kernel.sym('root_task_group');
  return {
    // 1024 shares, with ten bits more inside, are a weight of 100.
    weight: top ? undefined : Math.round((shares / 1024) * (100 / 1024)),
    quota_ms: unlimited ? undefined : Number(quota) / 1e6,
    period_ms: unlimited ? undefined : limits.num('cfs_bandwidth.period') / 1e6,
    throttled: top ? undefined : limits.num('cfs_bandwidth.nr_throttled'),
    throttled_ms: top ? undefined : limits.num('cfs_bandwidth.throttled_time') / 1e6,
  };
}

function memoryLimits(scene: Scene, group: Struct): Row {
  const memory = controller(scene, group, 'memory', 'mem_cgroup');
  if (memory === undefined) return {};
  const most = memory.num('memory.max');
  const high = first(memory, 'memory.high', 'high');
  return {
    memory: memory.num('memory.usage.counter') * PAGE,
    memory_max: most < NO_LIMIT_PAGES ? most * PAGE : undefined,
    memory_high: high < NO_LIMIT_PAGES ? high * PAGE : undefined,
    swap: memory.num('swap.usage.counter') * PAGE,
  };
}

function pidLimits(scene: Scene, group: Struct): Row {
  const pids = controller(scene, group, 'pids', 'pids_cgroup');
  if (pids === undefined) return {};
  const limit = pids.has('limit.counter') ? pids.num('limit.counter') : pids.num('limit');
  // The limit of no limit is one above the highest pid there can be.
  return { pids: pids.num('counter.counter'), pids_max: limit > 4_194_304 ? undefined : limit };
}
