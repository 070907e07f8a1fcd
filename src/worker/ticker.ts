/** A timer that does not drift: due times are multiples of the interval after the start. */

export class Ticker {
  #timer: NodeJS.Timeout | undefined;
  #due = 0;
  #interval_ms: number;
  readonly #fire: () => void;

  constructor(interval_ms: number, fire: () => void) {
    this.#interval_ms = interval_ms;
    this.#fire = fire;
  }

  /** Starts anew; `first_ms` is the distance to the first tick (default: the interval). */
  start(first_ms = this.#interval_ms): void {
    this.stop();
    this.#due = performance.now() + first_ms;
    this.#arm();
  }

  /** From the next tick on; the current one keeps its due time if that is sooner. */
  set interval(interval_ms: number) {
    this.#interval_ms = interval_ms;
    if (this.#timer === undefined) return;
    this.#due = Math.min(this.#due, performance.now() + interval_ms);
    this.#arm();
  }

  get interval(): number {
    return this.#interval_ms;
  }

  stop(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  #arm(): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#tick(), Math.max(0, this.#due - performance.now()));
  }

  #tick(): void {
    // Missed ticks (suspended machine, stalled thread) are skipped, never made up for.
    const late = performance.now() - this.#due;
    this.#due += this.#interval_ms * (1 + Math.max(0, Math.floor(late / this.#interval_ms)));
    this.#arm();
    this.#fire();
  }
}
