/** Where a CPU or task was, the ways of stopping it left out. */
import { isTelling, normaliseFrame } from '../cluster/frames.ts';
import type { Backtrace, Frame } from '../report.ts';

/** Handlers by which panic() and kdump stop the other CPUs. */
const STOPPERS =
  /^(stop_this_cpu|__?sysvec_reboot|sysvec_reboot|crash_nmi_callback|smp_reboot_interrupt|__crash_nmi|nmi_shootdown|native_stop_other_cpus)/;
/** Of the idle task at rest. */
const IDLE =
  /^(do_idle|default_idle|default_idle_call|cpu_startup_entry|acpi_idle|acpi_safe_halt|intel_idle|mwait_idle|pv_native_safe_halt|native_safe_halt|cpuidle_|poll_idle|arch_cpu_idle|haltpoll|kvm_|xen_)/;
const DYING =
  /^(panic|vpanic|nmi_panic|__crash_kexec|crash_kexec|oops_end|die|machine_kexec|do_exit|make_task_dead)$/;
const SLEEPING =
  /^(msleep|msleep_interruptible|ssleep|usleep_range|usleep_range_state|schedule_timeout_\w+|schedule_hrtimeout\w*|do_nanosleep|hrtimer_nanosleep|schedule_rtlock|rwsem_\w+|rwbase_\w+|wait_woken|do_wait_intr\w*|prepare_to_\w+|__mutex_\w+|ww_mutex_\w+|__down_\w+|__wait_rcu_gp|synchronize_rcu\w*|fsleep|(?:__|do_)?wait_for_\w+|rcu_barrier\w*|__flush_w\w+|flush_work|call_rwsem\w+)$/;

export interface Place {
  /** Frames from where it was; all frames when it was not stopped from outside. */
  readonly frames: readonly Frame[];
  /** How it was stopped. */
  readonly stopped: '' | 'irq' | 'nmi';
  /** It was in user mode when it was stopped. */
  readonly user: boolean;
}

/** The stack of a CPU without the interrupt that stopped it for the panic. */
export function placeOf(trace: Backtrace): Place {
  const { frames } = trace;
  const until = frames.findIndex(({ kind }) => kind !== 'normal');
  const handler = until < 0 ? frames : frames.slice(0, until);
  const byStop = handler.some(({ function: name }) => STOPPERS.test(name));
  const byPanic = handler.some(({ function: name }) => DYING.test(name));
  if (!byStop || byPanic)
    return { frames, stopped: '', user: frames.length === 0 && trace.stopped === 'user' };
  const nmi =
    until >= 0 ? frames[until]?.kind === 'nmi' : handler.some(({ function: name }) => /nmi/.test(name));
  return {
    frames: until < 0 ? [] : frames.slice(until),
    stopped: nmi ? 'nmi' : 'irq',
    user: until < 0 && trace.stopped === 'user',
  };
}

export const isIdlePlace = (frames: readonly Frame[]): boolean =>
  frames.slice(0, 4).some(({ function: name }) => IDLE.test(name));

/** The kernel's own dying, from inside. */
export const isDying = (frame: Frame): boolean => DYING.test(frame.function);

/** `function [module]` for comparing. */
export const nameOf = (frame: Frame): string =>
  normaliseFrame(frame.module ? `${frame.function} [${frame.module}]` : frame.function);

/** A frame that may be blamed: neither dying, nor entering, nor sleeping, nor a helper of all. */
export const mayBeBlamed = (frame: Frame): boolean =>
  isTelling(nameOf(frame)) && !(frame.module === undefined && SLEEPING.test(frame.function));

/** The innermost frame that says something; the innermost of all where none does. */
export const tellingFrame = (frames: readonly Frame[]): Frame | undefined =>
  frames.find(mayBeBlamed) ?? frames[0];

export function frameText({ function: name, offset, size, module }: Frame): string {
  const at =
    offset === undefined
      ? ''
      : `+0x${offset.toString(16)}${size === undefined ? '' : `/0x${size.toString(16)}`}`;
  return `${name}${at}${module === undefined ? '' : ` [${module}]`}`;
}

/** Innermost first, joined as folded stacks are everywhere. */
export const folded = (frames: readonly Frame[]): string =>
  frames.map(({ function: name, module }) => (module === undefined ? name : `${name} [${module}]`)).join(';');
