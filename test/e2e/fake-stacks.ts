/** Stacks as a profiler would find them: shared roots, a long tail, hostile names. */
import type { StacksPanel } from '../../src/monitors/monitor.ts';
import type { Column, Table } from '../../src/sources/snapshot.ts';

const ROOTS = [
  'entry_SYSCALL_64_after_hwframe;do_syscall_64',
  'ret_from_fork;kthread',
  'asm_sysvec_apic_timer;irq_exit',
];
const FRAMES = [
  'ksys_read',
  'vfs_read',
  'filemap_read',
  'copy_page_to_iter',
  'folio_wait_bit',
  'io_schedule',
  'schedule',
  '__schedule',
  'ext4_file_read_iter',
  'tcp_sendmsg',
  'tcp_sendmsg_locked',
  'skb_copy_to_page',
  '__alloc_skb',
  'kmem_cache_alloc_node',
  'memcpy',
  'worker_thread',
  'process_one_work',
  'wb_writeback',
  '\x1b[31mred\u202e',
  '__raw_spin_lock_irqsave',
  'native_queued_spin_lock_slowpath',
  'clear_page_erms',
  '名前',
  'x;y'.replace(';', '_'),
];
const COMMS = ['nginx', 'postgres', 'kworker/u8:1', 'x\x1b]0;owned\x07'];

/** `options.stacks` rows, one stack of one comm and CPU each. */
export function fakeStacks(
  panel: StacksPanel,
  options: { readonly stacks: number; readonly cpus: number },
  random: () => number,
): Table {
  const length = options.stacks;
  const strings = Array.from({ length }, () => {
    const depth = 3 + Math.floor(random() ** 2 * 18);
    const frames = Array.from(
      { length: depth },
      () => FRAMES[Math.floor(random() ** 2.5 * FRAMES.length)] as string,
    );
    const root = ROOTS[Math.floor(random() ** 2 * ROOTS.length)] as string;
    return [...root.split(';'), ...frames].reverse().join(';');
  });
  const columns: Record<string, Column> = {
    [panel.stack]: { ids: Uint32Array.from({ length }, (_, row) => row), strings },
    [panel.value]: Float64Array.from({ length }, () => Math.ceil(200 * random() ** 8)),
    comm: {
      ids: Uint32Array.from({ length }, () => Math.floor(random() ** 2 * COMMS.length)),
      strings: COMMS,
    },
    cpu: Float64Array.from({ length }, () => Math.floor(random() * Math.min(4, options.cpus))),
  };
  return { length, key: [panel.stack, 'comm', 'cpu'], columns };
}
