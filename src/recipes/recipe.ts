/**
 * A probe recipe: probes that were looked up on a machine with debuginfo, for machines without. A file of JSON
 * (`.ktprobe`); what it may hold is checked in read.ts.
 */

export const FORMAT = 'ktop-probe-recipe';
export const VERSION_OF_FORMAT = 1;

export type RecipeKind = 'kprobe' | 'kretprobe' | 'uprobe' | 'uretprobe';
/** How a value is written: decimal, hexadecimal, as an IPv4 address or port in network order, as text. */
export type Display = 'dec' | 'hex' | 'bytes' | 'ip' | 'port' | 'string';

/** Which kernel it is. */
export interface KernelId {
  /** As `uname -r` says it; `''` = not known. */
  readonly release: string;
  /** As /proc/version has it; `''` = not known. */
  readonly version_string: string;
  /** Hexadecimal. */
  readonly build_id: string;
  /** What it can be known by where build-ids cannot be read. */
  readonly fingerprint: Fingerprint | null;
}

export interface Fingerprint {
  /** SHA-256 of /proc/version. */
  readonly version: string;
  /** SHA-256 of the first and last 1000 global functions of the kernel, with the distances between them. */
  readonly symbols: string;
}

export interface RecipePlace {
  /** Of the kernel's functions; null = the kernel itself. */
  readonly module: string | null;
  /** Path of the program that it is in; null = the kernel. */
  readonly binary: string | null;
  /** The function that it is in; `''` in a program that does not name it. */
  readonly symbol: string;
  /** Bytes into the function. */
  readonly offset: number;
  /** 0 = not known. */
  readonly symbol_size: number;
  /** In a program: bytes into the file. */
  readonly file_offset: number | null;
  /** In a program: the counter of a marker, bytes into the file. */
  readonly semaphore: number | null;
  /** The function that was asked for, where it is inlined into `symbol`. */
  readonly inlined_function: string | null;
  readonly file: string | null;
  readonly line: number | null;
  /** Where the arguments are at this place, where that is elsewhere than at the first. */
  readonly fetch: readonly string[] | null;
}

export interface RecipeArgument {
  readonly name: string;
  /** Its type in C; `''` = not known. */
  readonly ctype: string;
  /** As tracefs fetches it: `%r8`, `+112(%dx)`. */
  readonly fetch: string;
  /** As tracefs has it: `s32`, `x64`, `string`; `''` = left to the kernel. */
  readonly type: string;
  readonly display: Display;
}

export interface RecipeView {
  readonly mode: 'list' | 'hist' | 'count';
  /** The argument that is counted by, or made a histogram of; `''` with `list`. */
  readonly key: string;
}

export interface RecipeProbe {
  /** A C identifier, unique in the recipe. */
  readonly id: string;
  readonly kind: RecipeKind;
  /** As it was asked for. */
  readonly query: string;
  /**
   * `dwarf`: places and arguments hold for one build of the kernel or program only. `btf`: the query is resolved anew, from
   * the types of the kernel it is used on; what stands here is what it was on the reference machine.
   */
  readonly mode: 'dwarf' | 'btf';
  readonly places: readonly RecipePlace[];
  readonly args: readonly RecipeArgument[];
  /** Kernel filter. */
  readonly filter: string | null;
  /** Slots of a return probe; null = ktop's own choice. */
  readonly maxactive: number | null;
  readonly view: RecipeView;
  readonly note: string;
  /** Armed on the reference machine for a while. */
  readonly tested: { readonly hits: number; readonly seconds: number; readonly when: string } | null;
}

export interface Recipe {
  readonly format: typeof FORMAT;
  readonly version: typeof VERSION_OF_FORMAT;
  /** As `uname -m` says it. */
  readonly arch: string;
  readonly made_by: string;
  /** ISO 8601. */
  readonly made_at: string;
  /** Null: no probe is of the kernel. */
  readonly kernel: KernelId | null;
  readonly modules: Readonly<Record<string, { readonly build_id: string }>>;
  readonly binaries: Readonly<Record<string, { readonly build_id: string; readonly size: number }>>;
  readonly probes: readonly RecipeProbe[];
}

/** What a file may hold at most. */
export const MOST = { bytes: 2 ** 20, probes: 64, places: 128, arguments: 128, text: 1000 } as const;
/** As many places as nobody is asked about. */
export const FEW_PLACES = 6;

const ARCHITECTURES: Readonly<Record<string, string>> = { x64: 'x86_64', arm64: 'aarch64' };
/** What `uname -m` says where Node says this. */
export const archOf = (machine: string): string => ARCHITECTURES[machine] ?? machine;

/** A recipe file that cannot be read or is not right: one sentence. */
export class BadRecipe extends Error {
  constructor(text: string) {
    super(text);
    this.name = 'BadRecipe';
  }
}

/** `NAME=FETCH:TYPE …` at one of the places, as tracefs takes it. */
export function fetchText(probe: RecipeProbe, place: RecipePlace): string {
  return probe.args
    .map(({ name, fetch, type, display }, index) => {
      const here = place.fetch?.[index] ?? fetch;
      const shown = display === 'dec' || display === 'bytes' ? type.replace(/^x(?=\d)/, 'u') : type;
      return `${name}=${here}${shown === '' ? '' : `:${shown}`}`;
    })
    .join(' ');
}

/** Where it is, for the eye: `tcp_push+86 (tcp_should_autocork)`. */
export function placeText(place: RecipePlace): string {
  const { module, binary, symbol, offset, inlined_function, file_offset } = place;
  const inside =
    symbol === '' ? `0x${(file_offset ?? 0).toString(16)}` : `${symbol}${offset === 0 ? '' : `+${offset}`}`;
  const where = `${binary === null ? (module === null ? '' : `${module}:`) : `${binary}:`}${inside}`;
  return inlined_function === null ? where : `${where} (${inlined_function})`;
}
