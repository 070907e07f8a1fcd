/** execs against what the parent of a thousand short-lived programs was told by the kernel, and against a trace. */
import { describe, expect, test } from 'vitest';
import { number, type Picture, type Row, watch } from '../helpers/ktop.ts';
import { traceInstance } from '../helpers/trace-instance.ts';
import { runLoad, workload } from '../helpers/workload.ts';

interface Truth {
  readonly pid: number;
  readonly failed: number;
  /** Process, and exit code or minus signal. */
  readonly children: readonly (readonly [number, number])[];
}

const SIGNALS: Readonly<Record<number, string>> = { [-11]: 'SEGV', [-15]: 'TERM' };
const rowsOf = (pictures: readonly Picture[]) => pictures.flatMap(({ rows }) => rows);
const ended = (row: Row) => row.exit !== '' && row.exit !== 'exec';

describe('execs', () => {
  test.each(['perf', 'tracefs'])(
    'a thousand short-lived programs, through %s',
    {
      timeout: 90_000,
    },
    async (backend) => {
      const file = workload('execs');
      const witness = traceInstance([
        { event: 'sched:sched_process_exec' },
        { event: 'sched:sched_process_exit' },
      ]);
      const args = ['execs', '--backend', backend, '-i', '500'];
      const { pictures, load } = await watch(args, () => runLoad<Truth>('execs', [1000]));
      const traced = witness.stop();
      const rows = rowsOf(pictures).filter((row) => row.ppid === load.pid && ended(row));
      expect(pictures.map(({ lost }) => lost)).toEqual(pictures.map(() => 0));
      expect(rows.length).toBe(1000);
      const byPid = new Map(rows.map((row) => [row.pid, row]));
      expect(byPid.size).toBe(1000);
      let withArguments = 0;
      for (const [i, [pid, end]] of load.children.entries()) {
        const row = byPid.get(pid) as Row;
        expect(row.exit).toBe(SIGNALS[end] ?? String(end));
        expect(row.file).toBe(file);
        expect(row.uid).toBe(0);
        expect(row.parent).toBe('execs');
        if (row.args === `[${file}]`) continue;
        expect(row.args).toBe(`${file} child ${i} 'a b'`);
        withArguments++;
      }
      // perf takes them of the new program's stack, unless a page between is missing; else /proc must still know them.
      if (backend === 'perf') expect(withArguments).toBeGreaterThan(300);
      // How long each ran, from the same two events as others saw them; their clocks are printed to the µs.
      const began = new Map<number, number>();
      const ran = new Map<number, number>();
      for (const { event, tid, ms } of traced) {
        if (event === 'sched_process_exec') began.set(tid, ms);
        else if (began.has(tid)) ran.set(tid, ms - (began.get(tid) ?? 0));
      }
      const off = load.children.map(([pid]) =>
        Math.abs(1e3 * number(byPid.get(pid) as Row, 'age_s') - (ran.get(pid) ?? Number.NaN)),
      );
      expect(off.sort((a, b) => a - b)[900]).toBeLessThan(0.2);
      // Those that could not be started.
      const failed = pictures.flatMap((picture) => picture.failed as readonly Row[]);
      const ours = failed.filter(({ pid }) => pid === load.pid);
      expect(ours.map(({ comm, ret, error }) => ({ comm, ret, error }))).toEqual(
        ours.map(() => ({ comm: 'execs', ret: -2, error: 'ENOENT' })),
      );
      expect(ours.reduce((all, row) => all + number(row, 'count'), 0)).toBe(load.failed);
    },
  );

  test('a program that runs is shown until it ends, its arguments quoted; one that execs again ends as such', {
    timeout: 60_000,
  }, async () => {
    const { pictures } = await watch(['execs', '-i', '300'], async (ktop) => {
      const { spawn } = await import('node:child_process');
      const child = spawn('env', ['sh', '-c', 'sleep 1.2; exit 9', "it's", '', 'a b'], { stdio: 'ignore' });
      await new Promise((resolve) => child.on('close', resolve));
      await ktop.more(1);
    });
    const rows = rowsOf(pictures);
    const argv = "sh -c 'sleep 1.2; exit 9' 'it'\\''s' '' 'a b'";
    // What takes part of a second is found in /proc when the stack does not tell.
    const shell = rows.filter(({ args }) => args === argv);
    expect(shell.filter(({ exit }) => exit === '').length).toBeGreaterThanOrEqual(2);
    const ages = shell.map((row) => number(row, 'age_s'));
    expect(ages).toEqual([...ages].sort((a, b) => a - b));
    const last = shell.filter(({ exit }) => exit === '9');
    expect(last.length).toBe(1);
    expect(number(last[0] as Row, 'age_s')).toBeGreaterThanOrEqual(1.2);
    const env = rows.filter(({ pid, exit }) => pid === last[0]?.pid && exit === 'exec');
    expect(env.map(({ comm }) => comm)).toEqual(['env']);
    const log = pictures.flatMap((picture) => picture.log ?? []);
    expect(
      log.filter(({ pid, text }) => pid === last[0]?.pid && /filename=\S*\/sh /.test(String(text))).length,
    ).toBe(1);
  });
});
