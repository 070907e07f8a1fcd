/** Storms of one kind of event each, and who can observe them. */
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { eventsOf, ROOT } from './lib.mjs';
import {
  bpftrace,
  ktopObserver,
  ktopWithinBudget,
  libbpf,
  perfRecord,
  perfSamples,
  perfTrace,
} from './observers.mjs';

/** With and without a stack, what is said of `alloc` events. */
const withStacks = (names) => names.map((name) => (/alloc/.test(name) ? `${name}/call-graph=fp/` : name));

/** A file of 4 MiB that direct reads find on the disk. */
function blocks() {
  const file = join(ROOT, 'build/bench/blocks');
  mkdirSync(join(ROOT, 'build/bench'), { recursive: true });
  if (!existsSync(file)) writeFileSync(file, Buffer.alloc(1 << 22, 1), { flush: true });
  return file;
}

/**
 * `args` of the program storm; `events` are those that the monitor opens, by which the others are compared. `without` says
 * which peer there is none of, and why.
 */
export function loads() {
  const sched = eventsOf('task-state');
  const kmem = eventsOf('kmemleak').filter((name) => name.startsWith('kmem:'));
  const net = eventsOf('nettop');
  const disk = eventsOf('disktop').filter((name) => name.startsWith('block:'));
  const calls = eventsOf('syscalls');
  const kmemText = (
    value,
  ) => `tracepoint:kmem:kmalloc, tracepoint:kmem:kmem_cache_alloc { @[args->ptr] = ${value}; }
    tracepoint:kmem:kfree, tracepoint:kmem:kmem_cache_free { delete(@[args->ptr]); }`;
  return [
    {
      name: 'sched pipe',
      args: ['pipe'],
      events: sched,
      observers: [
        ktopObserver('task-state'),
        ktopWithinBudget('task-state', 'pipe'),
        perfRecord(sched),
        bpftrace(`tracepoint:sched:sched_switch {
            @since[args->prev_pid] = nsecs; @off[args->next_pid] = sum(nsecs - @since[args->next_pid]); }
          tracepoint:sched:sched_wakeup { @woken[args->pid] = count(); }`),
        libbpf('runqlat', ['100', '1']),
        libbpf('offcputime', ['100']),
      ],
    },
    {
      name: 'kmalloc/kfree',
      args: ['kmalloc'],
      events: kmem,
      observers: [
        ktopObserver('kmemleak'),
        ktopWithinBudget('kmemleak', 'kmalloc'),
        perfRecord(kmem),
        bpftrace(kmemText('args->bytes_alloc')),
        libbpf('slabratetop', ['100', '1']),
      ],
    },
    {
      name: 'kmalloc/kfree, stacks',
      args: ['kmalloc'],
      events: kmem,
      observers: [
        ktopObserver('kmemleak', ['-g']),
        perfRecord(withStacks(kmem)),
        bpftrace(kmemText('kstack')),
      ],
    },
    {
      name: 'UDP loopback',
      args: ['udp'],
      events: net,
      observers: [
        ktopObserver('nettop'),
        ktopWithinBudget('nettop', 'udp'),
        perfRecord(net),
        bpftrace(`tracepoint:net:net_dev_queue { @tx[pid] = sum(args->len); }
          tracepoint:net:netif_receive_skb { @rx[pid] = sum(args->len); }
          tracepoint:sock:sock_send_length { @sent[pid] = sum(args->ret); }
          tracepoint:sock:sock_recv_length { @read[pid] = sum(args->ret); }`),
        libbpf('tcptop', ['100', '1']),
      ],
    },
    {
      name: 'direct I/O',
      args: ['direct'],
      file: blocks(),
      events: disk,
      observers: [
        ktopObserver('disktop'),
        perfRecord(disk),
        bpftrace('tracepoint:block:block_bio_queue { @[pid, args->dev] = sum(args->nr_sector); }'),
        libbpf('biolatency', ['100', '1']),
        libbpf('biotop', ['100', '1']),
      ],
    },
    {
      name: 'getppid',
      args: ['getppid'],
      events: calls,
      observers: [
        ktopObserver('syscalls'),
        ktopWithinBudget('syscalls', 'getppid'),
        perfRecord(calls),
        perfTrace(),
        bpftrace(`tracepoint:raw_syscalls:sys_enter { @start[tid] = nsecs; }
          tracepoint:raw_syscalls:sys_exit /@start[tid]/ {
            @ns[pid, args->id] = sum(nsecs - @start[tid]); @[pid, args->id] = count(); delete(@start[tid]); }`),
        libbpf('syscount', ['-L', '-d', '100']),
      ],
    },
    {
      name: 'getppid, CPU tab',
      args: ['getppid'],
      events: [],
      observers: [ktopObserver('cpu-util'), perfSamples(), bpftrace('profile:hz:99 { @[cpu] = count(); }')],
    },
  ];
}
