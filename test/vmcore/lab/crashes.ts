/** The crashes of the lab: what is done in which guest, and what is to blame for it because it was made that way. */
import type { CrashClass } from '../../../src/vmcore/report.ts';

export interface Crash {
  /** CAUSE-VARIANT */
  readonly name: string;
  /** Crashes of the same cause are one bug, found on other ways: another task, CPU, entry or kernel. */
  readonly cause: string;
  readonly class: CrashClass;
  /** Kernel series. */
  readonly series: string;
  readonly cpus: number;
  readonly memory_mb: number;
  /** QEMU's processor. */
  readonly cpu: string;
  /** More for the kernel's command line. */
  readonly commandLine: string;
  /** Sourced by init.sh, one behind the other. */
  readonly setting: string;
  readonly script: string;
  /** In the string of panic(): else it was another crash. */
  readonly message: RegExp;
  /** An unmaskable interrupt when the crime is at work. */
  readonly nmi: boolean;
  /** What is to blame: one of these. */
  readonly blame: readonly string[];
  /** An ext4 disk, /dev/nvme0n1. */
  readonly disk: boolean;
  /** The core has the note VMCOREINFO. */
  readonly note: boolean;
  /** Dumped by a kernel that takes over after the crash, as on a real machine; else by QEMU. */
  readonly kdump: boolean;
  /** Task names and log hold what would do something to a terminal. */
  readonly hostile: boolean;
  /** In an order in which they can be made. */
  readonly formats: readonly CoreFormat[];
}

export type CoreFormat =
  /** As QEMU writes it with `dump-guest-memory -z`. */
  | 'flat'
  /** The same, put in order by `makedumpfile -R`. */
  | 'kdump'
  /** QEMU's ELF. */
  | 'elf'
  /** With `kdump`: /proc/vmcore, and what makedumpfile makes of it with `-d` and `-c`, `-l`, `-F -l`. */
  | 'proc'
  | 'zlib'
  | 'lzo'
  | 'flat-lzo'
  /** `zlib` with other pages, see recompress.ts. */
  | 'zstd'
  | 'snappy';

/** Without five-level paging, which `max` would bring. */
const FOUR_LEVELS = 'max,la57=off';
const FIVE_LEVELS = 'max,la57=on';
const OLD = '6.1';
const NEW = '6.12';

type Cause = Pick<Crash, 'cause' | 'class' | 'message' | 'blame'> & Partial<Crash>;
type Variant = Pick<Crash, 'script'> & Partial<Crash>;

/** Variant a on the old kernel, b on the new one; more, where there are, say on which. */
function crashes(cause: Cause, ...variants: readonly Variant[]): Crash[] {
  return variants.map((variant, index) => ({
    name: `${cause.cause}-${'abcdefgh'[index]}`,
    series: index % 2 === 0 ? OLD : NEW,
    cpus: 2,
    memory_mb: 256,
    cpu: FOUR_LEVELS,
    commandLine: '',
    setting: '',
    nmi: false,
    disk: false,
    note: true,
    kdump: false,
    hostile: false,
    formats: ['flat'],
    ...cause,
    ...variant,
  }));
}

// Watchdogs are woken right before the crime: on a busy host booting itself may look like one.
const SOFT_LOCKUP = `echo 2 >/proc/sys/kernel/watchdog_thresh
echo 1 >/proc/sys/kernel/softlockup_panic
`;
const RCU_STALL = `echo 0 >/proc/sys/kernel/soft_watchdog
echo 3 >/sys/module/rcupdate/parameters/rcu_cpu_stall_timeout
echo 1 >/proc/sys/kernel/panic_on_rcu_stall
`;
const HUNG_TASK = `echo 1 >/proc/sys/kernel/hung_task_panic
echo 3 >/proc/sys/kernel/hung_task_timeout_secs
echo 1 >/proc/sys/kernel/hung_task_check_interval_secs
`;
const EVERY_KDUMP: readonly CoreFormat[] = ['proc', 'zlib', 'lzo', 'zstd', 'snappy'];
/** Notifiers first: they say the truth. */
const KDUMP = {
  memory_mb: 384,
  commandLine: 'crashkernel=144M crash_kexec_post_notifiers',
  kdump: true,
} as const;
const OOM = `echo 2 >/proc/sys/vm/panic_on_oom
echo 1 >/proc/sys/vm/overcommit_memory
`;

