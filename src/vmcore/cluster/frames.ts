/**
 * Frames of kernel stacks, made comparable: names as programmers know them, without what compilers, unwinders and the
 * way of dying add. Three kinds of functions say nothing, or little, about a cause:
 *
 * - *machinery*: how the kernel dies and dumps (panic, oops, watchdogs, exception entry): removed;
 * - *entry*: how every task gets into the kernel or to sleep (system calls, kthread, softirq, schedule): of little weight;
 * - *helper*: where many different faults surface (list checks, copies, locks taken): of less weight, never to blame.
 */

/** A name without offset, compiler suffix and system call prefix; its module stays: `foo.isra.0+0x1/0x2 [ext4]` → `foo [ext4]`. */
export function normaliseFrame(text: string): string {
  const [, symbol = '', module] = FRAME.exec(text) ?? [];
  const bare = symbol.replace(/(?<=.)\..*$/, '').replace(SYSCALL, 'sys_');
  return module === undefined ? bare : `${bare} [${module}]`;
}

/** `symbol+off/size [module build-id]`, in any of the forms that reports and kernel logs have. */
const FRAME =
  /^\s*(?:\?\s*)?([^\s+[\]]+)(?:\+(?:0x)?[\da-f]+(?:\/(?:0x)?[\da-f]+)?)?(?:\s+\[([^\s\]]+)[^\]]*\])?/i;
const SYSCALL = /^(?:__(?:x64|ia32|ia32_compat|arm64|se|do)_(?:compat_)?sys_|ksys_)/;

/** The function of a normalised frame, without its module. */
export const functionOf = (frame: string): string => {
  const end = frame.indexOf(' ');
  return end < 0 ? frame : frame.slice(0, end);
};

/** The module of a normalised frame, `''` for the kernel itself. */
export const moduleOf = (frame: string): string => / \[(.+)\]$/.exec(frame)?.[1] ?? '';

const words = (text: string): ReadonlySet<string> => new Set(text.split(/\s+/).filter((word) => word !== ''));

const MACHINERY = words(`
  panic __crash_kexec crash_kexec __warn warn_slowpath_fmt warn_slowpath_null report_bug handle_bug
  die __die __die_body oops_begin oops_end oops_exit no_context bad_area_nosemaphore __bad_area_nosemaphore bad_area
  page_fault_oops kernelmode_fixup_or_oops die_addr exc_general_protection exc_page_fault exc_invalid_op
  exc_double_fault exc_stack_segment exc_int3 exc_nmi exc_divide_error exc_debug exc_bounds do_user_addr_fault
  do_kern_addr_fault handle_page_fault do_error_trap do_trap do_int3 fixup_bug nmi_panic nmi_panic_self_stop
  asm_exc_page_fault asm_exc_general_protection asm_exc_invalid_op asm_exc_nmi asm_exc_int3 asm_exc_double_fault
  asm_exc_divide_error asm_exc_stack_segment asm_exc_debug asm_exc_bounds async_page_fault page_fault
  general_protection invalid_op double_fault end_repeat_nmi nmi repeat_nmi default_do_nmi do_nmi nmi_handle
  handle_stack_overflow stack_segment dump_stack dump_stack_lvl __dump_stack show_stack show_regs dump_trace
  kasan_report __kasan_report kasan_report_invalid_free print_report print_address_description end_report
  watchdog_timer_fn softlockup_fn watchdog_overflow_callback watchdog_hardlockup_check is_hardlockup
  perf_event_overflow __perf_event_overflow perf_event_nmi_handler intel_pmu_handle_irq handle_pmi_common
  check_hung_uninterruptible_tasks check_hung_task watchdog rcu_check_callbacks rcu_sched_clock_irq
  rcu_pending check_cpu_stall print_cpu_stall print_other_cpu_stall panic_on_rcu_stall
  crash_nmi_callback nmi_shootdown_cpus crash_smp_send_stop native_stop_other_cpus stop_this_cpu
  sysvec_reboot smp_reboot_interrupt asm_sysvec_reboot native_smp_send_stop machine_crash_shutdown
  native_machine_crash_shutdown native_machine_emergency_restart machine_kexec emergency_restart
  unknown_nmi_error pci_serr_error io_check_error mem_parity_error panic_nmi __stack_chk_fail
  trigger_all_cpu_backtrace nmi_trigger_cpumask_backtrace arch_trigger_cpumask_backtrace nmi_cpu_backtrace
  sysrq_handle_crash __handle_sysrq write_sysrq_trigger refcount_warn_saturate fortify_panic __fortify_panic
  __ubsan_handle_out_of_bounds ubsan_epilogue vpanic rewind_stack_and_make_dead rewind_stack_do_exit
  make_task_dead dump_header`);

