/** A frame: what the chrome laid out, with the surfaces painted into it. */
import type { Grid } from '../panels/grid.ts';
import type { Chrome } from './chrome/chrome.ts';
import { chromeView, type Frame, paintSurface } from './picture.ts';
import type { Session } from './session.ts';

/** Paints everything onto `grid`, which has the frame's size. */
export function composeFrame(grid: Grid, chrome: Chrome, session: Session, frame: Frame): void {
  chrome.show(chromeView(session, frame));
  const whole = grid.region();
  whole.copyFrom(chrome.grid);
  for (const [name, { x, y, width, height }] of chrome.surfaces) {
    const region = whole.part(x, y, width, height);
    region.clear();
    paintSurface(name, region, session, frame);
  }
}
