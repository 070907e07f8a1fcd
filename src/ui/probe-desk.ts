/** What can be done with probes from the screen. Whoever opens the dashboard brings it; the screen knows no kernel. */
import type { Options } from '../monitors/monitor.ts';

export interface ProbeDesk {
  /** Name of the tab it is about. */
  readonly tab: string;
  /** What that tab is opened with: the probes armed so far, and what is made of their records. */
  options(given: Options): Options;
  /**
   * Looks up and tries what is typed and takes it in, in place of `replaces`. Resolves to what to say: `done` false where it
   * was not taken in. The same typed again is agreement to what it costs.
   */
  add(typed: string, replaces?: string): Promise<Said>;
  /** Of a row: its own are forgotten, those that were added to stay are removed from the kernel. */
  remove(name: string, source: string): Said;
  /** Arms or disarms one; of another's or one that stays: watches it, or no longer. */
  toggle(name: string, source: string): Said;
  /** As it was typed; `''`: it is not one of its own. */
  definition(name: string): string;
  /** Counts by this argument, or makes a histogram of it; `''`: no more. */
  count(argument: string): Said;
  histogram(argument: string): Said;
  /** Call chains with the records, or none. */
  stacks(): Said;
  /** Takes in the probes of a recipe file, all or none. The same typed again is agreement to what they cost. */
  takeRecipe(path: string): Promise<Said>;
  /** Writes a new recipe file: of one of its own, or of all. */
  exportRecipe(path: string, name?: string): Said;
  /** Asked every second: what has changed while a module was waited for; undefined = nothing. */
  awaited(): Said | undefined;
  /** What entries of the log about a probe have in their text. */
  mark(name: string, source: string): string;
  /** Arguments that all probes have between them. */
  arguments(): readonly string[];
}

export interface Said {
  readonly done: boolean;
  readonly text: string;
}
