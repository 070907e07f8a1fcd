/**
 * kvm-exit against the guest kernel's own trace, event for event: a guest with nested SVM runs a KVM user
 * of its own under ktop, while a second tracefs instance records kvm_exit and kvm_entry. What the guest's ktop and
 * the guest's perf recorded is played here.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ktop } from '../e2e/run-cli.ts';
import { number, type Picture, sum } from '../helpers/ktop.ts';
import { lostEvents, perfScript } from '../helpers/perf-script.ts';
import { workload } from '../helpers/workload.ts';
import type { Outcome } from './guest.ts';
import { fileOf, picturesOf, runKtopGuest } from './guest-ktop.ts';
import { findKernels } from './kernels.ts';
import { dropped, type Exit, pairExits, parseTrace } from './trace-text.ts';

const ROUNDS = 2000;
const VCPUS = 2;
/** 2^18 ns: a bound between two buckets of the histogram. */
const THAN_NS = 262_144;
const HLT = 'hlt';

const MANY = 64;
/** Where the kind of load matters, not how much of it. */
const FEW = ROUNDS / 4;

const phase = (name: string, args: string, load = `./kvm-user ${ROUNDS} ${VCPUS}`) => `
start ${name} kvm-exit -i 1000 ${args}
witness_on
${load} >/out/${name}.load || exit 8
witness_off ${name}
finish
`;

const SCRIPT = `
witness kvm/kvm_exit kvm/kvm_entry
${phase('all', '--record /out/all.ktop')}
${phase('percpu', '--percpu')}
${phase('than', `--than ${THAN_NS}ns`)}
${phase('many', '--percpu', `./kvm-user 50 ${MANY}`)}
${phase('mixed', '', `{ ./kvm-user ${FEW} ${VCPUS}; ./kvm-user ${2 * FEW} ${VCPUS} kernel; }`)}
start one kvm-exit -i 500 -p 1
./kvm-user ${FEW} ${VCPUS} >/dev/null || exit 8
finish
node /job/dist/ktop.mjs kvm-exit --plain --budget off -i 1500 -n 4 >/out/plain &
until [ -s /out/plain ]; do sleep 0.1; done
./kvm-user ${FEW} ${VCPUS} >/dev/null || exit 8
wait
perf record -q -a -m 2048 -k mono -e kvm:kvm_exit -e kvm:kvm_entry -o /out/perf.data -- \
	./kvm-user ${ROUNDS} ${VCPUS} >/out/perf.load || exit 7
`;

/** The kernel's view of a phase: pairs, none of them lost by the witness. */
function witnessOf(outcome: Outcome, name: string): Exit[] {
  expect(dropped(fileOf(outcome, `${name}.stats`))).toBe(0);
  const exits = pairExits(parseTrace(fileOf(outcome, `${name}.trace`)));
  const loads = fileOf(outcome, `${name}.load`).trim().split('\n');
  const cpuid = loads.reduce((n, line) => n + (JSON.parse(line) as { cpuid: number }).cpuid, 0);
  expect(exits.filter((exit) => exit.reason === 'cpuid').length).toBe(cpuid);
  return exits;
}

function countBy(exits: readonly Exit[], key: (exit: Exit) => string): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const exit of exits) counts[key(exit)] = (counts[key(exit)] ?? 0) + 1;
  return counts;
}

function callsBy(pictures: readonly Picture[], key: (row: Picture['rows'][number]) => string) {
  const counts: Record<string, number> = {};
  for (const picture of pictures) {
    for (const row of picture.rows) counts[key(row)] = (counts[key(row)] ?? 0) + number(row, 'calls');
  }
  return counts;
}

interface Took {
  readonly calls: number;
  readonly total_ns: number;
  readonly min_ns: number;
  readonly max_ns: number;
}

