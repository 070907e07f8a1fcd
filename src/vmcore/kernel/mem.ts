/**
 * Memory by virtual address: page tables of x86-64 with 4 or 5 levels, pages of 4 KiB, 2 MiB and 1 GiB.
 * Page numbers are doubles (a virtual one has at most 52 bits), addresses are bigints.
 */
import { dropOldest } from '../file/bytes.ts';
import { type CoreFile, PAGE } from '../file/core-file.ts';

/** Kernel text is mapped here; minus this plus phys_base is where it is. */
export const TEXT_MAP = 0xffffffff80000000n;
const TEXT_MAP_SIZE = 0x40000000n;
const PRESENT = 0x1;
const LARGE = 0x80;
const MOST_BYTES = 64 * 2 ** 20;
const MOST_CACHED = 65_536;
const MASK = 0xffffffffffffffffn;

/** How a space of addresses is translated. */
export interface Translation {
  /** Physical address of the top-level table. */
  readonly root: number;
  readonly levels: 4 | 5;
  /** Bits of a table entry that mean encryption, not address. */
  readonly encryption: number;
}

export class Mem {
  readonly #file: CoreFile;
  readonly #physBase: bigint | undefined;
  readonly #kernel: Translation | undefined;
  /** Virtual page number → physical one, -1 = not mapped. */
  readonly #pages = new Map<number, number>();
  /** Numbers of virtual regions of 2 MiB mapped as one → first physical page. */
  readonly #regions = new Map<number, number>();
  #lastPage = -1;
  #lastBytes: Buffer | undefined;

  constructor(file: CoreFile, physBase: bigint | undefined, kernel: Translation | undefined) {
    this.#file = file;
    this.#physBase = physBase;
    this.#kernel = kernel;
  }

  /** Bytes of the page of a virtual page number; not to be changed. */
  page(number: number): Buffer | undefined {
    if (number === this.#lastPage) return this.#lastBytes;
    const pfn = this.#translate(number);
    const bytes = pfn < 0 ? undefined : this.#file.page(pfn);
    this.#lastPage = number;
    this.#lastBytes = bytes;
    return bytes;
  }

  /** All of it or nothing. The bytes may be part of a page: not to be changed. */
  view(address: bigint, length: number): Buffer | undefined {
    const number = Number(address >> 12n);
    const at = Number(address & 0xfffn);
    if (at + length <= PAGE && length >= 0) return this.page(number)?.subarray(at, at + length);
    return this.read(address, length);
  }

  /** All of it or nothing, as a copy. */
  read(address: bigint, length: number): Buffer | undefined {
    if (!(length >= 0 && length <= MOST_BYTES)) return undefined;
    const { bytes, complete } = this.#gather(address, length);
    return complete ? bytes : undefined;
  }

  /** Up to the first page that is not there. */
  readSome(address: bigint, length: number): Buffer {
    return this.#gather(address, Math.min(length, MOST_BYTES)).bytes;
  }

  #gather(address: bigint, length: number): { bytes: Buffer; complete: boolean } {
    const bytes = Buffer.allocUnsafe(length);
    let number = Number((address & MASK) >> 12n);
    let at = Number(address & 0xfffn);
    let done = 0;
    while (done < length) {
      const page = this.page(number);
      if (page === undefined) return { bytes: bytes.subarray(0, done), complete: false };
      const count = Math.min(PAGE - at, length - done);
      page.copy(bytes, done, at, at + count);
      done += count;
      number += 1;
      at = 0;
    }
    return { bytes, complete: true };
  }

  u8(address: bigint): number | undefined {
    return this.page(Number(address >> 12n))?.[Number(address & 0xfffn)];
  }

  u16(address: bigint): number | undefined {
    return this.view(address, 2)?.readUInt16LE();
  }

  u32(address: bigint): number | undefined {
    return this.view(address, 4)?.readUInt32LE();
  }

  i32(address: bigint): number | undefined {
    return this.view(address, 4)?.readInt32LE();
  }

  u64(address: bigint): bigint | undefined {
    return this.view(address, 8)?.readBigUInt64LE();
  }

  /** Bytes up to a NUL; what is there if none comes. */
  cstring(address: bigint, most = 4096): string | undefined {
    let text = '';
    let at = address;
    for (let left = Math.min(most, 65_536); left > 0; ) {
      const within = Number(at & 0xfffn);
      const page = this.page(Number(at >> 12n));
      if (page === undefined) return text === '' ? undefined : text;
      const end = Math.min(PAGE, within + left);
      const nul = page.indexOf(0, within);
      if (nul >= 0 && nul < end) return text + page.toString('utf8', within, nul);
      text += page.toString('utf8', within, end);
      left -= end - within;
      at += BigInt(end - within);
    }
    return text;
  }

