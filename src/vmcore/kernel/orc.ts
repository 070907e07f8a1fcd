/**
 * The ORC tables: for every address of the kernel's code how to find the caller's stack. Read in place, an entry at a
 * time. The layout comes from BTF; the numbers of registers and types, which later kernels changed, from an entry
 * whose meaning is known (`orc_fp_entry`).
 */
import type { Addr } from '../core.ts';
import type { Mem } from './mem.ts';
import type { LoadedModule } from './modules.ts';
import type { Types } from './types.ts';

export type OrcRegister =
  | 'undefined'
  | 'prev-sp'
  | 'ax'
  | 'dx'
  | 'di'
  | 'bp'
  | 'sp'
  | 'r10'
  | 'r13'
  | 'bp-indirect'
  | 'sp-indirect';
export type OrcType = 'undefined' | 'end' | 'call' | 'regs' | 'regs-partial';

export interface OrcEntry {
  readonly spOffset: number;
  readonly bpOffset: number;
  readonly spReg: OrcRegister;
  readonly bpReg: OrcRegister;
  readonly type: OrcType;
  /** The frame it leads to was interrupted, not calling; undefined on kernels that do not say. */
  readonly signal: boolean | undefined;
}

const ENTRY = 6;
/** Up to 7.0. */
const REGISTERS: readonly OrcRegister[] = [
  ...(['undefined', 'prev-sp', 'dx', 'di', 'bp', 'sp', 'r10', 'r13', 'bp-indirect', 'sp-indirect'] as const),
];
const NEW_REGISTERS: readonly OrcRegister[] = [
  ...([
    'undefined',
    'ax',
    'dx',
    'sp',
    'bp',
    'di',
    'r10',
    'r13',
    'prev-sp',
    'sp-indirect',
    'bp-indirect',
  ] as const),
];
const OLD_TYPES: readonly OrcType[] = ['call', 'regs', 'regs-partial'];
/** From 6.4 on. */
const TYPES: readonly OrcType[] = ['undefined', 'end', 'call', 'regs', 'regs-partial'];
const BLOCK = 256;

/** For code without an entry: as if it kept frame pointers. */
export const FRAME_POINTER: OrcEntry = {
  spOffset: 16,
  bpOffset: -16,
  spReg: 'bp',
  bpReg: 'prev-sp',
  type: 'call',
  signal: false,
};

/** A call through a pointer that leads nowhere: the return address is on top of the stack. */
export const NOWHERE: OrcEntry = {
  spOffset: 8,
  bpOffset: 0,
  spReg: 'sp',
  bpReg: 'undefined',
  type: 'call',
  signal: false,
};

interface OrcTable {
  readonly ips: Addr;
  readonly entries: Addr;
  readonly count: number;
}

export class Orc {
  readonly #mem: Mem;
  readonly #main: OrcTable | undefined;
  readonly #modules: readonly { readonly module: LoadedModule; readonly table: OrcTable }[];
  readonly #registers: readonly OrcRegister[];
  readonly #typed: boolean;
  readonly #signals: boolean;
  readonly #blocks: { readonly at: Addr; readonly count: number; readonly text: Addr } | undefined;
  readonly #known = new Map<Addr, OrcEntry | undefined>();

