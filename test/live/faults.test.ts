/**
 * What fails under a program that watches a kernel: opening events, mapping rings, files; and processes that are gone before
 * anybody can look at them. Each ends as docs/faults.md says.
 */
import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { constants } from 'node:os';
import { describe, expect, test } from 'vitest';
import type { Picture } from '../helpers/ktop.ts';
import { number, watch } from '../helpers/ktop.ts';
import { paths } from '../helpers/paths.ts';
import { runLoad, sleep, startLoad, workload } from '../helpers/workload.ts';

const { errno } = constants;
const INSTANCES = '/sys/kernel/tracing/instances';

function ktop(args: readonly string[], fault = '', before: readonly string[] = []) {
  const env = fault === '' ? {} : { LD_PRELOAD: workload('inject'), KTOP_TEST_FAULT: fault };
  const [file = '', ...words] = [...before, paths.node(), paths.ktop, ...args];
  const child = spawnSync(file, words, {
    encoding: 'utf8',
    env: { ...process.env, ...env },
    timeout: 30_000,
  });
  const left = readdirSync(INSTANCES).filter((name) => name.startsWith(`ktop_${child.pid}`));
  expect(left, 'instances that were left').toEqual([]);
  return child;
}

const ONCE = ['--json', '-n', '1', '-i', '200'];
const RING = ['signal', '--backend', 'perf', ...ONCE];

/** Ended in order, with one sentence: the cause; the remedy. */
function saysWhy({ status, stderr, signal }: ReturnType<typeof ktop>, why: RegExp): void {
  expect({ status, signal }).toEqual({ status: 3, signal: null });
  expect(stderr.trim().split('\n').length).toBe(1);
  expect(stderr).toMatch(why);
  expect(stderr).toMatch(/; /);
}

describe('perf_event_open fails', () => {
  test.each([
    ['ENOMEM', errno.ENOMEM, /no memory for .*; free some/],
    ['EMFILE', errno.EMFILE, /too many open files .*; raise the limit/],
    ['EPERM', errno.EPERM, /refuses to trace .*; run ktop as root, or grant it CAP_PERFMON/],
    ['EBUSY', errno.EBUSY, /another program holds .*; end it/],
    ['ENODEV', errno.ENODEV, /cannot trace .*; choose another event/],
  ])(
    '%s: one sentence with the remedy, whichever of the events it is',
    { timeout: 60_000 },
    (name, code, why) => {
      // From the first one on, when ktop looks what this host can do; and from the middle of a monitor's own.
      saysWhy(ktop(RING, `open ${code} 1`), why);
      saysWhy(ktop(['hist', ...ONCE], `open ${code} 12`), why);
      // An event that the kernel has not is no failure for one that counts many; any other error is.
      const counters = ktop(['percpu-stat', ...ONCE], `open ${code} 12`);
      if (name === 'ENODEV') expect(counters.status).toBe(0);
      else saysWhy(counters, why);
    },
  );

  test('a monitor that has its events from tracefs goes on, and says what it lacks', () => {
    const { status, stdout } = ktop(['task-state', ...ONCE], `open ${errno.ENOMEM} 1`);
    expect(status).toBe(0);
    expect((JSON.parse(stdout) as Picture).notes?.join('\n')).toMatch(
      /no fork, exit and comm records: .*no memory/,
    );
  });

  test('ktop list tells why for each', () => {
    const { status, stdout } = ktop(['list', '--json'], `open ${errno.EPERM} 1`);
    expect(status).toBe(0);
    const { monitors } = JSON.parse(stdout) as { monitors: { name: string; state: string; why: string }[] };
    const { state, why } = monitors.find(({ name }) => name === 'nettop') ?? { state: '', why: '' };
    expect(state).toBe('no');
    expect(why).toMatch(/Operation not permitted/);
  });

  test('a real limit of open files', () => {
    saysWhy(
      ktop(['percpu-stat', ...ONCE], '', ['prlimit', '--nofile=44:44']),
      /too many open files.*; .*ulimit -n/i,
    );
  });
});

describe('mapping a ring fails', () => {
  test.each([
    ['EPERM', errno.EPERM],
    ['ENOMEM', errno.ENOMEM],
  ])('%s: half as large, and again, until it fits; a note tells', (_, code) => {
    for (const pages of [256, 128, 64]) {
      const { status, stdout } = ktop(RING, `mmap ${code} ${pages + 1}`);
      expect(status).toBe(0);
      const picture = JSON.parse(stdout) as Picture;
      expect(picture.notes?.join('\n')).toContain(
        `ring ${pages} pages per CPU instead of 512: memory lock limit`,
      );
    }
    saysWhy(ktop(RING, `mmap ${code} 0`), /cannot map a ring of .*; raise RLIMIT_MEMLOCK/);
  });
});

describe('processes that live for microseconds, as many as this machine can start', () => {
  const SECONDS = 8;

  interface Truth {
    readonly pid: number;
    readonly count: number;
  }

  /** Memory that is no file's and no ring's, MB. */
  const memory = (pid: number) =>
    Number(/^RssAnon:\s*(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) / 1024;

  test('each is counted once and has its name', { timeout: 60_000 }, async () => {
    const { pictures, load } = await watch(['signal', '-i', '500'], () => runLoad<Truth>('spawns', [2]));
    const ends = pictures
      .flatMap(({ rows }) => rows)
      .filter((row) => row.receiver === load.pid && row.sig === 'CHLD');
    for (const { lost, unseen } of pictures) expect({ lost, unseen }).toEqual({ lost: 0, unseen: 0 });
    expect(ends.reduce((all, row) => all + number(row, 'count'), 0)).toBe(load.count);
    expect(new Set(ends.map((row) => row.sender_comm))).toEqual(new Set(['w-spawns']));
  });

  test.each(['task-state', 'execs'])('%s keeps nothing of them', { timeout: 90_000 }, async (monitor) => {
    const sizes: number[] = [];
    const { load } = await watch([monitor, '-i', '500'], async (ktop) => {
      const storm = startLoad<Truth>('spawns', [SECONDS], 3000 * SECONDS).said;
      for (const end = performance.now() + SECONDS * 1000; performance.now() < end; await sleep(250))
        sizes.push(memory(ktop.pid));
      const { truth, release } = await storm;
      await release();
      return truth;
    });
    // More than there are process numbers where the limit is the usual one, or all that a busy machine could do.
    expect(load.count).toBeGreaterThan(1000 * SECONDS);
    const half = Math.floor(sizes.length / 2);
    // Half a kilobyte kept of each would be seen; what the collector leaves lying about comes and goes.
    const least = (of: readonly number[]) => Math.min(...of);
    expect(least(sizes.slice(-8)) - least(sizes.slice(half, half + 8))).toBeLessThan(24);
  });
});
