/** What a file of perf record says of events that were lost: the records, and in them the numbers. */
import { closeSync, openSync, readSync } from 'node:fs';

const MAGIC = 'PERFILE2';
const SAMPLE = 9;
const LOST = 2;
const LOST_SAMPLES = 13;

/** Samples in the file, and events that the kernel had no room for. */
export function lossOf(path) {
  const fd = openSync(path, 'r');
  try {
    const head = Buffer.alloc(64);
    readSync(fd, head, 0, head.length, 0);
    if (head.toString('latin1', 0, 8) !== MAGIC) throw new Error(`${path} is no file of perf record`);
    const end = Number(head.readBigUInt64LE(40) + head.readBigUInt64LE(48));
    return countRecords(fd, Number(head.readBigUInt64LE(40)), end);
  } finally {
    closeSync(fd);
  }
}

function countRecords(fd, start, end) {
  const chunk = Buffer.alloc(1 << 24);
  let [samples, reported, counted] = [0, 0n, 0n];
  for (let at = start; at < end; ) {
    const size = readSync(fd, chunk, 0, Math.min(chunk.length, end - at), at);
    if (size === 0) break;
    let offset = 0;
    while (offset + 8 <= size) {
      const type = chunk.readUInt32LE(offset);
      const length = chunk.readUInt16LE(offset + 6);
      if (length < 8 || offset + length > size) break;
      if (type === SAMPLE) samples += 1;
      else if (type === LOST) reported += chunk.readBigUInt64LE(offset + 16);
      else if (type === LOST_SAMPLES) counted += chunk.readBigUInt64LE(offset + 8);
      offset += length;
    }
    // What is cut off at the end of this piece begins the next one.
    if (offset === 0) break;
    at += offset;
  }
  // Newer kernels count what was lost after the last record that told of it, too.
  return { samples, lost: Number(counted > reported ? counted : reported) };
}
