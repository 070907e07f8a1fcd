/** Lines that have moved up or down: a terminal moves them itself, for a few bytes. */

/** A picture: cells in row order, styles as they show. */
export interface Cells {
  readonly chars: Uint32Array;
  readonly styles: Uint16Array;
}

export interface Scroll {
  /** First line of the part that moves, and the line after its last. */
  readonly top: number;
  readonly bottom: number;
  /** How many lines its content goes up; below 0 down. */
  readonly up: number;
}

const BLANK = 0x20;
/** What a scroll costs: its sequences, in bytes, and a little more, for it is not free to a terminal either. */
const COST = 40;
/** A line that costs less to write is not looked for elsewhere. */
const LEAST_LINE = 24;
/** Cells at the beginning of a line by which it is known again: what follows may have changed. */
const HEAD = 20;
/** Distances that are looked at closely. */
const TRIED = 2;

/** The scroll that saves most of what must be written to come from `before` to `after`; undefined where none saves. */
export function findScroll(before: Cells, after: Cells, width: number, height: number): Scroll | undefined {
  const costs = Uint32Array.from({ length: height }, (_, y) => lineCost(before, after, width, y, y));
  let best: Scroll | undefined;
  let most = COST;
  for (const up of distances(before, after, width, costs)) {
    const gain = (y: number) => gainOf(before, after, width, height, costs, y, up);
    // The lines in a row that together gain most.
    let sum = 0;
    let start = 0;
    for (let y = 0; y < height; y += 1) {
      if (sum <= 0) {
        sum = 0;
        start = y;
      }
      sum += gain(y);
      if (sum <= most) continue;
      const top = Math.min(start, start + up);
      const bottom = Math.max(y + 1, y + 1 + up);
      const worth = sum - laidBare(after, width, costs, top, bottom, start, y + 1);
      if (worth <= most) continue;
      most = worth;
      best = { top, bottom, up };
    }
  }
  return best;
}

/** Distances that lines seem to have moved, those that would save most first. */
function distances(before: Cells, after: Cells, width: number, costs: Uint32Array): number[] {
  const places = new Map<number, number[]>();
  const weights = new Map<number, number>();
  const changed = [...costs.keys()].filter((y) => (costs[y] as number) >= LEAST_LINE);
  if (changed.length === 0) return [];
  for (let y = 0; y < costs.length; y += 1) {
    const head = headOf(before, width, y);
    if (head === 0) continue;
    const known = places.get(head);
    if (known === undefined) places.set(head, [y]);
    else known.push(y);
  }
  for (const y of changed) {
    for (const from of places.get(headOf(after, width, y)) ?? []) {
      if (from !== y) weights.set(from - y, (weights.get(from - y) ?? 0) + (costs[y] as number));
    }
  }
  const sorted = [...weights].sort((a, b) => b[1] - a[1]);
  return sorted.slice(0, TRIED).flatMap(([up, weight]) => (weight > COST ? [up] : []));
}

/** A number for how a line begins; 0 when it is blank there. */
function headOf({ chars, styles }: Cells, width: number, y: number): number {
  let hash = 0;
  let ink = false;
  for (let index = y * width; index < y * width + Math.min(HEAD, width); index += 1) {
    if (chars[index] !== BLANK) ink = true;
    hash = Math.imul(hash ^ (chars[index] as number) ^ ((styles[index] as number) << 16), 0x01000193);
  }
  return ink ? hash | 1 : 0;
}

/** Bytes of the cells of line `to` that differ from what stood in line `from`. */
function lineCost(before: Cells, after: Cells, width: number, from: number, to: number): number {
  let cost = 0;
  for (let x = 0; x < width; x += 1) {
    const [old, fresh] = [from * width + x, to * width + x];
    const char = after.chars[fresh] as number;
    if (before.chars[old] !== char || before.styles[old] !== after.styles[fresh]) cost += bytesOf(char);
  }
  return cost;
}

/** What line `y` costs less when it comes from `up` lines below. */
function gainOf(
  before: Cells,
  after: Cells,
  width: number,
  height: number,
  costs: Uint32Array,
  y: number,
  up: number,
): number {
  if (y + up < 0 || y + up >= height) return Number.NEGATIVE_INFINITY;
  return (costs[y] as number) - lineCost(before, after, width, y + up, y);
}

/** What the scroll takes away of lines `top` … `bottom` that do not come from elsewhere, and that was right already. */
function laidBare(
  { chars }: Cells,
  width: number,
  costs: Uint32Array,
  top: number,
  bottom: number,
  start: number,
  end: number,
): number {
  let cost = 0;
  for (let y = top; y < bottom; y += 1) {
    if (y >= start && y < end) continue;
    let ink = 0;
    for (let index = y * width; index < (y + 1) * width; index += 1) {
      if (chars[index] !== BLANK) ink += bytesOf(chars[index] as number);
    }
    cost += Math.max(0, ink - (costs[y] as number));
  }
  return cost;
}

function bytesOf(char: number): number {
  return char < 0x80 ? 1 : char < 0x800 ? 2 : 3;
}
