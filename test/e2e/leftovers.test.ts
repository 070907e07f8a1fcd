/** Whatever the umask: what ktop leaves on a disk is its owner's only. */
import { mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { paths } from '../helpers/paths.ts';
import { bytesOf, sleep, spawn } from './pty.ts';
import { program } from './run-cli.ts';

let work = '';
let before = 0;

beforeAll(() => {
  work = mkdtempSync(join(tmpdir(), 'ktop-umask-'));
  before = process.umask(0);
});
afterAll(() => {
  process.umask(before);
  rmSync(work, { recursive: true, force: true });
});

const ktop = (...args: string[]) =>
  program(paths.node(), [paths.ktop, ...args], {
    HOME: work,
    XDG_CACHE_HOME: join(work, 'cache'),
    TMPDIR: work,
  });

/** Everything below the directory that others than the owner may read, write or pass through. */
function open(): string[] {
  return readdirSync(work, { recursive: true, withFileTypes: true })
    .map((entry) => join(entry.parentPath, entry.name))
    .filter((path) => (statSync(path).mode & 0o077) !== 0);
}

test('recordings, exports, films, reports of vmcores, sockets', { timeout: 90_000 }, async () => {
  const recording = join(work, 'a.ktop');
  const codes = [
    (await ktop('record', '-o', recording, 'cpu-util', '--duration', '2')).code,
    (await ktop('export', recording, '--format', 'csv', '-o', join(work, 'a.csv'))).code,
    (await ktop('export', recording, '--format', 'openmetrics', '-o', join(work, 'a.prom'))).code,
    (await ktop('export', recording, '-o', join(work, 'a.cast'))).code,
  ];
  expect(codes).toEqual([0, 0, 0, 0]);
  // No core at all is a batch, too: an index of none.
  await ktop('vmcore', '-d', work, '-o', join(work, 'reports'));
  const pty = spawn(paths.node(), [paths.ktop, 'cpu-util', '--share', join(work, 'socket')], {
    cols: 120,
    rows: 40,
    cwd: work,
    env: { HOME: work },
  });
  try {
    await pty.waitFor(/events\/s/, 20_000);
    await sleep(500);
    expect(statSync(join(work, 'socket')).isSocket()).toBe(true);
    pty.send(bytesOf('R'));
    await pty.waitFor(/REC|recording/i, 10_000);
    pty.send(bytesOf('R'));
    await sleep(500);
    const made = readdirSync(work);
    expect(made).toEqual(
      expect.arrayContaining(['a.ktop', 'a.csv', 'a.prom', 'a.cast', 'reports', 'socket']),
    );
    expect(made.filter((name) => name.endsWith('.ktop')).length).toBeGreaterThan(1);
    expect(open()).toEqual([]);
  } finally {
    pty.kill('SIGTERM');
    await pty.exit;
  }
});
