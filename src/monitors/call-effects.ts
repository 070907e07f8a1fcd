/**
 * What system calls do to descriptors, and how their arguments and results are written. Facts of the kernel's interface
 * on x86-64. The words of effects are those of the `descriptors` operator.
 */
import { argumentsOf, COMPAT, ERROR_NAMES, numbersOf } from './calls.ts';

/** Effect: calls. The numbers are those of arguments: directory, path, flags of `open`; descriptors of the others. */
const EFFECTS: Readonly<Record<string, string>> = {
  'open - 0 1': 'open',
  'open - 0 -': 'creat',
  'open 0 1 2': 'openat',
  'open 0 1 -': 'openat2',
  make: `socket accept accept4 eventfd eventfd2 epoll_create epoll_create1 memfd_create timerfd_create signalfd signalfd4
    inotify_init inotify_init1 perf_event_open pidfd_open pidfd_getfd fanotify_init userfaultfd io_uring_setup open_tree
    fsopen fsmount fspick memfd_secret open_by_handle_at mq_open landlock_create_ruleset`,
  close: 'close',
  close_range: 'close_range',
  dup: 'dup',
  dup2: 'dup2 dup3',
  fcntl: 'fcntl fcntl64',
  directory: 'chdir',
  fdirectory: 'fchdir',
  'read 0': 'read pread64 readv preadv preadv2 getdents getdents64',
  'write 0': 'write pwrite64 writev pwritev pwritev2',
  'other 0': 'fsync fdatasync sync_file_range fallocate ftruncate fstat flock syncfs',
  'move 0 1': 'sendfile sendfile64',
  'move 2 0': 'copy_file_range splice',
};

const words = (text: string): string[] => text.trim().split(/\s+/);

/** Number of a call → its effect; those of 32-bit programs as in CALL_NAMES. */
export const CALL_EFFECTS: Readonly<Record<number, string>> = Object.fromEntries(
  Object.entries(EFFECTS).flatMap(([effect, calls]) =>
    words(calls).flatMap((name) => numbersOf(name).map((number) => [number, effect])),
  ),
);

/** Numbers as events have them, for the kernel's filters. */
const effectNumbers = (of: (effect: string) => boolean): readonly number[] => [
  ...new Set(
    Object.entries(CALL_EFFECTS)
      .filter(([, effect]) => of(effect))
      .map(([number]) => Number(number) % COMPAT),
  ),
];

const WORK = /^(read|write|other|move)/;
/** Calls that change which file a descriptor is. */
export const DESCRIPTOR_NUMBERS = effectNumbers((effect) => !WORK.test(effect));
/** Calls that work on a file. */
export const WORK_NUMBERS = effectNumbers((effect) => WORK.test(effect));

type Bits = readonly (readonly [number, string])[];
interface Flags {
  /** Bits that are one number, with its names. */
  readonly mask?: number;
  readonly values?: readonly string[];
  readonly bits: Bits;
  /** For 0, where `values` has none. */
  readonly zero?: string;
}

const bits = (text: string): Bits =>
  words(text).map((pair) => {
    const [name = '', value] = pair.split('=');
    return [Number(value), name];
  });

