/** All that React draws, as one value: React is called only when it has changed. */
import type { Hint } from '../keymap.ts';

/** Rectangles that are painted without React. */
export type SurfaceName = 'status' | 'notes' | 'body' | 'timeline';

export interface Rectangle {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

/** A tab in the bar; a pinned one is always in sight. */
export interface Tab {
  readonly label: string;
  readonly active: boolean;
  readonly pinned: boolean;
}

export interface ChromeView {
  readonly columns: number;
  readonly rows: number;
  readonly tabs: readonly Tab[];
  readonly notesLines: number;
  /** A line of time above the footer. */
  readonly timeline: boolean;
  /** A failure, in place of or above the panels. */
  readonly card: { readonly title: string; readonly text: string; readonly hint: string } | undefined;
  readonly menu:
    | { readonly title: string; readonly items: readonly string[]; readonly index: number }
    | undefined;
  readonly footer:
    | { readonly kind: 'hints'; readonly hints: readonly Hint[]; readonly message: string }
    | {
        readonly kind: 'prompt';
        readonly label: string;
        readonly text: string;
        /** What may be typed, and how it ends. */
        readonly about: string;
        readonly hint: string;
      };
  readonly ascii: boolean;
}

/** Below this there is only a card that says so. */
export const LEAST_COLUMNS = 60;
export const LEAST_ROWS = 15;
