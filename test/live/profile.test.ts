/** profile against /proc/<pid>/stat of burners on both CPUs. */
import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { number, type Picture, type Row, startKtop, sum, watch } from '../helpers/ktop.ts';
import { cpuTimes } from '../helpers/oracle.ts';
import { sleep, startLoad } from '../helpers/workload.ts';

const POINTS = 5;
const SECONDS = 8;

/** Jiffies in user mode and in the kernel, so far. */
function jiffies(pid: number): readonly [number, number] {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8')
    .replace(/^.*\) /, '')
    .split(' ');
  return [Number(fields[11]), Number(fields[12])];
}

const isUser = (row: Row) => row.stack === '[user]';
const burner = (cpu: number) => (row: Row) => row.comm === 'w-burn' && row.cpu === cpu;

describe('profile', () => {
  test('shares of user and kernel per burner within 5 points of /proc; stacks name what it does', {
    timeout: 60_000,
  }, async () => {
    const loads = [
      startLoad('burn', [0, 'user', SECONDS]),
      startLoad('burn', [1, 'system', SECONDS]),
      startLoad('burn', [1, 'mixed', SECONDS]),
    ];
    const before: (readonly [number, number])[] = [];
    const ktop = await startKtop(['profile', '-F', '499', '-i', '1000'], () => {
      before.push(...(before.length === 0 ? loads.map(({ pid }) => jiffies(pid)) : []));
    });
    let pictures: readonly Picture[] = [];
    try {
      await ktop.more(4);
      pictures = ktop.pictures.slice(1, 5);
      const after = loads.map(({ pid }) => jiffies(pid));
      // Those of CPU 1 have the same name: the CPU's burners together.
      for (const [cpu, of] of [
        [0, [0]],
        [1, [1, 2]],
      ] as const) {
        const delta = (kind: 0 | 1) =>
          of.reduce<number>((all, i) => all + (after[i]?.[kind] ?? 0) - (before[i]?.[kind] ?? 0), 0);
        const truth = (100 * delta(0)) / (delta(0) + delta(1));
        const count = (where: (row: Row) => boolean) =>
          sum(pictures, 'count', (row) => burner(cpu)(row) && where(row));
        const share = (100 * count(isUser)) / count(() => true);
        expect(Math.abs(share - truth), `CPU ${cpu}: ${share} % user, /proc says ${truth} %`).toBeLessThan(
          POINTS,
        );
      }
    } finally {
      await ktop.kill();
      await Promise.all(loads.map(({ said }) => said));
    }
    // The kernel half reads /dev/zero.
    const kernel = (row: Row) => burner(1)(row) && !isUser(row);
    const reads = sum(
      pictures,
      'count',
      (row) => kernel(row) && /read_zero|clear_user/.test(String(row.stack)),
    );
    expect(reads / sum(pictures, 'count', kernel)).toBeGreaterThan(0.8);
    for (const { rows } of pictures) {
      const all = rows.reduce((total, row) => total + number(row, 'pct'), 0);
      expect(Math.abs(all - 100)).toBeLessThan(0.05 * rows.length + 0.1);
    }
  });

  test('--exclude-user and --exclude-kernel leave out what they say', { timeout: 30_000 }, async () => {
    for (const [option, left] of [
      ['--exclude-user', (row: Row) => !isUser(row)],
      ['--exclude-kernel', isUser],
    ] as const) {
      const { pictures } = await watch(['profile', option, '-i', '500'], async () => {
        await startLoad('burn', [0, 'mixed', 1.5]).said;
      });
      const rows = pictures.flatMap((picture) => picture.rows);
      expect(rows.filter((row) => row.comm === 'w-burn').length).toBeGreaterThan(0);
      expect(rows.every(left)).toBe(true);
    }
  });

  test('--than 80: something of a CPU at 100 %, nothing of one at 30 %', { timeout: 60_000 }, async () => {
    for (const interval of ['500', '1000']) {
      const { pictures } = await watch(['profile', '--than', '80', '-i', interval, '-C', '0'], async () => {
        await startLoad('burn', [0, 'user', 3.5]).said;
      });
      expect(sum(pictures, 'count', burner(0)), `-i ${interval}`).toBeGreaterThan(0);
      // Each such second is an incident, told once.
      const told = pictures.flatMap(({ log = [] }) => log);
      expect(told.length).toBeGreaterThanOrEqual(1);
      for (const { cpu, text, between } of told) {
        expect(cpu).toBe(0);
        const [, within] = /^CPU 0 busy for 80 % of a second, within (\d+\.\d) ms$/.exec(String(text)) ?? [];
        expect(Number(within)).toBeGreaterThan(500);
        expect(Number(within)).toBeLessThanOrEqual(1000);
        expect(between).toEqual([
          expect.stringMatching(/^\+0\.000 us cpu0 .+\/\d+ sample in (the kernel|user code)$/),
          expect.stringMatching(/^\+\d+\.\d+ us cpu0 .+\/\d+ sample in (the kernel|user code)$/),
        ]);
      }
    }
    const times: (readonly [number, number])[] = [];
    const ktop = await startKtop(['profile', '--than', '80', '-i', '1000', '-C', '0'], () => {
      const [, , , idle = 0, iowait = 0] = cpuTimes().get(0) ?? [];
      times.push([performance.now(), (idle + iowait) * 10]);
    });
    try {
      for (let i = 0; i < 40; i += 1) {
        await startLoad('burn', [0, 'user', 0.03]).said;
        await sleep(70);
      }
      await ktop.more(1);
    } finally {
      await ktop.kill();
    }
    // Others may have filled the CPU meanwhile: /proc/stat tells in which seconds it was idle for the rest.
    const calm = ktop.pictures.filter((_, i) => {
      const [at = 0, idle = 0] = times[i] ?? [];
      const [before = at, idleBefore = idle] = times[i - 1] ?? [];
      return (idle - idleBefore) / (at - before) > 0.3;
    });
    for (const { rows, log } of calm) expect([rows, log]).toEqual([[], []]);
  });
});
