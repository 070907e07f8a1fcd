/** Runs Ink without a terminal: it renders to whole frames, which become cells. */
import { EventEmitter } from 'node:events';
import { PassThrough } from 'node:stream';
import { type Instance, render } from 'ink';
import { Grid } from '../../panels/grid.ts';
import { App } from './app.tsx';
import type { Chrome } from './chrome.ts';
import type { ChromeView, Rectangle, SurfaceName } from './chrome-view.ts';
import { parseFrame } from './parse-frame.ts';

/** What Ink asks of a terminal. */
class FrameSink extends EventEmitter {
  readonly isTTY = true;
  columns = 80;
  rows = 24;
  frame = '';

  write(text: string, ...rest: unknown[]): boolean {
    this.frame = text;
    const done = rest.findLast((argument) => typeof argument === 'function');
    if (typeof done === 'function') done();
    return true;
  }
}

export class InkHost implements Chrome {
  /** Where the surfaces lie. */
  readonly surfaces = new Map<SurfaceName, Rectangle>();
  #grid = new Grid(0, 0);
  readonly #sink = new FrameSink();
  #instance: Instance | undefined;
  #shown = '';

  /** Lets React draw, if the view has changed. Returns whether it has. */
  show(view: ChromeView): boolean {
    const id = JSON.stringify(view);
    if (id === this.#shown) return false;
    this.#shown = id;
    this.#sink.columns = view.columns;
    this.#sink.rows = view.rows;
    const app = <App view={view} onSurface={this.#onSurface} />;
    if (this.#instance === undefined) this.#instance = this.#start(app);
    else this.#instance.rerender(app);
    this.#grid = parseFrame(this.#sink.frame, view.columns, view.rows, view.ascii);
    return true;
  }

  /** The last frame, surfaces blank. */
  get grid(): Grid {
    return this.#grid;
  }

  /** Frees what Ink holds. */
  stop(): void {
    this.#instance?.unmount();
    this.#instance = undefined;
  }

  #start(app: React.ReactNode): Instance {
    const stream = this.#sink as unknown as NodeJS.WriteStream;
    return render(app, {
      stdout: stream,
      stderr: new FrameSink() as unknown as NodeJS.WriteStream,
      stdin: new PassThrough() as unknown as NodeJS.ReadStream,
      // One write per commit, the whole frame, no cursor motion.
      debug: true,
      interactive: true,
      exitOnCtrlC: false,
      patchConsole: false,
      isScreenReaderEnabled: false,
    });
  }

  readonly #onSurface = (name: SurfaceName, rectangle: Rectangle | undefined): void => {
    if (rectangle === undefined) this.surfaces.delete(name);
    else this.surfaces.set(name, rectangle);
  };
}
