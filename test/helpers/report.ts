/** Reports made by hand, for what only reads them. */
import type { Table } from '../../src/sources/snapshot.ts';
import { type Row, tableOfRows } from '../../src/vmcore/commands/rows.ts';
import type {
  CrashFacts,
  DmesgEntry,
  Frame,
  KernelFacts,
  Report,
  Section,
  SectionName,
} from '../../src/vmcore/report.ts';

export interface ReportParts {
  readonly crash?: Partial<CrashFacts>;
  readonly kernel?: Partial<KernelFacts>;
  /** Section → table → rows. */
  readonly tables?: Partial<Record<SectionName, Readonly<Record<string, readonly Row[]>>>>;
  readonly log?: readonly string[];
  readonly stacks?: readonly { readonly cpu: number; readonly frames: readonly string[] }[];
}

/** `name` or `name [module]`, with stack pointers 64 bytes apart. */
export const frames = (names: readonly string[]): Frame[] =>
  names.map((name, i) => {
    const [, symbol = '', module] = /^(\S+)(?: \[(.*)\])?$/.exec(name) ?? [];
    const sp = `0x${(0xffffc90000000000n + BigInt(i * 64)).toString(16)}`;
    return {
      ip: '0xffffffff81000000',
      sp,
      function: symbol,
      kind: 'normal',
      ...(module === undefined ? {} : { module }),
    };
  });

export function report({ crash, kernel, tables = {}, log, stacks }: ReportParts = {}): Report {
  const sections: Partial<Record<SectionName, Section>> = {};
  for (const [name, found] of Object.entries(tables))
    sections[name as SectionName] = section(
      Object.fromEntries(Object.entries(found).map(([table, rows]) => [table, tableOfRows(rows)])),
    );
  if (log !== undefined) sections.dmesg = { ...section({}), logs: { dmesg: log.map(entry) } };
  if (stacks !== undefined)
    sections.cpus = {
      ...(sections.cpus ?? section({})),
      stacks: stacks.map((one) => ({
        task: '0xffff888001000000',
        pid: 100 + one.cpu,
        comm: 'task',
        cpu: one.cpu,
        state: 'R',
        frames: frames(one.frames),
        exact: true,
        stopped: '',
      })),
    };
  return {
    schema: 1,
    status: 'full',
    file: {
      path: '/cores/vmcore',
      size: 4e7,
      mtime: 1.7e12,
      device: '1',
      inode: '2',
      format: 'kdump',
      shape: 'qemu',
      compression: 'zlib',
      truncated: false,
    },
    kernel: { page_size: 4096, taint_flags: [], ...kernel },
    crash: { class: 'unknown', panic_line: '', panic_stack: [], ...crash },
    findings: [],
    sections,
    failures: [],
    ms: 100,
    timings: {},
  };
}

const section = (tables: Readonly<Record<string, Table>>): Section => ({
  backend: 'native',
  ms: 1,
  warnings: [],
  tables,
  logs: {},
});

const entry = (text: string, i: number): DmesgEntry => ({
  at_ms: i,
  cpu: 0,
  pid: 0,
  tid: 0,
  comm: '',
  text,
  level: 6,
});