const ENTRY = words(`
  entry_SYSCALL_64_after_hwframe entry_SYSCALL_64 entry_SYSCALL_64_fastpath entry_SYSCALL_compat
  entry_SYSCALL_compat_after_hwframe entry_INT80_compat do_syscall_64 do_fast_syscall_32 do_int80_emulation
  do_int80_syscall_32 __do_fast_syscall_32 x64_sys_call ia32_sys_call ret_from_fork ret_from_fork_asm kthread
  worker_thread process_one_work process_scheduled_works kthread_worker_fn smpboot_thread_fn cpuhp_thread_fun
  run_ksoftirqd __do_softirq handle_softirqs do_softirq do_softirq_own_stack __local_bh_enable_ip irq_exit
  irq_exit_rcu __irq_exit_rcu invoke_softirq run_timer_softirq __run_timers __run_timer_base call_timer_fn
  expire_timers run_timer_base tick_sched_timer tick_nohz_handler update_process_times tick_sched_handle
  hrtimer_interrupt __hrtimer_run_queues __run_hrtimer local_apic_timer_interrupt
  smp_apic_timer_interrupt __sysvec_apic_timer_interrupt sysvec_apic_timer_interrupt
  asm_sysvec_apic_timer_interrupt apic_timer_interrupt asm_common_interrupt common_interrupt do_IRQ
  __common_interrupt ret_from_intr handle_irq_event handle_irq_event_percpu __handle_irq_event_percpu
  handle_edge_irq handle_fasteoi_irq generic_handle_irq asm_sysvec_call_function sysvec_call_function
  asm_sysvec_call_function_single sysvec_call_function_single __sysvec_call_function
  __sysvec_call_function_single flush_smp_call_function_queue __flush_smp_call_function_queue
  generic_smp_call_function_single_interrupt rcu_core rcu_do_batch rcu_core_si rcu_process_callbacks tasklet_action
  tasklet_action_common net_rx_action __napi_poll task_work_run exit_to_user_mode_loop
  exit_to_user_mode_prepare syscall_exit_to_user_mode irqentry_exit_to_user_mode prepare_exit_to_usermode
  do_group_exit get_signal arch_do_signal_or_restart do_signal
  schedule __schedule preempt_schedule_common preempt_schedule_irq preempt_schedule __cond_resched
  preempt_schedule_thunk schedule_timeout schedule_preempt_disabled schedule_hrtimeout_range
  schedule_hrtimeout_range_clock io_schedule io_schedule_timeout context_switch __switch_to __switch_to_asm
  mutex_lock __mutex_lock __mutex_lock_slowpath __mutex_lock_common mutex_lock_nested mutex_lock_killable
  mutex_lock_interruptible __mutex_lock_killable_slowpath __mutex_lock_interruptible_slowpath
  down_read down_write __down_read __down_write rwsem_down_read_slowpath rwsem_down_write_slowpath
  rwsem_down_read_failed rwsem_down_write_failed call_rwsem_down_read_failed call_rwsem_down_write_failed
  down_read_killable down_write_killable down_read_interruptible down __down down_interruptible
  __down_interruptible __down_common percpu_down_read percpu_down_write __percpu_down_read percpu_rwsem_wait
  rt_mutex_slowlock rt_mutex_lock wait_for_completion __wait_for_common wait_for_common
  wait_for_completion_timeout wait_for_completion_killable out_of_line_wait_on_bit __wait_on_bit wait_on_bit
  __wait_on_bit_lock out_of_line_wait_on_bit_lock bit_wait bit_wait_io
  msleep msleep_interruptible ssleep fsleep usleep_range usleep_range_state schedule_timeout_interruptible
  schedule_timeout_killable schedule_timeout_uninterruptible schedule_timeout_idle schedule_hrtimeout
  do_nanosleep hrtimer_nanosleep common_nsleep sys_nanosleep sys_clock_nanosleep wait_woken schedule_rtlock
  __mutex_lock_interruptible __mutex_lock_killable ww_mutex_lock __ww_mutex_lock do_wait_intr do_wait_intr_irq
  do_wait_for_common __wait_for_common wait_for_completion_interruptible wait_for_completion_io
  wait_for_completion_io_timeout wait_for_completion_interruptible_timeout wait_for_completion_state
  __wait_rcu_gp synchronize_rcu synchronize_rcu_expedited wait_rcu_exp_gp rcu_barrier flush_work __flush_work
  flush_workqueue __flush_workqueue rwbase_read_lock rwbase_write_lock
  do_idle cpu_startup_entry default_idle default_idle_call start_secondary secondary_startup_64
  secondary_startup_64_no_verify common_startup_64 rest_init start_kernel x86_64_start_kernel
  x86_64_start_reservations arch_call_rest_init cpuidle_enter cpuidle_enter_state cpuidle_idle_call
  acpi_idle_enter acpi_idle_do_entry acpi_safe_halt native_safe_halt pv_native_safe_halt mwait_idle
  intel_idle intel_idle_irq intel_idle_ibrs poll_idle amd_e400_idle acpi_processor_ffh_cstate_enter arch_cpu_idle sys_write sys_read vfs_write vfs_read new_sync_write new_sync_read
  __vfs_write __vfs_read kernfs_fop_write_iter kernfs_fop_write proc_reg_write proc_reg_write_iter
  do_one_initcall do_init_module load_module sys_init_module sys_finit_module init_module_from_file
  idempotent_init_module sys_ioctl vfs_ioctl do_vfs_ioctl`);

