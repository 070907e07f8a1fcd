/**
 * `npm test`: sets everything up, runs every test there is and ends with one line `N passed, N failed`.
 * `npm test -- unit live` runs some stages only; other words are passed on to vitest as file filters.
 */
import { spawn } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { join, relative } from 'node:path';
import { installPackages } from './packages.mjs';
import { NODE, ROOT, SetupError, say, setUp } from './setup.mjs';
import { filesByStage } from './test-files.mjs';

const REPORTS = join(ROOT, 'build/reports');
const STAGE_MS = 20 * 60_000;
const FUZZ_SECONDS = 10;
/** More failed files than this are no accident. */
const MOST_RERUN = 4;
const MOST_RUNS = 3;
/** Tests that failed and passed when run again; tests that did not. */
const unsteady = [];
const broken = [];
/** Stands for a file that does not load, or in which something fails that is no test. */
const FILE = 'the file itself';

/**
 * Each stage resolves to counts. Live and e2e files run one after another: tracing is system-wide. A guest is emulated by
 * one CPU, a core is read by one: two files at a time.
 */
const STAGES = {
  lint,
  native: nativeTests,
  fuzz,
  unit: () => vitest('unit', []),
  live: () => vitest('live', ['--no-file-parallelism']),
  lab: labTests,
  vmcore: vmcoreTests,
  soak: () => vitest('soak', []),
  e2e: () => vitest('e2e', ['--no-file-parallelism']),
};

/** Nobody else has a part in how these end; once more would only take longer. */
const STEADY = ['unit', 'soak'];

/** Stages whose tests are files; only to these do file filters apply. */
const FILED = ['unit', 'live', 'lab', 'vmcore', 'soak', 'e2e'];

/** It waits more than it works: it goes on beside these, whose tests watch guests and files, and nothing of this machine. */
const BACKGROUND = 'soak';
const BESIDE = ['lab', 'vmcore'];

const words = process.argv.slice(2);
const filters = words.filter((word) => !Object.hasOwn(STAGES, word));
const chosen = Object.keys(STAGES).filter((name) => words.includes(name));
const asked = chosen.length > 0 ? chosen : filters.length > 0 ? FILED : Object.keys(STAGES);

const total = { passed: 0, failed: 0, skipped: 0 };
let files = new Map();
try {
  files = filesByStage(
    ROOT,
    asked.filter((name) => FILED.includes(name)),
    filters,
  );
  const stages = asked.filter((name) => !FILED.includes(name) || files.has(name));
  await setUp();
  await installPackages();
  mkdirSync(REPORTS, { recursive: true });
  const lines = [];
  const run = async (name) => {
    say(`testing: ${name}`);
    const started = Date.now();
    const counts = await STAGES[name]();
    for (const key of Object.keys(total)) total[key] += counts[key];
    const { passed, failed, skipped } = counts;
    lines.push(
      `${name.padEnd(8)}${passed} passed, ${failed} failed, ${skipped} skipped, ${((Date.now() - started) / 1000).toFixed(0)} s`,
    );
  };
  let background;
  for (const name of stages) {
    if (BESIDE.includes(name) && stages.includes(BACKGROUND)) background ??= run(BACKGROUND);
    if (name !== BACKGROUND) await run(name);
    else await (background ?? run(name));
  }
  for (const test of unsteady) lines.push(`passed only when run again: ${test}`);
  for (const test of broken) lines.push(`failed: ${test}`);
  process.stdout.write(`\n${lines.join('\n')}\n`);
} catch (error) {
  say(error instanceof SetupError ? error.message : (error.stack ?? String(error)));
  total.failed += 1;
}
// A test that did not run has shown nothing: it counts as a failure.
const failed = total.failed + total.skipped;
process.stdout.write(`${total.passed} passed, ${failed} failed\n`, () =>
  process.exit(failed === 0 && total.passed > 0 ? 0 : 1),
);

async function lint() {
  const sources = nativeSources('native');
  const checks = [
    [join(ROOT, 'node_modules/.bin/biome'), ['check', '.']],
    [join(ROOT, 'node_modules/.bin/tsc'), ['--noEmit']],
  ];
  const codes = [];
  for (const [program, args] of checks) codes.push((await execute(program, args)).code);
  const format = await execute('clang-format', ['--dry-run', '--Werror', ...sources], true);
  const wrong = new Set([...format.output.matchAll(/^([^:\n]+):\d+:\d+: error:/gm)].map((match) => match[1]));
  if (format.code !== 0) say(`clang-format: ${[...wrong].join(' ')}; run npm run format`);
  return tally([...codes, format.code].map((code) => code === 0));
}

/** Under ASan and UBSan; the program's last count line says how many. */
async function nativeTests() {
  const { code, output } = await execute('make', [
    '-C',
    'native',
    '-j2',
    '--no-print-directory',
    '-s',
    'check',
  ]);
  const counts = [...output.matchAll(/(\d+) passed(?:, (\d+) failed)?/g)].at(-1);
  if (counts === undefined) return tally([code === 0]);
  const failed = Number(counts[2] ?? 0);
  return { passed: Number(counts[1]), failed: code !== 0 && failed === 0 ? 1 : failed, skipped: 0 };
}

async function fuzz() {
  const args = ['-C', 'native', '-j2', '--no-print-directory', '-s', 'fuzz', `SECONDS=${FUZZ_SECONDS}`];
  return tally([(await execute('make', args)).code === 0]);
}

