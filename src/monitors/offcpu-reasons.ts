/**
 * What a task waits for, by the kernel functions it left the CPU in. The innermost frame that one of these patterns knows
 * decides; names of functions as they are from Linux 5.10 on.
 */
const REASONS: readonly (readonly [RegExp, string])[] = [
  [/^(do_nanosleep|hrtimer_nanosleep|msleep\w*|usleep_range\w*)$/, 'sleep'],
  [/^(futex_\w+|__futex_wait|do_futex)$/, 'futex'],
  [/^(ep_poll|do_epoll_wait)$/, 'epoll'],
  [/^(do_sys_poll|do_poll|do_select|core_sys_select|poll_schedule_timeout)$/, 'poll'],
  [/^(io_cqring_wait|io_uring_\w+|__do_sys_io_uring_enter)$/, 'io_uring'],
  [/^(read_events|do_io_getevents)$/, 'aio'],
  [/^((anon_)?pipe_(read|write|wait\w*)|fifo_open|wait_for_partner)$/, 'pipe'],
  [/^(do_wait|kernel_wait4|do_wait_pid|__do_wait)$/, 'child'],
  [/^(wait_for_vfork_done|kernel_clone)$/, 'vfork'],
  [/^(unix_\w+|__skb_wait_for_more_packets)$/, 'socket'],
  [/^(inet_csk_accept|inet_csk_wait_for_connect|inet_accept)$/, 'accept'],
  [/^(inet_wait_for_connect|__inet_stream_connect)$/, 'connect'],
  [
    /^(sk_wait_data|sk_stream_wait_\w+|tcp_\w+|udp\w*_recvmsg|__skb_recv_udp|sock_\w+|inet6?_\w+)$/,
    'network',
  ],
  [/^(netlink_\w+)$/, 'netlink'],
  [/^(n_tty_\w+|tty_\w+|__tty_\w+|wait_woken)$/, 'terminal'],
  [/^(rpc_\w+|nfs\d?_\w+)$/, 'nfs'],
  [/^(jbd2_\w+|xlog_\w+|xfs_log_\w+|btrfs_\w*trans\w*)$/, 'journal'],
  [/^(throttle_direct_reclaim|shrink_\w+|try_to_free_\w+|reclaim_\w+|congestion_wait\w*)$/, 'memory'],
  [/^(balance_dirty_pages\w*|wbt_wait|rq_qos_wait)$/, 'writeback'],
  [
    /^(io_schedule\w*|blk_\w+|folio_wait\w*|wait_on_page\w*|__wait_on_buffer|submit_bio_wait|filemap_\w+)$/,
    'disk',
  ],
  [/^(bit_wait\w*|wait_on_bit\w*|__wait_on_bit\w*)$/, 'bit'],
  [
    /^(__?mutex_lock\w*|mutex_lock\w*|rwsem_down_\w+|down_(read|write)\w*|__?down\w*|rt_mutex\w*|percpu_\w+)$/,
    'lock',
  ],
  [/^(synchronize_(s?rcu|net)\w*|rcu_barrier\w*|__wait_rcu_gp|exp_funnel_lock|wait_rcu_\w+)$/, 'rcu'],
  [/^(ptrace_(stop|notify)|do_signal_stop|do_jobctl_trap)$/, 'stopped'],
  [/^(sigsuspend|do_sigtimedwait|__do_sys_pause|sys_pause)$/, 'signal'],
  [/^(do_freezer_trap|__refrigerator|get_signal_freeze)$/, 'frozen'],
  [/^(kvm_vcpu_\w+|kvm_arch_vcpu_\w+|kvm_sched_out)$/, 'guest'],
  [/^(handle_userfault|do_swap_page|userfaultfd_\w+)$/, 'page fault'],
  [
    /^(inotify_read|fanotify_read|eventfd_read|timerfd_read|signalfd_\w+|do_syslog|devkmsg_read|ring_buffer_wait|perf_\w+)$/,
    'events',
  ],
  [/^(worker_thread|rescuer_thread)$/, 'idle worker'],
  [
    /^(kthread_worker_fn|kthreadd|smpboot_thread_fn|rcu_gp_\w+|rcu_\w*kthread\w*|kswapd|kcompactd|khugepaged|irq_thread|kauditd_thread|oom_reaper|ksm_scan_thread|migration_\w+)$/,
    'idle kthread',
  ],
  [/^(wait_for_completion\w*|wait_for_common\w*|__wait_for_common|do_wait_for_common)$/, 'completion'],
  [/^(kthread)$/, 'idle kthread'],
];

/** These are how the kernel waits for many things: a caller that is known says which. */
const VAGUE = new Set(['completion', 'bit']);

/** What each name was found to be; most stacks have the same few functions. */
const known = new Map<string, string | undefined>();

function reasonOfFrame(frame: string): string | undefined {
  const name = frame.replace(/[+.].*$/, '');
  if (known.has(name)) return known.get(name);
  const found = REASONS.find(([pattern]) => pattern.test(name))?.[1];
  if (known.size < 20_000) known.set(name, found);
  return found;
}

/** In one word or two; `frames` are joined by ';', innermost first. A running task that lost its CPU was preempted. */
export function reasonOf(frames: string, state: string): string {
  if (state === 'R') return 'preempted';
  let vague: string | undefined;
  for (const frame of frames.split(';')) {
    const reason = reasonOfFrame(frame);
    if (reason === undefined) continue;
    if (!VAGUE.has(reason)) return reason;
    vague ??= reason;
  }
  return vague ?? (frames === '' ? 'unknown' : 'other');
}
