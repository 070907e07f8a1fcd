/** How often to paint on a link that does not keep up. Pure but for the clock that is passed in. */

const WINDOW_MS = 5000;
const SLOWEST_MS = 8000;
/** Fewer say nothing about the link. */
const LEAST_TICKS = 4;
const ON_ITS_WAY_MS = 50;
/** Share of ticks that found the terminal still busy, above which the rate is halved, below which it recovers. */
const TOO_MANY = 0.25;
const FEW = 0.05;

export class Pacer {
  /** Least time between paints of new data, milliseconds; 0 = paint every tick. Keys are always painted. */
  spacing_ms = 0;
  #since = 0;
  #ticks = 0;
  #coalesced = 0;
  #last = Number.NEGATIVE_INFINITY;

  /** Counts a tick of new data; `busy_ms`: how long the frame before it has been on its way, 0 when it has arrived. */
  tick(now_ms: number, busy_ms: number, tick_ms: number): void {
    // A jump in time and a change of tabs bring several at once: that is one.
    if (now_ms - this.#last < tick_ms / 2) return;
    this.#last = now_ms;
    // A frame takes a moment on any link, longer on a busy host: that says nothing of the link.
    const busy = busy_ms > Math.max(ON_ITS_WAY_MS, tick_ms / 2);
    if (this.#ticks === 0) this.#since = now_ms;
    this.#ticks += 1;
    if (busy) this.#coalesced += 1;
    if (now_ms - this.#since < WINDOW_MS || this.#ticks < LEAST_TICKS) return;
    const share = this.#coalesced / this.#ticks;
    if (share > TOO_MANY) this.spacing_ms = Math.min(SLOWEST_MS, Math.max(this.spacing_ms, tick_ms / 2) * 2);
    else if (share < FEW) this.spacing_ms = this.spacing_ms <= tick_ms ? 0 : this.spacing_ms / 2;
    this.#ticks = 0;
    this.#coalesced = 0;
  }

  /** The terminal does not keep up. */
  get slow(): boolean {
    return this.spacing_ms > 0;
  }
}
