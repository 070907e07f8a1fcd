/** Sharing a source: what viewers get, what they can ask for, what a slow or hostile one costs. */
import {
  existsSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  renameSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { connect, createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import { afterEach, describe, expect, test, vi } from 'vitest';
import type { Options } from '../../src/monitors/monitor.ts';
import { shareSource } from '../../src/sources/share/server.ts';
import { joinSource } from '../../src/sources/share/viewer.ts';
import type { Source, SourceMessage } from '../../src/sources/source.ts';
import { Kernel } from './fixtures/kernel.ts';
import { monitors } from './fixtures/monitors.ts';
import { anySnapshot, dice, scratch } from './fixtures/recordings.ts';

const directory = scratch();
const random = dice(7);
const SECOND: Options = { interval_ms: 1000 };
const toClose: { close(): unknown }[] = [];
let paths = 0;

afterEach(async () => {
  for (const each of toClose.splice(0)) await each.close();
});

async function sharing() {
  const kernel = new Kernel();
  const path = join(directory, `socket${++paths}`);
  const source = await shareSource(kernel, { path, monitors, version: 'test' });
  toClose.push(source);
  const heard: SourceMessage[] = [];
  source.subscribe((message) => heard.push(message));
  return { kernel, path, source, heard };
}

async function joining(path: string) {
  const viewer = await joinSource(path, 'test');
  toClose.push(viewer);
  const heard: SourceMessage[] = [];
  viewer.subscribe((message) => heard.push(message));
  return { viewer, heard };
}

const [A, B] = monitors.map(({ name }) => name) as [string, string];
const snapshotsIn = (heard: readonly SourceMessage[]) =>
  heard.flatMap((message) => (message.type === 'snapshot' ? [message.snapshot] : []));
const until = (what: () => void) => vi.waitFor(what, { timeout: 10_000, interval: 5 });
const say = (kernel: Kernel, monitor: string, seq: number, rows = 5) => {
  const snapshot = anySnapshot(random, { monitor, seq, time: 1000 * seq, lost: 0 }, rows);
  kernel.say({ type: 'snapshot', snapshot });
  return snapshot;
};

describe('a viewer', () => {
  test('gets what it watches as it was, and only that', async () => {
    const { kernel, path, source, heard: own } = await sharing();
    source.start(A, SECOND);
    const { viewer, heard } = await joining(path);
    expect(viewer.host).toEqual(kernel.host);
    viewer.start(B, SECOND);
    await until(() => expect(kernel.open.has(B)).toBe(true));
    say(kernel, A, 1);
    const shown = say(kernel, B, 2);
    await until(() => expect(snapshotsIn(heard)).toEqual([shown]));
    // What only the viewer wants is not put before the one who shares.
    expect(snapshotsIn(own).map(({ monitor }) => monitor)).toEqual([A]);
    kernel.say({ type: 'load', load: { uptime_s: 1, load: [1, 2, 3], self_cpu_pct: 4, self_rss: 5 } });
    viewer.capabilities();
    await until(() => expect(heard.map(({ type }) => type)).toEqual(['snapshot', 'load', 'capabilities']));
  });

  test('opens monitors, is never asked how, and leaves nothing open', async () => {
    const { kernel, path, source } = await sharing();
    source.start(A, { interval_ms: 250 });
    const { viewer, heard } = await joining(path);
    viewer.start(A, SECOND);
    viewer.start(B, { interval_ms: 100 });
    await until(() => expect(kernel.open.get(B)).toEqual(SECOND));
    expect(kernel.open.get(A)).toEqual({ interval_ms: 250 });
    viewer.start(B, { interval_ms: 200 });
    await until(() => expect(heard.at(-1)).toMatchObject({ type: 'notice' }));
    expect(kernel.open.get(B)).toEqual(SECOND);
    // The one who shares leaves what the viewer still watches, and the other way round.
    source.stop(A);
    expect(kernel.open.has(A)).toBe(true);
    source.start(B, { interval_ms: 500 });
    expect(kernel.open.get(B)).toEqual({ interval_ms: 500 });
    await viewer.close();
    await until(() => expect([...kernel.open.keys()]).toEqual([B]));
  });

  test('hears that a monitor failed, and that the other one has ended', async () => {
    const { kernel, path, source } = await sharing();
    const { viewer, heard } = await joining(path);
    viewer.start(A, SECOND);
    viewer.start(B, SECOND);
    await until(() => expect(kernel.open.size).toBe(2));
    const failure = { monitor: A, kind: 'host' as const, text: 'no; do' };
    kernel.say({ type: 'failed', failure });
    await until(() => expect(heard).toEqual([{ type: 'failed', failure }]));
    await source.close();
    await until(() => expect(heard.length).toBe(4));
    expect(heard.slice(1).map((message) => message.type)).toEqual(['notice', 'failed', 'failed']);
    expect(existsSync(path)).toBe(false);
    expect(kernel.closed).toBe(true);
  });

  test('that does not read gets the newest when it reads on: nothing is queued', async () => {
    const { kernel, path } = await sharing();
    const raw = connect(path);
    toClose.push({ close: () => raw.destroy() });
    raw.write(`${JSON.stringify({ watch: [A] })}\n`);
    await until(() => expect(kernel.open.has(A)).toBe(true));
    raw.pause();
    const COUNT = 500;
    let last = '';
    let size = 0;
    for (let seq = 1; seq <= COUNT; seq += 1) {
      last = JSON.stringify(say(kernel, A, seq, 300).seq);
      size += 300;
      if (seq % 10 === 0) await new Promise((resolve) => setTimeout(resolve, 1));
    }
    expect(size).toBe(COUNT * 300);
    const seqs: string[] = [];
    let text = '';
    raw.setEncoding('utf8').on('data', (data: string) => {
      text += data;
      const lines = text.split('\n');
      text = lines.pop() ?? '';
      for (const line of lines) if (line.startsWith('{"k":"snap"')) seqs.push(String(JSON.parse(line).seq));
    });
    raw.resume();
    await until(() => expect(seqs.at(-1)).toBe(last));
    expect(seqs.length).toBeLessThan(COUNT / 2);
  });
});

describe('another version', () => {
  test.each([
    ['"ktop":"9.9.9",', /is ktop 9\.9\.9, this is test: /],
    ['', /of an unknown version, this is test: /],
  ])('%s is said to whoever watches, and what fits is shown', async (member, said) => {
    const path = join(directory, `socket${++paths}`);
    const server = createServer((socket) => {
      socket.on('error', () => {});
      socket.write(`{"k":"head","t":1,${member}"host":${JSON.stringify(new Kernel().host)}}\n`);
      socket.on('data', () =>
        socket.write('{"k":"from the future","t":1}\n{"k":"note","t":1,"text":"hello"}\n'),
      );
    }).listen(path);
    toClose.push(server);
    const { viewer, heard } = await joining(path);
    viewer.start(A, SECOND);
    await until(() => expect(heard.length).toBe(2));
    expect(heard.map((message) => (message.type === 'notice' ? message.text : ''))).toEqual(
      expect.arrayContaining([expect.stringMatching(said), 'hello']),
    );
  });
});

describe('the socket', () => {
  test('one who floods is sent away, and monitors are not opened and closed for it', async () => {
    const { kernel, path } = await sharing();
    let starts = 0;
    const { start } = kernel;
    kernel.start = (...args: Parameters<typeof start>) => {
      starts += 1;
      start.apply(kernel, args);
    };
    const raw = connect(path);
    const closed = new Promise<void>((resolve) => raw.on('close', () => resolve()));
    raw.resume();
    raw.on('error', () => {});
    for (let turn = 0; turn < 5000; turn += 1) raw.write(`{"watch":["${turn % 2 === 0 ? A : B}"]}\n`);
    await closed;
    await until(() => expect(kernel.open.size).toBe(0));
    expect(starts).toBeLessThan(500);
    // Others are welcome as ever.
    const { viewer } = await joining(path);
    viewer.start(A, SECOND);
    await until(() => expect(kernel.open.has(A)).toBe(true));
  });

  test('what has taken the name since is not removed', async () => {
    const { path, source } = await sharing();
    renameSync(path, `${path}.old`);
    writeFileSync(path, 'of somebody else');
    await source.close();
    toClose.length = 0;
    expect(readFileSync(path, 'utf8')).toBe('of somebody else');
  });

  test.each([
    ['a file', (path: string) => writeFileSync(path, 'mine')],
    ['a link to nothing', (path: string) => symlinkSync('/nowhere/at/all', path)],
    ['a link to a file', (path: string) => symlinkSync('/etc/passwd', path)],
    ['a directory', (path: string) => mkdirSync(path)],
  ])('%s in its place stays', async (_, make) => {
    const path = join(directory, `socket${++paths}`);
    make(path);
    const before = lstatSync(path);
    const asked = shareSource(new Kernel(), { path, monitors, version: 'test' });
    await expect(asked).rejects.toThrow(/exists already; give another name, or remove it$/);
    expect(lstatSync(path).ino).toBe(before.ino);
  });

  test('a link to a living socket is not followed', async () => {
    const { path } = await sharing();
    const link = `${path}.link`;
    symlinkSync(path, link);
    const asked = shareSource(new Kernel(), { path: link, monitors, version: 'test' });
    await expect(asked).rejects.toThrow(/exists already/);
  });

  test.each(['x'.repeat(5000), '{"watch":1}\n', '[]\n', '{\n', '{"watch":["a",2]}\n'])(
    'one that says %j is sent away',
    async (text) => {
      const { path } = await sharing();
      const raw = connect(path);
      const closed = new Promise<void>((resolve) => raw.on('close', () => resolve()));
      raw.resume();
      raw.write(text);
      await closed;
    },
  );

  test('names that are no monitors open nothing', async () => {
    const { kernel, path } = await sharing();
    const raw = connect(path);
    toClose.push({ close: () => raw.destroy() });
    raw.write(`${JSON.stringify({ watch: ['../../etc', A] })}\n`);
    await until(() => expect([...kernel.open.keys()]).toEqual([A]));
  });

  test('a hostile host: lines that are none of ours are passed over, an endless one ends it', async () => {
    const path = join(directory, `socket${++paths}`);
    let peer: Socket | undefined;
    const server = createServer((socket) => {
      peer = socket;
      socket.on('error', () => {});
      socket.write(`{"k":"head","t":1,"ktop":"test","host":${JSON.stringify(new Kernel().host)}}\n`);
    }).listen(path);
    toClose.push(server);
    const { viewer, heard } = await joining(path);
    viewer.start(A, SECOND);
    for (const line of [
      '',
      '{',
      '[]',
      '{"k":"snap","m":"\u001b[2J"}',
      `{"k":"snap","m":"${A}","seq":-1}`,
      '{"k":7}',
    ])
      peer?.write(`${line}\n`);
    peer?.write('{"k":"note","t":1,"text":"still here"}\n');
    await until(() => expect(heard).toEqual([{ type: 'notice', text: 'still here' }]));
    peer?.write(Buffer.alloc(9 << 20, 'x'));
    await until(() => expect(heard.at(-1)?.type).toBe('failed'));
    (viewer satisfies Source).stop(A);
  });
});
