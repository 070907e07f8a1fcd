/** Where things are in the tree, as absolute paths. */
import { realpathSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const at = (relative: string) => fileURLToPath(new URL(`../../${relative}`, import.meta.url));

export const paths = {
  project: at('.'),
  /** What the builder leaves: the program and its addon. */
  dist: at('dist'),
  ktop: at('dist/ktop.mjs'),
  node: () => realpathSync(at('node_modules/.bin/node')),
  workloads: at('build/workloads'),
  workloadSources: at('test/workloads'),
  lab: at('build/lab'),
  vmcores: at('build/vmcores'),
  guestInit: at('test/lab/init.sh'),
};
