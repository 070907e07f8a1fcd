/**
 * LZO1X, as makedumpfile -l writes pages. A decoder after the description in the kernel's
 * Documentation/staging/lzo.rst. Every read and write is checked; a damaged stream gives undefined.
 */
export function lzoDecompress(source: Uint8Array, size: number): Buffer | undefined {
  const out = Buffer.allocUnsafe(size);
  const end = source.length;
  let from = 0;
  let to = 0;
  /** Literals copied by the last instruction, 0 to 3, or 4 for more: it decides what a code below 16 means. */
  let state = 0;

  /** A length continued in bytes: zeros count 255 each. */
  const longer = (base: number): number => {
    let length = base;
    while (from < end && source[from] === 0) {
      length += 255;
      from += 1;
      if (length > size) return -1;
    }
    return from < end ? length + (source[from++] as number) : -1;
  };
  const literals = (count: number): boolean => {
    if (count < 0 || from + count > end || to + count > size) return false;
    for (let left = count; left > 0; left--) out[to++] = source[from++] as number;
    return true;
  };
  const match = (distance: number, length: number): boolean => {
    if (length < 0 || distance <= 0 || distance > to || to + length > size) return false;
    for (let left = length; left > 0; left--, to++) out[to] = out[to - distance] as number;
    return true;
  };

  const first = source[0];
  if (first === undefined) return undefined;
  if (first > 17) {
    from = 1;
    if (!literals(first - 17)) return undefined;
    state = Math.min(first - 17, 4);
  }
  while (from < end) {
    const code = source[from++] as number;
    let after: number;
    if (code < 16 && state === 0) {
      if (!literals(code === 0 ? longer(18) : code + 3)) return undefined;
      state = 4;
      continue;
    }
    if (code >= 64) {
      if (from >= end) return undefined;
      const distance = ((source[from++] as number) << 3) + ((code >> 2) & 7) + 1;
      if (!match(distance, (code >> 5) + 1)) return undefined;
      after = code & 3;
    } else if (code >= 32) {
      const length = (code & 31) === 0 ? longer(33) : (code & 31) + 2;
      if (from + 2 > end) return undefined;
      const low = (source[from] as number) | ((source[from + 1] as number) << 8);
      from += 2;
      if (!match((low >> 2) + 1, length)) return undefined;
      after = low & 3;
    } else if (code >= 16) {
      const length = (code & 7) === 0 ? longer(9) : (code & 7) + 2;
      if (from + 2 > end) return undefined;
      const low = (source[from] as number) | ((source[from + 1] as number) << 8);
      from += 2;
      const distance = 16384 + ((code & 8) << 11) + (low >> 2);
      // The end of the stream.
      if (distance === 16384) return to === size ? out : undefined;
      if (!match(distance, length)) return undefined;
      after = low & 3;
    } else {
      if (from >= end) return undefined;
      const high = (source[from++] as number) << 2;
      const short = high + (code >> 2) + 1;
      if (!(state === 4 ? match(short + 2048, 3) : match(short, 2))) return undefined;
      after = code & 3;
    }
    if (!literals(after)) return undefined;
    state = after;
  }
  // Without an end mark, but all there.
  return to === size ? out : undefined;
}
