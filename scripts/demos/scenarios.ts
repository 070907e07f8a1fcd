/** What the demo recordings show: each is made on a real kernel by a real load, none is written by hand. */

export interface Scenario {
  /** Name of the recording. */
  readonly name: string;
  /** `6.1`, `6.12` */
  readonly series: string;
  readonly hostname: string;
  /** Monitors and options, as `ktop record` takes them. */
  readonly record: string;
  readonly seconds: number;
  /** Load programs of test/workloads it needs. */
  readonly loads: readonly string[];
  /** What the recorder is started with: `taskset 1`. */
  readonly under?: string;
  /** Takes the module of test/lab/module along. */
  readonly module?: boolean;
  /** Kernel modules to load first. */
  readonly modules?: readonly string[];
  /** Shell, before the recording begins. */
  readonly before?: string;
  /** Shell, beside the recording; ends before it does. */
  readonly during: string;
  /** How it was made, and what to notice: the sidecar. */
  readonly made: string;
  readonly notice: string;
}

const GUEST = 'an emulated guest with two CPUs';

export const SCENARIOS: readonly Scenario[] = [
  {
    name: 'disk-stall',
    series: '6.12',
    hostname: 'db-1',
    record: 'task-state disktop percpu-stat --than 200ms -D -g',
    seconds: 24,
    loads: ['disk'],
    before: `mkdir -p /sys/fs/cgroup /srv && mount -t cgroup2 none /sys/fs/cgroup
echo +io >/sys/fs/cgroup/cgroup.subtree_control
mkdir /sys/fs/cgroup/backup /srv/backup`,
    during: `sleep 4
for dev in $(cat /sys/block/nvme*n1/dev); do echo "$dev wbps=131072 rbps=131072" >/sys/fs/cgroup/backup/io.max; done
sh -c 'echo $$ >/sys/fs/cgroup/backup/cgroup.procs; for i in 1 2 3; do ./disk direct-write /srv/backup/$i 1048576 </dev/null & done; wait' &
sleep 14
for dev in $(cat /sys/block/nvme*n1/dev); do echo "$dev wbps=max rbps=max" >/sys/fs/cgroup/backup/io.max; done
wait $!`,
    made: `${GUEST}, Debian 6.12; three writers with O_DIRECT in a cgroup whose io.max lets 128 KiB/s through, lifted after 14 s`,
    notice:
      'task-state: the writers hang in D, with the stack that waits for the device; disktop: how little gets through, and the burst when the limit goes',
  },
  {
    name: 'network-flood',
    series: '6.12',
    hostname: 'edge-2',
    record: 'nettop cpu-util percpu-stat',
    seconds: 20,
    loads: ['net', 'storm'],
    during: `sleep 5
./storm udp 9 >/dev/null &
./net tcp 300 10000 10 </dev/null >/dev/null
wait`,
    made: `${GUEST}, Debian 6.12; quiet for 5 s, then one process sends datagrams to itself as fast as it can for 9 s beside an ordinary client and server`,
    notice:
      'nettop: the sender is at the top, by process and device; cpu-util: the share of %sys and softirq it costs',
  },
  {
    name: 'kvm-exits',
    series: '6.12',
    hostname: 'hv-3',
    record: 'kvm-exit cpu-util --than 500us',
    seconds: 20,
    loads: ['kvm-user'],
    modules: ['kvm-amd'],
    during: `sleep 3
./kvm-user 6000 4 >/dev/null
sleep 2`,
    made: `${GUEST}, Debian 6.12, with nested SVM; a KVM user with four vCPUs that leaves guest mode by cpuid, I/O port, MMIO and hlt`,
    notice: 'kvm-exit: reasons by time, the histogram of how long the host takes, hlt left out of the alarms',
  },
  {
    name: 'kernel-leak',
    series: '6.12',
    hostname: 'mq-4',
    record: 'kmemleak percpu-stat --age 1s -g',
    seconds: 24,
    loads: ['objects'],
    during: `sleep 3
sysctl -qw kernel.msgmnb=1000000 kernel.msgmax=65536
mkfifo /tmp/hold; sleep 60 >/tmp/hold & holder=$!
for i in 1 2 3 4 5 6 7 8; do ./objects 800 800 </tmp/hold >/dev/null & sleep 2; done
kill $holder
wait`,
    made: `${GUEST}, Debian 6.12; a program that leaves 800 message-queue objects behind every 2 s and frees as many`,
    notice: 'kmemleak: one stack grows, load_msg below msgsnd, and only what is older than a second is shown',
  },
  {
    name: 'irqs-off',
    series: '6.1',
    hostname: 'rt-5',
    record: 'irq-off watchdog -L 20ms -g',
    seconds: 20,
    loads: [],
    module: true,
    before: 'insmod ./irqoff.ko || exit 8',
    during: `sleep 4
for ms in 30 60 30 120 500 40 80; do taskset 2 sh -c "echo irq $ms >/proc/irqoff"; sleep 0.7; done
sleep 2
for ms in 25 250 25; do taskset 1 sh -c "echo irq $ms >/proc/irqoff"; sleep 0.5; done
sleep 2`,
    made: `${GUEST}, Debian 6.1; a module that keeps interrupts off for 25 to 500 ms, on CPU 1, later on CPU 0`,
    notice:
      'irq-off: which CPU, how long, and the stack at the point where interrupts came on again; Incidents has them all',
  },
  {
    name: 'syscall-storm',
    series: '6.12',
    hostname: 'app-6',
    record: 'syscalls rundelay oncpu profile cpu-util percpu-stat --syscalls',
    seconds: 24,
    loads: ['storm'],
    during: `sleep 3
sh -c 'renice -n 15 -p $$; exec ./storm getppid 14' >/dev/null &
sh -c 'renice -n 15 -p $$; exec ./storm pipe 14' >/dev/null &
sh -c 'renice -n 15 -p $$; exec ./storm kmalloc 14' >/dev/null &
wait`,
    made: `${GUEST}, Debian 6.12; for 14 s one process calls getppid in a loop, two play ping-pong on pipes, one opens and closes pipes, on two CPUs`,
    notice:
      'syscalls: who calls what how often and how long it takes; rundelay: what waiting for a CPU costs; profile: where the kernel spends it',
  },
  {
    name: 'soft-lockup',
    series: '6.1',
    hostname: 'node-7',
    record: 'watchdog cpu-util task-state',
    under: 'taskset 1',
    seconds: 26,
    loads: [],
    module: true,
    before: 'insmod ./irqoff.ko || exit 8\necho 4 >/proc/sys/kernel/watchdog_thresh',
    during: `sleep 5
taskset 2 sh -c 'echo preempt 12000 >/proc/irqoff'
sleep 4`,
    made: `${GUEST}, Debian 6.1, watchdog_thresh 4; a module that does not let the scheduler in on CPU 1 for 12 s`,
    notice:
      'watchdog: the soft lockup is foretold seconds before the kernel reports it, with the time that is left',
  },
  {
    name: 'signals',
    series: '6.12',
    hostname: 'job-8',
    record:
      'signal trace mpdelay split-lock -e signal:signal_generate,signal:signal_deliver --key sig --test',
    seconds: 14,
    loads: ['signals', 'waits'],
    during: `sleep 2
for i in 1 2 3; do ./signals 4 2 2 </dev/null >/dev/null; ./waits stop 3 200 </dev/null >/dev/null; sleep 1; done`,
    made: `${GUEST}, Debian 6.12; programs that send each other signals, stop and continue`,
    notice:
      'signal: who sends what to whom; trace: the events as they come; mpdelay: from sending to delivery; split-lock: what a machine without the counter says',
  },
];

/** A session on a core of the lab. */
export const CORE_DEMO = {
  name: 'vmcore-deadlock',
  crash: 'abba-a',
  tabs: 17,
  made: `${GUEST}, Debian 6.1, that died of two mutexes taken in opposite order by two tasks; its core, made by QEMU, read by ktop without a vmlinux`,
  notice:
    'Overview: the deadlock is the first finding, and not khungtaskd, on whose stack the kernel died; Locks: who holds what and who waits; o on a row follows it to the task and its stack',
} as const;
