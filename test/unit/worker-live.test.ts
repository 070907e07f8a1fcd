import { fileURLToPath } from 'node:url';
import { afterEach, expect, test, vi } from 'vitest';
import { openLive } from '../../src/sources/live.ts';
import type { Source, SourceMessage } from '../../src/sources/source.ts';

/** A live source over the fake addon, in a real worker thread. */
const sources: Source[] = [];
function open(load = false) {
  const source = openLive({
    entry: new URL('./fixtures/reader-entry.ts', import.meta.url),
    addon: fileURLToPath(new URL('./fixtures/fake-addon.cjs', import.meta.url)),
    load,
  });
  sources.push(source);
  const messages: SourceMessage[] = [];
  source.subscribe((message) => {
    messages.push(message);
  });
  const until = (test: (message: SourceMessage) => boolean, count = 1) =>
    vi.waitFor(() => expect(messages.filter(test).length).toBeGreaterThanOrEqual(count), {
      timeout: 10_000,
      interval: 10,
    });
  return { source, messages, until };
}

const isSnapshot = ({ type }: SourceMessage) => type === 'snapshot';
const isNotice = ({ type }: SourceMessage) => type === 'notice';
const isFailed = ({ type }: SourceMessage) => type === 'failed';

afterEach(async () => {
  vi.unstubAllEnvs();
  await Promise.all(sources.splice(0).map((source) => source.close()));
});

test('snapshots arrive with their columns', async () => {
  const { source, messages, until } = open();
  source.start('first', { interval_ms: 100 });
  await until(isSnapshot, 2);
  const message = messages.find(isSnapshot);
  expect(message?.type === 'snapshot' && message.snapshot.tables.main?.columns.count).toEqual(
    Float64Array.of(1, 10),
  );
});

test('the load of the host comes at once', async () => {
  const { messages, until } = open(true);
  await until(({ type }) => type === 'load');
  expect(messages[0]).toMatchObject({
    type: 'load',
    load: { load: [expect.any(Number), expect.any(Number), expect.any(Number)] },
  });
});

test('a listener that returns a promise holds back the next snapshot', async () => {
  const { source, messages, until } = open();
  let release = () => {};
  source.subscribe(((message: SourceMessage) =>
    message.type === 'snapshot'
      ? new Promise<void>((resolve) => (release = resolve))
      : undefined) as () => void);
  source.start('first', { interval_ms: 100 });
  await until(isSnapshot);
  await new Promise((resolve) => setTimeout(resolve, 400));
  expect(messages.filter(isSnapshot)).toHaveLength(1);
  release();
  await until(isSnapshot, 2);
});

test('a thread that dies is replaced once, with its monitors; the second time they fail', async () => {
  vi.stubEnv('KTOP_TEST_CRASH_WORKER_AFTER_MS', '300,600');
  const { source, messages, until } = open();
  source.start('first', { interval_ms: 100 });
  await until(isNotice);
  expect(messages.find(isNotice)).toMatchObject({
    text: 'the reader thread died (crashed by KTOP_TEST_CRASH_WORKER_AFTER_MS); restarted',
  });
  const before = messages.filter(isSnapshot).length;
  await until(isSnapshot, before + 1);
  await until(isFailed);
  expect(messages.find(isFailed)).toMatchObject({
    failure: { monitor: 'first', kind: 'internal', text: expect.stringContaining('died 2 times') },
  });
  source.start('kvm-exit', { interval_ms: 100 });
  await until(isFailed, 2);
});

test('one that dies while it answers answers again', async () => {
  vi.stubEnv('KTOP_TEST_CRASH_WORKER_AFTER_MS', '0');
  const { source, until } = open();
  await until(isNotice);
  source.capabilities();
  await until(({ type }) => type === 'capabilities');
});

test('what the addon does is told: a mount, a refusal', async () => {
  vi.stubEnv('FAKE_MOUNTED', '1');
  const { source, messages, until } = open();
  source.start('first', { interval_ms: 100, filter: 'host' });
  await until(isFailed);
  expect(messages).toMatchObject([
    { type: 'notice', text: 'tracefs was not mounted; ktop mounted it on /t' },
    { type: 'failed' },
  ]);
});

test('closing does not hang when the kernel side does', async () => {
  vi.stubEnv('FAKE_HANG', '1');
  const { source, until } = open();
  source.start('first', { interval_ms: 100 });
  await until(isSnapshot);
  const started = performance.now();
  await source.close();
  expect(performance.now() - started).toBeLessThan(3000);
});

test('closing twice, and using what is closed, is harmless', async () => {
  const { source, messages } = open();
  await Promise.all([source.close(), source.close()]);
  source.start('first', { interval_ms: 100 });
  source.stop('first');
  expect(messages).toEqual([]);
});
