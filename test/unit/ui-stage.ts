/** A dashboard that is driven by hand: no terminal, no kernel. */
import type { Monitor } from '../../src/monitors/monitor.ts';
import { Grid } from '../../src/panels/grid.ts';
import { makeTheme } from '../../src/panels/theme.ts';
import type { Snapshot } from '../../src/sources/snapshot.ts';
import type { Source } from '../../src/sources/source.ts';
import type { InkHost } from '../../src/ui/chrome/ink-host.tsx';
import { pressKey } from '../../src/ui/commands.ts';
import { composeFrame } from '../../src/ui/compose.ts';
import { Session } from '../../src/ui/session.ts';
import { KeyDecoder } from '../../src/ui/terminal/keys.ts';

/** A Tuesday, noon UTC. */
export const NOW = 1_763_467_200_000;

export class Stage {
  readonly started: string[] = [];
  readonly stopped: string[] = [];
  readonly files: { readonly name: string; readonly suffix: string; readonly text: string }[] = [];
  readonly session: Session;
  now = NOW;
  quits = 0;
  readonly #ink: InkHost;
  readonly #decoder = new KeyDecoder();

  /** `more`: what the source has beyond the plain one, and the session beyond its source. */
  constructor(
    ink: InkHost,
    initial: string,
    monitors: readonly Monitor[],
    more: { readonly source?: Partial<Source>; readonly file?: string } = {},
  ) {
    this.#ink = ink;
    const source: Source = {
      host: { host: 'web-3', kernel: '6.1.0-25-amd64', cpus: 8, boot_time: 0 },
      start: (monitor, { interval_ms }) => this.started.push(`${monitor} ${interval_ms}`),
      stop: (monitor) => this.stopped.push(monitor),
      capabilities: () => {},
      subscribe: () => () => {},
      close: async () => {},
      ...more.source,
    };
    const options = () => ({ interval_ms: 1000 });
    const effects = {
      quit: () => (this.quits += 1),
      redraw: () => {},
      mouse: () => {},
      suspend: () => {},
      exportFile: (name: string, suffix: string, text: string) => {
        this.files.push({ name, suffix, text });
        return `written to ./${name}.${suffix}`;
      },
    };
    this.session = new Session({ source, monitors, initial, options, file: more.file ?? '' }, effects);
    this.session.open(this.now);
  }

  feed(snapshot: Snapshot): this {
    this.session.accept({ type: 'snapshot', snapshot }, this.now);
    return this;
  }

  keys(keys: string): this {
    for (const key of this.#decoder.push(Buffer.from(keys))) pressKey(this.session, key, this.now);
    for (const key of this.#decoder.flush()) pressKey(this.session, key, this.now);
    return this;
  }

  frame(columns: number, rows: number, ascii = false): string[] {
    return this.grid(columns, rows, ascii).lines();
  }

  grid(columns: number, rows: number, ascii = false): Grid {
    const grid = new Grid(columns, rows, ascii);
    const theme = makeTheme({ ascii, colours: 16 });
    composeFrame(grid, this.#ink, this.session, {
      size: { columns, rows },
      theme,
      now: this.now,
      spacing_ms: 0,
    });
    return grid;
  }
}
