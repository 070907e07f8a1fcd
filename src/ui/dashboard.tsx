/** The dashboard: a session on a terminal. */
import type { Monitor, Options } from '../monitors/monitor.ts';
import { Grid } from '../panels/grid.ts';
import { makeTheme } from '../panels/theme.ts';
import type { Source } from '../sources/source.ts';
import type { Chrome } from './chrome/chrome.ts';
import { FirstChrome } from './chrome/first-chrome.ts';
import { pressKey } from './commands.ts';
import { composeFrame } from './compose.ts';
import { exportFile } from './export-file.ts';
import { isMouse, pressMouse } from './mouse-commands.ts';
import type { Frame } from './picture.ts';
import { awaitProbes } from './probe-commands.ts';
import type { ProbeDesk } from './probe-desk.ts';
import { Session } from './session.ts';
import { detectCapabilities, type Look } from './terminal/capabilities.ts';
import { capturePrints } from './terminal/capture-prints.ts';
import type { Key } from './terminal/keys.ts';
import { Pacer } from './terminal/pacer.ts';
import { Screen } from './terminal/screen.ts';
import { Terminal } from './terminal/terminal.ts';
import { watchWaysOut } from './terminal/ways-out.ts';

export interface DashboardOptions extends Look {
  /** The caller opens and closes it. */
  readonly source: Source;
  readonly monitors: readonly Monitor[];
  /** Name of the monitor to open on. */
  readonly initial: string;
  readonly options: (monitor: string) => Options;
  /** Absent where no probe can be armed. */
  readonly probes?: ProbeDesk;
  /** Name of the recording that the source plays. */
  readonly file?: string;
  /** It was opened from a list: Esc and q go back there. The dashboard then ends with 0. */
  readonly leave?: () => void;
}

/** The clock: ages, messages that expire, facts that are not worth a paint of their own. */
const TICK_MS = 1000;

/**
 * Runs until the user or the system ends it. Resolves to the exit status, after the terminal has been given
 * back: 0 quit, 128 + n signal n, 129 the terminal went away, 1 a bug (its trace is on stderr).
 */
export async function runDashboard(options: DashboardOptions): Promise<number> {
  return new Dashboard(options).run();
}

class Dashboard {
  readonly #session: Session;
  #chrome: Chrome = new FirstChrome();
  readonly #terminal: Terminal;
  readonly #screen: Screen;
  readonly #theme: ReturnType<typeof makeTheme>;
  readonly #pacer = new Pacer();
  #grid = new Grid(0, 0);
  #end: (status: number) => void = () => {};
  #error: Error | undefined;
  #over = false;
  /** A paint has been asked for; `#scheduled`: and is on its way. */
  #wanted = false;
  #scheduled = false;
  #painted = 0;

