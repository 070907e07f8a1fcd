/**
 * A kernel made up for tests, a few pages large: page tables, VMCOREINFO, a log, symbols, types, two CPUs, a few tasks.
 * Most that a real kernel has is missing: a reader must live with that.
 */
import { BtfBuilder } from './btf.ts';
import { type Dump, note, PAGE } from './formats.ts';
import { type MadeSymbol, makeKallsyms } from './kallsyms.ts';

const TEXT_MAP = 0xffffffff80000000n;
export const BASE = 0xffffffff81000000n;
const SIZE = 512 * 1024;
export const RELEASE = '6.9.0-mini';
export const BUILD_ID = '0123456789abcdef0123456789abcdef01234567';

export interface MiniOptions {
  /** Where the kernel lies in physical memory, as phys_base has it. */
  readonly physBase?: bigint;
  readonly levels?: 4 | 5;
  /** The kernel mapped by one large page instead of small ones. */
  readonly large?: boolean;
  /** Lines of the log. */
  readonly log?: readonly string[];
  readonly buildId?: string;
  /** Leave these lines out of VMCOREINFO. */
  readonly without?: RegExp;
  readonly panicCpu?: number;
}

export interface MiniTask {
  readonly pid: number;
  readonly comm: string;
  readonly address: bigint;
}

export class MiniKernel {
  readonly physBase: bigint;
  readonly memory = Buffer.alloc(SIZE);
  readonly pages = new Map<number, Buffer>();
  readonly btf = new BtfBuilder();
  readonly tasks: MiniTask[] = [];
  readonly registers: Record<number, bigint>[] = [];
  readonly vmcoreinfo: string;
  readonly root: number;
  #next = 0x1000;
  #tablePfn: number;
  readonly #symbols: MadeSymbol[] = [];

  constructor(options: MiniOptions = {}) {
    this.physBase = options.physBase ?? 0n;
    // Behind the kernel, where the text mapping still reaches.
    this.#tablePfn = Number(BASE - TEXT_MAP + this.physBase) / PAGE + SIZE / PAGE + 16;
    this.#types();
    this.symbol('_text', BASE);
    this.symbol('_stext', BASE);
    this.symbol('_etext', BASE + 0x1000n);
    this.symbol('main_loop', BASE + 0x100n);
    this.symbol('panic', BASE + 0x200n);
    const log = this.#log(options.log ?? ['Linux version 6.9.0-mini', 'Kernel panic - not syncing: test']);
    const uts = this.alloc(400, 'init_uts_ns');
    for (const [i, text] of ['Linux', 'mini', RELEASE, '#1 test', 'x86_64'].entries())
      this.memory.write(text, this.at(uts) + i * 65, 'latin1');
    this.#cpus(options.panicCpu);
    this.#makeTasks();
    const types = this.btf.bytes();
    const place = this.alloc(types.length, '__start_BTF');
    types.copy(this.memory, this.at(place));
    this.symbol('__stop_BTF', place + BigInt(types.length));
    const symbols = this.#writeSymbols();
    this.root = this.#pageTables(options.levels ?? 4, options.large ?? false);
    this.vmcoreinfo = [
      `OSRELEASE=${RELEASE}`,
      `BUILD-ID=${options.buildId ?? BUILD_ID}`,
      'PAGESIZE=4096',
      `SYMBOL(init_uts_ns)=${uts.toString(16)}`,
      'OFFSET(uts_namespace.name)=0',
      `SYMBOL(swapper_pg_dir)=${(BigInt(this.root) + TEXT_MAP - this.physBase).toString(16)}`,
      `SYMBOL(_stext)=${BASE.toString(16)}`,
      `NUMBER(phys_base)=${this.physBase}`,
      `NUMBER(pgtable_l5_enabled)=${options.levels === 5 ? 1 : 0}`,
      ...log,
      ...symbols,
      'KERNELOFFSET=0',
      'CRASHTIME=1700000000',
    ]
      .filter((line) => options.without?.test(line) !== true)
      .concat('')
      .join('\n');
  }

