/** What people remember of other kernels, and what to do instead here. */
import type { Symbols } from './kernel.ts';

export interface Advice {
  readonly symbol: string;
  /** Why it is another one; `''` = it is not. */
  readonly note: string;
}

/** Functions of tutorials that are inlined or gone, and what does their work. */
const SUCCESSORS: Readonly<Record<string, string>> = {
  do_sys_open: 'do_sys_openat2',
  do_fork: 'kernel_clone',
  _do_fork: 'kernel_clone',
  do_execve: 'do_execveat_common',
  blk_account_io_start: '__blk_account_io_start',
  blk_account_io_done: '__blk_account_io_done',
  account_page_dirtied: 'folio_account_dirtied',
  tcp_sendpage: 'tcp_sendmsg',
  generic_make_request: 'submit_bio_noacct',
  add_to_page_cache_lru: 'filemap_add_folio',
  mark_page_accessed: 'folio_mark_accessed',
};

/** The function to probe when this one was asked for. */
export function advised(symbol: string, symbols: Symbols): Advice {
  const there = (name: string) => symbols.functions(name).length > 0;
  const successor = SUCCESSORS[symbol];
  if (successor !== undefined && there(successor))
    return {
      symbol: successor,
      note: there(symbol)
        ? `${symbol} is inlined where it is called and would be hit never; ${successor} is probed instead`
        : `this kernel has no ${symbol}; ${successor} does its work and is probed instead`,
    };
  if (there(symbol)) return { symbol, note: '' };
  if (symbol.startsWith('ext3_') && there(`ext4${symbol.slice(4)}`))
    return {
      symbol: `ext4${symbol.slice(4)}`,
      note: `ext3 is served by ext4; ext4${symbol.slice(4)} is probed instead`,
    };
  const call = /^(?:__x64_|__arm64_)?sys_(\w+)$/.exec(symbol)?.[1];
  if (call !== undefined)
    for (const prefix of ['__x64_sys_', '__arm64_sys_'])
      if (there(`${prefix}${call}`))
        return {
          symbol: `${prefix}${call}`,
          note: `${symbol} is ${prefix}${call} here; its arguments are in pt_regs: syscalls:sys_enter_${call} has them by name`,
        };
  const clones = symbols.matching(new RegExp(`^${escaped(symbol)}\\.(?:isra|constprop|part)\\.\\d+$`));
  const [only] = clones;
  if (clones.length === 1 && only !== undefined)
    return {
      symbol: only.name,
      note: `the compiler has made ${only.name} of ${symbol}; its arguments may be fewer and in other registers`,
    };
  return { symbol, note: '' };
}

/** Functions that may have been meant, at most three. */
export function similar(symbol: string, symbols: Symbols): string[] {
  const clones = symbols.matching(new RegExp(`^_*${escaped(symbol)}(?:\\.|_|$)`)).map(({ name }) => name);
  if (clones.length > 0) return [...new Set(clones)].filter((name) => !name.includes('.cold')).slice(0, 3);
  const part = symbol.replace(/^_+/, '');
  if (part.length < 5) return [];
  return [
    ...new Set(
      symbols
        .matching(new RegExp(escaped(part.slice(0, Math.max(5, part.length - 2)))))
        .map(({ name }) => name),
    ),
  ].slice(0, 3);
}

/** What to think of when an armed probe is not hit. */
export function unhit(symbol: string): string {
  return `0 hits: nothing has called it, or ${symbol} is inlined, or a clone of the compiler (.isra, .constprop, .part) is called instead; see ktop probe funcs '*${symbol}*'`;
}

/** The kernel's messages that say little, and what is behind them. */
export function behind(message: string, place: string): string {
  if (/Invalid probed address or symbol/i.test(message))
    return 'see ktop probe funcs for the functions of this kernel; one that was inlined has no entry';
  if (/not an instruction boundary/i.test(message))
    return 'the offset lies inside an instruction; take the entry, or the offset of a line from perf probe -D FUNC:LINE';
  if (/must be an? function entry/i.test(message))
    return 'a return is of a whole function; leave the offset out';
  if (/Failed to register probe event/i.test(message))
    return `${place} may not be probed (noinstr, or on the blacklist of kprobes); probe what it calls, or its caller`;
  if (/not available on probe/i.test(message))
    return '$retval is there at the return only; add %return, or --ret';
  if (/not unique/i.test(message))
    return 'name the module, as in MODULE:FUNCTION, or an offset from a unique one';
  if (/type or name is different/i.test(message))
    return 'all places of one name have the same arguments; give another name';
  if (/Group name must/i.test(message) || /Event name must/i.test(message))
    return 'use letters, digits and _ only';
  if (/Invalid register name/i.test(message))
    return 'registers are %ax %bx %cx %dx %si %di %bp %sp %r8 … %r15 %ip';
  if (/String accepts only memory/i.test(message)) return 'a text lies in memory; write +0(%register):string';
  return '';
}

function escaped(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
}
