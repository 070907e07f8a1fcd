/** Checking JSON that nobody vouches for. Every function throws `Unfit` for what is not as it must be. */

/** Says what is wrong with a line; the line is skipped. */
export class Unfit extends Error {}

export type Json = Readonly<Record<string, unknown>>;

export function object(value: unknown, what: string): Json {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new Unfit(`${what} is no object`);
  return value as Json;
}

export function text(value: unknown, what: string): string {
  if (typeof value !== 'string') throw new Unfit(`${what} is no text`);
  return value;
}

export function texts(value: unknown, what: string): readonly string[] {
  const all = array(value, what);
  for (const item of all) if (typeof item !== 'string') throw new Unfit(`${what} holds what is no text`);
  return all as readonly string[];
}

export function array(value: unknown, what: string, most = Number.POSITIVE_INFINITY): readonly unknown[] {
  if (!Array.isArray(value)) throw new Unfit(`${what} is no list`);
  if (value.length > most) throw new Unfit(`${what} has ${value.length} entries; ${most} at most`);
  return value;
}

/** A finite number from `low` to `high`. */
export function finite(
  value: unknown,
  what: string,
  low = -Number.MAX_VALUE,
  high = Number.MAX_VALUE,
): number {
  if (typeof value !== 'number' || !(value >= low && value <= high))
    throw new Unfit(`${what} is no number from ${low} to ${high}`);
  return value;
}

export function whole(value: unknown, what: string, high = Number.MAX_SAFE_INTEGER): number {
  const number = finite(value, what, 0, high);
  if (!Number.isInteger(number)) throw new Unfit(`${what} is no whole number`);
  return number;
}

/** Milliseconds since the epoch that a Date can hold. */
export function moment(value: unknown, what: string): number {
  return finite(value, what, 0, 8.64e15);
}

/** The members of an object, each read by `read`; a name such as `__proto__` stays a name. */
export function members<Value>(
  value: unknown,
  what: string,
  most: number,
  read: (value: unknown, name: string) => Value,
): Readonly<Record<string, Value>> {
  const all = Object.entries(object(value, what));
  if (all.length > most) throw new Unfit(`${what} has ${all.length} members; ${most} at most`);
  return Object.fromEntries(all.map(([name, member]) => [name, read(member, name)]));
}
