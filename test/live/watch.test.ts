/** watch against perf stat on the same event and filter around the same load: exact. And one from a file. */
import { spawn } from 'node:child_process';
import {
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { number, type Picture, type Row, sum, watch } from '../helpers/ktop.ts';
import { traceInstance } from '../helpers/trace-instance.ts';

const work = mkdtempSync(join(tmpdir(), 'ktop-watch-'));
const program = join(work, 'w-watch');
const READS = 400;

/** What perf stat counted of the load with each filter. */
async function load(events: readonly (readonly [string, string])[]): Promise<number[]> {
  const file = join(work, 'counts');
  const list = events.flatMap(([event, filter]) => ['-e', event, '--filter', filter]);
  const run = `${program} if=/dev/zero of=/dev/null bs=100 count=${READS}`;
  const script = `${run}; ${run}; ${program} if=${work}/none of=/dev/null; true`;
  const args = ['stat', '-a', '-x', ',', '-o', file, ...list, '--', '/bin/sh', '-c', script];
  const child = spawn('perf', args, { stdio: 'ignore' });
  await new Promise<void>((resolve) => child.on('close', () => resolve()));
  return readFileSync(file, 'utf8')
    .split('\n')
    .filter((line) => /^\d/.test(line))
    .map((line) => Number(line.split(',')[0]));
}

const READ = 'syscalls:sys_exit_read';
const OPEN = 'syscalls:sys_enter_openat';
const ONLY = 'comm == "w-watch"';

beforeAll(() => copyFileSync('/bin/dd', program));
afterAll(() => rmSync(work, { recursive: true, force: true }));

describe('counts', () => {
  let pictures: readonly Picture[] = [];
  let counted: number[] = [];
  beforeAll(async () => {
    const run = await watch(
      [`watch`, `${READ} if comm=w-watch and ret>=0`, '--count', 'ret', '--by', 'pid'],
      () =>
        load([
          [READ, `${ONLY} && ret >= 0`],
          [READ, `${ONLY} && ret == 100`],
        ]),
    );
    ({ pictures, load: counted } = run);
  }, 60_000);

  test('equal perf stat with the same filter', () => {
    expect(counted[1]).toBe(2 * READS);
    expect(sum(pictures, 'count')).toBe(counted[0]);
    expect(sum(pictures, 'count', (row) => row.ret === 100)).toBe(counted[1]);
    const pids = new Set(pictures.flatMap(({ rows }) => rows.map(({ pid }) => pid)));
    expect(pids.size).toBe(3);
    expect(pictures[0]?.notes).toContain('filter, all in the kernel: comm=w-watch and ret>=0');
  });
});

describe('lists', () => {
  test('each event once, by a text behind a pointer, and what only ktop can decide', async () => {
    const filter = `comm=w-watch and filename="${work}/none" and pid>1`;
    const { pictures, load: counted } = await watch(['watch', `${OPEN} if ${filter}`], () =>
      load([[OPEN, `${ONLY} && filename.ustring == "${work}/none"`]]),
    );
    const log = pictures.flatMap((picture) => picture.log ?? []);
    expect(counted).toEqual([1]);
    expect(log.length).toBe(1);
    expect(log[0]).toMatchObject({ comm: 'w-watch', text: expect.stringContaining(OPEN) });
    expect(pictures[0]?.notes).toEqual(
      expect.arrayContaining([expect.stringMatching(/^filter in the kernel: .*; in ktop: pid>1$/)]),
    );
  }, 60_000);
});

describe('latencies', () => {
  test('every call is a pair', async () => {
    const enter = 'syscalls:sys_enter_read';
    const { pictures, load: counted } = await watch(
      ['watch', `${enter} if comm=w-watch`, '--lat', '--by', 'comm'],
      () => load([[enter, ONLY]]),
    );
    const mine = (row: Row) => row.comm === 'w-watch';
    expect(sum(pictures, 'count', mine)).toBe(counted[0]);
    for (const { rows } of pictures)
      for (const row of rows.filter(mine)) {
        expect(number(row, 'max_us')).toBeGreaterThanOrEqual(number(row, 'avg_us'));
        expect(number(row, 'avg_us')).toBeGreaterThan(0);
      }
  }, 60_000);
});

describe('block requests', () => {
  const COUNT = 200;
  test('each from its first issue to its completion, as the trace has them', async () => {
    const file = join(work, 'blocks');
    const writer = join(work, 'w-block');
    copyFileSync('/bin/dd', writer);
    const witness = traceInstance([
      { event: 'block:block_rq_issue', filter: 'comm == "w-block"' },
      { event: 'block:block_rq_complete' },
    ]);
    const args = ['watch', 'block:block_rq_issue if comm=w-block', '--lat', '-i', '500'];
    const { pictures } = await watch(args, async () => {
      const script = `${writer} if=/dev/zero of=${file} bs=16k count=${COUNT} oflag=direct; ${writer} if=${file} of=/dev/null bs=16k iflag=direct`;
      const child = spawn('/bin/sh', ['-c', script], { stdio: 'ignore' });
      await new Promise<void>((resolve) => child.on('close', () => resolve()));
    });
    const open = new Set<string>();
    let completed = 0;
    for (const { event, text } of witness.stop()) {
      // "254,0 W 16384 () 8176 + 32 be,0,4 [w-block]", "254,0 W () 8176 + 32 be,0,4 [0]"
      const [, device = '', sector = ''] = /^(\d+,\d+) .*\(.*\) (\d+) \+ \d+/.exec(text) ?? [];
      const key = `${device} ${sector}`;
      if (event === 'block_rq_issue') open.add(key);
      else if (open.delete(key)) completed += 1;
    }
    // The file may lie where nothing is a block device: then there is nothing to compare.
    expect(completed === 0 || completed >= COUNT).toBe(true);
    expect(sum(pictures, 'count')).toBe(completed);
    for (const picture of pictures) expect(picture).toMatchObject({ backend: 'tracefs', lost: 0, unseen: 0 });
  }, 60_000);
});

describe('a probe in a program', () => {
  test('its arguments are counted, and all that come by', async () => {
    const { pictures } = await watch(
      ['watch', '/bin/bash:xmalloc bytes=%di:u64 if comm=w-shell', '--count', 'bytes'],
      async () => {
        const shell = join(work, 'w-shell');
        rmSync(shell, { force: true });
        // The same file by another name: a probe is of the file, not of its name.
        symlinkSync('/bin/bash', shell);
        const child = spawn(shell, ['-c', 'x=1; y=2'], { stdio: 'ignore' });
        await new Promise<void>((resolve) => child.on('close', () => resolve()));
      },
    );
    expect(sum(pictures, 'count')).toBeGreaterThan(100);
    for (const row of pictures.flatMap(({ rows }) => rows)) expect(number(row, 'bytes')).toBeLessThan(1e9);
  }, 60_000);
});

describe('a file', () => {
  test('becomes a monitor like any other', async () => {
    const own = join(work, 'ktop', 'monitors');
    mkdirSync(own, { recursive: true });
    const text = JSON.stringify({ name: 'reads', watch: `${READ} if comm=w-watch`, count: ['ret'], top: 1 });
    writeFileSync(join(own, 'reads.json'), text, { mode: 0o600 });
    const before = process.env.XDG_CONFIG_HOME;
    process.env.XDG_CONFIG_HOME = work;
    try {
      const { pictures } = await watch(['reads', '-i', '1000'], () => load([[READ, ONLY]]));
      expect(pictures.at(0)?.monitor).toBe('reads');
      const rows = pictures.flatMap((picture) => picture.rows);
      expect(Math.max(...pictures.map((picture) => picture.rows.length))).toBe(1);
      expect(rows.some(({ ret, count }) => ret === 100 && Number(count) > 0)).toBe(true);
    } finally {
      if (before === undefined) delete process.env.XDG_CONFIG_HOME;
      else process.env.XDG_CONFIG_HOME = before;
    }
  }, 60_000);
});
