// biome-ignore-all lint/suspicious/noControlCharactersInRegex: control sequences are what is parsed here
/** A frame of text with SGR sequences as cells. */
import { Grid } from '../../panels/grid.ts';
import { PLAIN } from '../../panels/style.ts';
import { applySgr } from '../terminal/sgr.ts';

const SEQUENCE = /\x1b\[([0-9;]*)m|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)|\x1b\[[0-9;?]*[A-Za-z]/g;

/** Cells of a frame; sequences other than SGR are dropped, text is sanitised like any other. */
export function parseFrame(frame: string, width: number, height: number, ascii: boolean): Grid {
  const grid = new Grid(width, height, ascii);
  const region = grid.region();
  let style = PLAIN;
  for (const [y, text] of frame.split('\n').entries()) {
    if (y >= height) break;
    let x = 0;
    let from = 0;
    for (const match of text.matchAll(SEQUENCE)) {
      x = region.put(x, y, text.slice(from, match.index), style);
      from = match.index + match[0].length;
      if (match[1] !== undefined) style = applySgr(style, match[1].split(';').map(Number));
    }
    region.put(x, y, text.slice(from), style);
  }
  return grid;
}