const OPEN_FLAGS: Flags = {
  mask: 3,
  values: ['O_RDONLY', 'O_WRONLY', 'O_RDWR', 'O_ACCMODE'],
  bits: bits(`O_TMPFILE=0x410000 O_SYNC=0x101000 O_CREAT=0x40 O_EXCL=0x80 O_NOCTTY=0x100 O_TRUNC=0x200 O_APPEND=0x400
    O_NONBLOCK=0x800 O_DSYNC=0x1000 O_ASYNC=0x2000 O_DIRECT=0x4000 O_LARGEFILE=0x8000 O_DIRECTORY=0x10000
    O_NOFOLLOW=0x20000 O_NOATIME=0x40000 O_CLOEXEC=0x80000 O_PATH=0x200000`),
};
const CLOSE_FLAGS: Flags = { bits: bits('O_NONBLOCK=0x800 O_CLOEXEC=0x80000'), zero: '0' };
const PROTECTION: Flags = {
  bits: bits('PROT_READ=1 PROT_WRITE=2 PROT_EXEC=4 PROT_GROWSDOWN=0x1000000'),
  zero: 'PROT_NONE',
};
const MAP_FLAGS: Flags = {
  mask: 15,
  values: ['MAP_FILE', 'MAP_SHARED', 'MAP_PRIVATE', 'MAP_SHARED_VALIDATE'],
  bits: bits(`MAP_FIXED=0x10 MAP_ANONYMOUS=0x20 MAP_32BIT=0x40 MAP_GROWSDOWN=0x100 MAP_DENYWRITE=0x800 MAP_LOCKED=0x2000
    MAP_NORESERVE=0x4000 MAP_POPULATE=0x8000 MAP_NONBLOCK=0x10000 MAP_STACK=0x20000 MAP_HUGETLB=0x40000
    MAP_FIXED_NOREPLACE=0x100000`),
};
const AT_FLAGS: Flags = {
  bits: bits(
    'AT_SYMLINK_NOFOLLOW=0x100 AT_REMOVEDIR=0x200 AT_SYMLINK_FOLLOW=0x400 AT_NO_AUTOMOUNT=0x800 AT_EMPTY_PATH=0x1000',
  ),
  zero: '0',
};
const ACCESS: Flags = { bits: bits('R_OK=4 W_OK=2 X_OK=1'), zero: 'F_OK' };
const SOCKET_TYPE: Flags = {
  mask: 15,
  values: ['0', 'SOCK_STREAM', 'SOCK_DGRAM', 'SOCK_RAW', 'SOCK_RDM', 'SOCK_SEQPACKET'],
  bits: bits('SOCK_NONBLOCK=0x800 SOCK_CLOEXEC=0x80000'),
};
const CLONE_FLAGS: Flags = {
  mask: 0xff,
  values: Object.assign([''], { 17: 'SIGCHLD' }),
  bits: bits(`CLONE_VM=0x100 CLONE_FS=0x200 CLONE_FILES=0x400 CLONE_SIGHAND=0x800 CLONE_PIDFD=0x1000 CLONE_PTRACE=0x2000
    CLONE_VFORK=0x4000 CLONE_PARENT=0x8000 CLONE_THREAD=0x10000 CLONE_NEWNS=0x20000 CLONE_SYSVSEM=0x40000
    CLONE_SETTLS=0x80000 CLONE_PARENT_SETTID=0x100000 CLONE_CHILD_CLEARTID=0x200000 CLONE_UNTRACED=0x800000
    CLONE_CHILD_SETTID=0x1000000 CLONE_NEWCGROUP=0x2000000 CLONE_NEWUTS=0x4000000 CLONE_NEWIPC=0x8000000
    CLONE_NEWUSER=0x10000000 CLONE_NEWPID=0x20000000 CLONE_NEWNET=0x40000000 CLONE_IO=0x80000000`),
};
const WAIT_FLAGS: Flags = {
  bits: bits('WNOHANG=1 WUNTRACED=2 WEXITED=4 WCONTINUED=8 WNOWAIT=0x1000000'),
  zero: '0',
};
const FUTEX: Flags = {
  mask: 0x7f,
  values:
    words(`FUTEX_WAIT FUTEX_WAKE FUTEX_FD FUTEX_REQUEUE FUTEX_CMP_REQUEUE FUTEX_WAKE_OP FUTEX_LOCK_PI FUTEX_UNLOCK_PI
    FUTEX_TRYLOCK_PI FUTEX_WAIT_BITSET FUTEX_WAKE_BITSET FUTEX_WAIT_REQUEUE_PI FUTEX_CMP_REQUEUE_PI FUTEX_LOCK_PI2`),
  bits: bits('FUTEX_PRIVATE_FLAG=0x80 FUTEX_CLOCK_REALTIME=0x100'),
};
const one = (text: string, first = 0): Flags => ({
  mask: 0x7fffffff,
  values: [...Array.from({ length: first }, () => ''), ...words(text)],
  bits: [],
});
const SIGNALS = one(
  `0 SIGHUP SIGINT SIGQUIT SIGILL SIGTRAP SIGABRT SIGBUS SIGFPE SIGKILL SIGUSR1 SIGSEGV SIGUSR2 SIGPIPE SIGALRM SIGTERM
  SIGSTKFLT SIGCHLD SIGCONT SIGSTOP SIGTSTP SIGTTIN SIGTTOU SIGURG SIGXCPU SIGXFSZ SIGVTALRM SIGPROF SIGWINCH SIGIO SIGPWR
  SIGSYS`,
);
const SEEK = one('SEEK_SET SEEK_CUR SEEK_END SEEK_DATA SEEK_HOLE');
const FAMILY = one('AF_UNSPEC AF_UNIX AF_INET');
const SIGNAL_MASK = one('SIG_BLOCK SIG_UNBLOCK SIG_SETMASK');
const EPOLL = one('0 EPOLL_CTL_ADD EPOLL_CTL_DEL EPOLL_CTL_MOD');
const FCNTL = one(
  'F_DUPFD F_GETFD F_SETFD F_GETFL F_SETFL F_GETLK F_SETLK F_SETLKW F_SETOWN F_GETOWN F_SETSIG F_GETSIG',
);
const ADVICE = one(
  'MADV_NORMAL MADV_RANDOM MADV_SEQUENTIAL MADV_WILLNEED MADV_DONTNEED 5 6 7 MADV_FREE MADV_REMOVE',
);

