/** syscalls against programs that count their own calls, against strace, and against bpftrace, which saw every call. */
import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { command } from '../helpers/command.ts';
import { number, type Picture, type Row, startKtop, sum, watch } from '../helpers/ktop.ts';
import { bpftrace, perfStat } from '../helpers/oracle.ts';
import { runLoad, sleep, startLoad, workload } from '../helpers/workload.ts';
import { accounted, eventsOf, total } from './accounting.ts';

interface Truth {
  readonly pid: number;
  readonly pids: readonly number[];
  readonly calls: Readonly<Record<string, number>>;
  readonly errors: Readonly<Record<string, number>>;
}

interface Waits {
  readonly pid: number;
  readonly waits_ms: readonly number[];
}

const panel = (picture: Picture, name: string) => picture[name] as readonly Row[];
const all = (pictures: readonly Picture[], name: string) =>
  pictures.flatMap((picture) => panel(picture, name));
const add = (into: Record<string, number>, key: string, value: number) => {
  into[key] = (into[key] ?? 0) + value;
};
const ofPids =
  (pids: readonly number[]) =>
  ({ pid }: Row) =>
    pids.includes(pid as number);

/** Calls and errors by name, of these processes. */
function counted(pictures: readonly Picture[], where: (row: Row) => boolean) {
  const calls: Record<string, number> = {};
  const errors: Record<string, number> = {};
  for (const row of pictures.flatMap(({ rows }) => rows).filter(where))
    add(calls, String(row.call), number(row, 'calls'));
  for (const row of all(pictures, 'errors').filter(where))
    add(errors, `${row.call} ${row.errno}`, number(row, 'count'));
  return { calls, errors };
}

