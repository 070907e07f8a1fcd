/** --input: everything ktop says of a recording is what `perf script` says of the same file, event for event. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { number, type Picture, type Row, sum } from '../helpers/ktop.ts';
import { paths } from '../helpers/paths.ts';
import {
  field,
  lostEvents,
  pairsOf,
  perfRecord,
  perfScript,
  type Sampled,
  staysOf,
  thread,
} from '../helpers/perf-script.ts';
import { keepBusy, workload } from '../helpers/workload.ts';

const EVENTS = [
  'sched:sched_switch',
  'sched:sched_wakeup',
  'sched:sched_wakeup_new',
  'raw_syscalls:sys_enter',
  'raw_syscalls:sys_exit',
  'block:block_rq_issue',
  'block:block_rq_complete',
  'block:block_bio_queue',
];
const select = (...events: string[]) => events.flatMap((event) => ['-e', event]);
/** One interval for all of a file. */
const WHOLE = ['-i', '3600000'];

/** A ktop that runs to its end on a file. */
function ktop(...args: string[]): { pictures: Picture[]; text: string; status: number; errors: string } {
  const { stdout, stderr, status } = spawnSync(paths.node(), [paths.ktop, ...args], {
    encoding: 'utf8',
    maxBuffer: 1 << 28,
    timeout: 120_000,
  });
  const lines = args.includes('--json') ? stdout.split('\n').filter(Boolean) : [];
  return {
    pictures: lines.map((line) => JSON.parse(line) as Picture),
    text: stdout,
    status: status ?? -1,
    errors: stderr,
  };
}

function seen(...args: string[]): Picture[] {
  const { pictures, status, errors } = ktop(...args, '--json');
  if (status !== 0) throw new Error(`ktop ${args.join(' ')} ended by ${status}: ${errors}`);
  return pictures;
}

const counts = (samples: readonly Sampled[]): Record<string, number> => {
  const found: Record<string, number> = {};
  for (const { event } of samples) found[event] = (found[event] ?? 0) + 1;
  return found;
};

const rates = (pictures: readonly Picture[]): Record<string, number> => {
  const found: Record<string, number> = {};
  for (const row of pictures.flatMap(({ rows }) => rows))
    found[String(row.event)] = (found[String(row.event)] ?? 0) + number(row, 'count');
  return found;
};

let directory = '';
const at = (name: string) => join(directory, name);

beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'ktop-perf-data-'));
});

afterAll(() => {
  rmSync(directory, { recursive: true, force: true });
});

