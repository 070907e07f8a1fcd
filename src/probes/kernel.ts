/** What this kernel says of its functions, types and events. Read when first asked for, then remembered. */
import { existsSync, readFileSync, statSync } from 'node:fs';
import { Btf, joinBtf } from '../vmcore/kernel/btf.ts';

export interface KernelSymbol {
  readonly address: bigint;
  readonly module: string;
  /** Bytes to the next symbol; 0 = not known. */
  readonly size: number;
}

/** Where it can be mounted, as the reader thread looks for it. */
const TRACEFS = ['/sys/kernel/tracing', '/sys/kernel/debug/tracing'];

export class Kernel {
  #symbols: Symbols | undefined;
  #types: Btf | undefined | null = null;
  #tracefs: string | undefined;
  #readme: string | undefined;

  /** Mount point of tracefs; `''` = none that can be read. */
  get tracefs(): string {
    this.#tracefs ??= TRACEFS.find((path) => existsSync(`${path}/events`)) ?? '';
    return this.#tracefs;
  }

  get machine(): string {
    return process.arch;
  }

  /** Undefined: this kernel does not carry its types. */
  get types(): Btf | undefined {
    if (this.#types === null) {
      this.#types = undefined;
      try {
        this.#types = new Btf(readFileSync('/sys/kernel/btf/vmlinux'));
      } catch {
        // Arguments have no names here.
      }
    }
    return this.#types;
  }

  /** Types of a module beside those of the kernel; the kernel's alone where the module has none. */
  typesOf(module: string): Btf | undefined {
    if (module === '' || module === 'vmlinux') return this.types;
    const known = this.#moduleTypes.get(module);
    if (known !== undefined) return known;
    try {
      const own = readFileSync(`/sys/kernel/btf/${module.replace(/-/g, '_')}`);
      const types = new Btf(joinBtf(readFileSync('/sys/kernel/btf/vmlinux'), own));
      this.#moduleTypes.set(module, types);
      return types;
    } catch {
      return this.types;
    }
  }
  readonly #moduleTypes = new Map<string, Btf>();

  get symbols(): Symbols {
    this.#symbols ??= new Symbols(text('/proc/kallsyms'));
    return this.#symbols;
  }

  isEvent(name: string): boolean {
    const [system, event] = name.split(':');
    if (system === undefined || event === undefined) return false;
    try {
      return statSync(`${this.tracefs}/events/${system}/${event}/format`).isFile();
    } catch {
      return false;
    }
  }

  /** Whether the kernel's own description of its interface has this in it. */
  documents(what: string): boolean {
    this.#readme ??= text(`${this.tracefs}/README`);
    return this.#readme.includes(what);
  }

  has(file: string): boolean {
    return this.tracefs !== '' && existsSync(`${this.tracefs}/${file}`);
  }

  hasModule(name: string): boolean {
    return (
      existsSync(`/sys/module/${name.replace(/-/g, '_')}/initstate`) || existsSync(`/sys/module/${name}`)
    );
  }

  /** Functions that must not be probed. */
  isForbidden(symbol: string): boolean {
    this.#forbidden ??= new Set(
      text('/sys/kernel/debug/kprobes/blacklist')
        .split('\n')
        .map((line) => line.split('\t')[1] ?? ''),
    );
    return this.#forbidden.has(symbol);
  }
  #forbidden: Set<string> | undefined;
}

/** /proc/kallsyms, looked through as it lies: a line becomes an object when it is asked for. */
export class Symbols {
  readonly #text: string;
  #addresses: BigUint64Array | undefined;

  constructor(text: string) {
    this.#text = text;
  }

  /** Functions of exactly this name, in every module or in one. */
  functions(name: string, module = ''): KernelSymbol[] {
    const found: KernelSymbol[] = [];
    for (let at = this.#find(name, 0); at >= 0; at = this.#find(name, at + 1)) {
      const line = this.#line(at);
      if (line === undefined || !/^[tTwW]$/.test(line.type) || (module !== '' && line.module !== module))
        continue;
      found.push({ address: line.address, module: line.module, size: this.#size(line.address) });
    }
    return found;
  }

  /** Names of functions that match, with their modules. */
  matching(test: RegExp): { readonly name: string; readonly module: string }[] {
    const found: { name: string; module: string }[] = [];
    for (const match of this.#text.matchAll(/^[0-9a-f]+ [tTwW] (\S+)(?:\t\[([^\]]+)\])?$/gm)) {
      const [, name = '', module = ''] = match;
      if (test.test(name)) found.push({ name, module });
    }
    return found;
  }

  #find(name: string, from: number): number {
    for (let at = from; ; at += 1) {
      at = this.#text.indexOf(` ${name}`, at);
      if (at < 0) return -1;
      const after = this.#text[at + name.length + 1];
      if (after === '\n' || after === '\t' || after === undefined) return at;
    }
  }

  #line(at: number): { address: bigint; type: string; module: string } | undefined {
    const start = this.#text.lastIndexOf('\n', at) + 1;
    const end = this.#text.indexOf('\n', at);
    const match = /^([0-9a-f]+) (\S) \S+(?:\t\[([^\]]+)\])?$/.exec(
      this.#text.slice(start, end < 0 ? undefined : end),
    );
    if (match === null) return undefined;
    return { address: BigInt(`0x${match[1]}`), type: match[2] ?? '', module: match[3] ?? '' };
  }

  /** To the next symbol of any kind. */
  #size(address: bigint): number {
    if (address === 0n) return 0;
    this.#addresses ??= BigUint64Array.from(
      Array.from(this.#text.matchAll(/^[0-9a-f]+/gm), ([hex]) => BigInt(`0x${hex}`)),
    ).sort();
    const all = this.#addresses;
    let low = 0;
    let high = all.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((all[middle] as bigint) <= address) low = middle + 1;
      else high = middle;
    }
    return low < all.length ? Number((all[low] as bigint) - address) : 0;
  }
}

function text(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}