function tookBy(exits: readonly Exit[]): Record<string, Took> {
  const found: Record<string, Took> = {};
  for (const { reason, took_us } of exits) {
    const ns = Math.round(took_us * 1e3);
    const { calls, total_ns, min_ns, max_ns } = found[reason] ?? {
      ...{ calls: 0, total_ns: 0, min_ns: ns, max_ns: ns },
    };
    found[reason] = {
      calls: calls + 1,
      total_ns: total_ns + ns,
      min_ns: Math.min(min_ns, ns),
      max_ns: Math.max(max_ns, ns),
    };
  }
  return found;
}

const histogramSum = (pictures: readonly Picture[]) =>
  pictures.reduce((total, { histogram = [] }) => histogram.reduce((n, { count }) => n + count, total), 0);

/** What the histogram of one CPU holds. */
function histogramOf(picture: Omit<Picture, 'rows'>, cpu: number): number {
  const all = (picture.histogram ?? []) as readonly { cpu?: number; count: number }[];
  return all.filter((bucket) => bucket.cpu === cpu).reduce((n, { count }) => n + count, 0);
}

describe.each(findKernels())('kvm-exit on $release', (kernel) => {
  let outcome: Outcome;

  beforeAll(async () => {
    const files = { 'kvm-user': workload('kvm-user') };
    outcome = await runKtopGuest({
      kernel,
      modules: ['kvm-amd'],
      files,
      script: SCRIPT,
    });
  }, 420_000);

  test('counts every exit under the name the kernel gives it', () => {
    const pictures = picturesOf(outcome, 'all');
    const exits = witnessOf(outcome, 'all');
    expect(callsBy(pictures, (row) => String(row.exit_reason))).toEqual(
      countBy(exits, (exit) => exit.reason),
    );
    for (const picture of pictures) expect(picture).toMatchObject({ lost: 0, unseen: 0 });
  });

  test('every event is accounted for', () => {
    const lines = parseTrace(fileOf(outcome, 'all.trace'));
    const seen = picturesOf(outcome, 'all').reduce((n, { events, lost }) => n + events + lost, 0);
    expect(seen).toBe(lines.length);
  });

  test('histogram holds all but HLT', () => {
    const exits = witnessOf(outcome, 'all').filter((exit) => exit.reason !== HLT);
    const pictures = picturesOf(outcome, 'all');
    expect(histogramSum(pictures)).toBe(exits.length);
    expect(sum(pictures, 'calls', (row) => row.exit_reason !== HLT)).toBe(exits.length);
    for (const { low, high } of pictures.flatMap((picture) => picture.histogram ?? [])) {
      expect(high).toBe(low === 0 ? high : low * 2 - 1);
    }
  });

  test('times are those of the trace, in order', () => {
    const exits = witnessOf(outcome, 'all');
    const pictures = picturesOf(outcome, 'all');
    for (const reason of ['cpuid', 'io', 'npf', HLT]) {
      const truth = exits.filter((exit) => exit.reason === reason).reduce((n, exit) => n + exit.took_us, 0);
      // Two probes hang on each tracepoint and each delays the other's next event.
      expect(sum(pictures, 'total_us', (row) => row.exit_reason === reason) / truth).toBeCloseTo(1, 0);
    }
    for (const row of pictures.flatMap((picture) => picture.rows)) {
      const [min, avg, p99, max] = ['min_us', 'avg_us', 'p99_us', 'max_us'].map((key) => number(row, key));
      expect(min).toBeLessThanOrEqual(avg ?? 0);
      expect(avg).toBeLessThanOrEqual(max ?? 0);
      expect(p99).toBeLessThanOrEqual(max ?? 0);
      expect(number(row, 'total_us') / number(row, 'calls')).toBeCloseTo(avg ?? 0, 0);
    }
  });

  test('--percpu splits by the CPU of the exit', () => {
    const key = (reason: unknown, cpu: unknown) => `${reason} on ${cpu}`;
    const exits = witnessOf(outcome, 'percpu');
    const calls = callsBy(picturesOf(outcome, 'percpu'), (row) => key(row.exit_reason, row.cpu));
    expect(calls).toEqual(countBy(exits, (exit) => key(exit.reason, exit.cpu)));
  });

  test('64 vCPUs on 2 CPUs pair right: by thread, wherever it goes on', () => {
    const exits = witnessOf(outcome, 'many');
    const pictures = picturesOf(outcome, 'many');
    for (const picture of pictures) expect(picture).toMatchObject({ lost: 0, unseen: 0 });
    const key = (reason: unknown, cpu: unknown) => `${reason} on ${cpu}`;
    expect(callsBy(pictures, (row) => key(row.exit_reason, row.cpu))).toEqual(
      countBy(exits, (exit) => key(exit.reason, exit.cpu)),
    );
    // Most of the time they wait for one another: hundreds of times longer than the exit itself takes.
    const truth = exits.reduce((all, { took_us }) => all + took_us, 0);
    expect(sum(pictures, 'total_us') / truth).toBeGreaterThan(0.95);
    expect(sum(pictures, 'total_us') / truth).toBeLessThan(1.05);
    const longest = Math.max(...exits.map(({ took_us }) => took_us));
    const told = Math.max(...pictures.flatMap(({ rows }) => rows.map((row) => number(row, 'max_us'))));
    expect(Math.abs(told / longest - 1)).toBeLessThan(0.05);
    expect(longest).toBeGreaterThan(10_000);
    // Histograms, one per CPU, hold the rows of that CPU but HLT.
    for (const { rows, ...picture } of pictures)
      for (const cpu of [0, 1]) {
        const calls = rows.filter((row) => row.cpu === cpu && row.exit_reason !== HLT);
        const wanted = calls.reduce((n, row) => n + number(row, 'calls'), 0);
        expect(histogramOf(picture, cpu)).toBe(wanted);
      }
  });

  test('%gsys is the share of the time that exits of the guest’s kernel took', () => {
    const exits = witnessOf(outcome, 'mixed');
    const pictures = picturesOf(outcome, 'mixed');
    expect(exits.filter(({ kernel }) => kernel).length).toBeGreaterThan(4 * FEW * VCPUS);
    expect(exits.filter(({ kernel }) => !kernel).length).toBeGreaterThan(4 * FEW * VCPUS);
    for (const reason of ['cpuid', 'io', HLT]) {
      const mine = exits.filter((exit) => exit.reason === reason);
      const time = (of: readonly Exit[]) => of.reduce((all, { took_us }) => all + took_us, 0);
      const truth = (100 * time(mine.filter(({ kernel }) => kernel))) / time(mine);
      const rows = pictures.flatMap((picture) => picture.rows).filter((row) => row.exit_reason === reason);
      const total = rows.reduce((all, row) => all + number(row, 'total_us'), 0);
      const kernel = rows.reduce((all, row) => all + number(row, 'gsys_pct') * number(row, 'total_us'), 0);
      // Two probes hang on each tracepoint and each delays the other's next event.
      expect(Math.abs(kernel / total - truth)).toBeLessThan(10);
    }
    for (const row of picturesOf(outcome, 'all').flatMap((picture) => picture.rows))
      expect(row.gsys_pct).toBe(0);
  });

  test('-p leaves out the virtual machines of others', () => {
    const pictures = picturesOf(outcome, 'one');
    expect(pictures.reduce((n, { events }) => n + events, 0)).toBeGreaterThan(FEW);
    expect(pictures.flatMap(({ rows }) => rows)).toEqual([]);
  });

  test('--plain has the layout that perf-monitor’s users know', () => {
    const text = fileOf(outcome, 'plain');
    expect(text).toMatch(/^ +kvm-exit latency\(ns\) : count {4}distribution$/m);
    const bars = text.split('\n').filter((line) => /^ *\d+ -> \d+ *: \d+ +\|\** *\|$/.test(line));
    expect(bars.length).toBeGreaterThan(1);
    expect(bars.join('\n')).toMatch(/\|\*{40}\|/);
    // Bounds and bars stand below one another.
    for (const bar of bars) expect([bar.indexOf(' -> '), bar.indexOf(' : ')]).toEqual([10, 24]);
    expect(text).toMatch(/^exit_reason +calls +total\(us\) +min\(us\) +avg\(us\) .* max\(us\) +%gsys$/m);
    expect(text).toMatch(/^cpuid +\d+ +\d+\.\d{3} +\d+\.\d{3} +\d+\.\d{3} /m);
  });

  test('--than lists the slow exits, HLT never', () => {
    const exits = witnessOf(outcome, 'than').filter((exit) => exit.reason !== HLT);
    const pictures = picturesOf(outcome, 'than');
    const log = pictures.flatMap((picture) => picture.log ?? []);
    const slow = pictures
      .flatMap(({ histogram = [] }) => histogram)
      .reduce((total, { low, count }) => (low >= THAN_NS ? total + count : total), 0);
    expect(log.length).toBe(slow);
    for (const entry of log) expect(String(entry.text)).not.toMatch(/\bhlt\b/);
    // Roughly: what one probe costs is in the other's time, and an emulated CPU may rest between the two.
    const truth = exits.filter((exit) => exit.took_us * 1e3 > THAN_NS).length;
    expect(log.length / truth).toBeGreaterThan(0.5);
    expect(log.length / truth).toBeLessThan(2);
    expect(callsBy(pictures, (row) => String(row.exit_reason))).toEqual(
      countBy(witnessOf(outcome, 'than'), (exit) => exit.reason),
    );
  });

  describe('what was recorded there', () => {
    const directory = mkdtempSync(join(tmpdir(), 'ktop-exits-'));
    afterAll(() => rmSync(directory, { recursive: true, force: true }));

    function bring(name: string): string {
      const bytes = outcome.bytes.get(name);
      if (bytes === undefined) throw new Error(`the guest left no ${name}`);
      const file = join(directory, name);
      writeFileSync(file, bytes);
      return file;
    }

    test('by ktop: the replay is what was seen, row for row', async () => {
      const { stdout, stderr, code } = await ktop(['replay', bring('all.ktop'), '--json']);
      expect([code, stderr]).toEqual([0, '']);
      const live = fileOf(outcome, 'all.json');
      expect(picturesOf(outcome, 'all').some(({ rows }) => rows.length > 0)).toBe(true);
      // The recording may have one more, that came while the stream was being ended.
      expect(stdout.slice(0, live.length)).toBe(live);
    });

    test('by perf: counts, times and histogram are those of perf script, to the nanosecond', async () => {
      const file = bring('perf.data');
      expect(lostEvents(file)).toBe(0);
      const samples = perfScript(file);
      const exits = pairExits(
        samples.map(({ event, time, ...rest }) => ({
          ...rest,
          event: event.replace('kvm:', ''),
          time: time / 1e9,
        })),
      );
      const load = JSON.parse(fileOf(outcome, 'perf.load')) as { cpuid: number };
      expect(exits.filter(({ reason }) => reason === 'cpuid').length).toBe(load.cpuid);
      const { stdout, code } = await ktop(['kvm-exit', '--input', file, '--json', '-i', '3600000']);
      expect(code).toBe(0);
      const [picture, ...others] = stdout
        .split('\n')
        .filter(Boolean)
        .map((line) => JSON.parse(line) as Picture);
      expect(others).toEqual([]);
      expect(picture).toMatchObject({ backend: 'perf.data', events: samples.length, lost: 0 });
      const ns = (row: Picture['rows'][number], key: string) => Math.round(number(row, key) * 1e3);
      const seen = (picture?.rows ?? []).map((row) => [
        row.exit_reason,
        {
          calls: row.calls,
          total_ns: ns(row, 'total_us'),
          min_ns: ns(row, 'min_us'),
          max_ns: ns(row, 'max_us'),
        },
      ]);
      expect(Object.fromEntries(seen)).toEqual(tookBy(exits));
      const slow = exits.filter(({ reason }) => reason !== HLT);
      for (const { low, high, count } of picture?.histogram ?? [])
        expect([
          low,
          slow.filter(({ took_us }) => {
            const took = Math.round(took_us * 1e3);
            return took >= low && took <= high;
          }).length,
        ]).toEqual([low, count]);
      expect(histogramSum(picture === undefined ? [] : [picture])).toBe(slow.length);
    });
  });
});
