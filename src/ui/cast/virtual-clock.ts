/** Time that goes on when it is told to. */

interface Alarm {
  readonly at: number;
  readonly order: number;
  readonly call: () => void;
}

/** Milliseconds since its start. The same calls in the same order give the same times, however busy the machine is. */
export class VirtualClock {
  #now = 0;
  #order = 0;
  readonly #alarms = new Set<Alarm>();

  now(): number {
    return this.#now;
  }

  after(ms: number, call: () => void): () => void {
    this.#order += 1;
    const alarm = { at: this.#now + Math.max(0, ms), order: this.#order, call };
    this.#alarms.add(alarm);
    return () => this.#alarms.delete(alarm);
  }

  /** When the next call is due; Infinity when none is. */
  get next(): number {
    return this.#first()?.at ?? Number.POSITIVE_INFINITY;
  }

  /** Goes on to a time and makes one call that is due then; returns whether there was one. */
  advance(to: number): boolean {
    this.#now = Math.max(this.#now, to);
    const alarm = this.#first();
    if (alarm === undefined || alarm.at > this.#now) return false;
    this.#alarms.delete(alarm);
    alarm.call();
    return true;
  }

  #first(): Alarm | undefined {
    let first: Alarm | undefined;
    for (const alarm of this.#alarms)
      if (first === undefined || alarm.at < first.at || (alarm.at === first.at && alarm.order < first.order))
        first = alarm;
    return first;
  }
}
