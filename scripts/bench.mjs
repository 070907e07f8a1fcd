/**
 * `npm run bench`: what ktop costs, side by side with its peers in the same run. Minutes; `--quick` one minute.
 * Words choose parts, see PARTS. Figures also go to build/bench.json, those of parts that were not run stay there;
 * `--report` puts what stands there into docs/performance.md.
 */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { cpus, loadavg, release } from 'node:os';
import { join } from 'node:path';
import { buildWorkloads } from '../bench/lib.mjs';
import { native } from '../bench/native.mjs';
import { report } from '../bench/report.mjs';
import { slowdown } from '../bench/slowdown.mjs';
import { saturation } from '../bench/storm.mjs';
import { strace } from '../bench/strace.mjs';
import { installPackages, PACKAGES } from './packages.mjs';
import { ROOT, SetupError, say, setUp } from './setup.mjs';

/** Only here: they need packages of npm, or are TypeScript underneath, which the Node that set-up brings can run. */
const screen = async (options) => (await import('../bench/screen.mjs')).screen(options);
const terminal = async (options) => (await import('../bench/terminal.mjs')).terminal(options);
const frames = async (options) => (await import('../bench/frames.mjs')).frames(options);
const fleet = async (options) => (await import('../bench/fleet.mjs')).fleet(options);

const vmcore = async (options) => (await import('../bench/vmcore.mjs')).vmcore(options);
const recording = async (options) => (await import('../bench/recording.mjs')).recording(options);

const PARTS = {
  slowdown,
  strace,
  saturation,
  native,
  screen,
  frames,
  terminal,
  vmcore,
  fleet,
  recording,
};
/** They boot guests, and need what the tests do. */
const LAB = ['vmcore', 'fleet'];
const RESULTS = join(ROOT, 'build/bench.json');

const words = process.argv.slice(2);
const quick = words.includes('--quick');
const reporting = words.includes('--report');
const chosen = words.filter((word) => word !== '--quick' && word !== '--report');
const unknown = chosen.find((word) => !Object.hasOwn(PARTS, word));
if (unknown !== undefined) {
  say(`bench has no part ${unknown}; choose from ${Object.keys(PARTS).join(', ')}, --quick, --report`);
  process.exit(2);
}

const runs = (name) => chosen.length === 0 || chosen.includes(name);

/** What earlier runs found. */
function before() {
  try {
    return JSON.parse(readFileSync(RESULTS, 'utf8'));
  } catch {
    return {};
  }
}

if (reporting && chosen.length === 0) {
  const results = before();
  if (results.host === undefined) {
    say('nothing has been measured yet; run npm run bench first');
    process.exit(1);
  }
  report(results);
  process.exit();
}

try {
  await setUp();
  await installPackages(
    LAB.some((name) => runs(name)) ? [...PACKAGES, 'bench/packages.txt'] : ['bench/packages.txt'],
  );
  buildWorkloads();
  const began = Date.now();
  const date = new Date().toISOString().slice(0, 10);
  const host = { kernel: release(), cpus: cpus().length, load: loadavg()[0], date };
  process.stdout.write(
    `Linux ${host.kernel}, ${host.cpus} CPUs, load ${host.load.toFixed(2)} before the start\n`,
  );
  const results = { ...before(), host, quick };
  for (const [name, part] of Object.entries(PARTS)) {
    if (runs(name)) results[name] = await part({ quick });
  }
  mkdirSync(join(ROOT, 'build'), { recursive: true });
  writeFileSync(RESULTS, `${JSON.stringify(results, undefined, 2)}\n`);
  if (reporting) report(before());
  process.stdout.write(`\n${((Date.now() - began) / 1000).toFixed(0)} s; figures in build/bench.json\n`);
} catch (error) {
  say(error instanceof SetupError ? error.message : (error.stack ?? String(error)));
  process.exitCode = 1;
}
