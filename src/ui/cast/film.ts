/**
 * The dashboard on a recording, filmed: the same session, chrome and screen as on a terminal, on a clock of its own. What
 * the terminal would be sent becomes a cast. The same file, options and keys give the same bytes.
 */
import type { Monitor, Options } from '../../monitors/monitor.ts';
import { clipText } from '../../panels/char-width.ts';
import { Grid } from '../../panels/grid.ts';
import { sanitise } from '../../panels/sanitise.ts';
import { makeTheme } from '../../panels/theme.ts';
import type { Mark, Playback, Source } from '../../sources/source.ts';
import { InkHost } from '../chrome/ink-host.tsx';
import { pressKey } from '../commands.ts';
import { composeFrame } from '../compose.ts';
import { Session } from '../session.ts';
import { detectCapabilities, type Look } from '../terminal/capabilities.ts';
import { Screen } from '../terminal/screen.ts';
import type { Size } from '../terminal/terminal.ts';
import { Asciicast, type CastVersion } from './asciicast.ts';
import type { KeyStep } from './key-script.ts';
import type { VirtualClock } from './virtual-clock.ts';

export interface FilmOptions extends Omit<Look, 'mouse'> {
  /** A recording that stands still, paced by `clock`. The caller opens and closes it. */
  readonly source: Source & { readonly playback: Playback };
  readonly clock: VirtualClock;
  readonly monitors: readonly Monitor[];
  /** Name of the monitor to open on. */
  readonly initial: string;
  readonly options: (monitor: string) => Options;
  /** Name of the recording. */
  readonly file: string;
  readonly size: Size;
  readonly speed: number;
  /** Wall clock, milliseconds since the epoch; `from` undefined: where the recording begins to show something. */
  readonly from: number | undefined;
  readonly to: number;
  readonly keys: readonly KeyStep[];
  readonly version: CastVersion;
  readonly write: (text: string) => void | Promise<void>;
  /** Told of every frame; its grid is that of the next frame too. */
  readonly onFrame?: (at_ms: number, grid: Grid) => void;
}

export interface FilmFacts {
  readonly frames: number;
  readonly length_ms: number;
}

/** Frames are at least so far apart. */
const SPACING_MS = 33;
/** How long the last picture stands when nothing moves any more. */
const TAIL_MS = 2000;
/** Ages and messages that expire are painted so often. */
const TICK_MS = 1000;
const MARKER_WIDTH = 100;
const SHOW = '\x1b[?25l\x1b[?7l';
const OVER = '\x1b[m\x1b[?7h\x1b[?25h';

/** Resolves when the recording has reached its end, or `to`, and all keys have been pressed. */
export async function film(options: FilmOptions): Promise<FilmFacts> {
  // Ink's colours are reduced to what is asked for when cells are written; chalk must not decide.
  process.env.FORCE_COLOR = '1';
  return new Film(options).run();
}

class Film {
  readonly #options: FilmOptions;
  readonly #session: Session;
  readonly #cast: Asciicast;
  readonly #chrome = new InkHost();
  readonly #screen: Screen;
  readonly #theme: ReturnType<typeof makeTheme>;
  readonly #grid: Grid;
  #changed = true;
  #painted = Number.NEGATIVE_INFINITY;
  #frames = 0;
  /** The user has quit. */
  #over = false;
  readonly #began: number;
  /** Where playing has come to. */
  #passed: number;

