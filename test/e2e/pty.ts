// biome-ignore-all lint/suspicious/noControlCharactersInRegex: terminal output is read here
/** A program in a terminal of its own: what it shows, what it is sent, how it ends. */
import { type IPty, spawn as spawnPty } from '@lydell/node-pty';
import xterm from '@xterm/headless';

export interface PtyOptions {
  readonly cols?: number;
  readonly rows?: number;
  readonly env?: Readonly<Record<string, string | undefined>>;
  readonly cwd?: string;
  /** Whether the terminal answers questions; default true. */
  readonly answers?: boolean;
}

export interface Exit {
  readonly code: number;
  readonly signal: number | undefined;
}

export interface Pty {
  readonly pid: number;
  /** Lines as a person sees them, trailing blanks dropped. */
  screen(): string[];
  /** The text of all lines. */
  text(): string;
  /** Everything the program has written. */
  output(): string;
  /** Whether the alternate screen is shown, whether the cursor is, whether long lines wrap. */
  modes(): { readonly alternate: boolean; readonly cursor: boolean; readonly wrap: boolean };
  /** Style of a cell. */
  cell(x: number, y: number): { readonly bold: boolean; readonly inverse: boolean; readonly colour: number };
  send(keys: string): void;
  /** Resolves when the screen matches; rejects with the screen after `timeout_ms`. */
  waitFor(wanted: RegExp | ((lines: string[]) => boolean), timeout_ms?: number): Promise<void>;
  resize(cols: number, rows: number): void;
  /** From now on a slow link: so many bytes a second to the terminal, and this long for anything to arrive, either way. */
  throttle(bytesPerSecond: number, delay_ms: number): void;
  /** Stops reading what the program writes, as a stalled connection does; `flow` reads on. */
  stall(): void;
  flow(): void;
  kill(signal?: string): void;
  /** Ends the terminal itself, as when a connection drops. */
  hangUp(): void;
  /** Resolves when the program has ended and all it wrote has been shown. */
  readonly exit: Promise<Exit>;
}

const POLL_MS = 20;

/** Starts a program. The environment is a clean one: TERM, a UTF-8 locale, PATH and HOME, then `env`. */
export function spawn(command: string, args: readonly string[], options: PtyOptions = {}): Pty {
  const { cols = 80, rows = 24 } = options;
  const terminal = new xterm.Terminal({ cols, rows, scrollback: 1000, allowProposedApi: true });
  const env = cleanEnvironment(options.env ?? {});
  const pty: IPty = spawnPty(command, [...args], {
    // Becomes TERM, whatever the environment says.
    name: env.TERM ?? 'xterm-256color',
    cols,
    rows,
    cwd: options.cwd ?? process.cwd(),
    env,
  });
  const chunks: string[] = [];
  let cursor = true;
  const show = (data: string) => {
    chunks.push(data);
    for (const [, state] of data.matchAll(CURSOR)) cursor = state === 'h';
    terminal.write(data);
  };
  let take = show;
  let type = (keys: string) => pty.write(keys);
  pty.onData((data) => take(data));
  // A terminal answers when it is asked for its status.
  if (options.answers !== false) terminal.onData((answer) => type(answer));
  const exit = new Promise<Exit>((resolve) => {
    pty.onExit(({ exitCode, signal }) => {
      // The last output may still be on its way through the terminal.
      setTimeout(
        () => terminal.write('', () => resolve({ code: exitCode, signal: signal || undefined })),
        50,
      );
    });
  });
  const screen = () =>
    Array.from({ length: terminal.rows }, (_, y) => {
      const line = terminal.buffer.active.getLine(terminal.buffer.active.baseY + y);
      return (line?.translateToString(true) ?? '').trimEnd();
    });
  return {
    pid: pty.pid,
    screen,
    text: () => screen().join('\n'),
    output: () => chunks.join(''),
    modes: () => ({
      alternate: terminal.buffer.active.type === 'alternate',
      cursor,
      wrap: terminal.modes.wraparoundMode,
    }),
    cell(x, y) {
      const cell = terminal.buffer.active.getLine(terminal.buffer.active.baseY + y)?.getCell(x);
      return {
        bold: cell?.isBold() === 1 || (cell?.isBold() ?? 0) > 0,
        inverse: (cell?.isInverse() ?? 0) > 0,
        colour: cell?.isFgDefault() === true ? -1 : (cell?.getFgColor() ?? -1),
      };
    },
    send: (keys) => type(keys),
    async waitFor(wanted, timeout_ms = 10_000) {
      const deadline = Date.now() + timeout_ms;
      const holds = () => (wanted instanceof RegExp ? wanted.test(screen().join('\n')) : wanted(screen()));
      while (!holds()) {
        if (Date.now() > deadline) throw new Error(`not seen: ${wanted}\n${screen().join('\n')}`);
        await sleep(POLL_MS);
      }
    },
    resize(newCols, newRows) {
      terminal.resize(newCols, newRows);
      pty.resize(newCols, newRows);
    },
    throttle(bytesPerSecond, delay_ms) {
      const late = (what: () => void) => void setTimeout(what, delay_ms);
      type = (keys) => late(() => pty.write(keys));
      take = pacing(pty, bytesPerSecond, (data) => late(() => show(data)));
    },
    stall: () => pty.pause(),
    flow: () => pty.resume(),
    kill: (signal = 'SIGTERM') => {
      process.kill(pty.pid, signal as NodeJS.Signals);
    },
    hangUp: () => {
      (pty as IPty & { destroy(): void }).destroy();
    },
    exit,
  };
}