  constructor(
    mem: Mem,
    types: Types,
    find: (name: string) => Addr | undefined,
    modules: readonly LoadedModule[],
  ) {
    this.#mem = mem;
    const [ips, entries, end] = [
      find('__start_orc_unwind_ip'),
      find('__start_orc_unwind'),
      find('__stop_orc_unwind'),
    ];
    const laidOut = types.sizeOf('orc_entry') === ENTRY;
    this.#main =
      ips === undefined || entries === undefined || end === undefined || end <= entries || !laidOut
        ? undefined
        : { ips, entries, count: Math.floor(Number(end - entries) / ENTRY) };
    // Three bits of type came together with a type for "nothing is known" and one for the end.
    this.#typed = types.member('orc_entry', 'type')?.bits === 3;
    this.#signals = types.member('orc_entry', 'signal') !== undefined;
    const known = find('orc_fp_entry');
    const byte = known === undefined ? undefined : mem.u8(known + 4n);
    this.#registers = byte !== undefined && byte >> 4 === 8 ? NEW_REGISTERS : REGISTERS;
    this.#blocks = blocks(find);
    this.#modules = modules.flatMap((module) => {
      const count = module.struct.num('arch.num_orcs');
      const [ips, entries] = [module.struct.ptr('arch.orc_unwind_ip'), module.struct.ptr('arch.orc_unwind')];
      return ips === undefined || entries === undefined || !(count > 0 && count < 10_000_000)
        ? []
        : [{ module, table: { ips, entries, count } }];
    });
  }

  get usable(): boolean {
    return this.#main !== undefined;
  }

  find(ip: Addr): OrcEntry | undefined {
    if (this.#known.has(ip)) return this.#known.get(ip);
    const entry = this.#search(ip);
    this.#known.set(ip, entry);
    return entry;
  }

  #search(ip: Addr): OrcEntry | undefined {
    for (const { module, table } of this.#modules)
      if (module.ranges.some(({ base, size, text }) => text && ip >= base && ip < base + BigInt(size)))
        return this.#lookUp(table, ip, 0, table.count - 1);
    const main = this.#main;
    if (main === undefined) return undefined;
    const [low, high] = this.#narrow(ip, main.count);
    return this.#lookUp(main, ip, low, high);
  }

  /** The kernel's own index by blocks of code: between which entries to look. */
  #narrow(ip: Addr, count: number): [number, number] {
    const all: [number, number] = [0, count - 1];
    const blocks = this.#blocks;
    if (blocks === undefined || ip < blocks.text) return all;
    const block = Math.floor(Number(ip - blocks.text) / BLOCK);
    if (block + 1 >= blocks.count) return all;
    const pair = this.#mem.view(blocks.at + BigInt(block * 4), 8);
    const [low, high] = [pair?.readUInt32LE(0), pair?.readUInt32LE(4)];
    if (low === undefined || high === undefined || low > high || high >= count) return all;
    return [low, high];
  }

  #lookUp({ ips, entries, count }: OrcTable, ip: Addr, first: number, last: number): OrcEntry | undefined {
    let low = first;
    let high = Math.min(last, count - 1);
    while (low < high) {
      const middle = (low + high + 1) >>> 1;
      const at = ips + BigInt(middle * 4);
      const offset = this.#mem.i32(at);
      if (offset === undefined) return undefined;
      if (at + BigInt(offset) <= ip) low = middle;
      else high = middle - 1;
    }
    const at = ips + BigInt(low * 4);
    const offset = this.#mem.i32(at);
    if (offset === undefined || at + BigInt(offset) > ip) return undefined;
    const bytes = this.#mem.view(entries + BigInt(low * ENTRY), ENTRY);
    return bytes === undefined ? undefined : this.#decode(bytes);
  }

  #decode(bytes: Buffer): OrcEntry | undefined {
    const registers = bytes[4] as number;
    const flags = bytes[5] as number;
    const spReg = this.#registers[registers & 15];
    const bpReg = this.#registers[registers >> 4];
    if (spReg === undefined || bpReg === undefined) return undefined;
    const base = { spOffset: bytes.readInt16LE(0), bpOffset: bytes.readInt16LE(2), spReg, bpReg };
    if (this.#typed) {
      const type = TYPES[flags & 7];
      return type === undefined ? undefined : { ...base, type, signal: (flags & 8) !== 0 };
    }
    const end = ((flags >> (this.#signals ? 3 : 2)) & 1) === 1;
    const plain = OLD_TYPES[flags & 3];
    if (plain === undefined) return undefined;
    const type = spReg === 'undefined' ? (end ? 'end' : 'undefined') : plain;
    return { ...base, type, signal: this.#signals ? (flags & 4) !== 0 : undefined };
  }
}

function blocks(find: (name: string) => Addr | undefined) {
  const [at, end, text] = [find('orc_lookup'), find('orc_lookup_end'), find('_stext')];
  if (at === undefined || end === undefined || text === undefined || end <= at) return undefined;
  return { at, count: Math.floor(Number(end - at) / 4), text };
}