const HELPER = words(`
  __list_add_valid __list_add_valid_or_report __list_del_entry_valid __list_del_entry_valid_or_report
  list_del list_add __list_del_entry list_del_init list_move hlist_del
  memcpy memcpy_erms memcpy_orig __memcpy memmove __memmove memset memset_erms memset_orig __memset memcmp
  strlen strcmp strncmp strcpy strlcpy strscpy sized_strscpy strnlen string_nocheck string vsnprintf
  copy_from_user copy_to_user _copy_from_user _copy_to_user copy_user_generic copy_user_generic_string
  copy_user_generic_unrolled copy_user_enhanced_fast_string rep_movs_alternative __check_object_size
  __check_heap_object check_heap_object usercopy_abort check_stack_object
  _raw_spin_lock _raw_spin_lock_irq _raw_spin_lock_irqsave _raw_spin_lock_bh _raw_spin_unlock
  _raw_spin_unlock_irq _raw_spin_unlock_irqrestore _raw_spin_trylock _raw_read_lock _raw_write_lock
  _raw_write_lock_irq native_queued_spin_lock_slowpath queued_spin_lock_slowpath
  __pv_queued_spin_lock_slowpath pv_queued_spin_lock_slowpath queued_read_lock_slowpath
  queued_write_lock_slowpath do_raw_spin_lock spin_dump spin_bug
  __asan_load1 __asan_load2 __asan_load4 __asan_load8 __asan_store1 __asan_store2 __asan_store4 __asan_store8
  __asan_memcpy __asan_memset __asan_memmove check_memory_region kasan_check_range __kasan_check_read
  __kasan_check_write kmsan_report
  kfree kmem_cache_free __kmem_cache_free ___cache_free do_slab_free kmem_cache_free_bulk slab_free_freelist_hook
  free_large_kmalloc kvfree free_unref_page kmem_cache_alloc __kmalloc kmalloc kmem_cache_alloc_trace kmalloc_trace
  __kmalloc_cache_noprof __kmalloc_noprof kmem_cache_alloc_noprof __slab_alloc ___slab_alloc __slab_free
  slab_free get_freepointer slab_alloc slab_alloc_node __kmem_cache_alloc_node kmalloc_node_trace
  object_err slab_err slab_bug slab_fix set_freepointer free_to_partial_list
  atomic_inc atomic_dec refcount_inc refcount_dec refcount_add refcount_dec_and_test refcount_inc_not_zero
  __x86_indirect_thunk_rax __x86_return_thunk __fentry__ srso_alias_return_thunk srso_return_thunk
  delay_tsc __delay __const_udelay __udelay udelay native_read_tsc rdtsc_ordered cpu_relax rep_nop
  smp_call_function_many_cond smp_call_function_many smp_call_function_single smp_call_function
  on_each_cpu on_each_cpu_cond_mask generic_exec_single csd_lock_wait __csd_lock_wait
  rcu_note_context_switch lock_acquire lock_release __lock_acquire __might_sleep __might_fault
  read_hpet native_read_msr native_write_msr`);

