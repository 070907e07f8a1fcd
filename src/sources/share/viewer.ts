/** What another ktop shows, through the unix socket that it shares: the side of the one who watches. */
import { connect, type Socket } from 'node:net';
import type { Options } from '../../monitors/monitor.ts';
import { parseLine, readHost } from '../../recording/decode.ts';
import { NAME } from '../../recording/encode.ts';
import { MOST_LINE } from '../../recording/limits.ts';
import { readMessage } from '../../recording/reading.ts';
import { text, Unfit } from '../../recording/shape.ts';
import type { HostInfo, Source, SourceMessage } from '../source.ts';
import { readLines } from './lines.ts';

/** Nothing can be watched there; the message is one sentence: cause; remedy. */
export class NotJoined extends Error {}

const ENDED = 'the ktop that shared this has ended; start one of your own';
/** One that accepts and says nothing is none. */
const GREETING_MS = 3000;

/** Resolves when the other one has said what host it is on; `version`: of this ktop. Throws NotJoined. */
export function joinSource(path: string, version: string): Promise<Source> {
  const reasons: Readonly<Record<string, string>> = {
    ENOENT: 'is not there; the other one starts ktop --share PATH',
    ECONNREFUSED: 'has nobody behind it; the other one has ended, or it is no socket of ktop',
    EACCES: 'is not yours; only root and the user who shares may join',
    EPERM: 'is not yours; only root and the user who shares may join',
    ENOTSOCK: 'is no socket; give the path that ktop --share was given',
  };
  return new Promise((resolve, reject) => {
    const socket = connect(path);
    const refuse = (why: string) => {
      socket.destroy();
      reject(new NotJoined(`${path} ${why}`));
    };
    const timer = setTimeout(
      () => refuse('does not answer as ktop does; give the path of ktop --share'),
      GREETING_MS,
    );
    socket.on('error', (error: NodeJS.ErrnoException) =>
      refuse(reasons[error.code ?? ''] ?? `cannot be joined (${error.code}); give the path of ktop --share`),
    );
    socket.on('close', () => refuse('took nobody in; too many are watching already'));
    let source: JoinedSource | undefined;
    const greet = (line: string) => {
      try {
        const head = parseLine(line);
        const other = head.ktop === undefined ? '' : text(head.ktop, 'ktop');
        source = new JoinedSource(
          socket,
          readHost(head.host),
          other === version ? '' : otherVersion(other, version),
        );
      } catch {
        refuse('does not answer as ktop does; give the path of ktop --share');
        return;
      }
      clearTimeout(timer);
      resolve(source);
    };
    readLines(
      socket,
      MOST_LINE,
      (line) => (source === undefined ? greet(line) : source.receive(line)),
      () => socket.destroy(),
    );
    socket.on('close', () => {
      clearTimeout(timer);
      source?.ended();
    });
  });
}

function otherVersion(other: string, version: string): string {
  return `the other one is ktop ${other === '' ? 'of an unknown version' : other}, this is ${version}: what differs between them is missing here`;
}

class JoinedSource implements Source {
  readonly host: HostInfo;
  readonly #socket: Socket;
  readonly #listeners = new Set<(message: SourceMessage) => unknown>();
  readonly #wanted = new Map<string, Options>();
  #isOver = false;

  /** What is to be known of it, or ''; said to the first who listens. */
  #about: string;

  constructor(socket: Socket, host: HostInfo, about: string) {
    this.#socket = socket;
    this.host = host;
    this.#about = about;
  }

  /** How it is opened is for the one who shares to say. */
  start(monitor: string, options: Options): void {
    const before = this.#wanted.get(monitor);
    this.#wanted.set(monitor, options);
    if (before !== undefined) {
      this.#tell({
        type: 'notice',
        text: 'how it is watched is for the one who shares to say; sort and filter are yours',
      });
      return;
    }
    if (this.#isOver) this.#fail(monitor);
    else this.#ask({ watch: [...this.#wanted.keys()] });
  }

  stop(monitor: string): void {
    if (this.#wanted.delete(monitor)) this.#ask({ watch: [...this.#wanted.keys()] });
  }

  capabilities(): void {
    this.#ask({ capabilities: true });
  }

  subscribe(listener: (message: SourceMessage) => unknown): () => void {
    this.#listeners.add(listener);
    const about = this.#about;
    this.#about = '';
    if (about !== '') queueMicrotask(() => listener({ type: 'notice', text: about }));
    return () => this.#listeners.delete(listener);
  }

  async close(): Promise<void> {
    this.#listeners.clear();
    this.#socket.destroy();
  }

  /** A line of the other one. Untrusted; one that is not as it must be is passed over. */
  receive(line: string): void {
    try {
      const members = parseLine(line);
      const monitor = members.m === undefined ? '' : text(members.m, 'm');
      if (monitor !== '' && !NAME.test(monitor)) return;
      const message = readMessage(text(members.k, 'k'), monitor, () => members);
      // What was on its way when the monitor was stopped.
      if (message?.type === 'snapshot' && !this.#wanted.has(monitor)) return;
      if (message !== undefined) this.#tell(message);
    } catch (error) {
      if (!(error instanceof Unfit)) throw error;
    }
  }

  ended(): void {
    this.#isOver = true;
    this.#tell({ type: 'notice', text: ENDED });
    for (const monitor of [...this.#wanted.keys()]) this.#fail(monitor);
  }

  #fail(monitor: string): void {
    this.#wanted.delete(monitor);
    this.#tell({ type: 'failed', failure: { monitor, kind: 'internal', text: ENDED } });
  }

  #ask(what: object): void {
    if (!this.#isOver) this.#socket.write(`${JSON.stringify(what)}\n`);
  }

  #tell(message: SourceMessage): void {
    for (const listener of [...this.#listeners]) listener(message);
  }
}
