/**
 * Whether what was sent has arrived. The kernel, an ssh and a modem take many frames and say nothing; only the terminal
 * knows. Behind a frame it is asked for its status, and answers when it has come that far. Pure but for the clock.
 */

/** Device status report; every terminal since the VT100 answers `CSI 0 n`. */
export const QUESTION = '\x1b[5n';
/** An answer is lost (another terminal took over) after so long, and a millisecond for each byte before it. */
const LOST_MS = 20_000;

export class Receipt {
  /** How long the last answer took, milliseconds; undefined: this terminal has answered nothing yet. */
  took_ms: number | undefined;
  #asked_ms: number | undefined;
  #lost_ms = 0;

  /** What to send behind `bytes` of a frame: the question, or '' while an answer is due. */
  ask(now_ms: number, bytes: number): string {
    if (this.#asked_ms !== undefined && now_ms < this.#lost_ms) return '';
    this.#asked_ms = now_ms;
    this.#lost_ms = now_ms + LOST_MS + bytes;
    return QUESTION;
  }

  answer(now_ms: number): void {
    if (this.#asked_ms === undefined) return;
    this.took_ms = now_ms - this.#asked_ms;
    this.#asked_ms = undefined;
  }

  /** An answer is due, from a terminal that gives any. */
  isDue(now_ms: number): boolean {
    return this.#asked_ms !== undefined && this.took_ms !== undefined && now_ms < this.#lost_ms;
  }

  /** Another terminal may be there, or none. */
  forget(): void {
    this.took_ms = undefined;
    this.#asked_ms = undefined;
  }
}
