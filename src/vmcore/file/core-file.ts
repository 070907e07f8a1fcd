/** A core of any format as pages of physical memory and notes. */
import type { FileFacts } from '../report.ts';
import { type Bytes, CoreError, dropOldest, RawFile } from './bytes.ts';
import { ElfCore, isElf } from './elf.ts';
import { Flattened, isFlattened } from './flattened.ts';
import { isKdump, Kdump, type KdumpHeader } from './kdump.ts';
import { type Notes, parseNotes } from './notes.ts';

/** 40 MiB of pages. */
const MOST_PAGES = 10_240;

export const PAGE = 4096;

/** What both formats offer. */
interface Pages {
  readonly pages: number;
  readonly maxPfn: number;
  readonly truncated: boolean;
  has(pfn: number): boolean;
  read(pfn: number): Buffer | undefined;
  pfns(): Iterable<number>;
}

export class CoreFile {
  readonly path: string;
  readonly notes: Notes;
  readonly vmcoreinfo: string | undefined;
  readonly kdump: KdumpHeader | undefined;
  /** What a reader of the figures must know of the file. */
  readonly warnings: readonly string[];
  readonly #raw: RawFile;
  readonly #pages: Pages;
  /** Where it is damaged, of a file whose parts lead to each other. */
  readonly brokenAt: number | undefined;
  readonly #format: FileFacts['format'];
  readonly #truncated: boolean;
  readonly #cache = new Map<number, Buffer>();
  #lastPfn = -1;
  #lastPage: Buffer = Buffer.alloc(0);
  /** Pages read and expanded so far: the measure of what a query costs. */
  reads = 0;

  /** Throws a CoreError when it is no core, or none whose memory could be read. */
  constructor(path: string) {
    this.path = path;
    this.#raw = new RawFile(path);
    try {
      if (this.#raw.size === 0) throw new CoreError('file', `${path} is empty; the dump was not written`);
      const flat = isFlattened(this.#raw) ? new Flattened(this.#raw) : undefined;
      const bytes: Bytes = flat ?? this.#raw;
      if (isKdump(bytes)) {
        const kdump = new Kdump(bytes);
        if (kdump.header.pageSize !== PAGE)
          throw new CoreError(
            'file',
            `pages of ${kdump.header.pageSize} bytes; only x86-64 (4096) can be read`,
          );
        this.#pages = kdump;
        this.kdump = kdump.header;
        this.notes = parseNotes(kdump.header.notes ?? Buffer.alloc(0));
        this.vmcoreinfo = this.notes.vmcoreinfo ?? kdump.header.vmcoreinfo;
      } else if (isElf(bytes)) {
        const elf = new ElfCore(bytes);
        this.#pages = elf;
        this.notes = parseNotes(elf.notes);
        this.vmcoreinfo = this.notes.vmcoreinfo;
      } else if (flat !== undefined) {
        throw new CoreError('file', `${path} is a flattened dump whose header is missing or damaged`);
      } else {
        throw new CoreError(
          'file',
          `${path} is no vmcore: neither a kdump, a flattened dump nor an ELF core; give the file that kdump or QEMU wrote`,
        );
      }
      this.#format = formatName(flat !== undefined, this.kdump !== undefined);
      // With holes in it the end of what its pages promise is not to be told from one.
      this.#truncated = flat?.truncated === true || (flat?.brokenAt === undefined && this.#pages.truncated);
      this.brokenAt = flat?.brokenAt;
      this.warnings = [
        ...brokenWarnings(flat),
        ...(this.#truncated && this.brokenAt === undefined
          ? [`the file ends early, after ${this.#raw.size} bytes: some memory is missing`]
          : []),
        ...shapeWarnings(this.kdump, this.#pages),
      ];
    } catch (error) {
      this.#raw.close();
      throw error;
    }
  }

  facts(): FileFacts {
    const { mtime, device, inode } = this.#raw.stat;
    return {
      path: this.path,
      size: this.#raw.size,
      mtime,
      device,
      inode,
      format: this.#format,
      shape: this.notes.qemu.length > 0 ? 'qemu' : this.notes.prstatus.length > 0 ? 'proc-vmcore' : 'unknown',
      compression: this.#compression(),
      truncated: this.#truncated,
      pages: this.#pages.pages,
      memory_bytes: this.#pages.pages * PAGE,
    };
  }

  get truncated(): boolean {
    return this.#truncated;
  }

  get maxPfn(): number {
    return this.#pages.maxPfn;
  }

  has(pfn: number): boolean {
    return this.#pages.has(pfn);
  }

  /** One page of physical memory; not to be changed. */
  page(pfn: number): Buffer | undefined {
    if (pfn === this.#lastPfn) return this.#lastPage;
    let page = this.#cache.get(pfn);
    if (page === undefined) {
      page = this.#pages.read(pfn);
      if (page === undefined) return undefined;
      this.reads += 1;
      if (this.#cache.size >= MOST_PAGES) dropOldest(this.#cache, MOST_PAGES / 4);
      this.#cache.set(pfn, page);
    }
    this.#lastPfn = pfn;
    this.#lastPage = page;
    return page;
  }

  /** Pages in the file, ascending; for a scan. Those read are not kept. */
  *scan(): Iterable<readonly [number, Buffer]> {
    for (const pfn of this.#pages.pfns()) {
      const page = this.#pages.read(pfn);
      if (page !== undefined) yield [pfn, page];
    }
  }

  close(): void {
    this.#cache.clear();
    this.#raw.close();
  }

  #compression(): FileFacts['compression'] {
    if (!(this.#pages instanceof Kdump)) return 'none';
    const found = [...this.#pages.compressions].filter((name) => name !== 'none');
    if (found.length > 1) return 'mixed';
    return (found[0] ?? (this.#pages.compressions.size > 0 ? 'none' : 'unknown')) as FileFacts['compression'];
  }
}

function shapeWarnings(kdump: KdumpHeader | undefined, pages: Pages): string[] {
  if (kdump?.part !== undefined)
    return ['one part of a split dump: the rest is missing; join the parts with makedumpfile --reassemble'];
  return pages instanceof ElfCore && pages.hasHoles
    ? ['makedumpfile left memory out of this file: it reads as zeros']
    : [];
}

function formatName(flat: boolean, kdump: boolean): FileFacts['format'] {
  if (kdump) return flat ? 'flattened kdump' : 'kdump';
  return flat ? 'flattened elf' : 'elf';
}

function brokenWarnings(flat: Flattened | undefined): string[] {
  if (flat?.brokenAt === undefined) return [];
  const lost = flat.truncated
    ? 'what follows it cannot be read'
    : `${flat.breaks === 1 ? 'one record is' : `${flat.breaks} records are`} lost, and some memory with them`;
  return [`the file is damaged: the chain of its records is broken at byte ${flat.brokenAt}; ${lost}`];
}
