/**
 * The flattened format of makedumpfile and QEMU: a stream of (offset, size, bytes) records, later ones writing over
 * earlier ones. Read in place: an index of which record holds which bytes, nothing is copied.
 */
import type { Bytes, RawFile } from './bytes.ts';

const HEADER = 4096;
const SIGNATURE = 'makedumpfile';
/** Bounds of what a damaged chain can make of us. */
const MOST_RECORDS = 8_000_000;
const LONGEST_RECORD = 2 ** 40;
/** Records shorter than this share blocks with their neighbours. */
const DENSE = 4096;
/** In place of an offset: there are no more. */
const END = -1;
/** Behind a damaged record the next one is looked for, as far as so much time allows. */
const SEEK_MS = 300;
const SEEK_CHUNK = 2 ** 20;
/** Records back in which the one that the last continues is. */
const MOST_STREAMS = 64;
/** So many one behind the other are no accident. */
const SURE_RECORDS = 4;

export function isFlattened(file: RawFile): boolean {
  const head = file.read(0, 32);
  return head !== undefined && head.toString('latin1', 0, SIGNATURE.length) === SIGNATURE;
}

export class Flattened implements Bytes {
  readonly size: number;
  /** The end mark was not reached. */
  readonly truncated: boolean;
  /** The chain of records is broken here for the first time. */
  readonly brokenAt: number | undefined;
  /** How often. With `truncated` what follows the last break is not in the index. */
  readonly breaks: number;
  readonly #file: RawFile;
  /** Pieces in order of their offset, without overlap: offset, length, place in the file. */
  readonly #starts: Float64Array;
  readonly #lengths: Float64Array;
  readonly #places: Float64Array;
  #hint = 0;

  constructor(file: RawFile) {
    this.#file = file;
    const { pieces, truncated, brokenAt, breaks } = index(file);
    this.truncated = truncated;
    this.brokenAt = brokenAt;
    this.breaks = breaks;
    this.#starts = Float64Array.from(pieces, ([start]) => start);
    this.#lengths = Float64Array.from(pieces, ([, length]) => length);
    this.#places = Float64Array.from(pieces, ([, , place]) => place);
    const last = pieces.at(-1);
    this.size = last === undefined ? 0 : last[0] + last[1];
  }

  read(offset: number, length: number): Buffer | undefined {
    let at = this.#find(offset);
    if (at < 0) return undefined;
    const first = this.#piece(at, offset);
    if (first.left >= length) return this.#file.read(first.place, length);
    const out = Buffer.allocUnsafe(length);
    let done = 0;
    while (done < length) {
      const start = this.#starts[at];
      if (start === undefined || start > offset + done) return undefined;
      const { place, left } = this.#piece(at, offset + done);
      const part = this.#file.read(place, Math.min(left, length - done));
      if (part === undefined) return undefined;
      done += part.copy(out, done);
      at += 1;
    }
    return out;
  }