  dump(withNote = true): Dump {
    const pages = new Map(this.pages);
    const first = Number(BASE - TEXT_MAP + this.physBase) / PAGE;
    for (let i = 0; i < SIZE / PAGE; i++)
      pages.set(first + i, this.memory.subarray(i * PAGE, (i + 1) * PAGE));
    if (!withNote) {
      const page = Buffer.alloc(PAGE);
      page.write(this.vmcoreinfo, 'latin1');
      pages.set(this.#tablePfn + 100, page);
    }
    return { pages, vmcoreinfo: withNote ? this.vmcoreinfo : undefined, registers: this.registers };
  }

  /** Offset in `memory` of an address. */
  at(address: bigint): number {
    return Number(address - BASE);
  }

  alloc(bytes: number, symbol?: string): bigint {
    const address = BASE + BigInt(Math.ceil(this.#next / 64) * 64);
    this.#next = this.at(address) + bytes;
    if (this.#next > SIZE) throw new Error('the mini kernel is full');
    if (symbol !== undefined) this.symbol(symbol, address, 'D');
    return address;
  }

  symbol(name: string, address: bigint, type = 'T'): void {
    this.#symbols.push({ name, address, type });
  }

  /** As the linker would list them: `shift` is what KASLR has added. */
  systemMap(shift = 0n): string {
    const line = ({ name, address, type = 'T', absolute }: MadeSymbol) =>
      `${(absolute ? address : address - shift).toString(16).padStart(16, '0')} ${type} ${name}\n`;
    return this.#symbols.map(line).join('');
  }

  /** With symbols, types and build-id, and nothing else of a vmlinux. */
  vmlinux(buildId: string, shift = 0n): Buffer {
    const strings: string[] = [''];
    const symbols = Buffer.alloc(24 * (this.#symbols.length + 1));
    let at = 1;
    for (const [i, { name, address, absolute }] of this.#symbols.entries()) {
      symbols.writeUInt32LE(at, (i + 1) * 24);
      symbols.writeUInt8(1, (i + 1) * 24 + 4);
      symbols.writeUInt16LE(absolute ? 0xfff1 : 1, (i + 1) * 24 + 6);
      symbols.writeBigUInt64LE(absolute ? address : address - shift, (i + 1) * 24 + 8);
      strings.push(name);
      at += name.length + 1;
    }
    const sections: readonly (readonly [string, Buffer, number])[] = [
      ['', Buffer.alloc(0), 0],
      ['.symtab', symbols, 2],
      ['.strtab', Buffer.from(`${strings.join('\0')}\0`), 0],
      ['.BTF', this.btf.bytes(), 0],
      ['.notes', note('GNU', 3, Buffer.from(buildId, 'hex')), 0],
      ['.shstrtab', Buffer.from('\0.symtab\0.strtab\0.BTF\0.notes\0.shstrtab\0'), 0],
    ];
    const names = sections[5]?.[1] as Buffer;
    const headers = Buffer.alloc(sections.length * 64);
    let offset = 64;
    for (const [i, [name, bytes, link]] of sections.entries()) {
      headers.writeUInt32LE(Math.max(0, names.indexOf(`\0${name}\0`) + 1), i * 64);
      headers.writeBigUInt64LE(BigInt(offset), i * 64 + 24);
      headers.writeBigUInt64LE(BigInt(bytes.length), i * 64 + 32);
      headers.writeUInt32LE(link, i * 64 + 40);
      offset += bytes.length;
    }
    const elf = Buffer.alloc(64);
    elf.write('\x7fELF\x02\x01\x01', 0, 'latin1');
    elf.writeBigUInt64LE(BigInt(offset), 40);
    elf.writeUInt16LE(64, 58);
    elf.writeUInt16LE(sections.length, 60);
    elf.writeUInt16LE(5, 62);
    return Buffer.concat([elf, ...sections.map(([, bytes]) => bytes), headers]);
  }

  w64(address: bigint, value: bigint): void {
    this.memory.writeBigUInt64LE(BigInt.asUintN(64, value), this.at(address));
  }

  w32(address: bigint, value: number): void {
    this.memory.writeInt32LE(value, this.at(address));
  }

  #types(): void {
    this.btf
      .struct('list_head', [
        ['next', '*list_head'],
        ['prev', '*list_head'],
      ])
      .struct('thread_info', [
        ['flags', 'u64'],
        ['cpu', 'u32'],
      ])
      .struct('signal_struct', [['thread_head', 'list_head']])
      .struct('task_struct', [
        ['thread_info', 'thread_info'],
        ['__state', 'u32'],
        ['stack', '*'],
        ['flags', 'u32'],
        ['on_cpu', 'int'],
        ['tasks', 'list_head'],
        ['thread_node', 'list_head'],
        ['signal', '*signal_struct'],
        ['pid', 'int'],
        ['tgid', 'int'],
        ['comm', 'char[16]'],
      ])
      .struct('rq', [
        ['nr_running', 'u32'],
        ['curr', '*task_struct'],
        ['idle', '*task_struct'],
        ['clock', 'u64'],
      ]);
  }

  #cpus(panicCpu = 0): void {
    const number = (name: string, value: number) => this.w32(this.alloc(8, name), value);
    number('nr_cpu_ids', 2);
    this.w64(this.alloc(8, '__cpu_possible_mask'), 3n);
    this.w64(this.alloc(8, '__cpu_online_mask'), 1n);
    number('panic_cpu', panicCpu);
    const offsets = this.alloc(16, '__per_cpu_offset');
    for (const cpu of [0, 1]) this.w64(offsets + BigInt(cpu * 8), this.alloc(0x400));
    this.#symbols.push({ name: 'runqueues', address: 0x40n, absolute: true, type: 'A' });
    this.#symbols.push({ name: 'current_task', address: 0x300n, absolute: true, type: 'A' });
  }

  percpu(symbolValue: bigint, cpu: number): bigint {
    const table = this.#symbols.find(({ name }) => name === '__per_cpu_offset')?.address as bigint;
    return this.memory.readBigUInt64LE(this.at(table) + cpu * 8) + symbolValue;
  }

  /** Two idle tasks and three others, in the list that begins at init_task. */
  #makeTasks(): void {
    const size = this.btf.size('task_struct');
    const made = [
      { pid: 0, comm: 'swapper/0', symbol: 'init_task' },
      { pid: 0, comm: 'swapper/1' },
      { pid: 1, comm: 'init' },
      { pid: 7, comm: 'worker' },
      { pid: 9, comm: 'evil\x1b[31m' },
    ].map(({ pid, comm, symbol }) => ({ pid, comm, address: this.alloc(size, symbol) }));
    this.tasks.push(...made);
    const [first, second, ...others] = made.map(({ address }) => address) as [bigint, bigint, ...bigint[]];
    // As the builder lays them out: each of a struct's members on its own alignment.
    const at = { state: 16n, onCpu: 36n, tasks: 40n, node: 56n, signal: 72n, pid: 80n, tgid: 84n, comm: 88n };
    for (const { pid, comm, address } of made) {
      this.w32(address + at.state, pid === 7 ? 2 : 0);
      this.w32(address + at.pid, pid);
      this.w32(address + at.tgid, pid);
      this.memory.write(comm, this.at(address + at.comm), 'latin1');
      const signal = this.alloc(16);
      this.w64(address + at.signal, signal);
      this.#ring([signal, address + at.node]);
      this.#ring([address + at.tasks]);
    }
    this.#ring([first, ...others].map((address) => address + at.tasks));
    const running = [others[0], second] as [bigint, bigint];
    for (const [cpu, idle] of [first, second].entries()) {
      const rq = this.percpu(0x40n, cpu);
      this.w32(rq, cpu === 0 ? 1 : 0);
      this.w64(rq + 8n, running[cpu] as bigint);
      this.w64(rq + 16n, idle);
      this.w64(rq + 24n, 5_000_000_000n);
      this.w64(this.percpu(0x300n, cpu), running[cpu] as bigint);
      // rbp, rip, rsp as user_regs_struct numbers them.
      this.registers.push({ 4: 0n, 16: BASE + 0x210n, 19: this.alloc(64) });
    }
    this.w32(running[0] + at.onCpu, 1);
  }

  #ring(nodes: readonly bigint[]): void {
    for (const [i, node] of nodes.entries()) {
      this.w64(node, nodes[(i + 1) % nodes.length] as bigint);
      this.w64(node + 8n, nodes[(i + nodes.length - 1) % nodes.length] as bigint);
    }
  }

  /** A ring buffer of 16 records, its layout as VMCOREINFO tells it. */
  #log(lines: readonly string[]): string[] {
    const [countBits, sizeBits] = [4, 11];
    const [count, bytes] = [2 ** countBits, 2 ** sizeBits];
    const pointer = this.alloc(8, 'prb');
    const ring = this.alloc(128);
    const [descs, infos, data] = [this.alloc(count * 24), this.alloc(count * 88), this.alloc(bytes)];
    this.w64(pointer, ring);
    this.w32(ring, countBits);
    this.w64(ring + 8n, descs);
    this.w64(ring + 16n, infos);
    const tail = Math.max(0, lines.length - count) + 100;
    const head = 100 + lines.length - 1;
    this.w64(ring + 24n, BigInt(head));
    this.w64(ring + 32n, BigInt(tail));
    this.w32(ring + 48n, sizeBits);
    this.w64(ring + 56n, data);
    // Positions grow for ever; a record does not cross the end of the ring.
    let place = 0;
    for (const [i, line] of lines.entries()) {
      const text = Buffer.from(line);
      const length = Math.ceil((8 + text.length) / 8) * 8;
      const begin = place;
      const wraps = (place % bytes) + length > bytes;
      place = wraps ? (Math.floor(place / bytes) + 1) * bytes + length : place + length;
      const slot = BigInt((100 + i) % count);
      const desc = descs + slot * 24n;
      this.w64(desc, BigInt(100 + i) | (2n << 62n));
      this.w64(desc + 8n, BigInt(begin));
      this.w64(desc + 16n, BigInt(place));
      const info = infos + slot * 88n;
      this.w64(info, BigInt(i));
      this.w64(info + 8n, BigInt(1_000_000 * (i + 1)));
      this.memory.writeUInt16LE(text.length, this.at(info) + 16);
      this.memory[this.at(info) + 19] = 6 << 5;
      this.memory.writeUInt32LE(i % 2 === 0 ? 0x80000001 : 42, this.at(info) + 20);
      text.copy(this.memory, this.at(data) + (wraps ? 0 : begin % bytes) + 8);
    }
    const offsets = {
      'printk_ringbuffer.desc_ring': 0,
      'printk_ringbuffer.text_data_ring': 48,
      'prb_desc_ring.count_bits': 0,
      'prb_desc_ring.descs': 8,
      'prb_desc_ring.infos': 16,
      'prb_desc_ring.head_id': 24,
      'prb_desc_ring.tail_id': 32,
      'prb_desc.state_var': 0,
      'prb_desc.text_blk_lpos': 8,
      'prb_data_blk_lpos.begin': 0,
      'prb_data_blk_lpos.next': 8,
      'printk_info.ts_nsec': 8,
      'printk_info.text_len': 16,
      'printk_info.caller_id': 20,
      'prb_data_ring.size_bits': 0,
      'prb_data_ring.data': 8,
      'atomic_long_t.counter': 0,
    };
    return [
      `SYMBOL(prb)=${pointer.toString(16)}`,
      ...Object.entries(offsets).map(([name, value]) => `OFFSET(${name})=${value}`),
      'SIZE(prb_desc)=24',
      'SIZE(printk_info)=88',
    ];
  }

  #writeSymbols(): string[] {
    const made = makeKallsyms(this.#symbols, BASE);
    const put = (bytes: Buffer): bigint => {
      const address = this.alloc(bytes.length);
      bytes.copy(this.memory, this.at(address));
      return address;
    };
    const count = this.alloc(4);
    this.w32(count, made.count);
    const base = this.alloc(8);
    this.w64(base, BASE);
    const places = {
      names: put(made.names),
      num_syms: count,
      token_table: put(made.tokenTable),
      token_index: put(made.tokenIndex),
      offsets: put(made.offsets),
      relative_base: base,
    };
    return Object.entries(places).map(
      ([name, address]) => `SYMBOL(kallsyms_${name})=${address.toString(16)}`,
    );
  }

  /** Physical address of the top-level table. */
  #pageTables(levels: 4 | 5, large: boolean): number {
    const physical = Number(BASE - TEXT_MAP + this.physBase);
    const table = (): number => {
      this.#tablePfn += 1;
      this.pages.set(this.#tablePfn, Buffer.alloc(PAGE));
      return this.#tablePfn;
    };
    const set = (pfn: number, index: number, value: bigint) =>
      (this.pages.get(pfn) as Buffer).writeBigUInt64LE(value, index * 8);
    const index = (level: number): number => Number((BASE >> BigInt(12 + 9 * level)) & 511n);
    const top = table();
    let at = top;
    // Address bits above 52 are flags: no-execute must not disturb.
    const flags = 0x8000000000000003n;
    const lowest = large ? 1 : 0;
    for (let level = levels - 1; level > lowest; level--) {
      const next = table();
      set(at, index(level), BigInt(next * PAGE) | flags);
      at = next;
    }
    if (large) {
      // The kernel must begin on 2 MiB for that.
      set(at, index(1), BigInt(physical) | flags | 0x80n | (1n << 12n));
    } else {
      for (let i = 0; i < SIZE / PAGE; i++) set(at, i, BigInt(physical + i * PAGE) | flags);
    }
    return top * PAGE;
  }
}
