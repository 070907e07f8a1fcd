/**
 * Numbers as JSON, bit for bit. Finite ones are plain: their shortest text reads back as the same number. What JSON has no
 * word for: NaN is null; "inf", "-inf", "-0"; a NaN with other bits than the usual is "nan:" and its 16 hex digits.
 */

const PLAIN_NAN = 0x7ff8000000000000n;
const DIGITS = /^nan:([0-9a-f]{16})$/;

const float = new Float64Array(1);
const bits = new BigUint64Array(float.buffer);

function word(value: number, at: bigint): string {
  if (Number.isNaN(value)) return at === PLAIN_NAN ? 'null' : `"nan:${at.toString(16).padStart(16, '0')}"`;
  if (Number.isFinite(value)) return Object.is(value, -0) ? '"-0"' : String(value);
  return value > 0 ? '"inf"' : '"-inf"';
}

/** One number. */
export function numberText(value: number): string {
  float[0] = value;
  return word(value, bits[0] as bigint);
}

/** A column of numbers as a JSON array. */
export function numbersText(values: Float64Array): string {
  if (values.every(isPlain)) return `[${values.join(',')}]`;
  const all = values.byteOffset % 8 === 0 ? values : values.slice();
  const raw = new BigUint64Array(all.buffer, all.byteOffset, all.length);
  return `[${Array.from(all, (value, index) => word(value, raw[index] as bigint)).join(',')}]`;
}

function isPlain(value: number): boolean {
  return value - value === 0 && (value !== 0 || !Object.is(value, -0));
}

/** The number that a JSON value stands for; undefined when it stands for none. */
export function readNumber(value: unknown): number | undefined {
  if (typeof value === 'number') return value;
  if (value === null) return Number.NaN;
  if (typeof value !== 'string') return undefined;
  return WORDS.get(value) ?? (DIGITS.test(value) ? Number.NaN : undefined);
}

const WORDS: ReadonlyMap<string, number> = new Map([
  ['inf', Number.POSITIVE_INFINITY],
  ['-inf', Number.NEGATIVE_INFINITY],
  ['-0', -0],
]);

/** The column that a JSON value stands for, of exactly that length; undefined when it stands for none. */
export function readNumbers(value: unknown, length: number): Float64Array | undefined {
  if (!Array.isArray(value) || value.length !== length) return undefined;
  const column = new Float64Array(length);
  for (let index = 0; index < length; index += 1) {
    const number = readNumber(value[index]);
    if (number === undefined) return undefined;
    column[index] = number;
    const digits =
      Number.isNaN(number) && typeof value[index] === 'string' ? DIGITS.exec(value[index])?.[1] : undefined;
    if (digits !== undefined) {
      const at = BigInt(`0x${digits}`);
      new BigUint64Array(column.buffer)[index] = at;
      if (!Number.isNaN(column[index])) return undefined;
    }
  }
  return column;
}