  #piece(at: number, offset: number): { place: number; left: number } {
    const within = offset - (this.#starts[at] as number);
    return { place: (this.#places[at] as number) + within, left: (this.#lengths[at] as number) - within };
  }

  /** The piece that holds the offset, -1 = none does. Reads tend to go on where the last one was. */
  #find(offset: number): number {
    const holds = (at: number) =>
      offset >= (this.#starts[at] as number) &&
      offset < (this.#starts[at] as number) + (this.#lengths[at] as number);
    if (holds(this.#hint)) return this.#hint;
    let low = 0;
    let high = this.#starts.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >>> 1;
      if ((this.#starts[middle] as number) <= offset) low = middle;
      else high = middle - 1;
    }
    if (!holds(low)) return -1;
    this.#hint = low;
    return low;
  }
}

type Piece = [start: number, length: number, place: number];

interface Index {
  readonly pieces: Piece[];
  readonly truncated: boolean;
  readonly brokenAt: number | undefined;
  readonly breaks: number;
}

function index(file: RawFile): Index {
  const pieces: Piece[] = [];
  let at = HEADER;
  let sorted = true;
  let brokenAt: number | undefined;
  let breaks = 0;
  const seeker = new Seeker(file);
  const direct = Buffer.alloc(16);
  let apart = 0;
  const ends = (truncated: boolean): Index => ({
    pieces: flatten(pieces, sorted),
    truncated,
    brokenAt,
    breaks,
  });
  for (let records = 0; records < MOST_RECORDS; records++) {
    // Headers far apart are read alone: reading whole blocks would read the whole file.
    const head = apart < DENSE ? file.read(at, 16) : file.readDirect(at, direct) ? direct : undefined;
    const [offset, length] = head === undefined ? [0, 0] : headerOf(head);
    if (offset === END) return ends(false);
    if (head === undefined || !isSane(offset, length)) {
      const mayGoOn = head !== undefined || isTooLong(pieces.at(-1), at);
      // The record before may have led here by a wrong length: it is shorter then, or none at all.
      if (mayGoOn && !continues(pieces)) pieces.pop();
      const last = pieces.at(-1);
      const next = mayGoOn ? seeker.nextAfter(last === undefined ? at : last[2]) : undefined;
      if (head !== undefined || next !== undefined) {
        brokenAt ??= Math.min(at, file.size);
        breaks += 1;
      }
      if (next === undefined) return ends(true);
      if (last !== undefined) last[1] = Math.min(last[1], next - last[2]);
      apart = 0;
      at = next;
      continue;
    }
    const place = at + 16;
    const held = Math.min(length, file.size - place);
    const last = pieces.at(-1);
    if (last !== undefined && offset < last[0] + last[1]) sorted = false;
    // Records that follow each other stay apart: their headers are between them in the file.
    if (held > 0) pieces.push([offset, held, place]);
    apart = length;
    at = place + length;
  }
  brokenAt ??= at;
  return ends(true);
}

/** Of the last record, which leads to `at`, beyond the end of the file: it was cut off, or its length is wrong. */
const isTooLong = (last: Piece | undefined, at: number): boolean =>
  last !== undefined && last[2] + last[1] < at;

/** Writers go on where one of their last records ended: whether the last record does. */
function continues(pieces: readonly Piece[]): boolean {
  const start = pieces.at(-1)?.[0];
  return pieces.slice(-MOST_STREAMS - 1, -1).some(([offset, length]) => offset + length === start);
}

const headerOf = (head: Buffer, at = 0): readonly [number, number] => [
  Number(head.readBigInt64BE(at)),
  Number(head.readBigInt64BE(at + 8)),
];
const isSane = (offset: number, length: number): boolean =>
  offset >= 0 && length > 0 && length <= LONGEST_RECORD && offset <= LONGEST_RECORD * 16;

/** Finds the next record behind a damaged one: a place from which a chain of them goes on. */
class Seeker {
  readonly #file: RawFile;
  /** Of all searching, ms. */
  #left = SEEK_MS;

  constructor(file: RawFile) {
    this.#file = file;
  }

  nextAfter(from: number): number | undefined {
    const began = performance.now();
    const chunk = Buffer.alloc(SEEK_CHUNK);
    for (let base = from; base < this.#file.size && this.#left > performance.now() - began; ) {
      const bytes = chunk.subarray(0, Math.min(SEEK_CHUNK, this.#file.size - base));
      if (bytes.length < 16 || !this.#file.readDirect(base, bytes)) break;
      const found = this.#within(bytes, base);
      if (found !== undefined) return found;
      base += bytes.length - 15;
    }
    this.#left -= performance.now() - began;
    return undefined;
  }

  #within(bytes: Buffer, base: number): number | undefined {
    for (let i = 0; i + 16 <= bytes.length; i++) {
      // The upper halves of a small offset and a small length.
      if (bytes[i] !== 0 || bytes[i + 1] !== 0 || bytes[i + 8] !== 0 || bytes[i + 9] !== 0) continue;
      if (bytes[i + 10] !== 0 || bytes[i + 11] !== 0) continue;
      if (this.#goesOn(base + i)) return base + i;
    }
    return undefined;
  }

  /** Some records one behind the other, or as many as there are up to the end. */
  #goesOn(from: number): boolean {
    let at = from;
    for (let records = 0; records < SURE_RECORDS; records++) {
      const head = this.#file.read(at, 16);
      if (head === undefined) return false;
      const [offset, length] = headerOf(head);
      if (offset === END) return records > 0;
      if (!isSane(offset, length) || length > SEEK_CHUNK) return false;
      at += 16 + length;
    }
    return true;
  }
}

/** In order and without overlap; what was written later wins. */
function flatten(pieces: Piece[], sorted: boolean): Piece[] {
  if (sorted) return pieces;
  // Sweep over the ends, newest record on top. Overlaps are few (a header written twice): runs stay short.
  const byStart = pieces.map((piece, order) => ({ piece, order })).sort((a, b) => a.piece[0] - b.piece[0]);
  const out: Piece[] = [];
  const open: { piece: Piece; order: number }[] = [];
  let at = 0;
  const emitTo = (end: number) => {
    while (open.length > 0 && at < end) {
      const top = open[open.length - 1] as { piece: Piece; order: number };
      const [start, length, place] = top.piece;
      const stop = Math.min(end, start + length);
      if (stop > at) {
        out.push([at, stop - at, place + (at - start)]);
        at = stop;
      }
      if (start + length <= at) open.pop();
    }
    at = Math.max(at, end);
  };
  for (const entry of byStart) {
    emitTo(entry.piece[0]);
    let where = open.length;
    while (where > 0 && (open[where - 1] as { order: number }).order > entry.order) where -= 1;
    open.splice(where, 0, entry);
  }
  emitTo(Number.MAX_SAFE_INTEGER);
  return out;
}