/** A shell that never leaves its CPU to others by itself. */
const BUSY = 'busy() { while :; do :; done; }\n';
/** The crime `given` takes that mutex of the kernel's own. */
const given = (mutex: string) =>
  `echo "given $(sed -n 's/ [a-zA-Z] ${mutex}$//p' /proc/kallsyms) ${mutex}" >/proc/culprit\n`;
/** Names and log lines that would do something to a terminal, busybox's printf takes them as octal; and lies. */
const HOSTILE = String.raw`escape='\033[31mred\033[2J'
hostile() {
	name=$1
	shift
	(
		printf "$name" >/proc/self/comm
		"$@"
		:
	) &
}
mkfifo /tmp/wait
stay() { read -r line </tmp/wait; }
hostile '\033]0;title\007' stay
hostile 'rtl\342\200\256txt.exe' stay
hostile '\377\376\300\200bad' stay
hostile 'lines\r\tx' stay
hostile '\302\233\065nC1\177' stay
printf '<4>hostile: \033]0;title\007\033[2J\342\200\256rtl\377\376\302\2335n end of it' >/dev/kmsg
echo '<0>Kernel panic - not syncing: says a program' >/dev/kmsg
echo '<0>BUG: kernel NULL pointer dereference, address: 0000000000000bad' >/dev/kmsg
echo '<0>Oops: 0000 [#1] PREEMPT SMP' >/dev/kmsg
sleep 0.3
`;
const THIEVES = 'crime kthread alpha-beta 2\ncrime kthread beta-alpha 1\nsleep 1';
/** The watchdog comes last: it gives the time to say where all sleep. */
const THREE = {
  cpus: 3,
  setting: '',
  script: `${THIEVES}\nnamed third crime call alpha\nsleep 0.5\nstacks\n${HUNG_TASK}`,
};
/** In the background; what it waits for is a mutex of the kernel's own. */
const waiting = (mutex: string, command: string) => `${command} &\nsay "lock name=${mutex} pid=$! waits"\n`;
const FREEZE = `mount -t ext4 /dev/nvme0n1 /mnt
echo before >/mnt/before
fsfreeze --freeze /mnt
`;

