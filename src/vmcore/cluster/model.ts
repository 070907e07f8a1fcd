/**
 * How far apart two cores are, 0 (same) to 1 (nothing in common): a weighted alignment of their blamed stacks. A frame
 * weighs more the nearer it is to the fault, the fewer distinct stacks have it, and the more it says (frames.ts).
 */
import { type Features, familyOf } from './features.ts';
import { damp } from './frames.ts';

/** Frames aligned; further out the weight of the position has fallen below a tenth. */
export const DEPTH = 32;

/** Exponent of the position: the tenth frame counts a quarter of the first. */
const FALL = -0.6;

/** A stack as numbers of the vocabulary. */
export interface Prepared {
  readonly features: Features;
  readonly family: string;
  readonly frames: Int32Array;
  /**
   * Weight of each frame by its place and kind, without its rarity. What says little takes little room: under ten frames of
   * falling asleep the first that tells something is still nearly the first.
   */
  readonly places: Float64Array;
  /** Weights with the rarity of `epoch`, and their sum: see Vocabulary.weigh. */
  readonly weights: Float64Array;
  total: number;
  epoch: number;
  /** Same family, same signature, same stack and lock: the same text. */
  readonly exact: string;
}

/** The functions seen so far, and in how many distinct stacks each was. */
export class Vocabulary {
  readonly #ids = new Map<string, number>();
  readonly #names: string[] = [];
  readonly #damp: number[] = [];
  readonly #df: number[] = [];
  #weights = new Float64Array(1024);
  #weighted = 0;
  #distinct = 0;
  #epoch = 0;
  #due = 0;

  prepare(features: Features): Prepared {
    const frames = Int32Array.from(features.stack.slice(0, DEPTH), (frame) => this.#idOf(frame));
    const family = familyOf(features.class);
    const places = this.#placesOf(frames);
    const weights = new Float64Array(frames.length);
    const exact = exactKey(features, family);
    return { features, family, frames, places, weights, total: 0, epoch: -1, exact };
  }

  #placesOf(frames: Int32Array): Float64Array {
    let place = 0;
    return Float64Array.from(frames, (id) => {
      const kept = this.#damp[id] as number;
      const weight = (place + 1) ** FALL * kept;
      place += kept;
      return weight;
    });
  }

  /** Counts a stack that was not there before. */
  learn({ frames }: Prepared): void {
    for (const id of new Set(frames)) this.#df[id] = (this.#df[id] ?? 0) + 1;
    this.#distinct += 1;
  }

  nameOf(id: number): string {
    return this.#names[id] ?? '';
  }

  /** Distinct stacks counted. */
  get distinct(): number {
    return this.#distinct;
  }

