/** `cgroupinfo [PATH]`: the tree of control groups with what cpuset, cpu, memory and pids give each level. */
import type { Addr, Ctx, OwnCommand, Struct } from '../core.ts';
import { cpuLimit, maskText } from './masks.ts';
import { CommandUsage } from './own-command.ts';
import { type Row, tableOfRows } from './rows.ts';

export const cgroupinfo: OwnCommand = {
  name: 'cgroupinfo',
  summary: 'control groups: cpus, mems, weight, quota, memory, pids per level; PATH shows that one and below',
  run(ctx, args) {
    const [path, extra] = args;
    if (extra !== undefined) throw new CommandUsage(`cgroupinfo takes one path, not ${extra}; leave it out`);
    const rows = hierarchies(ctx).flatMap((root) => [...walkTree(ctx, root)]);
    const below = path === undefined ? rows : rows.filter((row) => isBelow(String(row.path), path));
    if (path !== undefined && below.length === 0)
      throw new CommandUsage(
        `no control group ${path}; give a path as in /proc/PID/cgroup, such as /system.slice`,
      );
    return tableOfRows(below, ['hierarchy', 'path']);
  },
};

const isBelow = (path: string, wanted: string): boolean => {
  const clean = `/${wanted.replace(/^\/+|\/+$/g, '')}`;
  return clean === '/' || path === clean || path.startsWith(`${clean}/`);
};

interface Hierarchy {
  readonly name: string;
  readonly top: Struct;
}

/** The default one (version 2) and those of version 1, by their controllers or names. */
function hierarchies(ctx: Ctx): Hierarchy[] {
  const head = ctx.sym('cgroup_roots');
  const default_ = ctx.sym('cgrp_dfl_root');
  const roots = head === undefined ? [] : [...ctx.list(head, 'cgroup_root', 'root_list', 64)];
  if (roots.length === 0 && default_ !== undefined) roots.push(ctx.struct('cgroup_root', default_));
  if (roots.length === 0) ctx.warn('this kernel has no control groups, or their symbols could not be read');
  return roots.flatMap((root) => {
    const top = root.at('cgrp');
    if (top === undefined) return [];
    const name = root.addr === default_ ? 'v2' : root.text('name') || controllersOf(ctx, root) || 'v1';
    return [{ name, top }];
  });
}

function controllersOf(ctx: Ctx, root: Struct): string {
  const mask = root.num('subsys_mask');
  const names = [...(ctx.enumeration('cgroup_subsys_id') ?? [])];
  return names
    .filter(([, bit]) => Number.isFinite(mask) && Math.floor(mask / 2 ** bit) % 2 === 1)
    .map(([name]) => name.replace(/_cgrp_id$/, ''))
    .join(',');
}

/** Deeper than any real tree: what goes further is damage. */
const DEEPEST = 64;

function* walkTree(ctx: Ctx, { name, top }: Hierarchy): Generator<Row> {
  const tasks = name === 'v2' ? taskCounts(ctx) : undefined;
  const open: { group: Struct; path: string; depth: number }[] = [{ group: top, path: '/', depth: 0 }];
  const seen = new Set<Addr>();
  for (let at = open.pop(); at !== undefined; at = open.pop()) {
    const { group, path, depth } = at;
    if (seen.has(group.addr) || depth > DEEPEST) continue;
    seen.add(group.addr);
    yield { hierarchy: name, path, depth, ...valuesOf(ctx, group, tasks) };
    const children = group.addressOf('self.children');
    if (children === undefined) continue;
    const inside = [...ctx.list(children, 'cgroup_subsys_state', 'sibling')].flatMap((css) => {
      const child = css.deref('cgroup');
      return child === undefined ? [] : [{ group: child, path: join(path, nameOf(child)), depth: depth + 1 }];
    });
    // The kernel adds new ones at the end: read backwards they come off the stack in that order.
    open.push(...inside.reverse());
  }
}

const join = (path: string, name: string): string => `${path === '/' ? '' : path}/${name}`;

const nameOf = (group: Struct): string => group.deref('kn')?.text('name') || '?';

/** Tasks in each group of the default hierarchy. */
function taskCounts(ctx: Ctx): Map<Addr, number> {
  const counts = new Map<Addr, number>();
  for (const task of ctx.tasks()) {
    const group = task.idle ? undefined : task.struct.deref('cgroups')?.ptr('dfl_cgrp');
    if (group !== undefined) counts.set(group, (counts.get(group) ?? 0) + 1);
  }
  return counts;
}

