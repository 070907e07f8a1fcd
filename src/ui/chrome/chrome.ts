/** What draws the frame around the surfaces: Ink, and for the first picture something that is there at once. */
import type { Grid } from '../../panels/grid.ts';
import type { ChromeView, Rectangle, SurfaceName } from './chrome-view.ts';

export interface Chrome {
  /** Draws a view. Returns whether it differs from the one before. */
  show(view: ChromeView): boolean;
  /** What it drew, surfaces blank. */
  readonly grid: Grid;
  /** Where the surfaces lie. */
  readonly surfaces: ReadonlyMap<SurfaceName, Rectangle>;
  stop(): void;
}
