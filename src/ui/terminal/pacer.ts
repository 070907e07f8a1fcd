/** How often to paint on a link that does not keep up. Pure but for the clock that is passed in. */

const WINDOW_MS = 5000;
const SLOWEST_MS = 8000;
/** Fewer say nothing about the link. */
const LEAST_TICKS = 4;
/** Share of ticks that found the terminal still busy, above which the rate is halved, below which it recovers. */
const TOO_MANY = 0.25;
const FEW = 0.05;

export class Pacer {
  /** Least time between paints of new data, milliseconds; 0 = paint every tick. Keys are always painted. */
  spacing_ms = 0;
  #since = 0;
  #ticks = 0;
  #coalesced = 0;

  /** Counts a tick of new data; `busy`: the frame before it was still on its way. */
  tick(now_ms: number, busy: boolean, tick_ms: number): void {
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
