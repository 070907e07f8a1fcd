/**
 * A source that others may watch too, through a unix socket: each with a tab, sort and filter of their own, on the same
 * snapshots. Read-only: they can have a monitor opened, never say how.
 */
import { chmodSync, linkSync, lstatSync, unlinkSync } from 'node:fs';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { dirname, join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import type { Monitor, Options } from '../../monitors/monitor.ts';
import { isWithinBounds, plainLine, snapLine, snapshotBody } from '../../recording/encode.ts';
import { array, object, text } from '../../recording/shape.ts';
import type { Source, SourceMessage } from '../source.ts';
import { readLines } from './lines.ts';

/** Viewers at a time. */
const MOST_VIEWERS = 16;
/** What a viewer says is short. */
const MOST_ASKED = 4096;
/** And seldom: a key that is held down on a viewer says less. */
const MOST_LINES_A_SECOND = 200;

export interface ShareSettings {
  /** Of the socket. */
  readonly path: string;
  readonly monitors: readonly Monitor[];
  /** Of ktop; said to viewers. */
  readonly version: string;
}

/** The socket cannot be made; the message is one sentence: cause; remedy. */
export class NotShared extends Error {}

/** Resolves when viewers can come. Closing the source closes `live` and the socket. Throws NotShared. */
export async function shareSource(live: Source, settings: ShareSettings): Promise<Source> {
  await removeStale(settings.path);
  const shared = new SharedSource(live, settings);
  await shared.listen();
  return shared;
}

const inTheWay = (path: string) => `${path} exists already; give another name, or remove it`;

/** A socket whose owner is gone (killed) is removed; anything else is left alone. */
async function removeStale(path: string): Promise<void> {
  const stat = lstatSync(path, { throwIfNoEntry: false });
  if (stat === undefined) return;
  if (!stat.isSocket() || stat.uid !== process.getuid?.()) throw new NotShared(inTheWay(path));
  const isAlive = await new Promise<boolean>((resolve) => {
    const probe = connect(path, () => resolve(true));
    probe.on('error', (error: NodeJS.ErrnoException) => resolve(error.code !== 'ECONNREFUSED'));
    probe.on('connect', () => probe.destroy());
  });
  if (isAlive) throw new NotShared(`${path} is in use by another ktop; give another name, or join that one`);
  unlinkSync(path);
}

/** One who watches. */
class Viewer {
  readonly wanted = new Set<string>();
  isOver = false;
  readonly #socket: Socket;
  #second = 0;
  #lines = 0;
  /** The newest of each monitor, for when the socket has taken what it was given: never a queue. */
  readonly #waiting = new Map<string, () => string>();

  constructor(socket: Socket) {
    this.#socket = socket;
    socket.on('drain', () => {
      for (const [key, line] of this.#waiting) {
        if (socket.writableNeedDrain) return;
        this.#waiting.delete(key);
        socket.write(line());
      }
    });
  }

  /** `key`: what replaces what, while the socket is full. */
  tell(key: string, line: () => string): void {
    if (this.#socket.writableNeedDrain) this.#waiting.set(key, line);
    else this.#socket.write(line());
  }

  /** Counts a line of theirs; false: they flood. */
  mayAsk(now_ms: number): boolean {
    const second = Math.floor(now_ms / 1000);
    if (second !== this.#second) [this.#second, this.#lines] = [second, 0];
    this.#lines += 1;
    return this.#lines <= MOST_LINES_A_SECOND;
  }

  end(): void {
    this.isOver = true;
    this.#socket.destroy();
  }
}

class SharedSource implements Source {
  readonly host;
  readonly #live: Source;
  readonly #settings: ShareSettings;
  readonly #server: Server;
  readonly #viewers = new Set<Viewer>();
  readonly #listeners = new Set<(message: SourceMessage) => unknown>();
  /** What the one who shares has open; what is open on the live source, for whomever. */
  readonly #own = new Set<string>();
  readonly #open = new Map<string, Options>();
  #unsubscribe: (() => void) | undefined;
  #inode = -1;

  constructor(live: Source, settings: ShareSettings) {
    this.#live = live;
    this.#settings = settings;
    this.host = live.host;
    this.#server = createServer((socket) => this.#welcome(socket));
    this.#server.maxConnections = MOST_VIEWERS;
  }

  /**
   * The socket is made under a name of its own and linked when it is as it must be: nobody ever finds one that is half
   * made, and what libuv removes by name when it closes can only be ours.
   */
  listen(): Promise<void> {
    const { path } = this.#settings;
    const maker = join(dirname(path), `.ktop-${process.pid}`);
    return new Promise((resolve, reject) => {
      const refuse = (error: NodeJS.ErrnoException) => {
        const why = `cannot make the socket ${path} (${error.code}); give a path in a directory of yours`;
        reject(new NotShared(error.code === 'EEXIST' ? inTheWay(path) : why));
      };
      // Never there for others, not even for a moment.
      const before = process.umask(0o177);
      this.#server.once('error', (error: NodeJS.ErrnoException) => {
        process.umask(before);
        refuse(error);
      });
      this.#server.listen(maker, () => {
        process.umask(before);
        try {
          chmodSync(maker, 0o600);
          linkSync(maker, path);
          unlinkSync(maker);
          this.#inode = lstatSync(path).ino;
        } catch (error) {
          this.#server.close();
          refuse(error as NodeJS.ErrnoException);
          return;
        }
        process.on('exit', this.#remove);
        resolve();
      });
    });
  }

  start(monitor: string, options: Options): void {
    this.#listen();
    this.#own.add(monitor);
    // For a viewer it may have been opened in another way.
    if (isDeepStrictEqual(this.#open.get(monitor), options)) return;
    this.#open.set(monitor, options);
    this.#live.start(monitor, options);
  }

  stop(monitor: string): void {
    this.#own.delete(monitor);
    this.#release(monitor);
  }

  capabilities(): void {
    this.#listen();
    this.#live.capabilities();
  }

  subscribe(listener: (message: SourceMessage) => unknown): () => void {
    this.#listen();
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  async close(): Promise<void> {
    for (const viewer of this.#viewers) viewer.end();
    this.#server.close();
    this.#remove();
    process.off('exit', this.#remove);
    await this.#live.close();
    this.#unsubscribe?.();
  }

  #listen(): void {
    this.#unsubscribe ??= this.#live.subscribe((message) => this.#receive(message));
  }

  readonly #remove = (): void => {
    const { path } = this.#settings;
    try {
      // Somebody may have taken the name since.
      if (lstatSync(path).ino === this.#inode) unlinkSync(path);
    } catch {
      // Gone already.
    }
  };

  #release(monitor: string): void {
    const isWanted = this.#own.has(monitor) || [...this.#viewers].some(({ wanted }) => wanted.has(monitor));
    if (!isWanted && this.#open.delete(monitor)) this.#live.stop(monitor);
  }

  #receive(message: SourceMessage): unknown {
    if (message.type === 'failed') this.#open.delete(message.failure.monitor);
    for (const viewer of this.#viewers) show(viewer, message);
    if (message.type === 'snapshot' && !this.#own.has(message.snapshot.monitor)) return undefined;
    return this.#tell(message);
  }

  #tell(message: SourceMessage): unknown {
    const results = [...this.#listeners].map((listener) => listener(message));
    const pending = results.filter((result) => result instanceof Promise);
    return pending.length === 0 ? undefined : Promise.allSettled(pending);
  }

  // -------------------------------------------------------------- viewers

  #welcome(socket: Socket): void {
    const viewer = new Viewer(socket);
    this.#listen();
    this.#viewers.add(viewer);
    this.#say('joined');
    const { version } = this.#settings;
    viewer.tell('', () => plainLine('head', Date.now(), '', { ktop: version, host: this.host }));
    readLines(
      socket,
      MOST_ASKED,
      (line) => this.#asked(viewer, line),
      () => socket.destroy(),
    );
    socket.on('error', () => socket.destroy());
    socket.on('close', () => {
      this.#viewers.delete(viewer);
      for (const monitor of viewer.wanted) this.#release(monitor);
      this.#say('left');
    });
  }

  #say(what: string): void {
    const count = this.#viewers.size;
    this.#tell({ type: 'notice', text: `a viewer ${what}; ${count} ${count === 1 ? 'is' : 'are'} watching` });
  }

  /** What is not understood is not answered. */
  #asked(viewer: Viewer, line: string): void {
    if (viewer.isOver) return;
    if (!viewer.mayAsk(performance.now())) {
      viewer.end();
      return;
    }
    try {
      const { watch, capabilities } = object(JSON.parse(line), 'what is asked');
      if (watch !== undefined)
        this.#watch(
          viewer,
          array(watch, 'watch', this.#settings.monitors.length).map((name) => text(name, 'name')),
        );
      if (capabilities === true) this.#live.capabilities();
    } catch {
      viewer.end();
    }
  }

  /** `names`: all that the viewer has open from now on. */
  #watch(viewer: Viewer, names: readonly string[]): void {
    const left = [...viewer.wanted].filter((name) => !names.includes(name));
    viewer.wanted.clear();
    for (const { name } of this.#settings.monitors) {
      if (!names.includes(name)) continue;
      viewer.wanted.add(name);
      if (this.#open.has(name)) continue;
      const options: Options = { interval_ms: 1000 };
      this.#open.set(name, options);
      this.#live.start(name, options);
    }
    for (const name of left) this.#release(name);
  }
}

/** Says to a viewer what concerns them. */
function show(viewer: Viewer, message: SourceMessage): void {
  const now = Date.now();
  switch (message.type) {
    case 'snapshot': {
      const { snapshot } = message;
      const { monitor } = snapshot;
      if (!viewer.wanted.has(monitor) || !isWithinBounds(snapshot)) return;
      // The engine may use the memory of its columns again: text at once.
      const line = snapLine(now, monitor, snapshotBody(snapshot));
      viewer.tell(monitor, () => line);
      return;
    }
    case 'load':
      viewer.tell('load', () => plainLine('load', now, '', { load: message.load }));
      return;
    case 'failed': {
      const { failure } = message;
      if (!viewer.wanted.has(failure.monitor)) return;
      viewer.tell(`fail ${failure.monitor}`, () => plainLine('fail', now, failure.monitor, { failure }));
      return;
    }
    case 'notice':
      viewer.tell('note', () => plainLine('note', now, '', { text: message.text }));
      return;
    case 'capabilities': {
      const { capabilities } = message;
      viewer.tell('caps', () => plainLine('caps', now, '', { capabilities }));
      return;
    }
    default:
  }
}