  constructor(options: FilmOptions) {
    const { source, monitors, initial, file, size, from, version } = options;
    this.#options = options;
    this.#cast = new Asciicast(version);
    this.#began = from ?? source.playback.state().start;
    this.#passed = this.#began;
    // A film is watched elsewhere: what this terminal can do says nothing.
    const anywhere = { TERM: 'xterm-256color', LANG: 'C.UTF-8' };
    const capabilities = detectCapabilities(anywhere, options);
    this.#theme = makeTheme(capabilities);
    this.#screen = new Screen(capabilities.styleMask, capabilities.recolour);
    this.#grid = new Grid(size.columns, size.rows, capabilities.ascii);
    this.#session = new Session(
      { source, monitors, initial, options: options.options, file },
      {
        quit: () => {
          this.#over = true;
        },
        redraw: () => this.#screen.invalidate(),
        mouse: () => {},
        suspend: () => {},
        exportFile: () => 'a film writes no files',
      },
    );
  }

  async run(): Promise<FilmFacts> {
    const { source, clock, from, speed, size, version, file, write } = this.#options;
    const { playback } = source;
    const unsubscribe = source.subscribe((message) => {
      this.#session.accept(message, this.#wall);
      this.#changed = true;
    });
    try {
      this.#session.open(this.#wall);
      await settle();
      if (from !== undefined) playback.seek(from);
      await settle();
      playback.setSpeed(speed);
      playback.setPlaying(true);
      await settle();
      await write(
        this.#cast.header({
          version,
          size,
          timestamp: Math.floor(this.#began / 1000),
          title: sanitise(`ktop ${file}`),
        }),
      );
      await write(this.#cast.event(0, 'o', SHOW));
      const length_ms = await this.#roll();
      await write(this.#cast.event(length_ms, 'o', `${OVER}\x1b[${size.rows}H\r\n`));
      await write(this.#cast.end(length_ms));
      return { frames: this.#frames, length_ms: clock.now() };
    } finally {
      unsubscribe();
      this.#chrome.stop();
    }
  }

  /** Wall clock of whoever watches: the film begins when its first picture was taken. */
  get #wall(): number {
    return this.#began + this.#options.clock.now();
  }

  /** Goes from one thing that happens to the next. Returns the length. */
  async #roll(): Promise<number> {
    const { clock, keys } = this.#options;
    let pressed = 0;
    let still = Number.POSITIVE_INFINITY;
    for (;;) {
      await this.#paint();
      const key = keys[pressed];
      const rests = key === undefined && this.#hasEnded;
      still = rests ? Math.min(still, clock.now() + TAIL_MS) : Number.POSITIVE_INFINITY;
      if (this.#over || clock.now() >= still) return clock.now();
      const due = this.#changed ? this.#painted + SPACING_MS : this.#painted + TICK_MS;
      const next = Math.min(clock.next, key?.at_ms ?? Number.POSITIVE_INFINITY, due, still, this.#arrival);
      if (key !== undefined && key.at_ms <= next) {
        clock.advance(Math.max(clock.now(), key.at_ms));
        pressKey(this.#session, key.key, this.#wall);
        pressed += 1;
        this.#changed = true;
      } else if (!clock.advance(next) && next >= this.#painted + TICK_MS) this.#changed = true;
      await settle();
      await this.#stopAtEnd();
      await this.#mark();
    }
  }

  /** When playing comes to `to`. */
  get #arrival(): number {
    const { clock, source, to } = this.#options;
    const { playing, at, speed } = source.playback.state();
    return playing && at < to ? clock.now() + (to - at) / speed : Number.POSITIVE_INFINITY;
  }

  get #hasEnded(): boolean {
    const { playing, at, end } = this.#options.source.playback.state();
    return !playing || at >= Math.min(end, this.#options.to);
  }

  /** What is after `to` is not shown by playing; keys may go anywhere. */
  async #stopAtEnd(): Promise<void> {
    const { source, to } = this.#options;
    const { playing, at } = source.playback.state();
    if (!playing || at < to) return;
    source.playback.setPlaying(false);
    source.playback.seek(to);
    await settle();
  }

  /** Marks that playing has passed become markers of the cast. */
  async #mark(): Promise<void> {
    const { clock, source, write } = this.#options;
    const { at, playing, marks } = source.playback.state();
    const passed = playing ? marks.filter(({ time }) => time > this.#passed && time <= at) : [];
    this.#passed = at;
    for (const mark of passed) await write(this.#cast.event(clock.now(), 'm', markerText(mark)));
  }

  async #paint(): Promise<void> {
    const { clock, size, write, onFrame } = this.#options;
    const now = clock.now();
    if (!this.#changed || now < this.#painted + SPACING_MS) return;
    this.#changed = false;
    this.#painted = now;
    composeFrame(this.#grid, this.#chrome, this.#session, {
      size,
      theme: this.#theme,
      now: this.#wall,
      spacing_ms: 0,
    });
    const bytes = this.#screen.diff(this.#grid);
    if (bytes === '') return;
    this.#frames += 1;
    await write(this.#cast.event(now, 'o', bytes));
    onFrame?.(Math.round(now), this.#grid);
  }
}

/** Sources answer in a later turn; what they answer may make the session ask again. */
async function settle(): Promise<void> {
  for (let turn = 0; turn < 3; turn += 1) await new Promise((resolve) => setImmediate(resolve));
}

function markerText({ kind, monitor, text }: Mark): string {
  const words = [kind, monitor, text].filter((word) => word !== '').join(' ');
  return clipText(sanitise(words), MARKER_WIDTH, '…');
}
