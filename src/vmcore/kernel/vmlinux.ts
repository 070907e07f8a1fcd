/**
 * What a core lacks, from a file beside it: symbols and types of a vmlinux (its debugging information is not needed), or
 * symbols of a System.map. Only the sections that are wanted are read.
 */
import { CoreError, RawFile, u64 } from '../file/bytes.ts';
import type { KernelSymbol } from './kallsyms.ts';
import type { VmcoreInfo } from './vmcoreinfo.ts';

/** Symbols of a kernel, wherever they come from. */
export interface SymbolTable {
  /** Where the kernel's text begins. */
  readonly base: bigint;
  /** Nothing of it is damaged: what it says can be remembered. */
  readonly complete: boolean;
  find(name: string): bigint | undefined;
  at(address: bigint): KernelSymbol | undefined;
}

export interface OutsideKernel {
  readonly path: string;
  readonly buildId: string | undefined;
  /** Symbols as linked. */
  readonly symbols: readonly LinkedSymbol[];
  readonly btf: Buffer | undefined;
}

interface LinkedSymbol {
  readonly name: string;
  readonly address: bigint;
  readonly type: string;
}

const SECTION_HEADER = 64;
const SYMBOL = 24;
const LARGEST_SECTION = 256 * 2 ** 20;
const LARGEST_MAP = 64 * 2 ** 20;
/** Addresses below are values: per-CPU offsets. */
const LOWEST = 0xffffffff80000000n;
const BUILD_ID_NOTE = 3;

/** Throws a CoreError when it is neither a vmlinux nor a System.map. */
export function readOutside(path: string): OutsideKernel {
  const file = openFile(path);
  try {
    const isElf = file.read(0, 4)?.toString('latin1') === '\x7fELF';
    const found = isElf ? readElf(path, file) : readMap(path, file);
    if (found.symbols.length === 0)
      throw new CoreError(
        'vmlinux',
        `${path} has no symbols: it is stripped, or a compressed kernel; give the vmlinux of the build, or its System.map`,
      );
    return found;
  } finally {
    file.close();
  }
}

function openFile(path: string): RawFile {
  try {
    return new RawFile(path);
  } catch (error) {
    throw error instanceof CoreError ? new CoreError('vmlinux', error.message) : error;
  }
}

function readMap(path: string, file: RawFile): OutsideKernel {
  const bytes = file.size <= LARGEST_MAP ? file.read(0, file.size) : undefined;
  const symbols: LinkedSymbol[] = [];
  for (const line of bytes?.toString('latin1').split('\n') ?? []) {
    const match = /^([0-9a-f]{16}) ([A-Za-z]) (\S+)$/.exec(line);
    if (match === null) continue;
    const [, address = '0', type = '?', name = ''] = match;
    symbols.push({ name, type, address: BigInt(`0x${address}`) });
  }
  if (symbols.length === 0)
    throw new CoreError(
      'vmlinux',
      `${path} is neither a vmlinux nor a System.map; give one of the core's build`,
    );
  return { path, buildId: undefined, symbols, btf: undefined };
}

interface ElfSection {
  readonly name: string;
  readonly type: number;
  readonly offset: number;
  readonly size: number;
  readonly link: number;
}

function readElf(path: string, file: RawFile): OutsideKernel {
  const sections = readSections(file);
  const bytesOf = (section: ElfSection | undefined): Buffer | undefined =>
    section === undefined || section.size > LARGEST_SECTION ? undefined : readWhole(file, section);
  const named = (name: string) => sections.find((section) => section.name === name);
  const table = named('.symtab');
  const entries = bytesOf(table);
  const names = bytesOf(table === undefined ? undefined : sections[table.link]);
  const notes = [named('.note.gnu.build-id'), named('.notes')].map(bytesOf);
  return {
    path,
    buildId: notes.map((bytes) => (bytes === undefined ? undefined : buildIdOf(bytes))).find(Boolean),
    symbols: entries === undefined || names === undefined ? [] : readSymbols(entries, names),
    btf: bytesOf(named('.BTF')),
  };
}

function readWhole(file: RawFile, { offset, size }: ElfSection): Buffer | undefined {
  if (offset + size > file.size) return undefined;
  const bytes = Buffer.allocUnsafe(size);
  return file.readDirect(offset, bytes) ? bytes : undefined;
}

function readSections(file: RawFile): ElfSection[] {
  const head = file.read(0, 64);
  if (head === undefined || head[4] !== 2 || head[5] !== 1) return [];
  const [count, names] = [head.readUInt16LE(60), head.readUInt16LE(62)];
  const headers = file.read(u64(head, 40), count * SECTION_HEADER);
  if (headers === undefined) return [];
  const at = (index: number) => ({
    name: headers.readUInt32LE(index * SECTION_HEADER),
    type: headers.readUInt32LE(index * SECTION_HEADER + 4),
    offset: u64(headers, index * SECTION_HEADER + 24),
    size: u64(headers, index * SECTION_HEADER + 32),
    link: headers.readUInt32LE(index * SECTION_HEADER + 40),
  });
  const all = Array.from({ length: count }, (_, index) => at(index));
  const table = all[names];
  const texts = table === undefined || table.size > 2 ** 20 ? undefined : file.read(table.offset, table.size);
  const textAt = (start: number): string => {
    const end = texts?.indexOf(0, start) ?? -1;
    return end < 0 ? '' : (texts?.toString('latin1', start, end) ?? '');
  };
  return all.map((section) => ({ ...section, name: textAt(section.name) }));
}

