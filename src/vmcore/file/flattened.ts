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

export function isFlattened(file: RawFile): boolean {
  const head = file.read(0, 32);
  return head !== undefined && head.toString('latin1', 0, SIGNATURE.length) === SIGNATURE;
}

export class Flattened implements Bytes {
  readonly size: number;
  /** The end mark was not reached. */
  readonly truncated: boolean;
  /** The chain of records is broken here: what follows is not in the index. */
  readonly brokenAt: number | undefined;
  readonly #file: RawFile;
  /** Pieces in order of their offset, without overlap: offset, length, place in the file. */
  readonly #starts: Float64Array;
  readonly #lengths: Float64Array;
  readonly #places: Float64Array;
  #hint = 0;

  constructor(file: RawFile) {
    this.#file = file;
    const { pieces, truncated, brokenAt } = index(file);
    this.truncated = truncated;
    this.brokenAt = brokenAt;
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

function index(file: RawFile): { pieces: Piece[]; truncated: boolean; brokenAt: number | undefined } {
  const pieces: Piece[] = [];
  let at = HEADER;
  let sorted = true;
  const direct = Buffer.alloc(16);
  let apart = 0;
  for (let records = 0; records < MOST_RECORDS; records++) {
    // Headers far apart are read alone: reading whole blocks would read the whole file.
    const head = apart < DENSE ? file.read(at, 16) : file.readDirect(at, direct) ? direct : undefined;
    if (head === undefined) return { pieces: flatten(pieces, sorted), truncated: true, brokenAt: undefined };
    const offset = Number(head.readBigInt64BE(0));
    const length = Number(head.readBigInt64BE(8));
    // The end: both are -1.
    if (offset === -1) return { pieces: flatten(pieces, sorted), truncated: false, brokenAt: undefined };
    if (offset < 0 || length <= 0 || length > LONGEST_RECORD || offset > LONGEST_RECORD * 16)
      return { pieces: flatten(pieces, sorted), truncated: true, brokenAt: at };
    const place = at + 16;
    const held = Math.min(length, file.size - place);
    const last = pieces.at(-1);
    if (last !== undefined && offset < last[0] + last[1]) sorted = false;
    // Records that follow each other stay apart: their headers are between them in the file.
    if (held > 0) pieces.push([offset, held, place]);
    apart = length;
    at = place + length;
  }
  return { pieces: flatten(pieces, sorted), truncated: true, brokenAt: at };
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
