/** Folded stacks as text: `outermost;…;innermost value`, as flame graph tools read them. */
import type { StacksPanel } from '../monitors/monitor.ts';
import type { Table } from '../sources/snapshot.ts';
import { sanitise } from './sanitise.ts';
import { type Frame, pathOf, stackTree } from './stack-tree.ts';

export interface FoldedStack {
  /** Frames joined by `;`, outermost first, sanitised. */
  readonly stack: string;
  readonly value: number;
  /** Per cent of all. */
  readonly pct: number;
}

/** Distinct stacks, largest first. */
export function foldedStacks(table: Table, panel: StacksPanel, by: string | undefined): FoldedStack[] {
  const { root } = stackTree(table, panel, by);
  const found: Frame[] = [];
  const stack = [root];
  for (let frame = stack.pop(); frame !== undefined; frame = stack.pop()) {
    if (frame.self > 0 && frame !== root) found.push(frame);
    stack.push(...frame.children);
  }
  const folded = found.map((frame) => ({
    stack: pathOf(frame).map(cleanName).join(';'),
    value: frame.self,
    pct: (100 * frame.self) / root.value,
  }));
  return folded.sort((a, b) => b.value - a.value || (a.stack < b.stack ? -1 : 1));
}

/** One stack a line. */
export function foldedText(table: Table, panel: StacksPanel, by: string | undefined): string {
  return foldedStacks(table, panel, by)
    .map(({ stack, value }) => `${stack} ${value}\n`)
    .join('');
}

/** A comm may hold the separator of frames. */
function cleanName(name: string): string {
  return sanitise(name).replaceAll(';', ':');
}