/** A module's function is nobody's machinery, whatever its name: the lists hold functions of the kernel itself. */
const listed = (list: ReadonlySet<string>, frame: string): boolean => !frame.endsWith(']') && list.has(frame);

/** Removed: how the kernel dies, not why. Bare addresses are nothing to compare either. */
export const isMachinery = (frame: string): boolean =>
  frame === '' || listed(MACHINERY, frame) || /^(?:0x)?[\da-f]{8,}$/i.test(frame);
export const isEntry = (frame: string): boolean => listed(ENTRY, frame);
export const isHelper = (frame: string): boolean => listed(HELPER, frame);
/** Whether a frame may be blamed: it is a function with a task of its own. */
export const isTelling = (frame: string): boolean =>
  !isMachinery(frame) && !isEntry(frame) && !isHelper(frame);

/** How much of its weight a frame keeps, for what kind of function it is. */
export const damp = (frame: string): number => (isEntry(frame) ? 0.15 : isHelper(frame) ? 0.4 : 1);

/** A stack ready to be compared. */
export interface ComparedStack {
  /** Innermost first, normalised, without machinery, recursion folded. */
  readonly frames: readonly string[];
  /** Frames folded away by recursion; 0 without any. */
  readonly folded: number;
}

/** Frames that a comparison looks at: what is further out has hardly any weight left. */
const DEEPEST = 48;
/** Longest cycle of functions calling each other that is recognised as recursion. */
const LONGEST_CYCLE = 6;

/** Normalises, drops machinery, folds recursion. `texts` innermost first. */
export function comparedStack(texts: readonly string[]): ComparedStack {
  const all = texts.map(normaliseFrame).filter((frame) => !isMachinery(frame));
  const { frames, folded } = foldRecursion(all);
  return { frames: frames.slice(0, DEEPEST), folded };
}

/**
 * Repetitions of the same frame, or of the same cycle of up to six frames at least three times over, become one.
 * A cycle of several needs more proof than a frame that follows itself.
 */
export function foldRecursion(frames: readonly string[]): ComparedStack {
  let kept = [...frames];
  for (let period = 1; period <= LONGEST_CYCLE; period += 1)
    kept = foldPeriod(kept, period, period === 1 ? 2 : 3);
  return { frames: kept, folded: frames.length - kept.length };
}

function foldPeriod(frames: readonly string[], period: number, least: number): string[] {
  const out: string[] = [];
  for (let at = 0; at < frames.length; ) {
    let same = 0;
    while (at + period + same < frames.length && frames[at + same] === frames[at + period + same]) same += 1;
    const times = 1 + Math.floor(same / period);
    if (times >= least) {
      out.push(...frames.slice(at, at + period));
      at += times * period;
    } else {
      out.push(frames[at] as string);
      at += 1;
    }
  }
  return out;
}
