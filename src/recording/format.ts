/**
 * The binary parts of a recording, all of them skippable zstd frames, so that `zstd -dc` prints the text and nothing else.
 *
 *   head  frame  seal   head  frame  seal  …  index
 *
 * A head says that a chunk begins; its frame is the text, whole lines of JSON; the seal, written when the chunk is over, says
 * what is in it, with the frame's checksum. The index repeats all seals; the last bytes of the file say where it begins.
 * Every part has a signature and a checksum, so a reader finds its way back after damage. Numbers are little endian.
 */
import { crc32 } from 'node:zlib';
import type { Mark } from '../sources/source.ts';
import { NAME } from './encode.ts';
import {
  CHUNK_MARKS,
  FORMAT,
  MOST_CHUNKS,
  MOST_INDEX,
  MOST_LINES,
  MOST_MONITORS,
  MOST_PACKED,
  MOST_SEAL,
  MOST_TEXT,
} from './limits.ts';
import { array, finite, members, moment, object, text, texts, Unfit, whole } from './shape.ts';
import { pack, unpack } from './zstd.ts';

/** One of the 16 that zstd skips. */
const SKIPPABLE = 0x184d2a5b;
/** Magic and length, as zstd wants them, and the signature. */
export const PART_FRONT = 16;
const CRC = 4;
/** Signatures are 8 bytes; this much of them is common. */
export const SIGNATURE = Buffer.from('ktop');
const SIGNATURE_AT = 8;

export const HEAD_BYTES = PART_FRONT + 16 + CRC;
const SEAL_FIXED = 44;
export const TRAILER_BYTES = 24;

/** A chunk as its seal and the index describe it. Times: milliseconds since the epoch. */
export interface ChunkInfo {
  /** Of its head in the file. */
  readonly offset: number;
  /** Bytes of its frame, and of the text in it. */
  readonly packed: number;
  readonly text: number;
  /** CRC-32 of the frame. */
  readonly crc: number;
  /** When it was begun; when the last thing in it happened. */
  readonly from: number;
  readonly to: number;
  /** Snapshots by monitor. */
  readonly counts: Readonly<Record<string, number>>;
  readonly marks: readonly Mark[];
}

export interface Head {
  readonly version: number;
  readonly number: number;
  readonly from: number;
}

function part(signature: string, content: Buffer): Buffer {
  const bytes = Buffer.alloc(PART_FRONT + content.length + CRC);
  bytes.writeUInt32LE(SKIPPABLE, 0);
  bytes.writeUInt32LE(bytes.length - SIGNATURE_AT, 4);
  bytes.write(signature, SIGNATURE_AT, 'latin1');
  content.copy(bytes, PART_FRONT);
  bytes.writeUInt32LE(crc32(bytes.subarray(0, -CRC)), bytes.length - CRC);
  return bytes;
}

/** What kind of part begins at `at`, and how many bytes it should have. Nothing is checked but signature and length. */
export function partAt(
  bytes: Buffer,
  at: number,
): { readonly kind: string; readonly length: number } | undefined {
  if (at < 0 || at + PART_FRONT > bytes.length || bytes.readUInt32LE(at) !== SKIPPABLE) return undefined;
  const signature = bytes.toString('latin1', at + SIGNATURE_AT, at + PART_FRONT);
  const kind = KINDS.get(signature);
  const length = bytes.readUInt32LE(at + 4) + SIGNATURE_AT;
  return kind === undefined || length < PART_FRONT + CRC ? undefined : { kind, length };
}

const KINDS: ReadonlyMap<string, 'head' | 'seal' | 'index'> = new Map([
  ['ktopHEAD', 'head'],
  ['ktopSEAL', 'seal'],
  ['ktopINDX', 'index'],
]);
/** From a part's first byte to its signature. */
export const SIGNATURE_OFFSET = SIGNATURE_AT;

/** The content of a whole part; undefined when its checksum is wrong. */
function content(bytes: Buffer): Buffer | undefined {
  const end = bytes.length - CRC;
  return end >= PART_FRONT && crc32(bytes.subarray(0, end)) === bytes.readUInt32LE(end)
    ? bytes.subarray(PART_FRONT, end)
    : undefined;
}

export function makeHead(number: number, from: number): Buffer {
  const bytes = Buffer.alloc(16);
  bytes.writeUInt16LE(FORMAT, 0);
  bytes.writeUInt32LE(number, 4);
  bytes.writeDoubleLE(from, 8);
  return part('ktopHEAD', bytes);
}

export function readHead(bytes: Buffer): Head | undefined {
  const inside = content(bytes);
  if (inside?.length !== HEAD_BYTES - PART_FRONT - CRC) return undefined;
  return {
    version: inside.readUInt16LE(0),
    number: inside.readUInt32LE(4),
    from: inside.readDoubleLE(8),
  };
}

export function makeSeal(info: ChunkInfo): Buffer {
  const { offset, packed, text: length, crc, from, to, counts, marks } = info;
  const json = Buffer.from(JSON.stringify({ counts, marks }));
  const bytes = Buffer.alloc(SEAL_FIXED);
  bytes.writeBigUInt64LE(BigInt(offset), 0);
  bytes.writeUInt32LE(packed, 8);
  bytes.writeUInt32LE(length, 12);
  bytes.writeUInt32LE(crc, 16);
  bytes.writeDoubleLE(from, 24);
  bytes.writeDoubleLE(to, 32);
  bytes.writeUInt32LE(json.length, 40);
  return part('ktopSEAL', Buffer.concat([bytes, json]));
}