/** Number of every x86-64 call by its name, as the C library's header has it. */
function callNumbers(): Map<number, string> {
  const header = command('gcc', ['-E', '-dM', '-include', 'asm/unistd.h', '-x', 'c', '/dev/null']);
  return new Map(
    [...header.matchAll(/#define __NR_(\w+) (\d+)/g)].map(([, name = '', id]) => [Number(id), name]),
  );
}

describe('syscalls', () => {
  test('threads, children, signals and execs: counts equal what the program did', {
    timeout: 60_000,
  }, async () => {
    const { pictures, load } = await watch(['syscalls', '-i', '500'], async (ktop) => ({
      truth: await runLoad<Truth>('calls', ['mix']),
      ktop: ktop.pid,
    }));
    const { truth } = load;
    const { calls, errors } = counted(pictures, ofPids(truth.pids));
    expect(calls).toMatchObject(truth.calls);
    // Every process ends by exit_group but the one whose second thread becomes another program: that one too, then.
    expect(calls.exit_group).toBe(truth.pids.length);
    expect(errors).toMatchObject(truth.errors);
    const errnos = pictures.flatMap(({ rows }) => rows).filter((row) => row.pid === truth.pid);
    expect(
      errnos.filter(({ call }) => call === 'chdir').every(({ errnos: e }) => /^ENOENT \d+$/.test(String(e))),
    ).toBe(true);
    expect(sum(pictures, 'errors', (row) => row.pid === truth.pid && row.call === 'chdir')).toBe(200);
    // What ended is not in flight any more, and ktop does not show itself.
    const last = pictures.at(-1) as Picture;
    expect(panel(last, 'open').filter(ofPids(truth.pids))).toEqual([]);
    for (const rows of [pictures.flatMap(({ rows }) => rows), all(pictures, 'open')])
      expect(rows.filter(({ pid }) => pid === load.ktop)).toEqual([]);
  });

  test('every call of the program, and every error, equals bpftrace', { timeout: 60_000 }, async () => {
    const witness = await bpftrace(`
      tracepoint:raw_syscalls:sys_enter /comm == "w-calls"/ { @calls[args->id] = count(); }
      tracepoint:raw_syscalls:sys_exit /comm == "w-calls" && args->ret < 0 && args->id >= 0/
        { @errors[args->id, -args->ret] = count(); }`);
    const { pictures } = await watch(['syscalls', '--filter', 'w-calls', '-i', '500'], () =>
      runLoad<Truth>('calls', ['mix']),
    );
    const seen = (await witness.stop()).join('\n');
    const names = callNumbers();
    const wanted: Record<string, number> = {};
    for (const [, id, n] of seen.matchAll(/@calls\[(\d+)\]: (\d+)/g))
      add(wanted, names.get(Number(id)) ?? String(id), Number(n));
    const { calls, errors } = counted(pictures, () => true);
    expect(wanted.getppid).toBe(10_000);
    expect(calls).toEqual(wanted);
    const failed: Record<string, number> = {};
    for (const [, id, , n] of seen.matchAll(/@errors\[(\d+), (\d+)\]: (\d+)/g))
      add(failed, names.get(Number(id)) ?? String(id), Number(n));
    const got: Record<string, number> = {};
    for (const [key, n] of Object.entries(errors)) add(got, key.split(' ')[0] as string, n);
    expect(got).toEqual(failed);
  });

  test('strace of the same run counts the same calls and errors', { timeout: 60_000 }, async () => {
    const work = mkdtempSync(join(tmpdir(), 'ktop-strace-'));
    const file = join(work, 'counts');
    const { pictures, load } = await watch(['syscalls', '-i', '500'], async () => {
      const args = ['-f', '-c', '-o', file, '-U', 'calls,errors,name', workload('calls'), 'mix'];
      const truth = JSON.parse(command('strace', args)) as Truth;
      // Nothing was read meanwhile: pictures of before its end wait in the pipe, and must not be taken for later ones.
      await sleep(1500);
      return truth;
    });
    // What a thread did stands under its process, though it ended between two pictures.
    const { calls, errors } = counted(pictures, ofPids(load.pids));
    const ours: Record<string, number> = {};
    for (const [key, n] of Object.entries(errors)) add(ours, key.split(' ')[0] as string, n);
    let compared = 0;
    for (const line of readFileSync(file, 'utf8').split('\n')) {
      const [, n, failed, name] = /^ *(\d+) +(\d+)? +(\w+)$/.exec(line) ?? [];
      // Before its exec the process is strace's own child, which makes calls of these names.
      if (name === undefined || !(name in load.calls) || name === 'execve' || name === 'exit') continue;
      compared += 1;
      expect([name, calls[name], ours[name] ?? 0]).toEqual([name, Number(n), Number(failed ?? 0)]);
    }
    expect(compared).toBe(6);
    rmSync(work, { recursive: true });
  });

  test('32-bit programs: told apart, whether ktop saw them begin or not', { timeout: 60_000 }, async () => {
    const before = startLoad('calls32', []);
    const children = [before.pid];
    const { pictures } = await watch(['syscalls', '-i', '500'], async () => {
      const after = startLoad('calls32', []);
      children.push(after.pid);
      for (const load of [before, after]) {
        load.go();
        await (await load.said).release();
      }
    });
    for (const pid of children) {
      const { calls, errors } = counted(pictures, (row) => row.pid === pid);
      expect(calls).toMatchObject({ 'getppid/32': 1000, 'write/32': 1, 'exit/32': 1 });
      expect(errors).toEqual({ 'read/32 EBADF': 1 });
      // 64 and 3 are semget and close elsewhere.
      expect(calls.semget).toBeUndefined();
    }
  });

  test('times are those of the program; slow ones are logged with both events', {
    timeout: 30_000,
  }, async () => {
    const args = ['syscalls', '-e', 'read', '--than', '25', '-i', '500'];
    const { pictures, load } = await watch(args, () => runLoad<Waits>('calls', ['slow', 5, 40]));
    const mine = (row: Row) => row.pid === load.pid && row.call === 'read';
    const waited = load.waits_ms.reduce((a, b) => a + b, 0);
    // Its start-up reads some files, and its end is a read too.
    expect(sum(pictures, 'calls', mine)).toBeGreaterThanOrEqual(load.waits_ms.length);
    expect(sum(pictures, 'total_ms', mine)).toBeGreaterThan(waited - 5 * load.waits_ms.length);
    expect(
      Math.max(...pictures.flatMap(({ rows }) => rows.filter(mine).map((row) => number(row, 'max_us')))),
    ).toBeLessThanOrEqual(1000 * Math.max(...load.waits_ms) + 1);
    const buckets = pictures.flatMap(({ histogram = [] }) => histogram);
    expect(buckets.reduce((all, { count }) => all + count, 0)).toBe(sum(pictures, 'calls'));
    const slow = all(pictures, 'log').filter((entry) => entry.pid === load.pid);
    const finished = slow.filter((entry) => !String(entry.text).endsWith('not over yet'));
    expect(finished.length).toBe(load.waits_ms.length);
    for (const entry of finished) {
      const between = entry.between as unknown as string[];
      expect(between.length).toBe(2);
      expect(between[0]).toMatch(/^\+0\.000 us cpu\d+ w-calls\/\d+ sys_enter: NR 0 \(/);
      expect(between[1]).toMatch(/^\+\d+\.\d+ us cpu\d+ w-calls\/\d+ sys_exit: NR 0 = 1$/);
    }
    const others = pictures
      .flatMap(({ rows }) => rows)
      .filter(({ call }) => call !== 'read' && call !== 'read/32');
    expect(others).toEqual([]);
  });

  test('a call that hangs is listed, ages, tells its path and stack, and is counted when it returns', {
    timeout: 60_000,
  }, async () => {
    const work = mkdtempSync(join(tmpdir(), 'ktop-fifo-'));
    const fifo = join(work, 'nobody-writes');
    command('mkfifo', [fifo]);
    const early = startLoad<Waits>('calls', ['hang', fifo]);
    await early.said;
    await sleep(100);
    const ktop = await startKtop(['syscalls', '-g', '--than', '300', '-i', '300']);
    try {
      const late = startLoad<Waits>('calls', ['hang', fifo]);
      await ktop.more(6);
      const rowsOf = (pid: number) =>
        ktop.pictures
          .map((picture) => [picture, panel(picture, 'open').find((row) => row.tid === pid)] as const)
          .filter((pair): pair is readonly [Picture, Row] => pair[1] !== undefined);
      for (const { pid, at_least } of [
        { pid: early.pid, at_least: 1 },
        { pid: late.pid, at_least: 0 },
      ]) {
        const rows = rowsOf(pid);
        expect(rows.length).toBeGreaterThanOrEqual(4);
        for (const [index, [picture, row]] of rows.entries()) {
          expect(row).toMatchObject({ comm: 'w-calls', call: 'openat', state: 'S', at_least });
          expect(row.args).toBe(`cwd, "${fifo}", 0x0, 0x0`);
          expect(String(row.stack)).toMatch(/fifo_open/);
          const older = rows[index - 1]?.[1];
          if (older === undefined) continue;
          const step = number(row, 'age_ms') - number(older, 'age_ms');
          expect(Math.abs(step - picture.interval_ms)).toBeLessThan(5);
        }
      }
      const told = () => all(ktop.pictures, 'log').filter((entry) => entry.tid === late.pid);
      expect(told().map(({ text }) => String(text))).toEqual([
        expect.stringMatching(/^openat \d+\.\d ms, not over yet$/),
      ]);
      writeFileSync(fifo, '');
      await (await late.said).release();
      await (await early.said).release();
      const pictures = await ktop.stop();
      expect(told().length).toBe(2);
      expect(String(told()[1]?.text)).toMatch(/^openat \d+\.\d ms(, ended on CPU \d+)?$/);
      expect(panel(pictures.at(-1) as Picture, 'open').filter(ofPids([early.pid, late.pid]))).toEqual([]);
      const longest = Math.max(
        ...pictures
          .flatMap(({ rows }) => rows)
          .filter((row) => row.pid === late.pid && row.call === 'openat')
          .map((row) => number(row, 'max_us')),
      );
      expect(longest).toBeGreaterThan(1_200_000);
    } finally {
      await ktop.kill();
      rmSync(work, { recursive: true });
    }
  });

  test('-p: a process and its threads, and no other; -C: where a call begins', {
    timeout: 60_000,
  }, async () => {
    const load = startLoad<Waits>('calls32', []);
    const { pictures } = await watch(['syscalls', '-p', String(load.pid), '-i', '300'], async () => {
      const other = spawn(workload('calls'), ['mix'], { stdio: 'ignore' });
      await new Promise((resolve) => other.on('close', resolve));
      load.go();
      await load.said;
    });
    expect(new Set(pictures.flatMap(({ rows }) => rows.map(({ pid }) => pid)))).toEqual(new Set([load.pid]));
    expect(sum(pictures, 'calls', ({ call }) => call === 'getppid/32')).toBe(1000);
    await (await load.said).release();
    const pinned = await watch(['syscalls', '-C', '1', '-i', '300'], async () => {
      command('taskset', ['-c', '0', workload('calls'), 'slow', '3', '5']);
      const truth = command('taskset', ['-c', '1', workload('calls'), 'slow', '3', '5']);
      await sleep(1500);
      return truth;
    });
    const { pid } = JSON.parse(pinned.load) as Waits;
    // Only what waits is sure to come after the program has been pinned.
    const reads = pinned.pictures
      .flatMap(({ rows }) => rows)
      .filter((row) => row.comm === 'w-calls' && row.call === 'read' && number(row, 'max_us') > 4000);
    expect(new Set(reads.map((row) => row.pid))).toEqual(new Set([pid]));
  });

  test('every event is accounted for', { timeout: 60_000 }, async () => {
    const events = eventsOf('syscalls');
    const outer = await perfStat(events);
    const { pictures, load } = await watch(['syscalls', '-i', '500'], async () => {
      const inner = await perfStat(events);
      await runLoad('calls', ['mix']);
      return total(await inner.stop());
    });
    const most = total(await outer.stop());
    expect(load).toBeGreaterThan(20_000);
    expect(accounted(pictures)).toBeGreaterThanOrEqual(load);
    expect(accounted(pictures)).toBeLessThanOrEqual(most);
  });
});
