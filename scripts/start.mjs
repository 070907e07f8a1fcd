/** `npm start -- ARGS`: ktop ARGS, with all set-up that a bare machine needs. Nothing of the set-up goes to stdout. */
import { spawn } from 'node:child_process';
import { constants } from 'node:os';
import { join } from 'node:path';
import { NODE, ROOT, SetupError, say, setUp } from './setup.mjs';

const KTOP = join(ROOT, 'dist/ktop.mjs');
/** Commands that read recordings, not this kernel: they work where nothing can be compiled. */
const WITHOUT_ADDON = new Set(['demo', 'replay', 'export']);

try {
  await setUp({ addon: !WITHOUT_ADDON.has(process.argv[2]) });
} catch (error) {
  if (!(error instanceof SetupError)) throw error;
  say(error.message);
  process.exit(1);
}

if (newEnough(process.versions.node)) {
  // After the first time npm itself runs this file with its own Node: no second process is needed.
  process.argv = [process.argv[0], KTOP, ...process.argv.slice(2)];
  await import(KTOP);
} else {
  runWith(NODE);
}

/** What `engines` in package.json asks for. */
function newEnough(version) {
  const [major, minor] = version.split('.').map(Number);
  return major > 22 || (major === 22 && minor >= 15);
}

function runWith(node) {
  const child = spawn(node, [KTOP, ...process.argv.slice(2)], { stdio: 'inherit' });
  // A terminal sends its signals to the child as well; what is sent to this process alone is passed on.
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT'])
    process.on(signal, () => child.kill(signal));
  child.on('error', (error) => {
    say(`${node} does not start (${error.message}); remove node_modules and run this again`);
    process.exit(1);
  });
  child.on('exit', (code, signal) => process.exit(code ?? 128 + (constants.signals[signal] ?? 0)));
}
