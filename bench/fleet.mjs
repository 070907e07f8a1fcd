/** Many cores: clustering of thousands of reports; cores per minute, beside crash with an indexed vmlinux. */
import { execFileSync, spawn } from 'node:child_process';
import { copyFileSync, mkdirSync, mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { Clusters } from '../src/vmcore/cluster/clusters.ts';
import { bCubed } from '../src/vmcore/cluster/evaluate.ts';
import { relatedGroups } from '../src/vmcore/cluster/related.ts';
import { fleet as makeFleet } from '../test/helpers/cluster/generate.ts';
import { findKernels } from '../test/lab/kernels.ts';
import { debugVmlinux } from '../test/lab/vmlinux.ts';
import { makeCores } from '../test/vmcore/lab/cores.ts';
import { CRASHES } from '../test/vmcore/lab/crashes.ts';
import { KTOP, median, NODE, ROOT, table, title } from './lib.mjs';

/** Made-up reports with known causes, one by one as they would come in. */
function clusterSome(n) {
  const { cores, truth } = makeFleet(n, { seed: 1 });
  const began = performance.now();
  const clusters = new Clusters();
  const adds = cores.map((core) => {
    const start = performance.now();
    clusters.add(core);
    return performance.now() - start;
  });
  const ms = performance.now() - began;
  const last = adds.slice(-1000).toSorted((a, b) => a - b);
  const found = new Map(cores.map(({ key }) => [key, clusters.member(key).cluster]));
  const start = performance.now();
  const kin = relatedGroups(clusters).length;
  return {
    reports: n,
    ms,
    add_median_ms: median(last),
    add_p99_ms: last[Math.floor(last.length * 0.99)],
    add_worst_ms: last.at(-1),
    clusters: clusters.ids().length,
    b_cubed_f: bCubed(truth, found).f,
    related: kin,
    related_ms: performance.now() - start,
  };
}

function clustering(quick) {
  title('Clustering of made-up reports (300 causes, each seen in many ways), one thread');
  // Once to warm up: a batch of thousands has run for minutes before it clusters.
  clusterSome(1000);
  const results = (quick ? [10_000] : [1000, 5000, 10_000, 20_000]).map(clusterSome);
  table([
    ['reports', 'ms', 'last 1000: median ms', 'p99', 'worst', 'clusters', 'B-cubed F', 'related, ms'],
    ...results.map((one) => [
      String(one.reports),
      one.ms,
      one.add_median_ms,
      one.add_p99_ms,
      one.add_worst_ms,
      String(one.clusters),
      one.b_cubed_f,
      one.related_ms,
    ]),
  ]);
  return results;
}

function run(file, args, input) {
  return new Promise((resolve, reject) => {
    const began = performance.now();
    const child = spawn(file, args, { stdio: ['pipe', 'pipe', 'inherit'] });
    let text = '';
    child.stdout.setEncoding('utf8').on('data', (part) => {
      text += part;
    });
    child.stdin.on('error', () => {});
    child.stdin.end(input);
    child.on('error', reject);
    child.on('close', (code) => resolve({ ms: performance.now() - began, text, code }));
  });
}

/** The same work crash is asked for what a report has at least: panic, stacks of all CPUs, runqueues. */
const COMMANDS = 'set scroll off\nsys\nbt -a\nrunq\nps\nlog\nquit\n';

/** A copy with an index of its debugging information, made once. */
function indexed(vmlinux) {
  const copy = `${vmlinux}.indexed`;
  try {
    if (statSync(copy).mtimeMs >= statSync(vmlinux).mtimeMs) return copy;
  } catch {
    // Not made yet.
  }
  copyFileSync(vmlinux, copy);
  execFileSync('gdb-add-index', [copy], { stdio: 'ignore' });
  return copy;
}

/** As many at a time as there are CPUs, as ktop does. */
async function crashAll(jobs, workers) {
  const queue = [...jobs];
  const times = [];
  let failed = 0;
  const began = performance.now();
  await Promise.all(
    Array.from({ length: workers }, async () => {
      for (let job = queue.shift(); job !== undefined; job = queue.shift()) {
        const { ms, code } = await run('crash', ['-s', '--no_crashrc', job.vmlinux, job.file], COMMANDS);
        times.push(ms);
        if (code !== 0) failed += 1;
      }
    }),
  );
  return { ms: performance.now() - began, median_ms: median(times), failed };
}

async function batch(quick) {
  const chosen = CRASHES.filter(({ series, kdump }) => !kdump && (!quick || series === '6.1'));
  const cores = await makeCores(chosen, { guests: availableParallelism() });
  const workers = availableParallelism();
  title(`Batch: ${cores.length} cores of the lab, ${workers} at a time`);
  const work = mkdtempSync(join(tmpdir(), 'ktop-bench-'));
  try {
    const files = cores.map(({ truth, directory }) => ({ truth, path: join(directory, truth.files.flat) }));
    const tree = join(work, 'cores');
    const size = files.reduce((sum, { path }) => sum + statSync(path).size, 0) / files.length / 2 ** 20;
    mkdirSync(tree);
    for (const { truth, path } of files) copyFileSync(path, join(tree, truth.name));
    // All files are in the page cache now, for everybody.
    const runs = [];
    for (const cache of ['empty', 'filled', 'filled']) {
      const env = { ...process.env, XDG_CACHE_HOME: join(work, cache) };
      if (cache === 'filled') env.XDG_CACHE_HOME = join(work, 'empty');
      const out = join(work, `out-${runs.length}`);
      const began = performance.now();
      const text = execFileSync(NODE, [KTOP, 'vmcore', '-d', tree, '-o', out, '--json'], {
        env,
        encoding: 'utf8',
        stdio: ['ignore', 'pipe', 'ignore'],
      });
      const ms = performance.now() - began;
      const { vmcores } = JSON.parse(text);
      runs.push({ cache, ms, per_minute: (files.length * 60_000) / ms, failed: vmcores.failed });
    }
    const [cold, , warm] = runs;
    // crash cannot read the newer kernel at all, which takes it as long: it gets the ones it can.
    const old = files.filter(({ truth }) => truth.series === '6.1').slice(0, quick ? 4 : 12);
    const kernel = findKernels().find(({ release }) => release === old[0].truth.release);
    const vmlinux = indexed(debugVmlinux(kernel));
    const jobs = old.map(({ path }) => ({ file: path, vmlinux }));
    await crashAll(jobs.slice(0, 1), 1);
    const peer = await crashAll(jobs, workers);
    const crash = { ...peer, per_minute: (jobs.length * 60_000) / peer.ms };
    table([
      ['program', 'cores', 'cores/min', 'seconds', 'failed', 'x crash'],
      [
        'ktop, first time',
        String(files.length),
        cold.per_minute,
        cold.ms / 1000,
        String(cold.failed),
        cold.per_minute / crash.per_minute,
      ],
      [
        'ktop, build known',
        String(files.length),
        warm.per_minute,
        warm.ms / 1000,
        String(warm.failed),
        warm.per_minute / crash.per_minute,
      ],
      [
        'crash, indexed vmlinux',
        String(jobs.length),
        crash.per_minute,
        crash.ms / 1000,
        String(crash.failed),
        1,
      ],
    ]);
    process.stdout.write(
      `  files of ${size.toFixed(0)} MiB on average, ${readdirSync(tree).length} of them\n`,
    );
    return { workers, runs, crash };
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

export async function fleet({ quick }) {
  process.chdir(ROOT);
  return { clustering: clustering(quick), batch: await batch(quick) };
}
