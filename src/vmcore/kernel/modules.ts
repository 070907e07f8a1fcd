/** Loaded modules: where they are, and their own symbol tables. */
import type { Addr } from '../core.ts';
import { walkList } from './containers.ts';
import type { Mem } from './mem.ts';
import { StructView } from './struct.ts';
import type { Types } from './types.ts';

const MOST_MODULES = 4096;
const MOST_SYMBOLS = 500_000;
const ELF_SYMBOL = 24;

export interface ModuleRange {
  readonly base: Addr;
  readonly size: number;
  readonly text: boolean;
}

export interface LoadedModule {
  readonly name: string;
  readonly struct: StructView;
  readonly state: 'live' | 'coming' | 'going' | 'unformed' | '';
  readonly ranges: readonly ModuleRange[];
  /** Of all it keeps, without what was only for its start. */
  readonly size: number;
}

interface ModuleSymbol {
  readonly name: string;
  readonly address: Addr;
  readonly size: number;
}

export function readModules(
  mem: Mem,
  types: Types,
  head: Addr | undefined,
): { modules: LoadedModule[]; damaged: boolean } {
  const link = types.offset('module', 'list');
  if (head === undefined || link === undefined) return { modules: [], damaged: false };
  const { nodes, end } = walkList(mem, head, MOST_MODULES);
  const modules = nodes.map((node) =>
    describe(new StructView(mem, types, 'module', node - BigInt(link)), types),
  );
  return { modules, damaged: end !== 'complete' };
}

const STATES = ['live', 'coming', 'going', 'unformed'] as const;

function describe(struct: StructView, types: Types): LoadedModule {
  const ranges = layout(struct, types);
  return {
    name: struct.text('name'),
    struct,
    state: STATES[struct.num('state')] ?? '',
    ranges: ranges.map(({ range }) => range),
    size: ranges.reduce((sum, { range, init }) => sum + (init ? 0 : range.size), 0),
  };
}

/** mem[] of 6.4 and later, core_layout and init_layout before. */
function layout(struct: StructView, types: Types): { range: ModuleRange; init: boolean }[] {
  const kinds = types.enumeration('mod_mem_type');
  const places =
    kinds === undefined
      ? (['core_layout', 'init_layout'] as const).map((path) => ({
          path,
          text: true,
          init: path === 'init_layout',
        }))
      : [...kinds]
          .filter(([name]) => name.startsWith('MOD_') && !name.startsWith('MOD_MEM'))
          .map(([name, index]) => ({
            path: `mem[${index}]`,
            text: name.endsWith('TEXT'),
            init: name.startsWith('MOD_INIT'),
          }));
  return places.flatMap(({ path, text, init }) => {
    const base = struct.ptr(`${path}.base`);
    const size = struct.num(`${path}.size`);
    if (base === undefined || base === 0n || !(size > 0)) return [];
    // One piece of older kernels begins with its code.
    const code = struct.num(`${path}.text_size`);
    if (!(code > 0 && code < size)) return [{ range: { base, size, text }, init }];
    const rest = { base: base + BigInt(code), size: size - code, text: false };
    return [
      { range: { base, size: code, text }, init },
      { range: rest, init },
    ];
  });
}

/** The symbols of one module, read when somebody asks. */
export class ModuleSymbols {
  /** Ascending by address. */
  readonly #symbols: readonly ModuleSymbol[];

  constructor(mem: Mem, types: Types, module: LoadedModule) {
    this.#symbols = readSymbols(mem, types, module);
  }

  at(address: Addr): ModuleSymbol | undefined {
    const symbols = this.#symbols;
    let low = 0;
    let high = symbols.length - 1;
    if (high < 0 || address < (symbols[0] as ModuleSymbol).address) return undefined;
    while (low < high) {
      const middle = (low + high + 1) >>> 1;
      if ((symbols[middle] as ModuleSymbol).address <= address) low = middle;
      else high = middle - 1;
    }
    const found = symbols[low] as ModuleSymbol;
    const next = symbols[low + 1];
    const size = found.size > 0 ? found.size : next === undefined ? 0 : Number(next.address - found.address);
    return { ...found, size };
  }

  find(name: string): Addr | undefined {
    return this.#symbols.find((symbol) => symbol.name === name)?.address;
  }
}

function readSymbols(mem: Mem, types: Types, { struct, ranges }: LoadedModule): ModuleSymbol[] {
  const table = struct.deref('kallsyms', 'mod_kallsyms');
  const entries = table?.ptr('symtab');
  const names = table?.ptr('strtab');
  const count = table?.num('num_symtab') ?? 0;
  if (entries === undefined || names === undefined || !(count > 0)) return [];
  void types;
  const bytes = mem.readSome(entries, Math.min(count, MOST_SYMBOLS) * ELF_SYMBOL);
  const symbols: ModuleSymbol[] = [];
  for (let at = 0; at + ELF_SYMBOL <= bytes.length; at += ELF_SYMBOL) {
    const nameAt = bytes.readUInt32LE(at);
    const section = bytes.readUInt16LE(at + 6);
    const address = bytes.readBigUInt64LE(at + 8);
    if (nameAt === 0 || section === 0) continue;
    if (!ranges.some(({ base, size }) => address >= base && address < base + BigInt(size))) continue;
    const name = mem.cstring(names + BigInt(nameAt), 512) ?? '';
    if (name === '' || name.startsWith('.') || name.startsWith('__UNIQUE_ID')) continue;
    symbols.push({ name, address, size: Number(bytes.readBigUInt64LE(at + 16)) });
  }
  // Of several at one address the one with a size, then the first of the table.
  return symbols
    .map((symbol, order) => ({ symbol, order }))
    .sort((a, b) =>
      a.symbol.address < b.symbol.address
        ? -1
        : a.symbol.address > b.symbol.address
          ? 1
          : Math.sign(a.symbol.size) - Math.sign(b.symbol.size) || b.order - a.order,
    )
    .map(({ symbol }) => symbol);
}
