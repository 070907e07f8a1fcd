/** Snappy (raw format), as makedumpfile -p writes pages. Every read and write is checked. */
export function snappyDecompress(source: Uint8Array, size: number): Buffer | undefined {
  let at = 0;
  let length = 0;
  for (let shift = 0; ; shift += 7) {
    const byte = source[at++];
    if (byte === undefined || shift > 28) return undefined;
    length += (byte & 127) * 2 ** shift;
    if (byte < 128) break;
  }
  if (length !== size) return undefined;
  const out = Buffer.allocUnsafe(size);
  let to = 0;
  while (at < source.length) {
    const tag = source[at++] as number;
    const kind = tag & 3;
    const more = [0, 1, 2, 4][kind] as number;
    if (kind === 0) {
      let count = (tag >> 2) + 1;
      if (count > 60) {
        const bytes = count - 60;
        if (at + bytes > source.length) return undefined;
        count = little(source, at, bytes) + 1;
        at += bytes;
      }
      if (at + count > source.length || to + count > size) return undefined;
      out.set(source.subarray(at, at + count), to);
      at += count;
      to += count;
      continue;
    }
    if (at + more > source.length) return undefined;
    const low = little(source, at, more);
    at += more;
    const count = kind === 1 ? ((tag >> 2) & 7) + 4 : (tag >> 2) + 1;
    const distance = kind === 1 ? ((tag >> 5) << 8) | low : low;
    if (distance === 0 || distance > to || to + count > size) return undefined;
    for (let left = count; left > 0; left--, to++) out[to] = out[to - distance] as number;
  }
  return to === size ? out : undefined;
}

function little(bytes: Uint8Array, at: number, count: number): number {
  let value = 0;
  for (let i = count - 1; i >= 0; i--) value = value * 256 + (bytes[at + i] as number);
  return value;
}