describe('events of every kind', () => {
  let samples: readonly Sampled[] = [];
  const input = () => ['--input', at('all.data')];

  beforeAll(() => {
    const load = [
      `${workload('sleeps')} 40 2`,
      `${workload('waits')} sleep 2 150`,
      `${workload('waits')} disk 2 150`,
      `${workload('disk')} direct-write ${at('block')} 1048576`,
      `${workload('storm')} pipe 0.05`,
    ];
    const script = load.map((line) => `${line} </dev/null >/dev/null`).join('\n');
    // On some hosts perf drops what happens while a CPU idles: both would miss the same, and the tests have less to compare.
    const leave = keepBusy([0, 1]);
    try {
      perfRecord(
        at('all.data'),
        ['-a', '-m', '2048', '-k', 'mono', ...select(...EVENTS)],
        ['sh', '-c', script],
      );
    } finally {
      leave();
    }
    samples = perfScript(at('all.data'));
  }, 180_000);

  test('every event is seen, none is made up', () => {
    const pictures = seen('trace', ...input(), ...WHOLE);
    expect(pictures).toHaveLength(1);
    expect(rates(pictures)).toEqual(counts(samples));
    expect(Object.keys(counts(samples)).length).toBe(EVENTS.length);
    expect(pictures[0]?.events).toBe(samples.length);
    expect(pictures[0]?.lost).toBe(0);
    expect(pictures[0]?.backend).toBe('perf.data');
  });

  test('the last ones are printed as perf prints them', () => {
    const log = seen('trace', '-e', 'sched:sched_switch', ...input(), ...WHOLE)[0]?.log ?? [];
    const switches = samples.filter(({ event }) => event === 'sched:sched_switch');
    expect(log.length).toBe(500);
    const said = (tid: unknown, cpu: unknown, text: string) =>
      ['prev_pid', 'prev_prio', 'next_pid', 'next_prio']
        .map((name) => new RegExp(`${name}=(\\d+)`).exec(text)?.[1])
        .concat(String(tid), String(cpu))
        .join(' ');
    // perf has no number for the thread that has just died, the event itself has.
    const left = (tid: number, text: string) => (tid < 0 ? /prev_pid=(\d+)/.exec(text)?.[1] : tid);
    // Two CPUs may switch in the same nanosecond: nothing says which was first.
    const at = new Map<number, string[]>();
    for (const { time, tid, cpu, text } of switches)
      at.set(time, [...(at.get(time) ?? []), said(left(tid, text), cpu, text)]);
    for (const [index, { time }] of switches.slice(-log.length).entries()) {
      const { tid, cpu, text } = log[index] ?? {};
      expect(at.get(time)).toContain(said(tid, cpu, String(text)));
    }
  });

  test('intervals of the file add up to it', () => {
    const pictures = seen('trace', ...input(), '-i', '100');
    const span = (samples.at(-1)?.time ?? 0) - (samples[0]?.time ?? 0);
    expect(pictures.length).toBeGreaterThanOrEqual(Math.floor(span / 1e8));
    expect(rates(pictures)).toEqual(counts(samples));
    for (const { interval_ms } of pictures.slice(0, -1)) expect(interval_ms).toBe(100);
    const times = pictures.map(({ time }) => Date.parse(time));
    expect(times).toEqual(times.toSorted((a, b) => a - b));
    // -k mono: the file ties its clock to the wall clock.
    const written = statSync(at('all.data')).mtimeMs;
    expect(Math.abs((times.at(-1) ?? 0) - written)).toBeLessThan(60_000);
    expect(pictures[0]?.notes?.join()).not.toMatch(/wall clock/);
  });

  const row = (args: readonly string[]) => seen('mpdelay', ...input(), ...WHOLE, ...args)[0]?.rows[0] as Row;
  const numbers = (found: Row) => ({
    count: number(found, 'calls'),
    total_ns: Math.round(number(found, 'total_us') * 1e3),
    min_ns: Math.round(number(found, 'min_us') * 1e3),
    max_ns: Math.round(number(found, 'max_us') * 1e3),
  });

  test('system calls: number, sum, shortest and longest to the nanosecond', () => {
    const [enter, exit] = ['raw_syscalls:sys_enter', 'raw_syscalls:sys_exit'] as const;
    const truth = pairsOf(samples, thread(enter), thread(exit));
    expect(truth.count).toBeGreaterThan(10_000);
    expect(numbers(row(['-e', `${enter},${exit}`]))).toEqual(truth);
  });

  test('syscalls: by name, of one process', () => {
    const tid = samples.find(({ comm }) => comm === 'w-sleeps')?.tid ?? 0;
    const names: Record<string, string> = { 0: 'read', 1: 'write', 35: 'nanosleep', 110: 'getppid' };
    const wanted: Record<string, { calls: number; ns: number }> = {};
    let since = 0;
    for (const { event, text, time } of samples.filter((sample) => sample.tid === tid)) {
      const name = names[/^NR (-?\d+)/.exec(text)?.[1] ?? ''];
      if (event === EVENTS[3]) since = time;
      if (event !== EVENTS[4] || name === undefined || since === 0) continue;
      const { calls = 0, ns = 0 } = wanted[name] ?? {};
      wanted[name] = { calls: calls + 1, ns: ns + time - since };
    }
    expect(wanted.getppid?.calls).toBe(40);
    const rows = seen('syscalls', ...input(), ...WHOLE)[0]?.rows ?? [];
    const own = rows.filter((found) => found.pid === tid && Object.hasOwn(wanted, String(found.call)));
    const calls = Object.entries(wanted).map(([name, truth]) => [name, truth.calls]);
    expect(Object.fromEntries(own.map((found) => [found.call, found.calls]))).toEqual(
      Object.fromEntries(calls),
    );
    for (const found of own)
      expect(Math.abs(number(found, 'total_ms') - (wanted[String(found.call)]?.ns ?? 0) / 1e6)).toBeLessThan(
        0.06,
      );
  });

  test('block requests by sector', () => {
    const [issue, complete] = ['block:block_rq_issue', 'block:block_rq_complete'] as const;
    const sector = / (\d+) \+ \d+ /;
    const truth = pairsOf(samples, field(issue, sector), field(complete, sector));
    expect(truth.count).toBeGreaterThan(10);
    expect(numbers(row(['-e', `${issue},${complete}`, '--key', 'sector']))).toEqual(truth);
  });

  test('from wake-up to running, across CPUs', () => {
    const truth = pairsOf(
      samples,
      field('sched:sched_wakeup', /(?:^|\s)pid=(\d+)/),
      field('sched:sched_switch', /next_pid=(\d+)/),
      field('sched:sched_switch', /prev_pid=(\d+)/),
    );
    expect(truth.count).toBeGreaterThan(100);
    expect(numbers(row([]))).toEqual(truth);
  });

  test.each([20, 100])('stays of tasks longer than %d ms', (than_ms) => {
    const stays = staysOf(samples, than_ms * 1e6);
    const wanted = new Map<string, { count: number; ms: number }>();
    for (const { tid, state, ns } of stays) {
      const one = wanted.get(`${tid} ${state}`) ?? { count: 0, ms: 0 };
      wanted.set(`${tid} ${state}`, { count: one.count + 1, ms: one.ms + ns / 1e6 });
    }
    const pictures = seen('task-state', '-S', '-D', '--than', String(than_ms), ...input(), ...WHOLE);
    const rows = pictures[0]?.rows.filter((found) => number(found, 'count') > 0) ?? [];
    const asked = new Map([...wanted].filter(([key]) => /[SD]$/.test(key)));
    expect(asked.size).toBeGreaterThan(2);
    expect(new Map(rows.map((found) => [`${found.tid} ${found.state}`, found.count]))).toEqual(
      new Map([...asked].map(([key, { count }]) => [key, count])),
    );
    for (const found of rows) {
      const truth = asked.get(`${found.tid} ${found.state}`)?.ms ?? 0;
      expect(Math.abs(number(found, 'total_ms') - truth)).toBeLessThan(0.06);
    }
  });

  test('-C: the CPUs that are asked for', () => {
    const own = counts(samples.filter(({ cpu }) => cpu === 1));
    expect(rates(seen('trace', ...input(), ...WHOLE, '-C', '1'))).toEqual(own);
    const { status, errors } = ktop('trace', ...input(), '-C', '4000', '--json');
    expect([status, errors.trim().split('\n').length]).toEqual([2, 1]);
    expect(errors).toMatch(/has no CPU 4000/);
  });

  test('-p: the processes that are asked for', () => {
    const tid = samples.find(({ comm }) => comm === 'w-sleeps')?.tid ?? 0;
    const stays = staysOf(samples, 1e6).filter((stay) => stay.tid === tid && stay.state === 'S');
    const args = ['task-state', '-S', '--than', '1ms', '-p', String(tid), ...input(), ...WHOLE];
    const rows = seen(...args)[0]?.rows ?? [];
    expect(stays.length).toBeGreaterThan(5);
    expect(rows.map((found) => [found.tid, found.state, found.count])).toEqual([[tid, 'S', stays.length]]);
  });

  test('filters of the kernel, applied afterwards', () => {
    const filter = 'prev_state==1 && (prev_comm~"w-sl*" || prev_pid<20)';
    const truth = samples.filter(({ event, text }) => {
      if (event !== 'sched:sched_switch' || !/prev_state=S /.test(text)) return false;
      return /prev_comm=w-sl/.test(text) || Number(/prev_pid=(\d+)/.exec(text)?.[1]) < 20;
    });
    expect(truth.length).toBeGreaterThan(5);
    const pictures = seen('trace', '-e', `sched:sched_switch/${filter}/`, ...input(), ...WHOLE);
    expect(pictures[0]?.events).toBe(truth.length);
    const ids = samples.filter(({ event, text }) => event === EVENTS[3] && /^NR (0|1) /.test(text));
    const calls = seen('trace', '-e', EVENTS[3] as string, '--filter', 'id==0||id==1', ...input(), ...WHOLE);
    expect(calls[0]?.events).toBe(ids.length);
  });

  test('disktop: what was submitted, by process; nothing of this host', () => {
    const pictures = seen('disktop', ...input(), ...WHOLE);
    const written = pictures[0]?.rows.find(({ comm, op }) => comm === 'w-disk' && op === 'W');
    const own = samples.filter(
      ({ event, comm, text }) => event === EVENTS[7] && comm === 'w-disk' && /W/.test(text),
    );
    const sectors = own.reduce((total, { text }) => total + Number(/ \+ (\d+) /.exec(text)?.[1] ?? 0), 0);
    expect(sectors * 512).toBeGreaterThanOrEqual(1 << 20);
    expect(written).toMatchObject({ bytes: sectors * 512, uid: null, kind: 'process' });
    expect(String(written?.device)).toMatch(/^\d+:\d+$/);
    expect(pictures[0]?.notes?.join('\n')).toMatch(
      /not in a perf.data file, so not shown: I\/O of processes/,
    );
  });

  test('the same bytes every time', () => {
    const run = () => ktop('trace', ...input(), '--json', '-i', '200').text;
    expect(run()).toBe(run());
  });

  test('a monitor whose events are missing says how to record them', () => {
    const { status, errors } = ktop('kvm-exit', ...input(), '--json');
    expect(status).toBe(3);
    expect(errors).toMatch(/has no kvm:kvm_exit .*; record it with: perf record -a -k mono -e kvm:kvm_exit/);
    expect(errors.trim().split('\n')).toHaveLength(1);
    const list = JSON.parse(ktop('list', ...input(), '--json').text) as {
      monitors: { name: string; state: string; remedy: string }[];
    };
    const state = (name: string) => list.monitors.find((one) => one.name === name)?.state;
    expect([state('task-state'), state('kvm-exit'), state('disktop')]).toEqual(['yes', 'no', 'degraded']);
    for (const monitor of ['percpu-stat', 'split-lock']) {
      const of = ktop(monitor, ...input(), '--json');
      expect([of.status, of.text]).toEqual([3, '']);
      expect(of.errors).toMatch(/made of readings of \/proc, and a perf.data file has none/);
    }
  });

  test('without a monitor: the first that is made for the events of the file', () => {
    expect(seen(...input(), ...WHOLE)[0]?.monitor).toBe('task-state');
  });

  test('cut off: what is whole is shown, what is missing is said', () => {
    const file = at('cut.data');
    writeFileSync(file, readFileSync(at('all.data')));
    truncateSync(file, Math.floor(statSync(file).size / 2));
    // perf writes the formats at the very end.
    const { status, errors } = ktop('trace', '--input', file, '--json');
    expect(status).toBe(3);
    expect(errors).toMatch(/has no tracing data.*copy the file whole/);
    for (const bytes of [0, 7, 90, 200]) {
      truncateSync(file, bytes);
      const cut = ktop('trace', '--input', file, '--json');
      expect([cut.status, cut.errors.trim().split('\n').length]).toEqual([1, 1]);
      expect(cut.errors).toMatch(/^ktop: cannot read /);
    }
  });
});

