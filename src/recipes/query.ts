/**
 * What is asked for, in perf's words, and whose it is in ktop's:
 *
 *   tcp_should_autocork size_goal skb->len      function, variables there
 *   vfs_read:14 ret                             a line of it, counted from its first
 *   myopen=do_sys_openat2%return $retval        a name of one's own, the return
 *   loop:do_req_filebacked rq->__sector         of a module
 *   /usr/bin/bash:readline                      of a program
 *   fs/read_write.c:468                         a line of a file
 *   vfs_read count if count > 4096              a filter for the kernel
 */
import { NoProbe } from '../probes/probe.ts';
import { isPath } from './check.ts';

export interface Query {
  /** As it was typed. */
  readonly text: string;
  /** `''`: not said. */
  readonly name: string;
  /** Module, or absolute path of a program; `''` = not said. */
  readonly owner: string;
  /** `''`: a line of a file is meant. */
  readonly symbol: string;
  /** What follows the function: `''`, `:14`, `+22`, `%return`, `;PATTERN`, `@file.c`; of a file `fs/open.c:12`. */
  readonly where: string;
  readonly args: readonly string[];
  readonly filter: string;
}

const HEAD =
  /^(?:([A-Za-z_]\w*)=)?(?:(\/[^\s:]+|[A-Za-z0-9_][\w-]*):)?([A-Za-z_][\w.]*)((?:@[^\s:+%;]+)?(?::\d+|\+(?:0x[0-9a-fA-F]+|\d+)|%return|;\S+)?)$/;
const SOURCE = /^(?:([A-Za-z_]\w*)=)?([\w./-]+\.[chS]:\d+)$/;

/** Throws a NoProbe (usage). */
export function parseQuery(text: string): Query {
  const { definition, filter } = apart(text.trim());
  const [head = '', ...args] = definition.split(/\s+/);
  const source = SOURCE.exec(head);
  if (source !== null)
    return { text, name: source[1] ?? '', owner: '', symbol: '', where: source[2] ?? '', args, filter };
  const match = HEAD.exec(head);
  if (match === null)
    throw new NoProbe(
      'usage',
      `"${head}" is no place; write FUNCTION, FUNCTION:LINE, FUNCTION%return, MODULE:FUNCTION, PATH:FUNCTION or FILE.c:LINE`,
    );
  const [, name = '', owner = '', symbol = '', where = ''] = match;
  if (owner.startsWith('/') && !isPath(owner))
    throw new NoProbe(
      'usage',
      `"${owner}" is no path that a probe can hold; give a link without blanks or detours`,
    );
  return { text, name, owner, symbol, where, args, filter };
}

/** `DEF if FILTER`. */
function apart(text: string): { readonly definition: string; readonly filter: string } {
  const at = text.search(/\sif\s/);
  return at < 0
    ? { definition: text, filter: '' }
    : { definition: text.slice(0, at).trim(), filter: text.slice(at + 4).trim() };
}

/** As perf takes it; without arguments where only the place is asked about. */
export function forPerf({ name, symbol, where, args }: Query, withArguments = true): string {
  const place = `${name === '' || !withArguments ? '' : `${name}=`}${symbol}${where}`;
  return withArguments ? [place, ...args].join(' ') : place;
}

export const isReturn = ({ where }: Query): boolean => where.endsWith('%return');
export const lineOf = ({ where }: Query): number | undefined => {
  const line = /:(\d+)$/.exec(where)?.[1];
  return line === undefined ? undefined : Number(line);
};
