/**
 * The time line of a recording: the wall clock as long as it goes forward. When somebody sets it back the time line goes
 * on at the pace of the monotonic clock, so that what came later is later.
 */

/** Two clocks, in milliseconds: since the epoch, and one that only goes forward. */
export interface Clocks {
  readonly wall: () => number;
  readonly steady: () => number;
}

export const CLOCKS: Clocks = { wall: () => Date.now(), steady: () => performance.now() };

/** The wall clock may fall behind by so much (slewing) before that counts as setting it back. */
const SLEW_MS = 2000;

/**
 * A function that gives the time now: whole milliseconds since the epoch, never less than before. `moment`: what is to be
 * placed happened then; it is taken where it fits.
 */
export function timeLine({ wall, steady }: Clocks = CLOCKS): (moment?: number) => number {
  let [last, since] = [0, steady()];
  return (moment) => {
    const [now, at] = [wall(), steady()];
    let next = now >= last ? now : last - now < SLEW_MS ? last : last + (at - since);
    if (moment !== undefined && moment >= last && moment < next) next = moment;
    next = Math.floor(next);
    if (next > last) since = at;
    last = next;
    return last;
  };
}
