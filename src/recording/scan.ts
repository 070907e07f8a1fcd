/** Looking through a recording for its chunks, when there is no index to say where they are. */
import {
  type ChunkInfo,
  HEAD_BYTES,
  PART_FRONT,
  partAt,
  readHead,
  readSeal,
  SIGNATURE,
  SIGNATURE_OFFSET,
} from './format.ts';
import { MOST_CHUNKS, MOST_SEAL } from './limits.ts';

/** Read at a time. */
const WINDOW = 1 << 20;

/** A chunk of which nothing but its beginning is known: no seal follows it. */
export interface Unsealed {
  readonly offset: number;
  /** Where the next part begins, or the file ends. */
  readonly end: number;
}

/** `end`: of its seal. */
interface Whole {
  readonly seal: ChunkInfo;
  readonly offset: number;
  readonly end: number;
}

export type Found = Unsealed | Whole;

interface Part {
  readonly offset: number;
  readonly kind: string;
  readonly bytes: Buffer;
}

type Read = (offset: number, length: number) => Buffer;

/** The chunks of a file of `size` bytes, in the order they stand. */
export function scan(read: Read, size: number): readonly Found[] {
  const found: Found[] = [];
  let open: number | undefined;
  const over = (end: number) => {
    if (open !== undefined) found.push({ offset: open, end });
    open = undefined;
  };
  for (const { offset, kind, bytes } of parts(read, size)) {
    if (found.length >= MOST_CHUNKS) break;
    if (kind === 'head' && readHead(bytes) !== undefined) {
      over(offset);
      open = offset;
    } else if (kind === 'seal') {
      const seal = readSeal(bytes);
      if (seal === undefined || seal.offset + HEAD_BYTES + seal.packed !== offset) continue;
      open = undefined;
      // Also one whose head is damaged.
      found.push({ seal, offset: seal.offset, end: offset + bytes.length });
    } else if (kind === 'index') over(offset);
  }
  over(size);
  return found;
}

/** Everything that looks like a head, a seal or an index. */
function* parts(read: Read, size: number): Generator<Part> {
  for (let at = 0; at < size; at += WINDOW) {
    // What begins in the window may end behind it.
    const window = read(at, WINDOW + PART_FRONT);
    let hit = window.indexOf(SIGNATURE);
    for (; hit >= 0; hit = window.indexOf(SIGNATURE, hit + 1)) {
      const start = hit - SIGNATURE_OFFSET;
      if (start >= WINDOW) break;
      const part = partAt(window, start);
      if (part === undefined) continue;
      const length = Math.min(part.length, part.kind === 'seal' ? MOST_SEAL : HEAD_BYTES);
      yield { offset: at + start, kind: part.kind, bytes: read(at + start, length) };
    }
  }
}
