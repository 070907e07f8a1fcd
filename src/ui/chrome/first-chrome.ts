/**
 * The frame until Ink is loaded, which takes longer than all else before the first picture: tab bar, surfaces and
 * footer, cell by cell as Ink lays them out (a test compares). Cards, menus and prompts wait for Ink.
 */
import { textWidth } from '../../panels/char-width.ts';
import { Grid } from '../../panels/grid.ts';
import { BOLD, CYAN, DIM, REVERSE } from '../../panels/style.ts';
import { fitHints } from '../keymap.ts';
import type { Chrome } from './chrome.ts';
import {
  type ChromeView,
  LEAST_COLUMNS,
  LEAST_ROWS,
  type Rectangle,
  type SurfaceName,
} from './chrome-view.ts';
import { tabsThatFit } from './tab-bar.ts';

export class FirstChrome implements Chrome {
  grid = new Grid(0, 0);
  readonly surfaces = new Map<SurfaceName, Rectangle>();

  show(view: ChromeView): boolean {
    const { columns, rows, notesLines, timeline } = view;
    this.grid = new Grid(columns, rows, view.ascii);
    this.surfaces.clear();
    if (columns < LEAST_COLUMNS || rows < LEAST_ROWS) return true;
    this.#tabs(view);
    this.#footer(view);
    const lines = (y: number, height: number): Rectangle => ({ x: 0, y, width: columns, height });
    this.surfaces.set('status', lines(1, 2));
    if (notesLines > 0) this.surfaces.set('notes', lines(3, notesLines));
    const below = timeline ? 2 : 1;
    this.surfaces.set('body', lines(3 + notesLines, rows - 3 - below - notesLines));
    if (timeline) this.surfaces.set('timeline', lines(rows - 2, 1));
    return true;
  }

  stop(): void {}

  #tabs(view: ChromeView): void {
    const { tabs, before, after } = tabsThatFit(view.tabs, view.columns);
    const region = this.grid.region();
    let x = before > 0 ? region.put(0, 0, `<${before}`, DIM) : 0;
    const put = ({ label, active }: ChromeView['tabs'][number]) => {
      x = region.put(x, 0, ` ${label} `, active ? BOLD | REVERSE : 0);
    };
    for (const tab of tabs) if (!tab.pinned) put(tab);
    if (after > 0) x = region.put(x, 0, `${after}>`, DIM);
    for (const tab of tabs) if (tab.pinned) put(tab);
  }

  #footer({ footer, columns, rows }: ChromeView): void {
    if (footer.kind !== 'hints') return;
    const region = this.grid.region();
    const message = footer.message === '' ? '' : `${footer.message} `;
    const width = message === '' ? 0 : footer.message.length + 2;
    let x = 1;
    for (const { key, text } of fitHints(footer.hints, columns - width)) {
      x = region.put(x, rows - 1, key, BOLD | CYAN);
      x = region.put(x, rows - 1, ` ${text}  `, DIM);
    }
    if (message !== '') region.put(Math.max(x, columns - textWidth(message)), rows - 1, message, BOLD);
  }
}
