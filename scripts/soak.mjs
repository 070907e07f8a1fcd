/** `npm run soak -- 2h`: the dashboard under a storm of events for so long; whether it holds more at the end (docs/faults.md). */
import { join } from 'node:path';
import { installPackages } from './packages.mjs';
import { NODE, ROOT, run, SetupError, say, setUp } from './setup.mjs';

const wanted = process.argv[2] ?? '10m';
try {
  if (!/^\d+[smh]$/.test(wanted)) throw new SetupError(`${wanted} is no time; write one such as 10m or 2h`);
  await setUp();
  await installPackages();
  const args = [join(ROOT, 'node_modules/vitest/vitest.mjs'), 'run', 'test/soak'];
  await run(NODE, args, 'the soak test has failed', { ...process.env, KTOP_SOAK: wanted });
} catch (error) {
  say(error instanceof SetupError ? error.message : (error.stack ?? String(error)));
  process.exit(1);
}