  /** Weight of a frame by its rarity. Renewed when the counts have grown by a tenth. */
  weightOf(id: number): number {
    if (this.#distinct >= this.#due) this.#renew();
    if (id >= this.#weighted) this.#grow();
    return this.#weights[id] as number;
  }

  /** Brings the weights of a core up to date. */
  weigh(core: Prepared): void {
    if (this.#distinct >= this.#due) this.#renew();
    if (core.epoch === this.#epoch) return;
    const { frames, places, weights } = core;
    let sum = 0;
    for (let i = 0; i < frames.length; i += 1) {
      const weight = (places[i] as number) * this.weightOf(frames[i] as number);
      weights[i] = weight;
      sum += weight;
    }
    core.total = sum;
    core.epoch = this.#epoch;
  }

  #renew(): void {
    this.#epoch += 1;
    this.#due = this.#distinct + 1 + Math.floor(this.#distinct / 10);
    this.#weighted = 0;
    this.#grow();
  }

  #grow(): void {
    if (this.#weights.length < this.#names.length) {
      const larger = new Float64Array(this.#names.length * 2);
      larger.set(this.#weights);
      this.#weights = larger;
    }
    for (; this.#weighted < this.#names.length; this.#weighted += 1) {
      const id = this.#weighted;
      this.#weights[id] = rarity(this.#distinct, this.#df[id] ?? 0);
    }
  }

  #idOf(frame: string): number {
    const known = this.#ids.get(frame);
    if (known !== undefined) return known;
    const id = this.#names.length;
    this.#ids.set(frame, id);
    this.#names.push(frame);
    this.#damp.push(damp(frame));
    this.#df.push(0);
    return id;
  }
}

/** sigmoid(ln((N+1)/(df+½)) − 1): about 1 for what few stacks have, a quarter for what all have. */
function rarity(distinct: number, df: number): number {
  return 1 / (1 + Math.exp(1 - Math.log((distinct + 1) / (df + 0.5))));
}

function exactKey({ class: name, signature, stack, traits }: Features, family: string): string {
  if (signature !== undefined) return `${family}\n=${signature}`;
  const lock = name === 'hung-task' ? (traits.lock ?? '') : '';
  return `${family}\n${lock}\n${stack.join('\n')}`;
}

const row = new Float64Array(DEPTH + 1);
/** By frame: its weight in one of two stacks, else 0. */
let marks = new Float64Array(4096);

/**
 * Distance of two prepared cores; stops early and answers 1 once it is certain to be above `limit`.
 *
 * Weighted edit distance without substitution (to replace a frame is to remove one and insert another) over the weight of
 * both stacks. Frames that are paired cost the difference of their weights, so the same function in another place counts
 * less than in the same place.
 */
export function distance(words: Vocabulary, a: Prepared, b: Prepared, limit = 1): number {
  if (a.exact === b.exact) return 0;
  const other = a.family !== b.family || hasOtherLock(a.features, b.features);
  const bySignature = signatureDistance(a, b);
  if (bySignature !== undefined) return other ? 0.5 + 0.5 * bySignature : bySignature;
  const inner = other ? (limit - 0.5) * 2 : limit;
  if (inner < 0) return 1;
  const stacks = stackDistance(words, a, b, inner);
  return other ? 0.5 + 0.5 * stacks : stacks;
}

/** Who sleeps with one lock in hand and who sleeps with another are two bugs, however they fell asleep. */
const hasOtherLock = ({ class: one, traits: a }: Features, { class: other, traits: b }: Features): boolean =>
  one === 'hung-task' &&
  other === 'hung-task' &&
  a.lock !== undefined &&
  b.lock !== undefined &&
  a.lock !== b.lock;

function signatureDistance(a: Prepared, b: Prepared): number | undefined {
  const [one, two] = [a.features.signature, b.features.signature];
  if (one === undefined && two === undefined) return undefined;
  return one === two ? 0 : 1;
}

function stackDistance(words: Vocabulary, a: Prepared, b: Prepared, limit: number): number {
  if (a.frames.length === 0 || b.frames.length === 0) return 1;
  words.weigh(a);
  words.weigh(b);
  const total = a.total + b.total;
  if (1 - sharedWeight(a, b) / total > limit) return 1;
  const found = align(a, b) / total;
  return found > ALMOST_ONE ? 1 : found;
}

/** Twice the weight that could be paired at most, whatever the order: a bound that costs no alignment. */
function sharedWeight(a: Prepared, b: Prepared): number {
  for (let j = 0; j < b.frames.length; j += 1) {
    const id = b.frames[j] as number;
    if (id >= marks.length) marks = larger(marks, id);
    marks[id] = Math.max(marks[id] as number, b.weights[j] as number);
  }
  let shared = 0;
  // What lies past the end is in no stack marked so far.
  for (let i = 0; i < a.frames.length; i += 1)
    shared += Math.min(a.weights[i] as number, marks[a.frames[i] as number] ?? 0);
  for (const id of b.frames) marks[id] = 0;
  return 2 * shared;
}

function larger(array: Float64Array<ArrayBuffer>, index: number): Float64Array<ArrayBuffer> {
  const grown = new Float64Array((index + 1) * 2);
  grown.set(array);
  return grown;
}

/** Sums of the same figures in another order differ in their last digits. */
const ALMOST_ONE = 1 - 1e-9;

/** One row of the edit matrix at a time. */
function align(one: Prepared, other: Prepared): number {
  const [a, b] = [one.frames, other.frames];
  const [weightsA, weightsB] = [one.weights, other.weights];
  row[0] = 0;
  for (let j = 0; j < b.length; j += 1) row[j + 1] = (row[j] as number) + (weightsB[j] as number);
  for (let i = 0; i < a.length; i += 1) {
    const weight = weightsA[i] as number;
    let diagonal = row[0] as number;
    row[0] = diagonal + weight;
    for (let j = 0; j < b.length; j += 1) {
      const above = row[j + 1] as number;
      let best = Math.min(above + weight, (row[j] as number) + (weightsB[j] as number));
      if (a[i] === b[j]) best = Math.min(best, diagonal + Math.abs(weight - (weightsB[j] as number)));
      diagonal = above;
      row[j + 1] = best;
    }
  }
  return row[b.length] as number;
}

/** One step of an alignment: a frame of both, or of one only. */
export interface Step {
  readonly frame: string;
  readonly in: 'both' | 'a' | 'b';
  /** Share of the weight of both stacks, 0 to 1. */
  readonly share: number;
}

/** The alignment itself, innermost first: what a distance is made of. */
export function alignment(words: Vocabulary, a: Prepared, b: Prepared): readonly Step[] {
  const [n, m] = [a.frames.length, b.frames.length];
  words.weigh(a);
  words.weigh(b);
  const { weights: weightsA } = a;
  const { weights: weightsB } = b;
  const total = a.total + b.total;
  const cost = Array.from({ length: n + 1 }, () => new Float64Array(m + 1));
  const at = (i: number, j: number): number => cost[i]?.[j] ?? Number.POSITIVE_INFINITY;
  const paired = (i: number, j: number): number =>
    a.frames[i] === b.frames[j]
      ? at(i + 1, j + 1) + Math.abs((weightsA[i] as number) - (weightsB[j] as number))
      : Number.POSITIVE_INFINITY;
  for (let i = n; i >= 0; i -= 1)
    for (let j = m; j >= 0; j -= 1) {
      if (i === n && j === m) continue;
      const skipA = i < n ? at(i + 1, j) + (weightsA[i] as number) : Number.POSITIVE_INFINITY;
      const skipB = j < m ? at(i, j + 1) + (weightsB[j] as number) : Number.POSITIVE_INFINITY;
      (cost[i] as Float64Array)[j] = Math.min(
        skipA,
        skipB,
        i < n && j < m ? paired(i, j) : Number.POSITIVE_INFINITY,
      );
    }
  const steps: Step[] = [];
  for (let i = 0, j = 0; i < n || j < m; ) {
    const here = at(i, j);
    if (i < n && j < m && paired(i, j) <= here) {
      const weight = (weightsA[i] as number) + (weightsB[j] as number);
      steps.push({ frame: words.nameOf(a.frames[i] as number), in: 'both', share: weight / total });
      i += 1;
      j += 1;
    } else if (i < n && at(i + 1, j) + (weightsA[i] as number) <= here) {
      steps.push({
        frame: words.nameOf(a.frames[i] as number),
        in: 'a',
        share: (weightsA[i] as number) / total,
      });
      i += 1;
    } else {
      steps.push({
        frame: words.nameOf(b.frames[j] as number),
        in: 'b',
        share: (weightsB[j] as number) / total,
      });
      j += 1;
    }
  }
  return steps;
}
