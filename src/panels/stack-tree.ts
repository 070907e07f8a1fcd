/** Folded stacks as a tree of frames, outermost first. Built once per snapshot and split, then only read. */
import type { StacksPanel } from '../monitors/monitor.ts';
import { type Column, numberAt, type Table, textAt } from '../sources/snapshot.ts';

export interface Frame {
  readonly name: string;
  readonly parent: Frame | undefined;
  /** Of the whole tree; the root has 0. */
  readonly depth: number;
  /** What the frame and everything called from it has. */
  value: number;
  /** What it has by itself: the part of `value` that no child has. */
  self: number;
  /** Largest value first, equal ones by name. */
  readonly children: Frame[];
}

export interface StackTree {
  readonly root: Frame;
  /** Depth of the deepest frame. */
  readonly depth: number;
}

/** Names from below the root to a frame; `[]` is the root. */
export type FramePath = readonly string[];

const trees = new WeakMap<Table, Map<string, StackTree>>();

/** The tree of a table, split by one of `panel.by` or (undefined) not; the same object for the same table. */
export function stackTree(table: Table, panel: StacksPanel, by: string | undefined): StackTree {
  let known = trees.get(table);
  if (known === undefined) {
    known = new Map();
    trees.set(table, known);
  }
  const id = `${panel.stack}\n${panel.value}\n${by ?? ''}`;
  let tree = known.get(id);
  if (tree === undefined) {
    tree = buildTree(table, panel, by);
    known.set(id, tree);
  }
  return tree;
}

interface Building extends Frame {
  index: Map<string, Building> | undefined;
}

function buildTree(table: Table, panel: StacksPanel, by: string | undefined): StackTree {
  const root = newFrame('all', undefined);
  const values = table.columns[panel.value];
  const split = by === undefined ? undefined : table.columns[by];
  const names = frameReader(table.columns[panel.stack]);
  let depth = 0;
  for (let row = 0; row < table.length; row += 1) {
    const value = numberAt(values, row);
    if (!(value > 0)) continue;
    root.value += value;
    let frame = root;
    if (split !== undefined) frame = child(frame, labelOf(by as string, split, row), value);
    const frames = names(row);
    for (let index = frames.length - 1; index >= 0; index -= 1) {
      frame = child(frame, frames[index] as string, value);
    }
    frame.self += value;
    if (frame.depth > depth) depth = frame.depth;
  }
  order(root);
  return { root, depth };
}

/** Frames of a row, innermost first; every distinct stack is taken apart once. */
function frameReader(column: Column | undefined): (row: number) => readonly string[] {
  if (column === undefined || column instanceof Float64Array) return () => NO_STACK;
  const known: (readonly string[] | undefined)[] = [];
  return (row) => {
    const id = column.ids[row] ?? 0;
    let frames = known[id];
    if (frames === undefined) {
      const text = column.strings[id] ?? '';
      frames = text === '' ? NO_STACK : text.split(';').map(functionOf);
      known[id] = frames;
    }
    return frames;
  };
}

const NO_STACK = ['[no stack]'];

/** The name without the offset: calls from several places of a function are one frame. */
function functionOf(frame: string): string {
  const plus = frame.indexOf('+0x');
  return plus <= 0 ? frame : frame.slice(0, plus) + (/ \[[^\]]+\]$/.exec(frame)?.[0] ?? '');
}

function labelOf(by: string, column: Column, row: number): string {
  if (column instanceof Float64Array) return `${by} ${numberAt(column, row)}`;
  return textAt(column, row) || `[no ${by}]`;
}

function newFrame(name: string, parent: Frame | undefined): Building {
  return {
    name,
    parent,
    depth: parent === undefined ? 0 : parent.depth + 1,
    value: 0,
    self: 0,
    children: [],
    index: undefined,
  };
}

function child(parent: Building, name: string, value: number): Building {
  let found = parent.index?.get(name);
  if (found === undefined) {
    found = newFrame(name, parent);
    parent.index ??= new Map();
    parent.index.set(name, found);
    parent.children.push(found);
  }
  found.value += value;
  return found;
}

function order(root: Building): void {
  const stack: Building[] = [root];
  for (let frame = stack.pop(); frame !== undefined; frame = stack.pop()) {
    frame.index = undefined;
    if (frame.children.length > 1)
      frame.children.sort((a, b) => b.value - a.value || (a.name < b.name ? -1 : 1));
    for (const next of frame.children) stack.push(next as Building);
  }
}

/** The frame at a path, or the deepest of its ancestors that is there. */
export function frameAt({ root }: StackTree, path: FramePath): Frame {
  let frame = root;
  for (const name of path) {
    const next = frame.children.find((candidate) => candidate.name === name);
    if (next === undefined) break;
    frame = next;
  }
  return frame;
}

/** Where a frame is. */
export function pathOf(frame: Frame): string[] {
  const path: string[] = [];
  for (let up: Frame | undefined = frame; up?.parent !== undefined; up = up.parent) path.push(up.name);
  return path.reverse();
}

/** Whether `ancestor` is the frame or above it. */
export function isWithin(frame: Frame, ancestor: Frame): boolean {
  let up: Frame | undefined = frame;
  while (up !== undefined && up.depth > ancestor.depth) up = up.parent;
  return up === ancestor;
}

/** Frames at a depth below `top` (`top` included), from left to right. */
export function level(top: Frame, depth: number): Frame[] {
  let frames = [top];
  for (let at = top.depth; at < depth; at += 1) frames = frames.flatMap(({ children }) => children);
  return frames;
}
