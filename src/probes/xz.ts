/**
 * xz, as far as symbol tables inside programs use it (`.gnu_debugdata`): one stream of LZMA2 blocks. Sums are not checked:
 * what comes out is read as an untrusted file anyway.
 */

/** What makes no sense, or is more than was allowed. */
export class NotXz extends Error {}

const MAGIC = Buffer.from([0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00]);
const LZMA2 = 0x21;
/** Bytes of the sum behind a block, by its kind. */
const SUMS = [0, 4, 4, 4, 8, 8, 8, 16, 16, 16, 32, 32, 32, 64, 64, 64];

/** All of it; at most `most` bytes. Throws NotXz. */
export function unpackXz(packed: Buffer, most: number): Buffer {
  if (packed.length < 24 || packed.compare(MAGIC, 0, 6, 0, 6) !== 0) throw new NotXz('no xz stream');
  const sum = SUMS[(packed[7] as number) & 15] as number;
  const out = new Output(most);
  let at = 12;
  // A block begins with its header's size; 0 is the index behind the last.
  while (at < packed.length && packed[at] !== 0) {
    const start = at + headerSize(packed, at);
    const end = lzma2(packed, start, out);
    at = start + ((end - start + 3) & ~3) + sum;
  }
  return out.bytes();
}

/** Of a block; only LZMA2 alone is read. */
function headerSize(packed: Buffer, at: number): number {
  const size = ((packed[at] as number) + 1) * 4;
  const flags = packed[at + 1] ?? 0;
  if ((flags & 3) !== 0) throw new NotXz('more than one filter');
  let next = at + 2;
  for (const bit of [0x40, 0x80]) if ((flags & bit) !== 0) next = behindNumber(packed, next);
  if (packed[next] !== LZMA2) throw new NotXz('a filter that is not LZMA2');
  return size;
}

function behindNumber(packed: Buffer, at: number): number {
  let next = at;
  while (next < packed.length && ((packed[next] as number) & 0x80) !== 0) next += 1;
  return next + 1;
}

/** What has been unpacked; also the dictionary. */
class Output {
  readonly #most: number;
  #data = Buffer.alloc(1 << 16);
  length = 0;
  /** Nothing before this can be repeated. */
  start = 0;

  constructor(most: number) {
    this.#most = most;
  }