const PACE_MS = 20;

/** Takes no more from the program than the link passes on. */
function pacing(pty: IPty, bytesPerSecond: number, pass: (data: string) => void): (data: string) => void {
  let queue = '';
  let timer: NodeJS.Timeout | undefined;
  const step = Math.max(1, Math.round((bytesPerSecond * PACE_MS) / 1000));
  const turn = () => {
    pass(queue.slice(0, step));
    queue = queue.slice(step);
    if (queue !== '') return;
    clearInterval(timer);
    timer = undefined;
    pty.resume();
  };
  return (data) => {
    queue += data;
    pty.pause();
    timer ??= setInterval(turn, PACE_MS);
  };
}

const CURSOR = /\x1b\[\?25([hl])/g;

const BYTES: Readonly<Record<string, string>> = {
  tab: '\t',
  'shift-tab': '\x1b[Z',
  up: '\x1b[A',
  down: '\x1b[B',
  right: '\x1b[C',
  left: '\x1b[D',
  'shift-right': '\x1b[1;2C',
  'shift-left': '\x1b[1;2D',
  'ctrl-home': '\x1b[1;5H',
  'ctrl-end': '\x1b[1;5F',
  pageup: '\x1b[5~',
  pagedown: '\x1b[6~',
  home: '\x1b[H',
  end: '\x1b[F',
  enter: '\r',
  backspace: '\x7f',
  escape: '\x1b',
  space: ' ',
  f1: '\x1bOP',
  f3: '\x1bOR',
  f4: '\x1bOS',
  f5: '\x1b[15~',
  f6: '\x1b[17~',
};

/** What a terminal sends for a key of the keymap. */
export function bytesOf(key: string): string {
  return BYTES[key] ?? (key.startsWith('ctrl-') ? String.fromCharCode(key.charCodeAt(5) & 31) : key);
}

/** Resolves after a while. */
export function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

function cleanEnvironment(extra: Readonly<Record<string, string | undefined>>): Record<string, string> {
  const base = { TERM: 'xterm-256color', LANG: 'C.UTF-8', PATH: process.env.PATH, HOME: process.env.HOME };
  const entries = Object.entries({ ...base, ...extra });
  return Object.fromEntries(entries.filter((entry): entry is [string, string] => entry[1] !== undefined));
}
