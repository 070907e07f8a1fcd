/** The built program over all cores of the lab, as somebody runs it over a directory of crashes. */
import { spawn } from 'node:child_process';
import {
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { bCubed } from '../../src/vmcore/cluster/evaluate.ts';
import { ended } from '../e2e/run-cli.ts';
import { paths } from '../helpers/paths.ts';
import type { Core } from './lab/cores.ts';
import { labCores, MAKE_MS } from './read.ts';

const BATCH_MS = 5 * 60_000;

interface Summary {
  readonly vmcores: Readonly<Record<string, number>> & { readonly stopped: boolean };
  readonly clusters: readonly {
    readonly cluster: string;
    readonly size: number;
    readonly class: string;
    readonly blame: string;
    readonly kernels: string;
    readonly members: readonly string[];
  }[];
  readonly failed: readonly { readonly path: string; readonly why: string }[];
}

let cores: readonly Core[] = [];
let work = '';
let root = '';
beforeAll(async () => {
  cores = await labCores();
  root = join((cores[0] as Core).directory, '..');
  work = mkdtempSync(join(tmpdir(), 'ktop-fleet-'));
}, MAKE_MS);
afterAll(() => rmSync(work, { recursive: true, force: true }));

const filesOf = ({ truth, directory }: Core): string[] =>
  Object.values(truth.files).map((name) => join(directory, name));
const nameOf = (path: string): string => relative(root, path).split('/')[0] ?? '';

async function ktop(...args: string[]) {
  const child = spawn(paths.node(), [paths.ktop, 'vmcore', ...args], {
    timeout: BATCH_MS,
    killSignal: 'SIGKILL',
  });
  const { code, stdout, stderr } = await ended(child);
  return { code, stdout, stderr, summary: () => JSON.parse(stdout) as Summary };
}

describe('all cores of the lab', () => {
  const out = () => join(work, 'all');
  let first: Summary;
  beforeAll(async () => {
    const result = await ktop('-d', root, '-o', out(), '--json');
    expect(result.code, result.stderr.slice(-2000)).toBe(0);
    first = result.summary();
  }, BATCH_MS);

  test('every file is read', () => {
    const files = cores.flatMap(filesOf);
    expect(first.failed).toEqual([]);
    expect(first.vmcores).toMatchObject({
      cores: files.length,
      read: files.length,
      known: 0,
      failed: 0,
      stopped: false,
    });
    expect(first.vmcores.not_cores).toBeGreaterThanOrEqual(2 * cores.length);
  });

  test('every crash once, in however many files it is; in clusters of its cause', () => {
    const members = first.clusters.flatMap((cluster) =>
      cluster.members.map((path) => [nameOf(path), cluster.cluster] as const),
    );
    expect(members.map(([name]) => name).toSorted()).toEqual(cores.map(({ truth }) => truth.name).toSorted());
    const truth = new Map(cores.map(({ truth: { name, cause } }) => [name, cause]));
    expect(bCubed(truth, new Map(members)).f).toBeGreaterThanOrEqual(0.95);
    expect(first.clusters.map(({ size }) => size)).toEqual(
      first.clusters.map(({ size }) => size).toSorted((a, b) => b - a),
    );
  });

  test('a cluster says blame and kernels as the guests were made', () => {
    for (const cluster of first.clusters) {
      const found = cores.filter(({ truth }) => cluster.members.some((path) => nameOf(path) === truth.name));
      if (new Set(found.map(({ truth }) => truth.cause)).size !== 1) continue;
      const [{ truth }] = found as [Core];
      expect(truth.blame, truth.name).toContain(cluster.blame);
      expect(cluster.kernels.split(' ')).toEqual(
        [...new Set(found.map((core) => core.truth.release))].toSorted(),
      );
    }
  });

  test('of each a text with all parts, and the report as JSON', () => {
    for (const core of cores) {
      const { truth } = core;
      const path = join(out(), relative(root, filesOf(core)[0] as string));
      const text = readFileSync(`${path}.crash`, 'utf8');
      for (const title of [
        'BACKTRACES OF ALL CPUS',
        'RUNQUEUES (native)',
        'CFS_RQ (native)',
        'CURRENT TASKS (native)',
        'RUNQ',
      ])
        expect(text, truth.name).toContain(`\n== ${title}\n`);
      expect(text).toContain(`KERNEL:  ${truth.release}\n`);
      expect(text).toMatch(new RegExp(`PANIC TASK: {2}PID ${truth.panic.pid} .* CPU ${truth.panic.cpu}\n`));
      // A head for each CPU, and on the one that panicked the mark.
      const heads = [
        ...text.matchAll(/^PID (\d+) {2}COMMAND ".*" {2}TASK 0x\w+ {2}CPU (\d+)( {2}\[PANIC\])?$/gm),
      ];
      expect(
        heads.map(([, , cpu]) => Number(cpu)),
        truth.name,
      ).toEqual([...Array(truth.cpus).keys()]);
      expect(
        heads.filter(([, , , mark]) => mark !== undefined).map(([, pid, cpu]) => [Number(pid), Number(cpu)]),
      ).toEqual([[truth.panic.pid, truth.panic.cpu]]);
      expect(text.match(/^CPU \d+: \d+ runnable$/gm)).toHaveLength(truth.cpus);
      const report = JSON.parse(readFileSync(`${path}.crash.json`, 'utf8'));
      expect(report).toMatchObject({ ktop: 1, vmcore: 1, status: 'full' });
    }
  });

  test(
    'nothing is read a second time; numbers of clusters stay',
    async () => {
      const again = (await ktop('-d', root, '-o', out(), '--json')).summary();
      expect(again.vmcores).toMatchObject({ read: 0, known: first.vmcores.cores });
      expect(again.clusters).toEqual(first.clusters);
    },
    BATCH_MS,
  );
});

test(
  'decisions hold when all is clustered anew; questions are answered',
  async () => {
    // Of some causes a file each: they are read three times.
    const tree = join(work, 'some');
    mkdirSync(tree);
    for (const core of cores.filter(({ truth }) => ['null', 'divide', 'bug', 'spin'].includes(truth.cause)))
      symlinkSync(filesOf(core)[0] as string, join(tree, core.truth.name));
    const ask = (...args: string[]) => ktop('-d', tree, '-o', join(work, 'some-out'), ...args);
    const clusterOf = (found: Summary, name: string) => {
      const cluster = found.clusters.find(({ members }) => members.some((path) => path.endsWith(`/${name}`)));
      if (cluster === undefined) throw new Error(`${name} is in no cluster`);
      return cluster;
    };
    const first = (await ask('--json')).summary();
    const [one, two] = [clusterOf(first, 'null-a'), clusterOf(first, 'divide-a')];
    expect(one.cluster).not.toBe(two.cluster);
    expect((await ask('--merge', `${one.cluster},${two.cluster}`)).stdout).toContain(
      `${two.cluster} is part of ${one.cluster} now`,
    );
    const anew = (await ask('--again', '--json')).summary();
    expect(clusterOf(anew, 'null-a').cluster).toBe(clusterOf(anew, 'divide-a').cluster);
    expect(clusterOf(anew, 'bug-a').cluster).not.toBe(clusterOf(anew, 'null-a').cluster);
    const gone = one.members.find((path) => path.endsWith('/null-b')) as string;
    expect((await ask('--split', gone)).code).toBe(0);
    const last = (await ask('--again', '--json')).summary();
    expect(clusterOf(last, 'null-b').cluster).not.toBe(clusterOf(last, 'null-a').cluster);
    const like = JSON.parse((await ask('--similar', one.members[0] as string, '--json')).stdout);
    expect(like.similar[0]).toMatchObject({ class: 'null-deref', blame: 'weigh_missing' });
    const diff = await ask('--diff', `${one.members[0]},${two.members[0]}`);
    expect(diff.stdout).toMatch(/differs in class \(null-deref \/ divide-error\)/);
  },
  BATCH_MS,
);

test(
  'a core cut off anywhere gives a record with the reason, and never holds up the others',
  async () => {
    const [core] = cores as [Core];
    const whole = filesOf(core)[0] as string;
    const tree = join(work, 'cut');
    mkdirSync(tree);
    const { size } = statSync(whole);
    const step = 4 * 2 ** 20;
    let pieces = 0;
    for (let bytes = 64 * 1024; bytes < size; bytes += step, pieces += 1) {
      copyFileSync(whole, join(tree, `cut-${String(bytes).padStart(10, '0')}`));
      truncateSync(join(tree, `cut-${String(bytes).padStart(10, '0')}`), bytes);
    }
    const result = await ktop('-d', tree, '-o', join(work, 'cut-out'), '--json', '--timeout', '60s');
    const { vmcores } = result.summary();
    expect(vmcores).toMatchObject({ cores: pieces, stopped: false });
    const index = readFileSync(join(work, 'cut-out/ktop-vmcores.ndjson'), 'utf8').trimEnd().split('\n');
    const records = index.map(
      (line) => JSON.parse(line) as { status: string; failure?: string; path: string; text?: string },
    );
    expect(records).toHaveLength(pieces);
    for (const { status, failure, path, text } of records) {
      const said = status === 'none' ? '' : readFileSync(join(work, 'cut-out', text ?? ''), 'utf8');
      if (status !== 'none') expect(said, path).toMatch(/ FORMAT: {2}.*, truncated\n/);
      // All that a report needs may lie before the cut.
      if (status === 'full') continue;
      expect(['none', 'header', 'log', 'partial'], path).toContain(status);
      expect(failure?.length, path).toBeGreaterThan(10);
      expect(failure).not.toMatch(/internal error|not read within/);
      if (status !== 'none') expect(said).toContain('== NOT READ\n');
    }
  },
  BATCH_MS,
);
