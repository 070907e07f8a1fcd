/** Choosing a recording from a shelf, on a terminal. */
import { Grid } from '../../panels/grid.ts';
import { makeTheme } from '../../panels/theme.ts';
import { targetRank } from '../navigation.ts';
import { detectCapabilities, type Look } from '../terminal/capabilities.ts';
import type { Key } from '../terminal/keys.ts';
import { Screen } from '../terminal/screen.ts';
import { Terminal } from '../terminal/terminal.ts';
import { watchWaysOut } from '../terminal/ways-out.ts';
import { listLines, paintShelf, type ShelfItem } from './paint-shelf.ts';

export interface ShelfOptions extends Look {
  readonly title: string;
  readonly items: readonly ShelfItem[];
  /** The one that is pointed at first. */
  readonly index: number;
}

/** The item chosen, or the exit status: 0 quit, 128 + n signal n, 129 the terminal went away, 1 a bug. */
export type Choice =
  | { readonly chosen: number }
  | { readonly status: number; readonly error: Error | undefined };

/** Shows the shelf until something is chosen; the terminal has been given back then. */
export function chooseRecording(options: ShelfOptions): Promise<Choice> {
  return new Promise((resolve) => {
    new Shelf(options, resolve).start();
  });
}

const MOTIONS = {
  up: 'up',
  k: 'up',
  down: 'down',
  j: 'down',
  pageup: 'page-up',
  pagedown: 'page-down',
  home: 'home',
  end: 'end',
  K: 'home',
  J: 'end',
} as const;

class Shelf {
  readonly #options: ShelfOptions;
  readonly #done: (choice: Choice) => void;
  readonly #terminal: Terminal;
  readonly #theme: ReturnType<typeof makeTheme>;
  readonly #screen: Screen;
  #forget: () => void = () => {};
  #wanted = false;
  #over = false;
  #index: number;
  #top = 0;

  constructor(options: ShelfOptions, done: (choice: Choice) => void) {
    this.#options = options;
    this.#done = done;
    this.#index = Math.max(0, Math.min(options.items.length - 1, options.index));
    const capabilities = detectCapabilities(process.env, options);
    this.#theme = makeTheme(capabilities);
    this.#screen = new Screen(capabilities.styleMask, capabilities.recolour);
    this.#terminal = new Terminal(
      { mouse: false },
      {
        key: (key) => this.#key(key),
        repaint: () => {
          this.#screen.invalidate();
          this.#paint();
        },
        idle: () => {
          if (this.#wanted) this.#paint();
        },
        gone: () => this.#end({ status: 129, error: undefined }),
      },
    );
  }

  start(): void {
    this.#forget = watchWaysOut(
      (status, error) => this.#end({ status, error }),
      () => this.#terminal.stop(),
    );
    this.#terminal.start();
    this.#paint();
  }

  #end(choice: Choice): void {
    if (this.#over) return;
    this.#over = true;
    this.#terminal.stop();
    this.#forget();
    this.#done(choice);
  }

  #key({ name }: Key): void {
    const { items } = this.#options;
    const motion = Object.hasOwn(MOTIONS, name) ? MOTIONS[name as keyof typeof MOTIONS] : undefined;
    if (motion !== undefined) {
      const page = listLines(this.#terminal.size.rows, items.length);
      this.#index = Math.max(0, Math.min(items.length - 1, targetRank(motion, this.#index, 0, page)));
    } else if (name === 'enter' && items[this.#index] !== undefined) {
      if (items[this.#index]?.problem === '') this.#end({ chosen: this.#index });
    } else if (['q', 'escape', 'f10', 'ctrl-c'].includes(name)) this.#end({ status: 0, error: undefined });
    else if (name === 'ctrl-l') this.#screen.invalidate();
    else if (name === 'ctrl-z') this.#terminal.suspend();
    if (!this.#over) this.#paint();
  }

  #paint(): void {
    this.#wanted = this.#terminal.writer.busy;
    if (this.#wanted) return;
    const { columns, rows } = this.#terminal.size;
    const { items, title } = this.#options;
    const lines = listLines(rows, items.length);
    this.#top = Math.max(this.#index - lines + 1, Math.min(this.#top, this.#index));
    const grid = new Grid(columns, rows, this.#theme.ascii);
    paintShelf(grid.region(), { title, items, index: this.#index, top: this.#top }, this.#theme);
    this.#terminal.writer.write(this.#screen.diff(grid));
  }
}
