/** How the panels of a tab share the height: stacked, the main one takes the rest, the lesser ones give way. */

export interface PanelDemand {
  readonly kind: 'table' | 'bars' | 'histogram' | 'line' | 'log' | 'stacks';
  /** Lines it could fill, title included. */
  readonly want: number;
}

/** Fewest lines with which a panel is worth showing. */
const LEAST: Readonly<Record<PanelDemand['kind'], number>> = {
  table: 5,
  bars: 2,
  histogram: 4,
  line: 4,
  log: 3,
  stacks: 5,
};

/** Share of the height a panel may take beside a table, and lines it never passes. */
const SHARE: Readonly<Record<PanelDemand['kind'], number>> = {
  table: 1,
  bars: 0.5,
  histogram: 0.4,
  line: 0.25,
  log: 1 / 3,
  stacks: 0.5,
};
const MOST: Readonly<Partial<Record<PanelDemand['kind'], number>>> = { histogram: 13, line: 6 };

/** Who is shown first when not all fit. */
const RANK: Readonly<Record<PanelDemand['kind'], number>> = {
  table: 0,
  bars: 1,
  stacks: 2,
  histogram: 2,
  log: 3,
  line: 4,
};

const MAIN_KINDS: ReadonlySet<string> = new Set(['table', 'stacks', 'log']);

/** The panel a tab is about: the first that takes any height it is given; -1 when there is none. */
export function mainPanel(panels: readonly { readonly kind: string }[]): number {
  return panels.findIndex(({ kind }) => MAIN_KINDS.has(kind));
}

/**
 * Lines of each panel, 0 for hidden; they add up to `height` or less. `focus` is never hidden; with `zoom`
 * it has everything.
 */
export function stackPanels(
  panels: readonly PanelDemand[],
  height: number,
  focus: number,
  zoom: boolean,
): number[] {
  if (zoom) return panels.map((_, index) => (index === focus ? height : 0));
  const lines = panels.map(() => 0);
  const main = mainPanel(panels);
  const isElastic = ({ kind, index }: { readonly kind: PanelDemand['kind']; readonly index: number }) =>
    kind === 'table' || index === main;
  let left = height;
  const order = panels
    .map((panel, index) => ({ ...panel, index }))
    .sort((a, b) => rank(a.index, focus, main, panels) - rank(b.index, focus, main, panels));
  for (const { kind, want, index } of order) {
    // Bars are not cut: every CPU is to be seen.
    const whole = kind === 'bars' ? Math.floor(height * SHARE.bars) : LEAST[kind];
    const least = Math.min(whole, Math.max(2, want));
    const given = left >= least ? least : index === order[0]?.index ? left : 0;
    lines[index] = given;
    left -= given;
  }
  // The small ones first: what they need is bounded, tables and logs take any amount.
  const byGreed = order
    .filter(({ index }) => (lines[index] as number) > 0)
    .sort((a, b) => greed(a.kind, a.index === main) - greed(b.kind, b.index === main));
  for (const { kind, want, index } of byGreed) {
    if (isElastic({ kind, index })) continue;
    const now = lines[index] as number;
    const share = panels.length === 1 ? height : Math.max(now, Math.floor(height * SHARE[kind]));
    const cap = Math.min(want, share, MOST[kind] ?? height);
    const more = Math.max(0, Math.min(cap - now, left - reserve(panels, lines, main, height)));
    lines[index] = now + more;
    left -= more;
  }
  // Tables share the rest, the main panel takes two lines where others take one; what one does not need they get.
  let hungry = byGreed.filter(isElastic);
  while (left > 0 && hungry.length > 0) {
    hungry = hungry.filter(({ want, index }) => (lines[index] as number) < want);
    for (const { want, index } of hungry) {
      const now = lines[index] as number;
      const more = Math.min(index === main ? 2 : 1, left, want - now);
      lines[index] = now + more;
      left -= more;
    }
  }
  // Then whoever still lacks something, beyond its share.
  for (const { kind, want, index } of byGreed) {
    const now = lines[index] as number;
    const more = Math.max(0, Math.min(left, Math.min(want, MOST[kind] ?? height) - now));
    lines[index] = now + more;
    left -= more;
  }
  // What nobody asked for goes to the main panel: the others keep their place at the bottom as rows come and go.
  const taker = byGreed.find(({ index }) => index === main) ?? byGreed.at(-1);
  if (taker !== undefined) lines[taker.index] = (lines[taker.index] as number) + left;
  return lines;
}

/** Tables and the main panel keep about a third of the height against the greed of the others. */
function reserve(
  panels: readonly PanelDemand[],
  lines: readonly number[],
  main: number,
  height: number,
): number {
  return panels.reduce((sum, { kind, want }, index) => {
    const now = lines[index] as number;
    const keeps = (kind === 'table' || index === main) && now > 0;
    return keeps ? sum + Math.max(0, Math.min(want, Math.floor(height / 3)) - now) : sum;
  }, 0);
}

function greed(kind: PanelDemand['kind'], main: boolean): number {
  if (main || kind === 'table') return 2;
  return kind === 'log' || kind === 'stacks' ? 1 : 0;
}

function rank(index: number, focus: number, main: number, panels: readonly PanelDemand[]): number {
  if (index === focus) return -1;
  if (index === main) return 0;
  const kind = panels[index]?.kind ?? 'line';
  const second = panels.findIndex((panel) => panel.kind === kind) !== index;
  return RANK[kind] + (second ? 2.5 : 0);
}