  room(bytes: number): void {
    const wanted = this.length + bytes;
    if (wanted > this.#most) throw new NotXz(`more than ${this.#most} bytes`);
    if (wanted <= this.#data.length) return;
    const larger = Buffer.alloc(Math.min(this.#most, Math.max(wanted, this.#data.length * 2)));
    this.#data.copy(larger, 0, 0, this.length);
    this.#data = larger;
  }

  put(byte: number): void {
    this.#data[this.length] = byte;
    this.length += 1;
  }

  copy(from: Buffer, start: number, end: number): void {
    from.copy(this.#data, this.length, start, end);
    this.length += end - start;
  }

  /** The byte `distance + 1` back. */
  back(distance: number): number {
    const at = this.length - distance - 1;
    if (at < this.start) throw new NotXz('a repetition of what was not there');
    return this.#data[at] as number;
  }

  bytes(): Buffer {
    return this.#data.subarray(0, this.length);
  }
}

/** Chunks up to their end mark; returns where that ends. */
function lzma2(packed: Buffer, start: number, out: Output): number {
  const decoder = new Lzma(out);
  for (let at = start; ; ) {
    const control = packed[at];
    if (control === undefined) throw new NotXz('cut off');
    if (control === 0) return at + 1;
    if (control === 1 || (control >= 0xe0 && control <= 0xff)) out.start = out.length;
    if (at + 3 > packed.length) throw new NotXz('cut off');
    if (control < 0x80) {
      if (control > 2) throw new NotXz('no kind of chunk');
      const size = packed.readUInt16BE(at + 1) + 1;
      if (at + 3 + size > packed.length) throw new NotXz('cut off');
      out.room(size);
      out.copy(packed, at + 3, at + 3 + size);
      if (control === 1) decoder.reset();
      at += 3 + size;
      continue;
    }
    if (at + 6 > packed.length) throw new NotXz('cut off');
    const unpacked = ((control & 0x1f) << 16) + packed.readUInt16BE(at + 1) + 1;
    const size = packed.readUInt16BE(at + 3) + 1;
    at += 5;
    if (control >= 0xc0) {
      decoder.setProperties(packed[at] as number);
      at += 1;
    }
    if (control >= 0xa0) decoder.reset();
    if (at + size > packed.length) throw new NotXz('cut off');
    out.room(unpacked);
    decoder.decode(packed, at, at + size, unpacked);
    at += size;
  }
}

const TOP = 2 ** 24;
const BITS = 11;
const HALF = 1 << (BITS - 1);
const MOVE = 5;
const STATES = 12;

const probabilities = (count: number): Uint16Array => new Uint16Array(count).fill(HALF);

/** Lengths of repetitions: 2 to 9, 10 to 17, 18 to 273. */
class Lengths {
  readonly choice = probabilities(2);
  readonly low = probabilities(16 << 3);
  readonly middle = probabilities(16 << 3);
  readonly high = probabilities(256);
}

class Lzma {
  readonly #out: Output;
  #lc = 3;
  #lp = 0;
  #pb = 2;
  // The range coder.
  #bytes: Buffer = Buffer.alloc(0);
  #at = 0;
  #end = 0;
  #range = 0;
  #code = 0;
  // The model.
  #state = 0;
  readonly #distances = [0, 0, 0, 0];
  #literals = probabilities(0x300 << 4);
  #isMatch = probabilities(STATES << 4);
  #isRepeated = probabilities(STATES);
  #isFirst = probabilities(STATES);
  #isSecond = probabilities(STATES);
  #isThird = probabilities(STATES);
  #isLong = probabilities(STATES << 4);
  #slots = probabilities(4 << 6);
  #special = probabilities(128);
  #aligned = probabilities(16);
  #lengths = new Lengths();
  #repeatedLengths = new Lengths();

  constructor(out: Output) {
    this.#out = out;
  }

  setProperties(byte: number): void {
    if (byte > (4 * 5 + 4) * 9 + 8) throw new NotXz('no such properties');
    this.#lc = byte % 9;
    this.#lp = Math.floor(byte / 9) % 5;
    this.#pb = Math.floor(byte / 45);
    if (this.#lc + this.#lp > 4) throw new NotXz('no such properties');
  }

  reset(): void {
    this.#state = 0;
    this.#distances.fill(0);
    this.#literals = probabilities(0x300 << (this.#lc + this.#lp));
    this.#isMatch = probabilities(STATES << 4);
    this.#isRepeated = probabilities(STATES);
    this.#isFirst = probabilities(STATES);
    this.#isSecond = probabilities(STATES);
    this.#isThird = probabilities(STATES);
    this.#isLong = probabilities(STATES << 4);
    this.#slots = probabilities(4 << 6);
    this.#special = probabilities(128);
    this.#aligned = probabilities(16);
    this.#lengths = new Lengths();
    this.#repeatedLengths = new Lengths();
  }

  /** One chunk: `wanted` bytes out of those in [start, end). */
  decode(bytes: Buffer, start: number, end: number, wanted: number): void {
    if (end - start < 5) throw new NotXz('cut off');
    this.#bytes = bytes;
    this.#code = bytes.readUInt32BE(start + 1);
    this.#range = 0xffffffff;
    this.#at = start + 5;
    this.#end = end;
    const out = this.#out;
    const until = out.length + wanted;
    while (out.length < until) {
      const place = (out.length - out.start) & ((1 << this.#pb) - 1);
      if (this.#bit(this.#isMatch, (this.#state << 4) + place) === 0) this.#literal();
      else this.#match(place, until);
    }
  }

  #literal(): void {
    const out = this.#out;
    const before = out.length > out.start ? out.back(0) : 0;
    const low = (out.length - out.start) & ((1 << this.#lp) - 1);
    const base = 0x300 * ((low << this.#lc) + (before >> (8 - this.#lc)));
    let symbol = 1;
    if (this.#state >= 7) {
      // Behind a repetition, the byte that would have gone on with it says what this one hardly is.
      let matched = out.back(this.#distances[0] as number);
      while (symbol < 0x100) {
        const expected = (matched >> 7) & 1;
        matched <<= 1;
        const bit = this.#bit(this.#literals, base + ((1 + expected) << 8) + symbol);
        symbol = (symbol << 1) | bit;
        if (bit !== expected) break;
      }
    }
    while (symbol < 0x100) symbol = (symbol << 1) | this.#bit(this.#literals, base + symbol);
    out.put(symbol & 0xff);
    this.#state = this.#state < 4 ? 0 : this.#state < 10 ? this.#state - 3 : this.#state - 6;
  }

  #match(place: number, until: number): void {
    const distances = this.#distances;
    let length: number;
    if (this.#bit(this.#isRepeated, this.#state) === 0) {
      distances.pop();
      length = 2 + this.#length(this.#lengths, place);
      this.#state = this.#state < 7 ? 7 : 10;
      distances.unshift(this.#distance(length));
    } else {
      if (this.#bit(this.#isFirst, this.#state) === 0) {
        if (this.#bit(this.#isLong, (this.#state << 4) + place) === 0) {
          this.#state = this.#state < 7 ? 9 : 11;
          this.#out.put(this.#out.back(distances[0] as number));
          return;
        }
      } else {
        const which =
          this.#bit(this.#isSecond, this.#state) === 0
            ? 1
            : this.#bit(this.#isThird, this.#state) === 0
              ? 2
              : 3;
        distances.unshift(...distances.splice(which, 1));
      }
      length = 2 + this.#length(this.#repeatedLengths, place);
      this.#state = this.#state < 7 ? 8 : 11;
    }
    if (this.#out.length + length > until) throw new NotXz('a repetition past the end of its chunk');
    const distance = distances[0] as number;
    for (let i = 0; i < length; i += 1) this.#out.put(this.#out.back(distance));
  }

  #length(lengths: Lengths, place: number): number {
    if (this.#bit(lengths.choice, 0) === 0) return this.#tree(lengths.low, place << 3, 3);
    if (this.#bit(lengths.choice, 1) === 0) return 8 + this.#tree(lengths.middle, place << 3, 3);
    return 16 + this.#tree(lengths.high, 0, 8);
  }

  #distance(length: number): number {
    const slot = this.#tree(this.#slots, Math.min(length - 2, 3) << 6, 6);
    if (slot < 4) return slot;
    const bits = (slot >> 1) - 1;
    const base = (2 | (slot & 1)) * 2 ** bits;
    if (slot < 14) return base + this.#reversed(this.#special, base - slot, bits);
    return base + this.#direct(bits - 4) * 16 + this.#reversed(this.#aligned, 0, 4);
  }

  /** A number of so many bits, the highest first. */
  #tree(model: Uint16Array, base: number, bits: number): number {
    let symbol = 1;
    for (let i = 0; i < bits; i += 1) symbol = (symbol << 1) | this.#bit(model, base + symbol);
    return symbol - (1 << bits);
  }

  /** The lowest first. */
  #reversed(model: Uint16Array, base: number, bits: number): number {
    let symbol = 1;
    let value = 0;
    for (let i = 0; i < bits; i += 1) {
      const bit = this.#bit(model, base + symbol);
      symbol = (symbol << 1) | bit;
      value |= bit << i;
    }
    return value;
  }

  /** As likely as not. */
  #direct(bits: number): number {
    let value = 0;
    for (let i = 0; i < bits; i += 1) {
      this.#refill();
      this.#range = Math.floor(this.#range / 2);
      const bit = this.#code >= this.#range ? 1 : 0;
      if (bit === 1) this.#code -= this.#range;
      value = value * 2 + bit;
    }
    return value;
  }

  #bit(model: Uint16Array, at: number): 0 | 1 {
    this.#refill();
    const probability = model[at] as number;
    const bound = (this.#range >>> BITS) * probability;
    if (this.#code < bound) {
      this.#range = bound;
      model[at] = probability + (((1 << BITS) - probability) >> MOVE);
      return 0;
    }
    this.#range -= bound;
    this.#code -= bound;
    model[at] = probability - (probability >> MOVE);
    return 1;
  }

  #refill(): void {
    if (this.#range >= TOP) return;
    if (this.#at >= this.#end) throw new NotXz('cut off');
    this.#range *= 256;
    this.#code = this.#code * 256 + (this.#bytes[this.#at] as number);
    this.#at += 1;
  }
}
