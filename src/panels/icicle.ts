/** Where the frames of an icicle lie: root at the top, a column for every equal share of the value. */
import type { Frame } from './stack-tree.ts';

/** A frame, or neighbours too narrow to be told apart. */
export interface IcicleCell {
  /** Below the top frame: 0 is the top itself. */
  readonly level: number;
  readonly x: number;
  readonly width: number;
  /** The frame; of merged ones the largest. */
  readonly frame: Frame;
  /** Brothers merged into this cell, `frame` included; 1 = the frame alone. */
  readonly merged: number;
}

/** Narrowest cell of its own: a separator and two letters. */
const NARROWEST = 3;

/**
 * Cells of the levels `from` … `from + levels - 1` under `top`, on `width` columns. Visits only what is wide
 * enough to be seen: brothers come largest first, so the narrow ones are the last and become one cell.
 */
export function layOut(top: Frame, width: number, from: number, levels: number): IcicleCell[] {
  const cells: IcicleCell[] = [];
  if (width < 1 || !(top.value > 0)) return cells;
  const visit = (frame: Frame, level: number, left: number, scale: number, x: number, end: number): void => {
    if (level >= from) cells.push({ level, x, width: end - x, frame, merged: 1 });
    if (level + 1 >= from + levels) return;
    const { children } = frame;
    let at = left;
    let start = x;
    for (let index = 0; index < children.length; index += 1) {
      const child = children[index] as Frame;
      const stop = Math.min(end, Math.max(start, Math.round((at + child.value) * scale)));
      if (stop - start < NARROWEST && !(children.length === 1 && stop > start)) {
        mergeRest(children, index, level + 1, at, scale, start, end);
        return;
      }
      // The last brothers are never squeezed out of sight.
      const rest = index + 1 < children.length && stop === end ? 1 : 0;
      visit(child, level + 1, at, scale, start, stop - rest);
      at += child.value;
      start = stop - rest;
    }
  };
  const mergeRest = (
    children: readonly Frame[],
    index: number,
    level: number,
    left: number,
    scale: number,
    start: number,
    end: number,
  ) => {
    let value = 0;
    for (let rest = index; rest < children.length; rest += 1) value += (children[rest] as Frame).value;
    const stop = Math.min(end, Math.max(start + 1, Math.round((left + value) * scale)));
    if (stop <= start || level < from) return;
    const frame = children[index] as Frame;
    cells.push({ level, x: start, width: stop - start, frame, merged: children.length - index });
  };
  visit(top, 0, 0, width / top.value, 0, width);
  return cells;
}