export const CRASHES: readonly Crash[] = [
  // -- found by the processor or a check at once
  ...crashes(
    { cause: 'sysrq', class: 'sysrq', message: /sysrq triggered/, blame: ['sysrq'] },
    { script: 'named breaker on 1 sysrq c', formats: ['flat', 'kdump', 'elf'] },
    { script: 'echo c | dd of=/proc/sysrq-trigger', cpus: 3, formats: ['flat', 'kdump', 'elf'] },
    { script: `${HOSTILE}hostile "$escape" on 1 sysrq c`, hostile: true },
    { script: `${HOSTILE}hostile "$escape" on 0 sysrq c`, hostile: true },
  ),
  ...crashes(
    { cause: 'null', class: 'null-deref', message: /Fatal exception/, blame: ['weigh_missing'] },
    { script: 'named clerk on 1 crime call null' },
    { script: 'crime kthread null 2', cpus: 3 },
    { script: 'stacks\ncrime work null 0', cpu: FIVE_LEVELS },
    { script: 'stacks\nnamed clerk on 0 crime call null', cpu: FIVE_LEVELS },
    { ...KDUMP, script: 'named clerk on 1 crime call null', formats: ['proc', 'flat-lzo'] },
    { ...KDUMP, script: 'crime timer null 1', formats: ['proc', 'flat-lzo'] },
  ),
  ...crashes(
    { cause: 'freed', class: 'gpf', message: /Fatal exception/, blame: ['weigh_next_of_freed'] },
    { script: 'named clerk on 1 crime call freed' },
    { script: 'crime work freed 2', cpus: 3 },
  ),
  ...crashes(
    { cause: 'flipped', class: 'page-fault', message: /Fatal exception/, blame: ['weigh_flipped'] },
    { script: 'crime kthread flipped 1' },
    { script: 'on 0 crime ipi flipped 2', cpus: 3 },
  ),
  ...crashes(
    { cause: 'list', class: 'list-corruption', message: /Fatal exception/, blame: ['take_off_shelf'] },
    { script: 'named clerk on 0 crime call list', commandLine: 'nokaslr' },
    { script: 'crime work list 1', cpus: 3, commandLine: 'nokaslr' },
  ),
  ...crashes(
    { cause: 'bug', class: 'bug', message: /Fatal exception/, blame: ['check_parcel'] },
    { script: 'crime timer bug 1' },
    { script: `${BUSY}named busy on 0 busy\nsleep 0.2\ncrime timer bug 0`, cpus: 3 },
  ),
  ...crashes(
    {
      cause: 'overflow',
      class: 'stack-overflow',
      message: /Fatal exception|stack guard|kernel stack overflow/,
      blame: ['unwrap'],
    },
    { script: 'named clerk on 1 crime call overflow' },
    { script: 'crime kthread overflow 2', cpus: 3 },
  ),
  ...crashes(
    { cause: 'jump', class: 'null-deref', message: /Fatal exception/, blame: ['open_parcel'] },
    { script: 'named clerk on 1 crime call jump' },
    { script: 'crime timer jump 2', cpus: 3 },
  ),
  ...crashes(
    { cause: 'divide', class: 'divide-error', message: /Fatal exception/, blame: ['share_weight'] },
    { script: 'named clerk on 1 crime call divide' },
    { script: 'crime kthread divide 0', cpus: 3 },
  ),
  ...crashes(
    {
      cause: 'smash',
      class: 'panic',
      message: /stack-protector: Kernel stack is corrupted in: pack/,
      blame: ['pack'],
    },
    { script: 'named clerk on 1 crime call smash' },
    { script: 'crime work smash 2', cpus: 3 },
  ),
  ...crashes(
    { cause: 'twice', class: 'bug', message: /Fatal exception/, blame: ['throw_away'] },
    { script: 'named clerk on 1 crime call twice' },
    { script: 'crime kthread twice 2', cpus: 3 },
  ),
  ...crashes(
    {
      cause: 'warn',
      class: 'warning',
      message: /panic_on_warn/,
      blame: ['doubt'],
      commandLine: 'panic_on_warn=1',
    },
    { script: 'named clerk on 1 crime call warn' },
    { script: 'crime work warn 2', cpus: 3 },
  ),
  ...crashes(
    { cause: 'panic', class: 'panic', message: /culprit: 0 parcels/, blame: ['give_up'] },
    { script: 'named clerk on 0 crime call panic', note: false },
    { script: 'crime kthread panic 2', cpus: 3, note: false },
  ),
  ...crashes(
    { cause: 'init', class: 'init-killed', message: /Attempted to kill init/, blame: ['init-killed'] },
    { script: 'exit 3' },
    { script: 'exec sleep 0', cpus: 3 },
  ),
  // -- found by a watchdog
  ...crashes(
    {
      cause: 'spin',
      class: 'soft-lockup',
      message: /softlockup: hung tasks/,
      blame: ['turn_for_ever'],
      setting: SOFT_LOCKUP,
    },
    { script: 'named clerk on 1 crime call spin' },
    { script: 'crime kthread spin 0', cpus: 3 },
  ),
  ...crashes(
    {
      cause: 'spindle',
      class: 'soft-lockup',
      message: /softlockup: hung tasks/,
      // Who spins, or who sleeps with the lock.
      blame: ['wait_for_spindle', 'sleep_with_spindle'],
      setting: SOFT_LOCKUP,
    },
    {
      script:
        'named holder on 0 crime call spindle-sleep\nsleep 0.5\nnamed taker on 1 crime call spindle-take',
    },
    {
      script: `named holder on 1 crime call spindle-sleep
sleep 0.5
for cpu in 1 2 3; do crime kthread spindle-take $cpu; done`,
      cpus: 4,
    },
  ),
  ...crashes(
    { cause: 'rcu', class: 'rcu-stall', message: /RCU Stall/, blame: ['read_for_ever'], setting: RCU_STALL },
    { script: 'named clerk on 1 crime call rcu' },
    { script: 'crime kthread rcu 2', cpus: 3 },
  ),
  ...crashes(
    {
      cause: 'deaf',
      class: 'nmi',
      message: /NMI: Not continuing|NMI/,
      blame: ['turn_deaf'],
      commandLine: 'unknown_nmi_panic',
      nmi: true,
    },
    { script: 'named clerk on 1 crime call irqs-off' },
    { script: 'crime kthread irqs-off 2', cpus: 3 },
  ),
  // -- found by khungtaskd, all with the same panic stack
  ...crashes(
    {
      cause: 'abba',
      class: 'hung-task',
      message: /hung_task: blocked tasks/,
      blame: ['take_second'],
      setting: HUNG_TASK,
    },
    {
      script: `named left on 0 crime call alpha-beta
named right on 1 crime call beta-alpha
sleep 1
named third crime call alpha`,
    },
    { script: THIEVES, cpus: 3 },
    { ...KDUMP, ...THREE, formats: EVERY_KDUMP },
    { ...KDUMP, ...THREE, formats: EVERY_KDUMP },
  ),
  ...crashes(
    {
      cause: 'cgroup',
      class: 'hung-task',
      message: /hung_task: blocked tasks/,
      blame: ['sleep_with_lock'],
      setting: HUNG_TASK,
    },
    {
      script: `${given('cgroup_mutex')}named holder crime call given
sleep 0.3
${waiting('cgroup_mutex', 'mkdir /sys/fs/cgroup/attic')}`,
    },
    {
      script: `${given('cgroup_mutex')}crime kthread given 2
sleep 0.3
${waiting('cgroup_mutex', 'mkdir /sys/fs/cgroup/yard/shed')}
${waiting('cgroup_mutex', 'rmdir /sys/fs/cgroup/shop/till')}`,
      cpus: 3,
    },
  ),
  ...crashes(
    {
      cause: 'rwsem',
      class: 'hung-task',
      message: /hung_task: blocked tasks/,
      blame: ['sleep_with_lock'],
      setting: HUNG_TASK,
    },
    {
      setting: '',
      script: `named holder crime call rw-write
sleep 0.3
named reader-1 on 1 crime call rw-read
sleep 0.3
stacks
${HUNG_TASK}`,
    },
    {
      setting: '',
      script: `crime kthread rw-write 1
sleep 0.3
for cpu in 0 1 2; do crime kthread rw-read $cpu; done
sleep 0.3
stacks
${HUNG_TASK}`,
      cpus: 3,
    },
  ),
  ...crashes(
    {
      cause: 'frozen',
      class: 'hung-task',
      message: /hung_task: blocked tasks/,
      // Nobody's function: where writers to a frozen filesystem wait.
      blame: [
        'ext4_file_write_iter',
        'sb_start_write',
        'percpu_rwsem_wait',
        '__percpu_down_read',
        'vfs_write',
        'mnt_want_write',
      ],
      setting: HUNG_TASK,
      disk: true,
    },
    { script: `${FREEZE}named writer sh -c 'echo after >>/mnt/before'` },
    { script: `${FREEZE}named maker mkdir /mnt/attic`, cpus: 3 },
  ),
  // -- no memory left
  ...crashes(
    {
      cause: 'hog',
      class: 'oom',
      message: /[Oo]ut of memory/,
      blame: ['anon:dd', 'anon:awk'],
      setting: OOM,
    },
    { script: 'dd if=/dev/zero of=/dev/null bs=900M count=1' },
    { script: `awk 'BEGIN { for (text = "x"; ; ) text = text text }'`, cpus: 3 },
  ),
  ...crashes(
    { cause: 'leak', class: 'oom', message: /[Oo]ut of memory/, blame: ['slab:culprit_leak'], setting: OOM },
    { script: 'named clerk on 1 crime call leak' },
    { script: 'crime kthread leak 2', cpus: 3 },
  ),
];
