/**
 * Symbols of the kernel: what was asked for before is remembered from core to core of one build, by the distance from
 * where its text begins; only a new question needs the whole table.
 */
import type { Addr } from '../core.ts';
import { CoreError } from '../file/bytes.ts';
import { Kallsyms, type KallsymsMarks, type KernelSymbol, LazyKallsyms, readKallsyms } from './kallsyms.ts';
import type { Mem } from './mem.ts';
import type { VmcoreInfo } from './vmcoreinfo.ts';
import type { SymbolTable } from './vmlinux.ts';

/** `+1234` = bytes from the base, `=1234` = an absolute value, null = there is no such symbol. */
export type SymbolAnswers = Readonly<Record<string, string | null>>;

export interface NameAnswers {
  readonly symbols: SymbolAnswers;
  readonly marks: KallsymsMarks;
}

export class KernelNames {
  readonly base: Addr;
  /** Something was asked that was not remembered. */
  changed = false;
  readonly #mem: Mem;
  readonly #info: VmcoreInfo;
  readonly #answers: Map<string, Addr | null>;
  #lazy: LazyKallsyms | undefined;
  #full: SymbolTable | undefined;
  readonly #outside: (() => SymbolTable | undefined) | undefined;

  /** Throws a CoreError when neither this core nor `outside` has symbols. */
  constructor(mem: Mem, info: VmcoreInfo, known?: NameAnswers, outside?: () => SymbolTable | undefined) {
    this.#mem = mem;
    this.#info = info;
    this.#outside = outside;
    this.#answers = new Map();
    if (known !== undefined) {
      this.#lazy = new LazyKallsyms(mem, info, known.marks);
      this.base = this.#lazy.base;
      for (const [name, text] of Object.entries(known.symbols)) this.#answers.set(name, this.#decode(text));
      if (this.#agrees()) return;
      // Of another kernel after all.
      this.#answers.clear();
      this.#lazy = undefined;
    }
    this.base = this.#table().base;
    this.changed = true;
  }

  find(name: string): Addr | undefined {
    const known = this.#answers.get(name);
    if (known !== undefined) return known ?? undefined;
    const found = this.#table().find(name) ?? null;
    this.#answers.set(name, found);
    this.changed = true;
    return found ?? undefined;
  }

  at(address: Addr): KernelSymbol | undefined {
    return (this.#full ?? this.#lazy)?.at(address);
  }

  /** The whole table was read; nothing comes from what is remembered. */
  get isFresh(): boolean {
    return this.#full !== undefined;
  }

  /** What was asked may be remembered: not when it comes from a damaged table. */
  get isTrusty(): boolean {
    return this.#full === undefined || (this.#full instanceof Kallsyms && this.#full.complete);
  }

  answers(): NameAnswers {
    const symbols: Record<string, string | null> = {};
    for (const [name, address] of this.#answers) symbols[name] = this.#encode(address);
    const full = this.#table();
    if (!(full instanceof Kallsyms)) throw new Error('symbols from outside are not kept');
    return { symbols, marks: full.marks() };
  }

  #table(): SymbolTable {
    this.#full ??= this.#open();
    return this.#full;
  }

  /** The core's own, which are of the kernel beyond doubt; else those from outside. */
  #open(): SymbolTable {
    try {
      return new Kallsyms(readKallsyms(this.#mem, this.#info));
    } catch (error) {
      const outside = error instanceof CoreError ? this.#outside?.() : undefined;
      if (outside === undefined) throw error;
      return outside;
    }
  }

  /** What VMCOREINFO says of some symbols must be what is remembered. */
  #agrees(): boolean {
    return ['_stext', 'init_uts_ns', 'swapper_pg_dir'].every((name) => {
      const [told, known] = [this.#info.symbol(name), this.#answers.get(name)];
      return told === undefined || known === undefined || told === known;
    });
  }

  #encode(address: Addr | null): string | null {
    if (address === null) return null;
    return address >= this.base ? `+${address - this.base}` : `=${address}`;
  }

  #decode(text: string | null): Addr | null {
    if (text === null) return null;
    const value = BigInt(text.slice(1));
    return text.startsWith('+') ? this.base + value : value;
  }
}