/** Call and argument → how its number is written. */
const FLAGS: Readonly<Record<string, Readonly<Record<number, Flags>>>> = {
  open: { 1: OPEN_FLAGS },
  openat: { 2: OPEN_FLAGS },
  dup3: { 2: CLOSE_FLAGS },
  pipe2: { 1: CLOSE_FLAGS },
  eventfd2: { 1: CLOSE_FLAGS },
  epoll_create1: { 0: CLOSE_FLAGS },
  inotify_init1: { 0: CLOSE_FLAGS },
  accept4: { 3: SOCKET_TYPE },
  socket: { 0: FAMILY, 1: SOCKET_TYPE },
  socketpair: { 0: FAMILY, 1: SOCKET_TYPE },
  mmap: { 2: PROTECTION, 3: MAP_FLAGS },
  mprotect: { 2: PROTECTION },
  madvise: { 2: ADVICE },
  access: { 1: ACCESS },
  faccessat: { 2: ACCESS },
  faccessat2: { 2: ACCESS, 3: AT_FLAGS },
  newfstatat: { 3: AT_FLAGS },
  statx: { 2: AT_FLAGS },
  unlinkat: { 2: AT_FLAGS },
  linkat: { 4: AT_FLAGS },
  execveat: { 4: AT_FLAGS },
  lseek: { 2: SEEK },
  kill: { 1: SIGNALS },
  tkill: { 1: SIGNALS },
  tgkill: { 2: SIGNALS },
  rt_sigaction: { 0: SIGNALS },
  rt_sigprocmask: { 0: SIGNAL_MASK },
  pidfd_send_signal: { 1: SIGNALS },
  fcntl: { 1: FCNTL },
  epoll_ctl: { 1: EPOLL },
  clone: { 0: CLONE_FLAGS },
  wait4: { 2: WAIT_FLAGS },
  waitid: { 3: WAIT_FLAGS },
  futex: { 1: FUTEX },
};
const OTHER_FCNTL: Readonly<Record<number, string>> = {
  1030: 'F_DUPFD_CLOEXEC',
  1031: 'F_SETPIPE_SZ',
  1032: 'F_GETPIPE_SZ',
  1033: 'F_ADD_SEALS',
  1034: 'F_GET_SEALS',
};
/** Arguments that are permission bits. */
const MODES: Readonly<Record<string, number>> = {
  creat: 1,
  mkdir: 1,
  mkdirat: 2,
  chmod: 1,
  fchmod: 1,
  fchmodat: 2,
  umask: 0,
};