test('written to a pipe, and compressed', { timeout: 120_000 }, () => {
  const events = select('raw_syscalls:sys_enter', 'sched:sched_switch');
  const load = [workload('sleeps'), '50', '1'];
  perfRecord(at('z.data'), ['-a', '-z', '-m', '512', ...events], load);
  const args = ['record', '-q', '-a', '-o', '-', ...events, '--', ...load];
  const piped = spawnSync('perf', args, { input: '', maxBuffer: 1 << 28, timeout: 60_000 });
  // What the load says goes to stderr: perf sees to that.
  writeFileSync(at('pipe.data'), piped.stdout);
  for (const name of ['z.data', 'pipe.data']) {
    const truth = counts(perfScript(at(name)));
    expect(truth['raw_syscalls:sys_enter']).toBeGreaterThan(100);
    const pictures = seen('trace', '--input', at(name), ...WHOLE);
    expect(rates(pictures)).toEqual(truth);
    expect(pictures[0]?.notes?.join('\n')).toMatch(/wall clock times are guessed from the file's date/);
  }
  // The beginning of a pipe is enough to read what follows.
  const whole = readFileSync(at('pipe.data'));
  writeFileSync(at('part.data'), whole.subarray(0, whole.length - 100));
  const part = seen('trace', '--input', at('part.data'), ...WHOLE)[0];
  expect(part?.events).toBeGreaterThan(100);
  expect(part?.notes?.join('\n')).toMatch(/cut off/);
});

test('losses are those that perf counted', { timeout: 120_000 }, () => {
  const file = at('lossy.data');
  perfRecord(
    file,
    ['-a', '-m', '1', ...select('raw_syscalls:sys_enter')],
    [workload('storm'), 'getppid', '0.1'],
  );
  const lost = lostEvents(file);
  expect(lost).toBeGreaterThan(0);
  const pictures = seen('trace', '--input', file, '-i', '100');
  expect(pictures.reduce((total, picture) => total + picture.lost, 0)).toBe(lost);
  expect(pictures.reduce((total, { events }) => total + events, 0)).toBe(perfScript(file).length);
  const hops = seen(
    'mpdelay',
    '-e',
    'raw_syscalls:sys_enter,raw_syscalls:sys_enter',
    '--input',
    file,
    ...WHOLE,
  );
  expect(hops[0]?.notes?.join('\n')).toMatch(/open pairs dropped, events were lost/);
});

test('call chains of the CPU clock', { timeout: 120_000 }, () => {
  const file = at('clock.data');
  perfRecord(file, ['-a', '-g', '-F', '499', '-e', 'cpu-clock'], [workload('burn'), '0', 'mixed', '1']);
  const truth = stacksOf(file);
  const rows = seen('profile', '--input', file, ...WHOLE)[0]?.rows ?? [];
  const got = new Map<string, number>();
  for (const found of rows) {
    const key = `${found.comm}|${found.cpu}|${found.stack}`;
    got.set(key, (got.get(key) ?? 0) + number(found, 'count'));
  }
  expect(truth.size).toBeGreaterThan(5);
  expect(got).toEqual(truth);
  expect(sum([{ rows } as Picture], 'count')).toBe([...truth.values()].reduce((a, b) => a + b, 0));
  // The rate is that of the file: a burning CPU is a whole CPU.
  const who = seen('cpu-util', '--input', file, ...WHOLE)[0]?.who as Row[] | undefined;
  const burning = who?.find(({ comm }) => comm === 'w-burn');
  expect(number(burning as Row, 'usr_pct') + number(burning as Row, 'sys_pct')).toBeGreaterThan(5);
  expect(ktop('irq-off', '-L', '1ms', '--input', file, '--json').errors).toMatch(
    /ticks in .* come every 2\.004 ms, too far apart for a limit of 1\.000 ms/,
  );
});

const SAMPLE =
  /^(\d+) \d+ 0x\w+ \[0x\w+\]: PERF_RECORD_SAMPLE\(.*?\): -?\d+\/(-?\d+): .*\n\.\.\. FP chain: .*\n((?:\.+ *\d+: .*\n)*) \.\.\. thread: (.*):-?\d+$/gm;
const KERNEL = 0xffffffffffffff80n;
const LEAST_MARK = 0xfffffffffffff001n;

/** Kernel call chains by task and CPU, with names from /proc/kallsyms: addresses are all that perf is asked for. */
function stacksOf(file: string): Map<string, number> {
  const symbols = readFileSync('/proc/kallsyms', 'utf8')
    .split('\n')
    .flatMap((line) => {
      const [, address, name] = /^([0-9a-f]+) [tTwW] (\S+)/.exec(line) ?? [];
      const module = /\t(\[\S+\])/.exec(line)?.[1];
      const full = module === undefined ? name : `${name}| ${module}`;
      return address === undefined ? [] : [{ address: BigInt(`0x${address}`), name: full ?? '' }];
    });
  const order = symbols.map((symbol, i) => ({ ...symbol, i }));
  order.sort((a, b) => (a.address < b.address ? -1 : a.address > b.address ? 1 : a.i - b.i));
  const named = (address: bigint): string => {
    let [low, high] = [0, order.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((order[middle]?.address ?? 0n) <= address) low = middle + 1;
      else high = middle;
    }
    const [name = '', module = ''] = (order[low - 1]?.name ?? '').split('|');
    return `${name}+0x${(address - (order[low - 1]?.address ?? 0n)).toString(16)}${module}`;
  };
  // The records as they are: where a program's part of a chain is nonsense, perf script shows nothing of it.
  const text = spawnSync('perf', ['script', '-D', '-i', file], {
    encoding: 'utf8',
    maxBuffer: 1 << 28,
  }).stdout;
  const found = new Map<string, number>();
  for (const match of text.matchAll(SAMPLE)) {
    const [, cpu, tid, chain = '', comm] = match;
    // Idle.
    if (tid === '0') continue;
    const ips = [...chain.matchAll(/: ([0-9a-f]{16})$/gm)].map(([, ip]) => BigInt(`0x${ip}`));
    // Kernel frames stand between a mark of their own and the next mark.
    const from = ips.indexOf(KERNEL) + 1;
    const end = ips.findIndex((ip, i) => i >= from && ip >= LEAST_MARK);
    const kernel = from === 0 ? [] : ips.slice(from, end < 0 ? undefined : end);
    const stack = kernel.length === 0 ? '[user]' : kernel.map(named).join(';');
    const key = `${comm}|${Number(cpu)}|${stack}`;
    found.set(key, (found.get(key) ?? 0) + 1);
  }
  return found;
}
