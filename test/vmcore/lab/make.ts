/**
 * Makes the vmcores of the lab in build/vmcores, each in a directory of its own beside its truth.json and the
 * console of its guest. What is there already, made from the same things, stays.
 *
 *   node test/vmcore/lab/make.ts [NAME…]     all of them, or those whose name begins so
 */
import { availableParallelism } from 'node:os';
import { makeCores } from './cores.ts';
import { CRASHES } from './crashes.ts';

const wanted = process.argv.slice(2);
const chosen = CRASHES.filter(
  ({ name }) => wanted.length === 0 || wanted.some((word) => name.startsWith(word)),
);
const started = Date.now();
const results = await makeCores(chosen, {
  // A third of them waits for a watchdog: one more than there are CPUs.
  guests: availableParallelism() + 1,
  say: (line) => process.stderr.write(`${line}\n`),
});
for (const { truth, directory } of results)
  process.stdout.write(`${directory} ${Object.values(truth.files).join(' ')}\n`);
process.stderr.write(`${results.length} cores, ${((Date.now() - started) / 1000).toFixed(0)} s\n`);