/** `O_RDONLY|O_CLOEXEC`; what has no name stands behind as a number. */
function named(flags: Flags, value: number): string {
  const parts: string[] = [];
  let rest = value;
  if (flags.mask !== undefined) {
    const number = (value & flags.mask) >>> 0;
    const name = flags.values?.[number];
    if (name !== undefined && name !== '') parts.push(name);
    if (name !== undefined) rest = (rest & ~flags.mask) >>> 0;
  }
  for (const [bit, name] of flags.bits) {
    if ((rest & bit) >>> 0 !== bit) continue;
    parts.push(name);
    rest = (rest & ~bit) >>> 0;
  }
  if (rest !== 0) parts.push(`0x${rest.toString(16)}`);
  return parts.length === 0 ? (flags.zero ?? '0') : parts.join('|');
}

export const openFlags = (value: number): string => named(OPEN_FLAGS, value);

/** A small negative number of 32 bits has lost its sign on its way through a register. */
function decimal(hex: string): string {
  const value = BigInt(hex || 0);
  return String(value >> 16n === 0xffffn ? BigInt.asIntN(32, value) : BigInt.asIntN(64, value));
}

const quoted = (text: string): string => `"${text.replace(/[\\"]/g, '\\$&')}"`;

/** What the operator says of a name: `=name`, or `?name` when it was read late and may be another's. */
export const trusted = (name: string): string => (name.startsWith('?') ? `${name.slice(1)}?` : name.slice(1));

/** One argument as a person reads it. `text` is its text, or the name of its file, marked as above; `''` = not known. */
function argument(
  call: string,
  index: number,
  letter: string | undefined,
  hex: string,
  text: string,
): string {
  const low = Number(BigInt.asUintN(32, BigInt(hex || 0)));
  const flags = FLAGS[call]?.[index];
  if (letter === 's') {
    if (text === '') return hex === '0x0' ? 'NULL' : hex;
    return text.startsWith('?') ? `${quoted(text.slice(1))}?` : quoted(text.slice(1));
  }
  if (letter === 'f') {
    const fd = low | 0;
    if (fd === -100) return 'AT_FDCWD';
    return text === '' ? String(fd) : `${fd}<${trusted(text)}>`;
  }
  if (call === 'fcntl' && index === 1 && OTHER_FCNTL[low] !== undefined) return OTHER_FCNTL[low];
  if (flags !== undefined) return named(flags, low);
  if (MODES[call] === index) return `0${low.toString(8)}`;
  if (letter === 'd') return decimal(hex);
  return hex === '0x0' ? '0' : hex;
}

/** Arguments that only some calls of a name have: mode where a file may be made. */
function count(call: string, letters: string, hexes: readonly string[]): number {
  const flags = Number(BigInt.asUintN(32, BigInt(hexes[call === 'open' ? 1 : 2] || 0)));
  const makes = (flags & 0x40) !== 0 || (flags & 0x410000) === 0x410000;
  if (call === 'open') return makes ? 3 : 2;
  if (call === 'openat') return makes ? 4 : 3;
  return letters.length;
}

/** `AT_FDCWD, "/etc/passwd", O_RDONLY`. `hexes` and `texts` by argument. */
export function argumentList(call: string, hexes: readonly string[], texts: readonly string[]): string {
  const base = call.replace('/32', '');
  const letters = argumentsOf(call);
  if (base === 'open' || base === 'openat') {
    const shown = count(base, letters, hexes);
    const mode = base === 'open' ? 2 : 3;
    return Array.from({ length: shown }, (_, index) =>
      index === mode
        ? `0${Number(BigInt.asUintN(32, BigInt(hexes[index] || 0))).toString(8)}`
        : argument(base, index, letters[index], hexes[index] ?? '', texts[index] ?? ''),
    ).join(', ');
  }
  return letters
    .split('')
    .map((letter, index) => argument(base, index, letter, hexes[index] ?? '', texts[index] ?? ''))
    .join(', ');
}

const ADDRESSES = new Set(['mmap', 'mmap2', 'brk', 'mremap', 'shmat']);

/** What a call returned: a number, an address, `-1 ENOENT`, a descriptor with its file. */
export function resultText(call: string, result: number, file: string): string {
  if (result < 0 && result >= -4095) return `-1 ${ERROR_NAMES[-result] ?? `errno ${-result}`}`;
  if (ADDRESSES.has(call.replace('/32', ''))) return `0x${result.toString(16)}`;
  return file === '' ? String(result) : `${result}<${trusted(file)}>`;
}
