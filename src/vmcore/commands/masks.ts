/** Sets of CPUs and memory nodes as they lie in memory. */
import type { Ctx, Struct } from '../core.ts';

/** Numbers of the bits set, below `most`. */
export function bitsOf(bytes: Uint8Array, most: number): number[] {
  const found: number[] = [];
  for (let bit = 0; bit < Math.min(most, bytes.length * 8); bit += 1)
    if (((bytes[bit >> 3] as number) >> (bit & 7)) & 1) found.push(bit);
  return found;
}

/** `0-3,7`; `''` for none. */
export function listText(numbers: readonly number[]): string {
  const parts: string[] = [];
  for (let at = 0; at < numbers.length; ) {
    let end = at;
    while (numbers[end + 1] === (numbers[end] as number) + 1) end += 1;
    parts.push(end === at ? `${numbers[at]}` : `${numbers[at]}-${numbers[end]}`);
    at = end + 1;
  }
  return parts.join(',');
}

/** Longest mask that is read: 8192 CPUs. */
const MOST_BYTES = 1024;

/** A cpumask or nodemask member as a list; a pointer to one where the kernel was built for many CPUs. `-` = unknown. */
export function maskText(ctx: Ctx, owner: Struct, path: string, most: number): string {
  const member = ctx.member(owner.type, path);
  if (member === undefined) return '-';
  const address = member.kind === 'pointer' ? owner.ptr(path) : owner.addressOf(path);
  if (address === undefined || address === 0n) return '-';
  const bytes = ctx.read(address, Math.min(MOST_BYTES, Math.ceil(most / 64) * 8));
  return bytes === undefined ? '-' : listText(bitsOf(bytes, most));
}

/** One more than the highest CPU number. */
export const cpuLimit = (ctx: Ctx): number => ctx.cpus.reduce((most, cpu) => Math.max(most, cpu + 1), 1);
