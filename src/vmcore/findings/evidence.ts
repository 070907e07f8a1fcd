/** What the rules look at: rows of a report's tables, and the registers that an oops has printed. */
import { numberAt, type Table, textAt } from '../../sources/snapshot.ts';
import type { Report, SectionName } from '../report.ts';

/** A report before its findings are known. */
export type Examined = Omit<Report, 'findings'>;

/** One row; unknown is `''` or NaN. */
export interface TableRow {
  text(column: string): string;
  num(column: string): number;
}

/** Rows of a table, none when it is not there. Read as they are asked for. */
export function rowsOf(report: Examined, section: SectionName, name: string = section): readonly TableRow[] {
  const table = report.sections[section]?.tables[name];
  return table === undefined ? [] : Array.from({ length: table.length }, (_, row) => rowAt(table, row));
}

function rowAt(table: Table, row: number): TableRow {
  return {
    text: (column) => textAt(table.columns[column], row),
    num: (column) => numberAt(table.columns[column], row),
  };
}

/** A register of the kernel at the fault. */
export interface Register {
  readonly name: string;
  readonly value: bigint;
}

/** Lines of an oops that may have registers in them. */
const OOPS_LINES = 120;
const REGISTER = /\b(R(?:[ABCD]X|[SD]I|[BS]P|0?8|0?9|1[0-5])|CR2): ?([\da-f]{16})\b/g;

/** As the oops has printed them: those of the kernel, not those of the system call under it. */
export function faultRegisters({ crash, sections }: Examined): readonly Register[] {
  const log = sections.dmesg?.logs.dmesg ?? [];
  const start = crash.log_index ?? -1;
  if (start < 0) return [];
  const found = new Map<string, bigint>();
  for (const { text } of log.slice(start, start + OOPS_LINES)) {
    // User code, or the end of the oops: what follows are other registers.
    if (/\bRIP: 0?033:|---\[ end /.test(text)) break;
    for (const [, name = '', value = '0'] of text.matchAll(REGISTER))
      if (!found.has(name)) found.set(name, BigInt(`0x${value}`));
  }
  return [...found].map(([name, value]) => ({ name, value }));
}

/** `0x…` with 16 digits. */
export const hex = (value: bigint): string => `0x${BigInt.asUintN(64, value).toString(16).padStart(16, '0')}`;

/** The value of an address text; undefined when it is none. */
export function addressOf(text: string | undefined): bigint | undefined {
  return text !== undefined && /^(?:0x)?[\da-f]{1,16}$/i.test(text)
    ? BigInt(`0x${text.replace(/^0x/i, '')}`)
    : undefined;
}

/** 900 ms, 12.3 s, 5 min */
export function time(ms: number): string {
  if (!Number.isFinite(ms)) return 'an unknown time';
  if (ms < 1000) return `${Math.round(ms)} ms`;
  return ms < 120_000 ? `${(ms / 1000).toFixed(1)} s` : `${Math.round(ms / 60_000)} min`;
}

export const plural = (n: number, one: string, many = `${one}s`): string => `${n} ${n === 1 ? one : many}`;
