/** `cpuinfo [-i]`: which CPU is which thread of which core; `cpuinfo -t`: whose page tables each CPU has in its TLB. */
import type { Addr, Ctx, OwnCommand, Struct } from '../core.ts';
import { CommandUsage } from './own-command.ts';
import { type Row, tableOfRows } from './rows.ts';

export const cpuinfo: OwnCommand = {
  name: 'cpuinfo',
  summary: 'CPUs: -i package, die, core, thread (default); -t state of the TLB',
  run(ctx, args) {
    const unknown = args.find((arg) => !['-i', '-t'].includes(arg));
    if (unknown !== undefined) throw new CommandUsage(`cpuinfo knows no ${unknown}; give -i or -t`);
    if (args.length > 1) throw new CommandUsage('cpuinfo shows one table at a time; give -i or -t');
    return tableOfRows(args[0] === '-t' ? tlb(ctx) : layout(ctx), ['cpu']);
  },
};

/** Where a member went, newest name first; NaN when the kernel has none of them. */
function first(struct: Struct, paths: readonly string[]): number {
  const found = paths.find((path) => struct.has(path));
  return found === undefined ? Number.NaN : struct.num(found);
}

function layout(ctx: Ctx): Row[] {
  const online = new Set(ctx.cpusOnline);
  const cores = new Map<string, number>();
  return ctx.cpus.map((cpu) => {
    const address = ctx.percpu('cpu_info', cpu);
    if (address === undefined) return { cpu };
    const info = ctx.struct('cpuinfo_x86', address);
    const place = {
      package: first(info, ['topo.pkg_id', 'phys_proc_id']),
      die: first(info, ['topo.die_id', 'cpu_die_id']),
      core: first(info, ['topo.core_id', 'cpu_core_id']),
    };
    const name = Object.values(place).join();
    const thread = cores.get(name) ?? 0;
    cores.set(name, thread + 1);
    return {
      cpu,
      // After panic() only the panicking one is.
      online: online.has(cpu) ? 'yes' : 'no',
      ...place,
      thread,
      apic_id: first(info, ['topo.apicid', 'apicid']),
      family: info.num('x86'),
      model: info.num('x86_model'),
      stepping: info.num('x86_stepping'),
      microcode: hex(info.num('microcode')),
      name: info.text('x86_model_id').trim(),
    };
  });
}

const hex = (value: number): string => (Number.isFinite(value) ? `0x${value.toString(16)}` : '');

/** Bits of tlb_state.loaded_mm: some kernels keep 1 there while they switch. */
const SWITCHING = 1n;

function tlb(ctx: Ctx): Row[] {
  const owners = ownersOf(ctx);
  return ctx.cpus.map((cpu) => {
    const address = ctx.percpu('cpu_tlbstate', cpu);
    if (address === undefined) return { cpu };
    const state = ctx.struct('tlb_state', address);
    const loaded = state.ptr('loaded_mm');
    const asid = state.num('loaded_mm_asid');
    const current = Number.isInteger(asid) && asid >= 0 ? `ctxs[${asid}]` : 'ctxs[0]';
    const done = state.big(`${current}.tlb_gen`);
    const mm =
      loaded === undefined || loaded === 0n || loaded === SWITCHING
        ? undefined
        : ctx.struct('mm_struct', loaded);
    const wanted = mm?.big('context.tlb_gen.counter');
    const pending = done === undefined || wanted === undefined ? undefined : wanted - done;
    return {
      cpu,
      loaded_mm: loaded,
      owner: loaded === undefined ? '' : ownerText(ctx, loaded, owners),
      lazy: lazy(ctx, cpu, state),
      asid,
      next_asid: state.num('next_asid'),
      ctx_id: decimal(state.big(`${current}.ctx_id`)),
      mm_ctx_id: decimal(mm?.big('context.ctx_id')),
      tlb_gen: decimal(done),
      mm_tlb_gen: decimal(wanted),
      // The kernel's own page tables have no generation to follow.
      pending_flush:
        pending === undefined
          ? ''
          : loaded === ctx.sym('init_mm') || pending <= 0n
            ? 'no'
            : `${pending} behind`,
      invalidate_other: yesNo(state.num('invalidate_other')),
    };
  });
}

const decimal = (value: bigint | undefined): string => value?.toString() ?? '';
const yesNo = (value: number): string => (Number.isNaN(value) ? '' : value === 0 ? 'no' : 'yes');

/** Moved out of tlb_state, to a line of its own, in 5.13. */
function lazy(ctx: Ctx, cpu: number, state: Struct): string {
  if (state.has('is_lazy')) return yesNo(state.num('is_lazy'));
  const shared = ctx.percpu('cpu_tlbstate_shared', cpu);
  return shared === undefined ? '' : yesNo(ctx.struct('tlb_state_shared', shared).num('is_lazy'));
}

/** mm_struct → the first task that has it, leaders first. */
function ownersOf(ctx: Ctx): Map<Addr, string> {
  const owners = new Map<Addr, string>();
  const tasks = [...ctx.tasks()].sort((a, b) => Number(a.pid !== a.tgid) - Number(b.pid !== b.tgid));
  for (const task of tasks) {
    const mm = task.struct.ptr('mm');
    if (mm !== undefined && mm !== 0n && !owners.has(mm)) owners.set(mm, `${task.comm} ${task.pid}`);
  }
  return owners;
}

function ownerText(ctx: Ctx, mm: Addr, owners: ReadonlyMap<Addr, string>): string {
  if (mm === SWITCHING) return '(switching)';
  return owners.get(mm) ?? (mm === ctx.sym('init_mm') ? '(init_mm)' : '');
}
