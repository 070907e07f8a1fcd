/** From a file to memory: find VMCOREINFO, the page tables and phys_base, and see that they are right. */
import { CoreError } from '../file/bytes.ts';
import type { CoreFile } from '../file/core-file.ts';
import { Mem, TEXT_MAP, type Translation } from './mem.ts';
import { VmcoreInfo } from './vmcoreinfo.ts';

/** How long a scan for VMCOREINFO may take: with all else an answer comes within a second. */
const SCAN_MS = 600;
const MARK = Buffer.from('OSRELEASE=');
/** 64 names of new_utsname are 65 bytes each; release is the third. */
const UTS_NAME = 65;

export interface Uts {
  readonly sysname: string;
  readonly nodename: string;
  readonly release: string;
  readonly version: string;
  readonly machine: string;
}

export interface Booted {
  readonly info: VmcoreInfo;
  readonly mem: Mem;
  readonly translation: Translation;
  readonly physBase: bigint;
  readonly uts: Uts;
  readonly warnings: readonly string[];
}

/** Throws a CoreError with what is missing. */
export function bootMemory(file: CoreFile): Booted {
  const problems: CoreError[] = [];
  if (file.vmcoreinfo !== undefined) {
    try {
      return fromInfo(file, new VmcoreInfo(file.vmcoreinfo), []);
    } catch (error) {
      if (!(error instanceof CoreError)) throw error;
      // What is missing will not be found elsewhere.
      if (file.truncated) throw error;
      problems.push(error);
    }
  }
  const found = scan(file, (info) => {
    try {
      return fromInfo(file, info, [
        problems.length === 0
          ? 'the file has no VMCOREINFO note; it was found in memory'
          : 'the VMCOREINFO note is of no use; another was found in memory',
      ]);
    } catch (error) {
      if (!(error instanceof CoreError)) throw error;
      problems.push(error);
      return undefined;
    }
  });
  if (found !== undefined) return found;
  throw (
    problems[0] ??
    new CoreError(
      'vmcoreinfo',
      file.brokenAt !== undefined
        ? `the file is damaged: its records cannot be followed at byte ${file.brokenAt}; copy it again`
        : file.truncated
          ? 'the file is cut off before its memory: neither log nor tables can be read; copy it again'
          : 'no VMCOREINFO: neither as a note nor in the memory that was searched; dump with -device vmcoreinfo (QEMU) or by kdump',
    )
  );
}

/** Pages that begin as VMCOREINFO does, until one serves or the time is over. */
function scan<T>(file: CoreFile, use: (info: VmcoreInfo) => T | undefined): T | undefined {
  const until = performance.now() + SCAN_MS;
  let pages = 0;
  for (const [, page] of file.scan()) {
    if (page.subarray(0, MARK.length).equals(MARK)) {
      const end = page.indexOf(0);
      const result = use(new VmcoreInfo(page.toString('latin1', 0, end < 0 ? page.length : end)));
      if (result !== undefined) return result;
    }
    if (++pages % 256 === 0 && performance.now() > until) return undefined;
  }
  return undefined;
}

function fromInfo(file: CoreFile, info: VmcoreInfo, warnings: readonly string[]): Booted {
  const release = info.release;
  if (release === undefined) throw new CoreError('vmcoreinfo', 'VMCOREINFO names no release: it is damaged');
  const base = info.number('phys_base');
  const top = info.symbol('swapper_pg_dir') ?? info.symbol('init_top_pgt');
  const names = info.symbol('init_uts_ns');
  if (base === undefined || top === undefined || names === undefined || top < TEXT_MAP)
    throw new CoreError(
      'memory',
      `VMCOREINFO of ${release} lacks phys_base, swapper_pg_dir or init_uts_ns; only x86-64 kernels can be read`,
    );
  const physBase = BigInt(base);
  const translation: Translation = {
    root: Number(top - TEXT_MAP + physBase),
    levels: info.number('pgtable_l5_enabled') === 1 ? 5 : 4,
    encryption: info.number('sme_mask') ?? 0,
  };
  const mem = new Mem(file, physBase, translation);
  const at = names + BigInt(info.offset('uts_namespace.name') ?? 0);
  const bytes = mem.read(at, UTS_NAME * 5);
  if (bytes === undefined)
    throw new CoreError(
      'memory',
      file.brokenAt !== undefined
        ? `the file is damaged: its records cannot be followed at byte ${file.brokenAt}, and the kernel's own memory is in what is lost; copy it again`
        : file.truncated
          ? "the file is cut off, and the kernel's own memory is in the part that is missing; copy it again"
          : file.kdump?.part !== undefined
            ? "this part of a split dump lacks the kernel's own memory; join the parts with makedumpfile --reassemble"
            : "the kernel's own memory is not in the file, or its page tables are damaged",
    );
  const text = (index: number) =>
    bytes.toString('latin1', index * UTS_NAME, (index + 1) * UTS_NAME).replace(/\0.*$/s, '');
  const uts: Uts = {
    sysname: text(0),
    nodename: text(1),
    release: text(2),
    version: text(3),
    machine: text(4),
  };
  if (uts.release !== release)
    throw new CoreError(
      'memory',
      `VMCOREINFO is of ${release}, but the memory it leads to does not say so: wrong or damaged`,
    );
  return { info, mem, translation, physBase, uts, warnings };
}