function valuesOf(ctx: Ctx, group: Struct, tasks: ReadonlyMap<Addr, number> | undefined): Row {
  return {
    tasks: tasks === undefined ? Number.NaN : (tasks.get(group.addr) ?? 0),
    ...cpusetOf(ctx, group),
    ...cpuOf(ctx, group),
    ...memoryOf(ctx, group),
    ...pidsOf(ctx, group),
    dying: dying(group),
  };
}

/** What a controller keeps for the group: of the group itself only where the controller is enabled there. */
function stateOf(ctx: Ctx, group: Struct, controller: string, type: string): Struct | undefined {
  const id = ctx.enumValue(`${controller}_cgrp_id`);
  if (id === undefined) return undefined;
  const css = group.ptr(`subsys[${id}]`);
  if (css === undefined || css === 0n) return undefined;
  const offset = ctx.member(type, 'css')?.offset;
  return offset === undefined ? undefined : ctx.struct(type, css - BigInt(offset));
}

/** Memory nodes looked at: the kernel's own limit. */
const MOST_NODES = 1024;

function cpusetOf(ctx: Ctx, group: Struct): Row {
  const set = stateOf(ctx, group, 'cpuset', 'cpuset');
  if (set === undefined) return { cpus: '', mems: '' };
  const size = ctx.member('cpuset', 'effective_mems')?.size ?? 8;
  return {
    cpus: maskText(ctx, set, 'effective_cpus', cpuLimit(ctx)),
    mems: maskText(ctx, set, 'effective_mems', Math.min(MOST_NODES, size * 8)),
  };
}

/** Shares of a group with the default weight, and that weight (100). */
const SHARES_PER_WEIGHT = 1024 / 100;
/** task_group.shares is scaled up by this on 64-bit kernels. */
const SHARES_SCALE = 1024;
/** cfs_bandwidth.quota without a limit. */
const NO_QUOTA = 2n ** 64n - 1n;

function cpuOf(ctx: Ctx, group: Struct): Row {
  const state = stateOf(ctx, group, 'cpu', 'task_group');
  if (state === undefined) return { weight: Number.NaN, quota_ms: '', period_ms: Number.NaN };
  const quota = state.big('cfs_bandwidth.quota');
  return {
    weight: Math.round(state.num('shares') / SHARES_SCALE / SHARES_PER_WEIGHT),
    quota_ms:
      quota === undefined ? '' : BigInt.asUintN(64, quota) === NO_QUOTA ? 'max' : String(Number(quota) / 1e6),
    // A ktime: nanoseconds.
    period_ms: state.num('cfs_bandwidth.period') / 1e6,
  };
}

/** page_counter.max without a limit is LONG_MAX bytes, in pages. */
const noLimit = (pages: number, page: number): boolean => pages >= 2 ** 63 / page - 1;

function memoryOf(ctx: Ctx, group: Struct): Row {
  const state = stateOf(ctx, group, 'memory', 'mem_cgroup');
  if (state === undefined) return { memory_kb: Number.NaN, high_kb: '', max_kb: '' };
  const page = ctx.kernel.page_size;
  const limit = (path: string): string => {
    const pages = state.num(path);
    if (Number.isNaN(pages)) return '';
    return noLimit(pages, page) ? 'max' : String((pages * page) / 1024);
  };
  return {
    memory_kb: (state.num('memory.usage.counter') * page) / 1024,
    high_kb: limit('memory.high'),
    max_kb: limit('memory.max'),
  };
}

/** pids_cgroup.limit without a limit is above any pid. */
const MOST_PIDS = 4 * 1024 * 1024;

function pidsOf(ctx: Ctx, group: Struct): Row {
  const state = stateOf(ctx, group, 'pids', 'pids_cgroup');
  if (state === undefined) return { pids: Number.NaN, pids_max: '' };
  const most = state.has('limit.counter') ? state.num('limit.counter') : state.num('limit');
  return {
    pids: state.num('counter.counter'),
    pids_max: Number.isNaN(most) ? '' : most >= MOST_PIDS ? 'max' : String(most),
  };
}

/** CSS_ONLINE: a group that was removed and is still held by something. */
const CSS_ONLINE = 2;

function dying(group: Struct): string {
  const flags = group.num('self.flags');
  return Number.isNaN(flags) ? '' : (flags & CSS_ONLINE) === 0 ? 'yes' : 'no';
}