/** Undefined for what is damaged or says impossible things. */
export function readSeal(bytes: Buffer): ChunkInfo | undefined {
  const inside = content(bytes);
  if (inside === undefined || inside.length < SEAL_FIXED || inside.length > MOST_SEAL) return undefined;
  try {
    return checked({
      offset: Number(inside.readBigUInt64LE(0)),
      packed: inside.readUInt32LE(8),
      text: inside.readUInt32LE(12),
      crc: inside.readUInt32LE(16),
      from: inside.readDoubleLE(24),
      to: inside.readDoubleLE(32),
      ...object(JSON.parse(inside.toString('utf8', SEAL_FIXED)), 'seal'),
    });
  } catch {
    return undefined;
  }
}

/** The index of a file whose index begins at `offset`; undefined when there are more chunks than fit. */
export function makeIndex(chunks: readonly ChunkInfo[], offset: number): Buffer | undefined {
  const names = [...new Set(chunks.flatMap(({ counts }) => Object.keys(counts)))];
  const rows = chunks.map(({ offset: at, packed, text: length, crc, from, to, counts }) => [
    ...[at, packed, length, crc, from, to],
    ...names.map((name) => counts[name] ?? 0),
  ]);
  const marks = chunks.flatMap((info, chunk) =>
    info.marks.map(({ time, kind, monitor, text: words }) => [chunk, time, kind, monitor, words]),
  );
  const json = Buffer.from(JSON.stringify({ names, chunks: rows, marks }));
  if (json.length > MOST_INDEX) return undefined;
  const packed = pack(json);
  const trailer = Buffer.alloc(TRAILER_BYTES - CRC);
  trailer.writeBigUInt64LE(BigInt(offset), 0);
  trailer.writeUInt32LE(packed.length, 8);
  trailer.write('ktopTAIL', 12, 'latin1');
  return part('ktopINDX', Buffer.concat([packed, trailer]));
}

/** Where the index begins and how long it is, from the last bytes of a file. */
export function readTrailer(bytes: Buffer, size: number): { offset: number; length: number } | undefined {
  if (bytes.length !== TRAILER_BYTES || bytes.toString('latin1', 12, 20) !== 'ktopTAIL') return undefined;
  const offset = Number(bytes.readBigUInt64LE(0));
  const length = PART_FRONT + bytes.readUInt32LE(8) + TRAILER_BYTES;
  return offset + length === size ? { offset, length } : undefined;
}

/** The chunks of an index, in order of time; undefined for what is damaged or says impossible things. */
export function readIndex(bytes: Buffer, offset: number): readonly ChunkInfo[] | undefined {
  const inside = content(bytes);
  if (inside === undefined || partAt(bytes, 0)?.kind !== 'index') return undefined;
  try {
    const packed = inside.subarray(0, inside.length - (TRAILER_BYTES - CRC));
    const index = object(JSON.parse(unpack(packed, MOST_INDEX, 1 << 16).toString()), 'index');
    const names = texts(index.names, 'names');
    if (names.length > MOST_MONITORS) return undefined;
    const marks = new Map<number, unknown[]>();
    for (const row of array(index.marks, 'marks', MOST_CHUNKS)) {
      const [chunk, time, kind, monitor, words] = array(row, 'mark', 5);
      const number = whole(chunk, 'chunk', MOST_CHUNKS);
      const found = marks.get(number) ?? [];
      marks.set(number, found);
      found.push({ time, kind, monitor, text: words });
    }
    const chunks = array(index.chunks, 'chunks', MOST_CHUNKS).map((row, number) => {
      const [at, size, length, crc, from, to, ...numbers] = array(row, 'chunk', 6 + names.length);
      const counts = Object.fromEntries(names.map((name, column) => [name, numbers[column]]));
      const info = { offset: at, packed: size, text: length, crc, from, to, counts };
      return checked({ ...info, marks: marks.get(number) ?? [] });
    });
    return inOrder(chunks, offset) ? chunks : undefined;
  } catch {
    return undefined;
  }
}

/** Chunks follow one another, in the file and in time, and end before `end`. */
export function inOrder(chunks: readonly ChunkInfo[], end: number): boolean {
  let [at, time] = [0, 0];
  return chunks.every(({ offset, packed, from, to }) => {
    const fits = offset >= at && from >= time && to >= from;
    at = offset + HEAD_BYTES + packed;
    time = to;
    return fits && at <= end;
  });
}

function checked(value: unknown): ChunkInfo {
  const { offset, packed, text: length, crc, from, to, counts, marks } = object(value, 'chunk');
  return {
    offset: whole(offset, 'offset'),
    packed: whole(packed, 'packed', MOST_PACKED),
    text: whole(length, 'text', MOST_TEXT),
    crc: whole(crc, 'crc', 0xffffffff),
    from: moment(from, 'from'),
    to: moment(to, 'to'),
    counts: members(counts, 'counts', MOST_MONITORS, (count) => whole(count, 'count', MOST_LINES)),
    marks: array(marks, 'marks', CHUNK_MARKS).map((mark) => {
      const { time, kind, monitor, text: words } = object(mark, 'mark');
      if (kind !== 'incident' && kind !== 'loss') throw new Unfit('kind is not known');
      const name = text(monitor, 'monitor');
      if (name !== '' && !NAME.test(name)) throw new Unfit('monitor has no name');
      return { time: finite(time, 'time', 0, 8.64e15), kind, monitor: name, text: text(words, 'text') };
    }),
  };
}