  constructor(options: DashboardOptions) {
    const capabilities = detectCapabilities(process.env, options);
    this.#theme = makeTheme(capabilities);
    this.#screen = new Screen(capabilities.styleMask, capabilities.recolour);
    this.#session = new Session(options, {
      quit: () => this.#finish(0, undefined),
      redraw: () => this.#repaint(),
      mouse: (now) => this.#toggleMouse(now),
      suspend: () => this.#terminal.suspend(),
      exportFile,
      ...(options.leave === undefined ? {} : { leave: () => this.#leave(options.leave) }),
    });
    this.#terminal = new Terminal(options, {
      key: (key) => {
        this.#press(key);
        this.#want();
      },
      repaint: () => this.#repaint(),
      idle: () => {
        if (this.#wanted) this.#schedule();
      },
      gone: () => this.#finish(129, undefined),
    });
  }

  async run(): Promise<number> {
    const { source, store } = this.#session;
    const ended = new Promise<number>((resolve) => {
      this.#end = resolve;
    });
    const forget = watchWaysOut(
      (status, error) => this.#finish(status, error),
      () => this.#terminal.stop(),
    );
    const release = capturePrints((text) => store.notice(text, Date.now()));
    const clock = setInterval(() => this.#tick(), TICK_MS);
    this.#terminal.start();
    this.#paint();
    // Only now, with a picture on the screen: what takes longest to load.
    const unsubscribe = source.subscribe((message) => {
      this.#session.accept(message, Date.now());
      if (message.type === 'load') return;
      const now = performance.now();
      const { writer } = this.#terminal;
      // What is held says nothing about the link.
      if (!writer.held) this.#pacer.tick(now, writer.busyFor(now), this.#session.state.interval_ms);
      // On a slow link the clock paints what is skipped here.
      if (now - this.#painted >= this.#pacer.spacing_ms) this.#want();
    });
    this.#session.open(Date.now());
    void this.#loadInk();
    const status = await ended;
    clearInterval(clock);
    unsubscribe();
    this.#terminal.stop();
    this.#chrome.stop();
    release();
    forget();
    if (this.#error !== undefined) process.stderr.write(`${this.#error.stack ?? this.#error.message}\n`);
    return status;
  }

  async #loadInk(): Promise<void> {
    // The first frame leaves before the thread is kept busy.
    await new Promise((resolve) => setImmediate(resolve));
    // Ink's colours are reduced to what the terminal has when cells are written; chalk must not decide.
    process.env.FORCE_COLOR = '1';
    const { InkHost } = await import('./chrome/ink-host.tsx');
    if (this.#over) return;
    this.#chrome = new InkHost();
    this.#want();
  }

  #press(key: Key): void {
    const now = Date.now();
    const { surfaces } = this.#chrome;
    const painted = { columns: this.#grid.width, theme: this.#theme, surfaces };
    if (isMouse(key)) pressMouse(this.#session, key, painted, now);
    else pressKey(this.#session, key, now);
  }

  #toggleMouse(now: number): void {
    const taken = !this.#terminal.mouse;
    this.#terminal.mouse = taken;
    const text = taken
      ? 'mouse on: wheel moves, click selects, sorts, opens tabs'
      : 'mouse off: it selects text';
    this.#session.say(text, now);
  }

  /** May be called from a signal or an error: gives the terminal back at once. */
  #finish(status: number, error: Error | undefined): void {
    if (this.#over) return;
    this.#over = true;
    this.#error = error;
    this.#terminal.stop();
    this.#end(status);
  }

  #leave(tell: (() => void) | undefined): void {
    tell?.();
    this.#finish(0, undefined);
  }

  #tick(): void {
    awaitProbes(this.#session, Date.now());
    const now = performance.now();
    // Snapshots paint; the clock only where none came.
    if (now - this.#painted >= Math.max(TICK_MS * 0.95, this.#pacer.spacing_ms)) this.#want();
  }

  #repaint(): void {
    this.#screen.invalidate();
    // Columns may be laid out anew.
    for (const panel of this.#session.state.tabs.flatMap(({ panels }) => panels)) {
      panel.seen.clear();
      panel.held = undefined;
    }
    this.#want();
  }

  #want(): void {
    this.#wanted = true;
    this.#schedule();
  }

  /** Everything that happens in one turn of the event loop becomes one frame; none while one is being written. */
  #schedule(): void {
    if (this.#scheduled || this.#terminal.writer.busy) return;
    this.#scheduled = true;
    setImmediate(() => {
      this.#scheduled = false;
      if (!this.#over && !this.#terminal.writer.busy) this.#paint();
    });
  }

  #paint(): void {
    this.#wanted = false;
    this.#painted = performance.now();
    const { size } = this.#terminal;
    const frame: Frame = {
      size,
      theme: this.#theme,
      now: Date.now(),
      spacing_ms: this.#pacer.spacing_ms,
    };
    if (this.#grid.width !== size.columns || this.#grid.height !== size.rows) {
      this.#grid = new Grid(size.columns, size.rows, this.#theme.ascii);
    }
    composeFrame(this.#grid, this.#chrome, this.#session, frame);
    this.#terminal.writer.write(this.#screen.diff(this.#grid));
  }
}