  physical(address: number, length: number): Buffer | undefined {
    if (!(length >= 0 && length <= MOST_BYTES && address >= 0 && address < 2 ** 52)) return undefined;
    const out = Buffer.allocUnsafe(length);
    let done = 0;
    while (done < length) {
      const at = (address + done) % PAGE;
      const page = this.#file.page(Math.floor((address + done) / PAGE));
      if (page === undefined) return undefined;
      const count = Math.min(PAGE - at, length - done);
      page.copy(out, done, at, at + count);
      done += count;
    }
    return out;
  }

  /** Of the address space with that top-level table; 0 to 2⁴⁸ or 2⁵⁷. */
  user(root: number, address: bigint, length: number): Buffer | undefined {
    const kernel = this.#kernel;
    if (kernel === undefined || !(length >= 0 && length <= MOST_BYTES)) return undefined;
    const out = Buffer.allocUnsafe(length);
    let done = 0;
    while (done < length) {
      const at = address + BigInt(done);
      const pfn = this.#walk({ ...kernel, root }, Number((at & MASK) >> 12n));
      const page = pfn < 0 ? undefined : this.#file.page(pfn);
      if (page === undefined) return undefined;
      const within = Number(at & 0xfffn);
      const count = Math.min(PAGE - within, length - done);
      page.copy(out, done, within, within + count);
      done += count;
    }
    return out;
  }

  /** Physical address, undefined where nothing is mapped. */
  virtualToPhysical(address: bigint): number | undefined {
    const pfn = this.#translate(Number((address & MASK) >> 12n));
    return pfn < 0 ? undefined : pfn * PAGE + Number(address & 0xfffn);
  }

  /** Whether that physical page is in the file. */
  hasFrame(pfn: number): boolean {
    return this.#file.has(pfn);
  }

  #translate(number: number): number {
    const kernel = this.#kernel;
    if (kernel === undefined) return this.#byTextMap(number);
    if (!isCanonical(number, kernel.levels)) return -1;
    const region = this.#regions.get(Math.floor(number / 512));
    if (region !== undefined) return region + (number % 512);
    let pfn = this.#pages.get(number);
    if (pfn === undefined) {
      pfn = this.#walk(kernel, number);
      // Page tables may be damaged or left out where the text they map is not.
      if (pfn < 0) pfn = this.#byTextMap(number);
      if (this.#pages.size >= MOST_CACHED) dropOldest(this.#pages, MOST_CACHED / 4);
      this.#pages.set(number, pfn);
    }
    return pfn;
  }

  #byTextMap(number: number): number {
    if (this.#physBase === undefined || !isCanonical(number, 5)) return -1;
    const address = BigInt(number) << 12n;
    if (address < TEXT_MAP || address >= TEXT_MAP + TEXT_MAP_SIZE) return -1;
    const pfn = Number((address - TEXT_MAP + this.#physBase) >> 12n);
    return pfn;
  }

  /** Page tables from the top; -1 = not mapped. */
  #walk({ root, levels, encryption }: Translation, number: number): number {
    if (!isCanonical(number, levels)) return -1;
    let table = root;
    for (let level = levels - 1; level >= 0; level--) {
      const entries = this.#file.page(Math.floor(table / PAGE));
      if (entries === undefined) return -1;
      const at = (Math.floor(number / 512 ** level) % 512) * 8;
      const low = entries.readUInt32LE(at);
      const high = (entries.readUInt32LE(at + 4) & 0xfffff & ~Math.floor(encryption / 2 ** 32)) >>> 0;
      if ((low & PRESENT) === 0) return -1;
      const next = (low & 0xfffff000) >>> 0;
      if (level > 0 && level < 3 && (low & LARGE) !== 0) {
        const pages = 512 ** level;
        // The lowest bits of a large page's address are flags.
        const first = Math.floor((next / PAGE + high * 2 ** 20) / pages) * pages;
        const pfn = first + (number % pages);
        if (this.#kernel?.root === root) this.#keepRegion(number, pfn);
        return pfn;
      }
      table = next + high * 2 ** 32;
    }
    return table / PAGE;
  }

  #keepRegion(number: number, pfn: number): void {
    if (this.#regions.size >= MOST_CACHED) dropOldest(this.#regions, MOST_CACHED / 4);
    this.#regions.set(Math.floor(number / 512), pfn - (number % 512));
  }
}

/** Whether a page number is of an address that the processor takes: upper half or lower, nothing between. */
function isCanonical(number: number, levels: 4 | 5): boolean {
  const half = levels === 5 ? 2 ** 44 : 2 ** 35;
  return (number >= 0 && number < half) || (number >= 2 ** 52 - half && number < 2 ** 52);
}
