/** ELF cores: of /proc/vmcore, makedumpfile -E, and QEMU. Program headers say which memory is where in the file. */
import { type Bytes, CoreError, u64 } from './bytes.ts';

const PT_LOAD = 1;
const PT_NOTE = 4;
const PN_XNUM = 0xffff;
const MOST_HEADERS = 1_000_000;
const LONGEST_NOTES = 64 * 2 ** 20;
const X86_64 = 62;
const ET_CORE = 4;

interface Segment {
  readonly phys: number;
  readonly offset: number;
  readonly inFile: number;
  readonly inMemory: number;
}

export function isElf(bytes: Bytes): boolean {
  return bytes.read(0, 4)?.toString('latin1') === '\x7fELF';
}

export class ElfCore {
  readonly notes: Buffer;
  readonly truncated: boolean;
  readonly maxPfn: number;
  readonly pages: number;
  /** Memory was left out (makedumpfile -E -d): it reads as zeros. */
  readonly hasHoles: boolean;
  readonly #bytes: Bytes;
  readonly #segments: readonly Segment[];
  #last = 0;

  constructor(bytes: Bytes) {
    this.#bytes = bytes;
    const head = bytes.read(0, 64);
    if (head === undefined) throw new CoreError('file', 'the file ends within its ELF header');
    if (head[4] !== 2 || head[5] !== 1)
      throw new CoreError('file', 'the core is of a 32-bit or big-endian machine; only x86-64 can be read');
    if (head.readUInt16LE(18) !== X86_64)
      throw new CoreError(
        'file',
        `the core is of machine type ${head.readUInt16LE(18)}; only x86-64 (62) can be read`,
      );
    if (head.readUInt16LE(16) !== ET_CORE)
      throw new CoreError('file', 'an ELF file, but no core; give the vmcore (and a vmlinux with --vmlinux)');
    const headers = readProgramHeaders(bytes, head);
    const notes: Buffer[] = [];
    const segments: Segment[] = [];
    let truncated = false;
    for (let at = 0; at + 56 <= headers.length; at += 56) {
      const type = headers.readUInt32LE(at);
      const offset = u64(headers, at + 8);
      const inFile = u64(headers, at + 32);
      if (offset + inFile > bytes.size) truncated = true;
      if (type === PT_NOTE && inFile <= LONGEST_NOTES) {
        const note = bytes.read(offset, Math.min(inFile, Math.max(0, bytes.size - offset)));
        if (note !== undefined) notes.push(note);
      } else if (type === PT_LOAD) {
        segments.push({ phys: u64(headers, at + 24), offset, inFile, inMemory: u64(headers, at + 40) });
      }
    }
    this.notes = Buffer.concat(notes);
    this.truncated = truncated;
    this.#segments = segments
      .filter(({ phys, inMemory }) => phys + inMemory <= 2 ** 52 && inMemory > 0)
      .sort((a, b) => a.phys - b.phys);
    this.hasHoles = this.#segments.some(({ inFile, inMemory }) => inFile > 0 && inFile < inMemory);
    this.maxPfn = Math.ceil(
      this.#segments.reduce((most, s) => Math.max(most, s.phys + s.inMemory), 0) / 4096,
    );
    this.pages = Math.floor(this.#segments.reduce((sum, s) => sum + s.inFile, 0) / 4096);
  }

  has(pfn: number): boolean {
    return this.#find(pfn * 4096) !== undefined;
  }

  /** One page. What a segment has in memory and not in the file was left out by makedumpfile: zero. */
  read(pfn: number): Buffer | undefined {
    const phys = pfn * 4096;
    const segment = this.#find(phys);
    if (segment === undefined) return undefined;
    const within = phys - segment.phys;
    if (within + 4096 <= segment.inFile) return this.#bytes.read(segment.offset + within, 4096);
    if (segment.inFile === 0) return undefined;
    const page = Buffer.alloc(4096);
    if (within < segment.inFile) {
      const part = this.#bytes.read(segment.offset + within, segment.inFile - within);
      if (part === undefined) return undefined;
      part.copy(page);
    }
    return page;
  }

  *pfns(): Iterable<number> {
    for (const { phys, inFile } of this.#segments) {
      const first = Math.ceil(phys / 4096);
      const end = Math.floor((phys + inFile) / 4096);
      for (let pfn = first; pfn < end; pfn++) yield pfn;
    }
  }

  #find(phys: number): Segment | undefined {
    const holds = (segment: Segment | undefined) =>
      segment !== undefined && phys >= segment.phys && phys + 4096 <= segment.phys + segment.inMemory;
    if (holds(this.#segments[this.#last])) return this.#segments[this.#last];
    let low = 0;
    let high = this.#segments.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >>> 1;
      if ((this.#segments[middle] as Segment).phys <= phys) low = middle;
      else high = middle - 1;
    }
    // The kernel's text is often given twice, within other segments: look back a little.
    for (let at = low; at >= 0 && at > low - 4; at--) {
      if (holds(this.#segments[at])) {
        this.#last = at;
        return this.#segments[at];
      }
    }
    return undefined;
  }
}

function readProgramHeaders(bytes: Bytes, head: Buffer): Buffer {
  const offset = u64(head, 32);
  const size = head.readUInt16LE(54);
  let count = head.readUInt16LE(56);
  if (count === PN_XNUM) {
    const section = bytes.read(u64(head, 40), 64);
    count = section === undefined ? 0 : section.readUInt32LE(44);
  }
  if (size !== 56 || count === 0 || count > MOST_HEADERS)
    throw new CoreError('file', 'the ELF header names no program headers: it is damaged');
  const whole = bytes.read(offset, count * 56);
  if (whole !== undefined) return whole;
  const rest = Math.floor(Math.max(0, bytes.size - offset) / 56) * 56;
  const part = rest > 0 ? bytes.read(offset, rest) : undefined;
  if (part === undefined) throw new CoreError('file', 'the file ends before its program headers');
  return part;
}
