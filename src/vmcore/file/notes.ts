/** ELF notes of a core: the registers of each CPU, VMCOREINFO, and what QEMU adds. */

/** Values of registers, by their usual names. */
export type Registers = Readonly<Record<string, bigint>>;

export interface CpuNote {
  readonly registers: Registers;
  readonly from: 'prstatus' | 'qemu';
  /** `pr_pid`: a process of /proc/vmcore, CPU + 1 of QEMU. */
  readonly pid: number;
}

export interface Notes {
  readonly vmcoreinfo: string | undefined;
  /** One per CPU that left registers, in order of the file. */
  readonly prstatus: readonly CpuNote[];
  /** Of QEMU: with control registers. */
  readonly qemu: readonly CpuNote[];
}

const NT_PRSTATUS = 1;
const MOST_NOTES = 16_384;
/** Order of user_regs_struct. */
const PRSTATUS_REGISTERS = [
  ...['r15', 'r14', 'r13', 'r12', 'rbp', 'rbx', 'r11', 'r10', 'r9', 'r8', 'rax', 'rcx', 'rdx', 'rsi', 'rdi'],
  ...['orig_rax', 'rip', 'cs', 'rflags', 'rsp', 'ss', 'fs_base', 'gs_base', 'ds', 'es', 'fs', 'gs'],
];
const PRSTATUS_PID = 32;
const PRSTATUS_REGS = 112;
/** Order of QEMUCPUState up to the segments; dump-guest-memory of QEMU, target/i386/arch_dump.c. */
const QEMU_REGISTERS = [
  ...['rax', 'rbx', 'rcx', 'rdx', 'rsi', 'rdi', 'rsp', 'rbp', 'r8', 'r9', 'r10', 'r11', 'r12', 'r13'],
  ...['r14', 'r15', 'rip', 'rflags'],
];
const QEMU_START = 8;
const QEMU_SEGMENTS = ['cs', 'ds', 'es', 'fs', 'gs', 'ss', 'ldt', 'tr', 'gdt', 'idt'];
const QEMU_SEGMENT_BYTES = 24;
const QEMU_SEGMENT_BASE = 16;

/** Never throws: what is cut off is left out. */
export function parseNotes(bytes: Buffer): Notes {
  let vmcoreinfo: string | undefined;
  const prstatus: CpuNote[] = [];
  const qemu: CpuNote[] = [];
  let at = 0;
  for (let count = 0; count < MOST_NOTES && at + 12 <= bytes.length; count++) {
    const nameSize = bytes.readUInt32LE(at);
    const size = bytes.readUInt32LE(at + 4);
    const type = bytes.readUInt32LE(at + 8);
    const nameAt = at + 12;
    const dataAt = nameAt + padded(nameSize);
    if (nameSize === 0 && size === 0 && type === 0) {
      // Left empty by a CPU that did not answer: /proc/vmcore keeps its place.
      at += 12;
      continue;
    }
    if (dataAt + size > bytes.length || nameSize > 256) break;
    const name = bytes.toString('latin1', nameAt, nameAt + nameSize).replace(/\0.*$/s, '');
    const data = bytes.subarray(dataAt, dataAt + size);
    if (name === 'VMCOREINFO') vmcoreinfo = data.toString('latin1').replace(/\0+$/, '');
    else if (name === 'CORE' && type === NT_PRSTATUS) pushIf(prstatus, prstatusNote(data));
    else if (name === 'QEMU') pushIf(qemu, qemuNote(data));
    at = dataAt + padded(size);
  }
  return { vmcoreinfo, prstatus, qemu };
}

const padded = (size: number): number => Math.ceil(size / 4) * 4;

function pushIf<T>(list: T[], item: T | undefined): void {
  if (item !== undefined) list.push(item);
}

function prstatusNote(data: Buffer): CpuNote | undefined {
  if (data.length < PRSTATUS_REGS + PRSTATUS_REGISTERS.length * 8) return undefined;
  const registers = Object.fromEntries(
    PRSTATUS_REGISTERS.map((name, index) => [name, data.readBigUInt64LE(PRSTATUS_REGS + index * 8)]),
  );
  return { registers, from: 'prstatus', pid: data.readInt32LE(PRSTATUS_PID) };
}

function qemuNote(data: Buffer): CpuNote | undefined {
  const segments = QEMU_START + QEMU_REGISTERS.length * 8;
  const control = segments + QEMU_SEGMENTS.length * QEMU_SEGMENT_BYTES;
  if (data.length < control + 5 * 8) return undefined;
  const word = (at: number) => data.readBigUInt64LE(at);
  const registers: Record<string, bigint> = Object.fromEntries(
    QEMU_REGISTERS.map((name, index) => [name, word(QEMU_START + index * 8)]),
  );
  for (const [index, name] of QEMU_SEGMENTS.entries()) {
    const at = segments + index * QEMU_SEGMENT_BYTES;
    registers[name] = BigInt(data.readUInt32LE(at));
    registers[`${name}_base`] = word(at + QEMU_SEGMENT_BASE);
  }
  for (let number = 0; number < 5; number++) registers[`cr${number}`] = word(control + number * 8);
  if (data.length >= control + 6 * 8) registers.kernel_gs_base = word(control + 5 * 8);
  return { registers, from: 'qemu', pid: 0 };
}
