/** Symbols of the kernel and its modules, by name and by address. */
import type { Addr, SymbolAt } from '../core.ts';
import type { KernelNames } from './kernel-names.ts';
import type { Mem } from './mem.ts';
import { type LoadedModule, ModuleSymbols } from './modules.ts';
import type { Types } from './types.ts';
import { hex, type Names } from './unwind.ts';

export class Symbols implements Names {
  readonly #kernel: KernelNames;
  readonly #mem: Mem;
  readonly #types: Types;
  readonly #modules = new Map<LoadedModule, ModuleSymbols>();
  readonly #found = new Map<string, Addr | undefined>();
  readonly #at = new Map<Addr, SymbolAt | undefined>();
  #loaded: readonly LoadedModule[] = [];
  readonly #text: readonly [Addr, Addr];
  readonly #init: readonly [Addr, Addr];

  constructor(kernel: KernelNames, mem: Mem, types: Types) {
    this.#kernel = kernel;
    this.#mem = mem;
    this.#types = types;
    this.#text = [this.find('_stext') ?? this.find('_text') ?? 0n, this.find('_etext') ?? 0n];
    this.#init = [this.find('_sinittext') ?? 0n, this.find('_einittext') ?? 0n];
  }

  setModules(modules: readonly LoadedModule[]): void {
    this.#loaded = modules;
    this.#found.clear();
    this.#at.clear();
  }

  /** Of the kernel, else of the first module that has it; `module:name` of that module. */
  find(name: string): Addr | undefined {
    if (this.#found.has(name)) return this.#found.get(name);
    const colon = name.indexOf(':');
    const found =
      colon > 0
        ? this.#findIn(name.slice(0, colon), name.slice(colon + 1))
        : (this.#kernel.find(name) ?? this.#findIn(undefined, name));
    this.#found.set(name, found);
    return found;
  }

  at(address: Addr): SymbolAt | undefined {
    if (this.#at.has(address)) return this.#at.get(address);
    const found = this.#lookUp(address);
    this.#at.set(address, found);
    return found;
  }

  isText(ip: Addr): boolean {
    if (ip >= this.#text[0] && ip < this.#text[1]) return true;
    if (ip >= this.#init[0] && ip < this.#init[1]) return true;
    return this.moduleAt(ip, true) !== undefined;
  }

  moduleAt(address: Addr, text = false): LoadedModule | undefined {
    return this.#loaded.find(({ ranges }) =>
      ranges.some(
        (range) =>
          (range.text || !text) && address >= range.base && address < range.base + BigInt(range.size),
      ),
    );
  }

  frameName(ip: Addr, interrupted: boolean) {
    // What a call that never returns leaves behind is the first address of the next function.
    const symbol = this.at(interrupted ? ip : ip - 1n);
    if (symbol === undefined) return { name: hex(ip) };
    return {
      name: symbol.name,
      offset: symbol.offset + (interrupted ? 0 : 1),
      ...(symbol.size > 0 ? { size: symbol.size } : {}),
      ...(symbol.module === undefined ? {} : { module: symbol.module }),
    };
  }

  #findIn(module: string | undefined, name: string): Addr | undefined {
    for (const candidate of this.#loaded) {
      if (module !== undefined && candidate.name !== module) continue;
      const address = this.#symbolsOf(candidate).find(name);
      if (address !== undefined) return address;
    }
    return undefined;
  }

  #lookUp(address: Addr): SymbolAt | undefined {
    const module = this.moduleAt(address);
    if (module !== undefined) {
      const symbol = this.#symbolsOf(module).at(address);
      if (symbol === undefined) return undefined;
      return { ...symbol, offset: Number(address - symbol.address), module: module.name };
    }
    const symbol = this.#kernel.at(address);
    if (symbol === undefined) return undefined;
    const offset = Number(address - symbol.address);
    // Past the last symbol, or in a hole between sections.
    if (symbol.size === 0 ? offset > 4096 : offset >= symbol.size) return undefined;
    const { name, size } = symbol;
    return { name, address: symbol.address, size, offset };
  }

  #symbolsOf(module: LoadedModule): ModuleSymbols {
    let symbols = this.#modules.get(module);
    if (symbols === undefined) {
      symbols = new ModuleSymbols(this.#mem, this.#types, module);
      this.#modules.set(module, symbols);
    }
    return symbols;
  }
}