/** First what the guests share, so that each thing is made once. */
async function labTests() {
  const { code } = await execute(NODE, [join(ROOT, 'test/lab/prepare.ts'), 'vmlinux']);
  if (code !== 0) say('not all that guests need is there; their tests will fail');
  return vitest('lab', ['--maxWorkers=2']);
}

/** First the cores, which takes minutes where none are there: not the time of a test. */
async function vmcoreTests() {
  const prepare = join(ROOT, 'test/lab/prepare.ts');
  await execute(NODE, [prepare]);
  // Of debug information there is much to download, which keeps no guest from its CPU.
  const vmlinux = execute(NODE, [prepare, 'vmlinux']);
  const { code } = await execute(NODE, [join(ROOT, 'test/vmcore/lab/make.ts')]);
  await vmlinux;
  if (code !== 0) say('not all cores could be made; the tests that need them will fail');
  return vitest('vmcore', ['--maxWorkers=2']);
}

/**
 * One run of the files of a stage; where tests watch the real machine, files that fail are run again: another program's
 * event at the wrong moment is no fault of ours. A test has failed when it failed each time; what passed only later is
 * named at the end.
 */
async function vitest(name, options) {
  const own = files.get(name) ?? [];
  // Given no file vitest would run them all.
  if (own.length === 0) {
    say(`no test file in test/${name}`);
    return { passed: 0, failed: 1, skipped: 0 };
  }
  const results = await runVitest(name, options, own);
  const failing = () => [...results].filter(([, status]) => status === 'failed').map(([test]) => test);
  const failedFiles = () => [...new Set(failing().map((test) => test.split(': ', 1)[0]))];
  const isAccident =
    !STEADY.includes(name) && !results.has(outside(name)) && failedFiles().length <= MOST_RERUN;
  if (isAccident)
    for (let run = 2; run <= MOST_RUNS && failing().length > 0; run++) {
      say(`once more: ${failedFiles().join(' ')}`);
      for (const [test, status] of await runVitest(
        `${name}-${run}`,
        ['--no-file-parallelism'],
        failedFiles(),
      )) {
        if (results.get(test) === 'failed' && status === 'passed') unsteady.push(test);
        if (results.get(test) !== 'passed') results.set(test, status);
      }
    }
  broken.push(...failing());
  const count = (status) =>
    [...results].filter(([test, was]) => was === status && !test.endsWith(FILE)).length;
  return { passed: count('passed'), failed: failing().length, skipped: count('skipped') };
}

/** An error that belongs to no file. */
function outside(stage) {
  return `stage ${stage}: ${FILE}`;
}

/** Resolves to what became of each test, by `file: name`. */
async function runVitest(name, options, filesToRun) {
  const report = join(REPORTS, `${name}.json`);
  rmSync(report, { force: true });
  const args = ['run', '--reporter=default', '--reporter=json'];
  const { code } = await execute(NODE, [
    join(ROOT, 'node_modules/vitest/vitest.mjs'),
    ...args,
    `--outputFile.json=${report}`,
    ...options,
    ...filesToRun,
  ]);
  try {
    const results = resultsOf(JSON.parse(readFileSync(report, 'utf8')));
    if (code !== 0 && ![...results.values()].includes('failed')) results.set(outside(name), 'failed');
    return results;
  } catch (error) {
    say(`vitest left no report for ${name} (${error.message})`);
    return new Map([[outside(name), 'failed']]);
  }
}

function resultsOf(report) {
  const results = new Map();
  for (const { name, status, assertionResults } of report.testResults) {
    const file = relative(ROOT, name);
    const isWhole = status !== 'failed' || assertionResults.some((test) => test.status === 'failed');
    results.set(`${file}: ${FILE}`, isWhole ? 'passed' : 'failed');
    for (const test of assertionResults) {
      // A hook that fails skips the tests of its file: they are not what was left out.
      const left = status === 'failed' ? 'failed' : 'skipped';
      let title = `${file}: ${test.fullName}`;
      while (results.has(title)) title += ' (another)';
      results.set(title, ['passed', 'failed'].includes(test.status) ? test.status : left);
    }
  }
  return results;
}

function tally(results) {
  const passed = results.filter(Boolean).length;
  return { passed, failed: results.length - passed, skipped: 0 };
}

/** Shows the output as it comes, unless quiet, and keeps it; never rejects: a program that does not start has failed. */
function execute(program, args, quiet = false) {
  return new Promise((resolve) => {
    const child = spawn(program, args, { cwd: ROOT, stdio: ['ignore', 'pipe', 'pipe'], timeout: STAGE_MS });
    let output = '';
    const keep = (stream) => (chunk) => {
      if (!quiet) stream.write(chunk);
      output = `${output}${chunk}`.slice(-100_000);
    };
    child.stdout.on('data', keep(process.stdout));
    child.stderr.on('data', keep(process.stderr));
    child.on('error', (error) => {
      say(`${program} does not start (${error.message}); install it`);
      resolve({ code: 127, output });
    });
    child.on('close', (code) => resolve({ code: code ?? 1, output }));
  });
}

function nativeSources(directory) {
  return readdirSync(join(ROOT, directory), { withFileTypes: true }).flatMap((entry) => {
    const path = `${directory}/${entry.name}`;
    if (entry.isDirectory()) return nativeSources(path);
    return /\.(cc|h)$/.test(entry.name) ? [path] : [];
  });
}
