/** What can be made where: probes of every kind, each made and removed again. Lines are appended: the files are shared. */
import { type Check, type Host, no, refused, restricted, type Verdict, yes } from './check.ts';

const NO_ROOT = 'run ktop as root';

/** A function that every kernel has, and that may be probed. */
const FUNCTIONS = ['vfs_read', 'ksys_read', 'schedule'];

function aFunction({ files }: Host): string {
  const symbols = files.read('/proc/kallsyms') ?? '';
  return FUNCTIONS.find((name) => symbols.includes(` ${name}\n`)) ?? 'vfs_read';
}

/** Makes one, takes it away again. `line`: behind `p:group/name `. */
function made(host: Host, file: string, letter: string, definition: string): string {
  const group = `ktop_${process.pid}_doctor`;
  const path = `${host.tracefs}/${file}`;
  const error = host.files.write(path, `${letter}:${group}/check ${definition}`, true);
  if (error === '') host.files.write(path, `-:${group}/check`, true);
  return error;
}

function probing(
  file: string,
  letter: string,
  definition: (host: Host) => string,
  { missing, refuses }: { readonly missing: string; readonly refuses: string },
): (host: Host) => Verdict {
  return (host) => {
    if (!host.files.has(`${host.tracefs}/${file}`)) return no(missing);
    const error = made(host, file, letter, definition(host));
    if (error === '') return yes();
    if (error === 'EINVAL' || error === 'ENOENT') return no(`${refuses}: ${error}`);
    return refused(`${file} refuses it`, error, NO_ROOT);
  };
}

/** Arguments named as the kernel's source has them, resolved by the kernel itself. */
function namedArguments(host: Host): Verdict {
  const readme = host.files.read(`${host.tracefs}/README`) ?? '';
  if (readme.includes('<argname>')) {
    const error = made(host, 'kprobe_events', 'p', `${aFunction(host)} $arg*`);
    if (error === '') return yes();
  }
  return no('the kernel itself resolves no names of arguments (no <argname> in its README)');
}

export const PROBING: readonly Check[] = [
  {
    name: 'kprobe',
    in_tracefs: true,
    affects: ['probe', 'recipe', 'watch', 'hist', 'kmemleak'],
    remedy: 'probe programs (uprobe), or watch the events there are (ktop trace, ktop watch)',
    run: probing('kprobe_events', 'p', aFunction, {
      missing: 'no kprobe_events: this kernel was built without CONFIG_KPROBE_EVENTS',
      refuses: 'kprobe_events refuses a probe on a function',
    }),
  },
  {
    name: 'kretprobe',
    in_tracefs: true,
    affects: ['probe', 'recipe', 'watch'],
    remedy: 'time system calls instead (ktop syscalls), or the functions of programs',
    run: probing('kprobe_events', 'r', aFunction, {
      missing: 'no kprobe_events: this kernel was built without CONFIG_KPROBE_EVENTS',
      refuses: 'kprobe_events refuses a probe on a return',
    }),
  },
  {
    name: 'uprobe',
    in_tracefs: true,
    affects: ['probe', 'watch', 'hist'],
    remedy: 'use a kernel with CONFIG_UPROBE_EVENTS',
    run: probing('uprobe_events', 'p', () => '/proc/self/exe:0x1000', {
      missing: 'no uprobe_events: this kernel was built without CONFIG_UPROBE_EVENTS',
      refuses: 'uprobe_events refuses a probe',
    }),
  },
  {
    name: 'eprobe',
    in_tracefs: true,
    affects: ['probe', 'watch'],
    remedy: 'filter on the event itself: texts behind pointers with .ustring (ktop watch does)',
    run: probing('dynamic_events', 'e', () => 'sched.sched_switch next=$next_pid:s32', {
      missing: 'no dynamic_events: this kernel is older than 5.15, or takes no probes',
      refuses: 'dynamic_events refuses a probe on an event (CONFIG_EPROBE_EVENTS is off)',
    }),
  },
  {
    name: 'fprobe',
    in_tracefs: true,
    affects: ['probe', 'watch'],
    remedy: 'kprobe and kretprobe do the same where they are, a little slower',
    run: probing('dynamic_events', 'f', aFunction, {
      missing: 'no dynamic_events: this kernel is older than 6.4, or takes no probes',
      refuses: 'dynamic_events refuses a function probe (CONFIG_FPROBE_EVENTS is off)',
    }),
  },
  {
    name: 'tprobe',
    in_tracefs: true,
    affects: ['probe', 'watch'],
    remedy: 'watch the event that belongs to the tracepoint',
    run: probing('dynamic_events', 't', () => 'sched_switch', {
      missing: 'no dynamic_events: this kernel is older than 6.4, or takes no probes',
      refuses: 'dynamic_events refuses a tracepoint probe (CONFIG_FPROBE_EVENTS is off)',
    }),
  },
  {
    name: 'types',
    affects: ['probe', 'recipe', 'watch', 'vmcore'],
    remedy:
      'write registers instead of names (%di is the first argument), or use a kernel with CONFIG_DEBUG_INFO_BTF',
    run: ({ files }) => {
      const types = files.bytes('/sys/kernel/btf/vmlinux');
      if (types === undefined) return no('no /sys/kernel/btf/vmlinux: this kernel does not carry its types');
      return types.readUInt16LE(0) === 0xeb9f ? yes() : no('/sys/kernel/btf/vmlinux is no BTF');
    },
  },
  {
    name: 'named-arguments',
    in_tracefs: true,
    affects: ['probe'],
    remedy:
      'none is needed at the entry: ktop resolves them itself, where types are; at the return they are gone',
    run: namedArguments,
  },
  {
    name: 'kernel-symbols',
    affects: ['probe', 'recipe', 'calls', 'profile', 'offcpu', 'drops', 'kmemleak', 'irq-off', 'watchdog'],
    remedy: 'run ktop as root; if it is, sysctl kernel.kptr_restrict=1',
    run: ({ files }) => {
      const symbols = files.read('/proc/kallsyms') ?? '';
      if (symbols === '') return no('no /proc/kallsyms: this kernel was built without CONFIG_KALLSYMS');
      // Not the first alone: where data of each CPU has offsets for addresses, it is 0.
      if (!/^[0-9a-f]*[1-9a-f][0-9a-f]* /m.test(symbols)) {
        const level = files.read('/proc/sys/kernel/kptr_restrict')?.trim();
        return restricted(
          `addresses in /proc/kallsyms read 0 (kernel.kptr_restrict = ${level ?? 'not known'})`,
        );
      }
      return yes();
    },
  },
];
