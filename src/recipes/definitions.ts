/** What `perf probe --definition` prints: `p:probe/vfs_read vfs_read+0 name=+0(+40(+24(%di))):string count=%dx:x64`. */

export interface Definition {
  readonly returns: boolean;
  readonly maxactive: number;
  readonly event: string;
  /** `''`: the kernel itself. */
  readonly module: string;
  /** `''`: the kernel. */
  readonly path: string;
  /** `''` in a program. */
  readonly symbol: string;
  /** Into the function; in a program into the file. */
  readonly offset: number;
  /** Of a marker; 0 = none. */
  readonly semaphore: number;
  readonly args: readonly { readonly name: string; readonly fetch: string; readonly type: string }[];
}

const LINE = /^([pr])(\d*):(?:([\w-]+)\/)?([A-Za-z_]\w*) (\S+)((?: \S+)*)$/;
const IN_PROGRAM = /^(\/\S*):0x([0-9a-f]+)(?:\(0x([0-9a-f]+)\))?(?:%return)?$/;
const IN_KERNEL = /^(?:([\w-]+):)?([A-Za-z_][\w.$@]*)(?:\+(0x[0-9a-f]+|\d+))?(%return)?$/;

/** Throws an Error for a line that is none. */
export function parseDefinitions(text: string): Definition[] {
  return text
    .split('\n')
    .filter((line) => line.trim() !== '')
    .map(parseDefinition);
}

export function parseDefinition(line: string): Definition {
  const match = LINE.exec(line.trim());
  if (match === null) throw new Error(`"${line.slice(0, 100)}" is no definition`);
  const [, letter, slots = '', , event = '', place = '', args = ''] = match;
  const program = IN_PROGRAM.exec(place);
  const kernel = program === null ? IN_KERNEL.exec(place) : null;
  if (program === null && kernel === null) throw new Error(`"${place.slice(0, 100)}" is no place`);
  return {
    returns: letter === 'r' || place.endsWith('%return'),
    maxactive: Number(slots),
    event,
    module: kernel?.[1] ?? '',
    path: program?.[1] ?? '',
    symbol: kernel?.[2] ?? '',
    offset: program !== null ? Number.parseInt(program[2] ?? '0', 16) : Number(kernel?.[3] ?? 0),
    semaphore: Number.parseInt(program?.[3] ?? '0', 16),
    args: args.split(' ').filter(Boolean).map(parseFetch),
  };
}

/** `size_goal=%r8:s32`; what has no name gets that of what it fetches. */
function parseFetch(word: string, index: number): Definition['args'][number] {
  const equals = /^([A-Za-z_]\w*)=(.+)$/.exec(word);
  const body = equals?.[2] ?? word;
  // Colons stand between value and type and nowhere else.
  const colon = body.lastIndexOf(':');
  const fetch = colon > 0 ? body.slice(0, colon) : body;
  const own = /^[%$]([A-Za-z_]\w*)$/.exec(fetch)?.[1];
  const named = own === 'retval' ? 'ret' : own;
  return {
    name: equals?.[1] ?? named ?? `arg${index + 1}`,
    fetch,
    type: colon > 0 ? body.slice(colon + 1) : '',
  };
}

export interface VariablesAt {
  /** As it was asked for: `vfs_read:14`. */
  readonly of: string;
  /** `vfs_read+119`. */
  readonly place: string;
  readonly variables: readonly { readonly name: string; readonly type: string }[];
}

/** `Available variables at f\n\t@<f+12>\n\t\tint\tn`: what there is at each place. */
export function parseVariables(text: string): readonly VariablesAt[] {
  const places: { of: string; place: string; variables: { name: string; type: string }[] }[] = [];
  let of = '';
  for (const line of text.split('\n')) {
    of = /^Available variables at (\S+)/.exec(line)?.[1] ?? of;
    const place = /^\s+@<(.+)>$/.exec(line)?.[1];
    if (place !== undefined) {
      places.push({ of, place, variables: [] });
      continue;
    }
    const variable = /^\t\t(.+)\t([A-Za-z_]\w*)(?:\s|$)/.exec(line);
    if (variable !== null)
      places
        .at(-1)
        ?.variables.push({ name: variable[2] ?? '', type: (variable[1] ?? '').replace(/\s*\*/g, ' *') });
  }
  return places;
}

/** One line of a function's source. */
export interface SourceLine {
  /** From the function's first, which is 0. */
  readonly line: number;
  readonly text: string;
  /** A probe can stand there. */
  readonly probed: boolean;
}

/** `<vfs_read@/build/fs/read_write.c:0>`, then nine columns for the number, where there can be a probe, and the text. */
export function parseLines(text: string): { readonly file: string; readonly lines: readonly SourceLine[] } {
  const all = text.split('\n');
  const start = all.findIndex((line) => /^<.*>$/.test(line));
  const head = /^<[^@>]*@?([^>]*?):(\d+)>$/.exec(all[start] ?? '');
  const lines: SourceLine[] = [];
  let line = Number(head?.[2] ?? 0);
  for (const each of all.slice(start + 1)) {
    const numbered = /^ {0,8}(\d{1,7}) {2}(.*)$/.exec(each);
    if (numbered === null && !/^ {9}/.test(each)) continue;
    if (numbered !== null) line = Number(numbered[1]);
    const body = numbered === null ? each.slice(9) : (numbered[2] ?? '');
    lines.push({ line, text: body, probed: numbered !== null });
    line += 1;
    // perf goes on into the next function.
    if (body === '}') break;
  }
  return { file: head?.[1] ?? '', lines };
}
