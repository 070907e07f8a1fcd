/** slowfiles and files against a program that knows what it did, and against strace. */
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { command } from '../helpers/command.ts';
import { number, type Picture, type Row, startKtop, sum } from '../helpers/ktop.ts';
import { sleep, workload } from '../helpers/workload.ts';

/** How long things are kept open, or waited for. */
const LONG_MS = 1300;

let work = '';
beforeAll(() => {
  work = mkdtempSync(join(tmpdir(), 'ktop-slowfiles-'));
});
afterAll(() => rmSync(work, { recursive: true }));

function file(name: string): string {
  const path = join(work, name);
  writeFileSync(path, 'x');
  return path;
}

/** What df says of the filesystem that the path is on. */
const of = (what: string, path: string): string =>
  command('df', [`--output=${what}`, path])
    .trim()
    .split('\n')
    .at(-1)
    ?.trim() ?? '';

/** Starts it; its number, and its end. */
function started(args: readonly string[]) {
  const child = spawn(workload('openings'), args, { stdio: 'ignore' });
  const ended = new Promise<void>((resolve) => child.on('close', () => resolve()));
  return { pid: child.pid ?? 0, ended };
}

/** Finished rows of that process, but of what it was given; those in flight come with every picture. */
const finished = (pictures: readonly Picture[], pid: number): readonly Row[] =>
  pictures.flatMap(({ rows }) =>
    rows.filter((row) => row.pid === pid && row.in_flight === 0 && row.path !== '/dev/null'),
  );

describe('slowfiles', () => {
  test('opens, lifetimes in every way they end, and what is in flight', { timeout: 90_000 }, async () => {
    const fifo = join(work, 'fifo');
    command('mkfifo', [fifo]);
    const ktop = await startKtop(['slowfiles', '--than', '1s', '-i', '300']);
    try {
      const opening = started(['fifo', fifo]);
      const ways = ['keep', 'thread', 'exit', 'dup'].map((how) => {
        const path = file(how);
        return { how, path, ...started([how, path, String(LONG_MS)]) };
      });
      const socket = started(['socket', String(LONG_MS)]);
      const short = started(['keep', file('short'), '10']);
      await sleep(LONG_MS + 500);
      await ktop.more(3);
      const hanging = ktop.pictures.flatMap(({ rows }) => rows.filter(({ pid }) => pid === opening.pid));
      // Seen before anybody came to write, and it ages.
      expect(hanging.length).toBeGreaterThan(1);
      for (const [index, row] of hanging.entries()) {
        expect(row).toMatchObject({
          kind: 'open',
          in_flight: 1,
          at_least: 0,
          path: fifo,
          flags: 'O_RDONLY',
          result: '',
        });
        expect(String(row.how)).toMatch(/fifo|wait_for_partner/);
        const before = hanging[index - 1];
        if (before) expect(number(row, 'dur_ms')).toBeGreaterThan(number(before, 'dur_ms'));
      }
      writeFileSync(fifo, '');
      await Promise.all([opening, socket, short, ...ways].map(({ ended }) => ended));
      const pictures = await ktop.stop();
      const opened = finished(pictures, opening.pid);
      expect(opened.map(({ kind, call, path, comm }) => [kind, call, path, comm])).toEqual([
        ['open', 'openat', fifo, 'w-openings'],
      ]);
      expect(number(opened[0] as Row, 'dur_ms')).toBeGreaterThan(LONG_MS);
      for (const { how, path, pid } of ways) {
        const rows = finished(pictures, pid);
        const end = how === 'exit' ? 'exit' : 'close';
        expect(rows.map((row) => [how, row.kind, row.path, row.how])).toEqual([[how, 'lifetime', path, end]]);
        const [row] = rows as [Row];
        expect(number(row, 'dur_ms')).toBeGreaterThanOrEqual(LONG_MS);
        expect(number(row, 'dur_ms')).toBeLessThan(LONG_MS + 20_000);
        expect(number(row, 'io_ms')).toBeLessThan(LONG_MS);
        expect(row.fstype).toBe(of('fstype', path));
      }
      for (const { pid } of [socket, short]) expect(finished(pictures, pid)).toEqual([]);
      const log = pictures
        .flatMap((picture) => picture.log ?? [])
        .filter(({ text }) => !String(text).includes('/dev/null'));
      for (const { how, pid } of ways)
        expect(log.filter((entry) => entry.pid === pid).map(({ text }) => String(text))).toEqual([
          expect.stringMatching(
            new RegExp(
              `^lifetime \\d+\\.\\d ms, of which \\d+\\.\\d ms in I/O: ${join(work, how)} .*ended by ${how === 'exit' ? 'exit' : 'close'}$`,
            ),
          ),
        ]);
      expect(pictures.flatMap(({ rows }) => rows.filter((row) => row.pid === ktop.pid))).toEqual([]);
    } finally {
      await ktop.kill();
    }
  });
});

describe('files', () => {
  test('calls and bytes are those of the program; duplicates are one file', { timeout: 60_000 }, async () => {
    const [reads, writes, size] = [40, 30, 5000];
    const path = join(work, 'io');
    const ktop = await startKtop(['files', '-i', '300']);
    try {
      const load = started(['io', path, String(reads), String(writes), String(size)]);
      await load.ended;
      const pictures = await ktop.stop();
      const mine = (row: Row) => row.pid === load.pid && row.path === path;
      expect(sum(pictures, 'reads', mine)).toBe(reads + 1);
      expect(sum(pictures, 'writes', mine)).toBe(writes);
      expect(sum(pictures, 'read_bytes', mine)).toBe(reads * size);
      expect(sum(pictures, 'write_bytes', mine)).toBe(writes * size);
      expect(sum(pictures, 'errors', mine)).toBe(1);
      expect(sum(pictures, 'others', mine)).toBe(1);
      expect(sum(pictures, 'io_ms', mine)).toBeGreaterThan(0);
      const panel = (name: string) => pictures.flatMap((picture) => picture[name] as readonly Row[]);
      const total = (name: string, key: string, value: string | number) =>
        panel(name)
          .filter((row) => row[key] === value)
          .reduce((all, row) => all + number(row, 'write_bytes'), 0);
      expect(total('by_file', 'path', path)).toBe(writes * size);
      expect(total('by_directory', 'directory', work)).toBe(writes * size);
      expect(total('by_process', 'pid', load.pid)).toBe(writes * size);
      const mounts = pictures.flatMap(({ rows }) => rows.filter(mine).map(({ mount }) => mount));
      expect(new Set(mounts)).toEqual(new Set([of('target', work)]));
      expect(pictures.flatMap(({ rows }) => rows.filter(({ pid }) => pid === ktop.pid))).toEqual([]);
    } finally {
      await ktop.kill();
    }
  });
});
