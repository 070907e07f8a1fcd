/** A file with debug information, of a kernel or a module: its functions, its build, and where no probe may stand. */

import { type Elf, type ElfSymbol, withElf } from '../probes/elf.ts';
import { NoProbe } from '../probes/probe.ts';
import { Btf } from '../vmcore/kernel/btf.ts';
import { fingerprintOf } from './build-ids.ts';
import { archOf, type KernelId } from './recipe.ts';

const MACHINES: Readonly<Record<number, string>> = { 62: 'x64', 183: 'arm64' };
/** Of a kernel's banner. */
const MOST_BANNER = 1000;
/** Parts of the code that probes must stay out of, by the symbols around them, or by section in a module. */
const FORBIDDEN = ['kprobes_text', 'noinstr_text', 'entry_text'];

export interface KernelFunction {
  readonly name: string;
  readonly address: bigint;
  readonly size: number;
  readonly section: string;
}

/** Read once, then closed. */
export class Image {
  readonly path: string;
  readonly arch: string;
  readonly build_id: string;
  /** `''` of a kernel. */
  readonly module: string;
  /** DWARF is in it. */
  readonly hasDebugInfo: boolean;
  /** The kernel's banner, as /proc/version has it; `''` of a module. */
  readonly version_string: string;
  readonly types: Btf | undefined;
  readonly #functions = new Map<string, KernelFunction[]>();
  readonly #forbidden: (one: KernelFunction) => boolean;
  readonly #fingerprint: KernelId['fingerprint'];
  readonly #vermagic: string;

  /** Throws a NoProbe (host). */
  static open(path: string): Image {
    return withElf(path, (elf) => new Image(path, elf));
  }

  private constructor(path: string, elf: Elf) {
    this.path = path;
    const machine = MACHINES[elf.machine];
    if (machine === undefined)
      throw new NoProbe(
        'host',
        `${path} is of a machine that ktop does not know; give a kernel of x86-64 or arm64`,
      );
    this.arch = archOf(machine);
    this.build_id = elf.buildId;
    const symbols = elf.symbols();
    this.hasDebugInfo = elf.hasSection('.debug_info');
    const named = new Map<string, ElfSymbol>();
    for (const symbol of symbols) if (!named.has(symbol.name)) named.set(symbol.name, symbol);
    const banner = named.get('linux_banner');
    this.module = banner === undefined ? moduleName(path) : '';
    this.version_string = banner === undefined ? '' : textOf(elf.bytesAt(banner, MOST_BANNER));
    for (const { name, value, size, isFunction, section } of symbols) {
      if (!isFunction) continue;
      const list = this.#functions.get(name) ?? [];
      list.push({ name, address: value, size, section: elf.sectionName(section) });
      this.#functions.set(name, list);
    }
    this.#forbidden = forbiddenIn(elf, named);
    this.types = this.module === '' ? typesOf(elf) : undefined;
    const facts = elf.section('.modinfo')?.toString('latin1') ?? '';
    // Where debug information alone was kept, the path tells.
    const said = /(?:^|\0)vermagic=(\S+)/.exec(facts)?.[1] ?? /\/lib\/modules\/([^/]+)\//.exec(path)?.[1];
    this.#vermagic = this.module === '' ? '' : (said ?? '');
    const [first, last] = [named.get('_stext')?.value, named.get('_etext')?.value];
    this.#fingerprint =
      first === undefined || last === undefined
        ? null
        : fingerprintOf(
            this.version_string,
            symbols
              .filter(({ isGlobal, value }) => isGlobal && value >= first && value < last)
              .map(({ name, value }) => ({ name, address: value })),
          );
  }

  /** Functions of exactly this name; inlined ones are not there. */
  functions(name: string): readonly KernelFunction[] {
    return this.#functions.get(name) ?? [];
  }

  names(test: RegExp): string[] {
    return [...this.#functions.keys()].filter((name) => test.test(name)).sort();
  }

  /** Whether the kernel would refuse a probe in it. */
  isForbidden(one: KernelFunction): boolean {
    return this.#forbidden(one);
  }

  /** Of a module: of the kernel that it is for. */
  get release(): string {
    return this.#vermagic !== ''
      ? this.#vermagic
      : (/^Linux version (\S+)/.exec(this.version_string)?.[1] ?? '');
  }

  get kernel(): KernelId {
    return {
      release: this.release,
      version_string: this.version_string,
      build_id: this.build_id,
      fingerprint: this.#fingerprint,
    };
  }
}

function typesOf(elf: Elf): Btf | undefined {
  const bytes = elf.section('.BTF');
  if (bytes === undefined) return undefined;
  try {
    return new Btf(bytes);
  } catch {
    return undefined;
  }
}

/** The marked parts of the code, and the kernel's own list of addresses. */
function forbiddenIn(elf: Elf, named: ReadonlyMap<string, ElfSymbol>): (one: KernelFunction) => boolean {
  const addresses = new Set<bigint>();
  const [start, stop] = [named.get('__start_kprobe_blacklist'), named.get('__stop_kprobe_blacklist')];
  if (start !== undefined && stop !== undefined && stop.value > start.value) {
    const list = elf.bytesAt(start, Math.min(Number(stop.value - start.value), 2 ** 20));
    for (let at = 0; at + 8 <= list.length; at += 8) addresses.add(list.readBigUInt64LE(at));
  }
  const ranges = FORBIDDEN.flatMap((part) => {
    const [from, to] = [named.get(`__${part}_start`)?.value, named.get(`__${part}_end`)?.value];
    return from === undefined || to === undefined ? [] : [[from, to] as const];
  });
  return ({ address, section }) =>
    addresses.has(address) ||
    /^\.(?:kprobes|noinstr|entry)\.text/.test(section) ||
    ranges.some(([from, to]) => address >= from && address < to);
}

const moduleName = (path: string): string =>
  (path.split('/').at(-1) ?? '').replace(/\.ko(?:\..*)?$|\.debug$/g, '').replace(/-/g, '_');

/** Up to the end of the text and the line. */
function textOf(bytes: Buffer): string {
  return (bytes.toString('latin1').split('\0')[0] ?? '').trim();
}