function readSymbols(entries: Buffer, names: Buffer): LinkedSymbol[] {
  const symbols: LinkedSymbol[] = [];
  for (let at = 0; at + SYMBOL <= entries.length; at += SYMBOL) {
    const kind = (entries[at + 4] as number) & 15;
    const section = entries.readUInt16LE(at + 6);
    const start = entries.readUInt32LE(at);
    // Sections and files are no symbols; undefined ones have no place.
    if (kind > 2 || section === 0 || start === 0) continue;
    const end = names.indexOf(0, start);
    if (end < 0) continue;
    const name = names.toString('latin1', start, end);
    symbols.push({ name, type: kind === 2 ? 'T' : 'D', address: entries.readBigUInt64LE(at + 8) });
  }
  return symbols;
}

function buildIdOf(notes: Buffer): string | undefined {
  for (let at = 0; at + 12 <= notes.length; ) {
    const [nameSize, size, type] = [0, 4, 8].map((offset) => notes.readUInt32LE(at + offset)) as [
      number,
      number,
      number,
    ];
    const dataAt = at + 12 + Math.ceil(nameSize / 4) * 4;
    if (dataAt + size > notes.length) return undefined;
    const owner = notes.toString('latin1', at + 12, at + 12 + nameSize);
    if (owner === 'GNU\0' && type === BUILD_ID_NOTE) return notes.toString('hex', dataAt, dataAt + size);
    at = dataAt + Math.ceil(size / 4) * 4;
  }
  return undefined;
}

/** Moved to where this core's kernel was loaded. Throws a CoreError when it is of another kernel. */
export function placeOutside({ path, buildId, symbols }: OutsideKernel, info: VmcoreInfo): SymbolTable {
  const wanted = info.buildId;
  if (buildId !== undefined && wanted !== undefined && buildId !== wanted)
    throw new CoreError(
      'vmlinux',
      `${path} is of another kernel: its build-id is ${buildId}, that of the core ${wanted}`,
    );
  const linked = new Map<string, bigint>();
  for (const { name, address } of symbols) if (!linked.has(name)) linked.set(name, address);
  const at = linked.get('_stext');
  const told = info.symbol('_stext');
  if (at === undefined || told === undefined)
    throw new CoreError('vmlinux', `${path} and the core do not both say where the kernel begins (_stext)`);
  const shift = told - at;
  for (const name of ['init_uts_ns', 'swapper_pg_dir', 'node_online_map']) {
    const [here, there] = [linked.get(name), info.symbol(name)];
    if (here !== undefined && there !== undefined && here + shift !== there)
      throw new CoreError('vmlinux', `${path} is of another kernel: it has ${name} elsewhere than the core`);
  }
  return new PlacedSymbols(symbols, linked, shift, told);
}

class PlacedSymbols implements SymbolTable {
  readonly base: bigint;
  readonly complete = true;
  readonly #linked: ReadonlyMap<string, bigint>;
  readonly #shift: bigint;
  /** By address, as linked. */
  readonly #sorted: readonly LinkedSymbol[];

  constructor(
    symbols: readonly LinkedSymbol[],
    linked: ReadonlyMap<string, bigint>,
    shift: bigint,
    base: bigint,
  ) {
    this.base = base;
    this.#linked = linked;
    this.#shift = shift;
    this.#sorted = symbols
      .filter(({ address }) => address >= LOWEST)
      .sort((a, b) => (a.address < b.address ? -1 : a.address > b.address ? 1 : 0));
  }

  find(name: string): bigint | undefined {
    const address = this.#linked.get(name);
    return address === undefined || address < LOWEST ? address : address + this.#shift;
  }

  at(address: bigint): KernelSymbol | undefined {
    const wanted = address - this.#shift;
    const sorted = this.#sorted;
    let low = 0;
    let high = sorted.length - 1;
    if (high < 0 || wanted < (sorted[0] as LinkedSymbol).address) return undefined;
    while (low < high) {
      const middle = (low + high + 1) >>> 1;
      if ((sorted[middle] as LinkedSymbol).address <= wanted) low = middle;
      else high = middle - 1;
    }
    const start = (sorted[low] as LinkedSymbol).address;
    const next = sorted[low + 1];
    while (low > 0 && sorted[low - 1]?.address === start) low -= 1;
    const { name, type } = sorted[low] as LinkedSymbol;
    const size = next === undefined ? 0 : Number(next.address - start);
    return { name, type, address: start + this.#shift, size };
  }
}
