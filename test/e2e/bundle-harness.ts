/** Bundles the harness as the product is bundled, once per test run. */
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

/** Path of the bundled harness. */
export async function bundleHarness(): Promise<string> {
  const outfile = `${ROOT}build/fake-dashboard.mjs`;
  await build({
    absWorkingDir: ROOT,
    entryPoints: ['test/e2e/fake-dashboard.ts'],
    outfile,
    bundle: true,
    format: 'esm',
    platform: 'node',
    target: 'node22.15',
    jsx: 'automatic',
    define: { 'process.env.NODE_ENV': '"production"', 'process.env.DEV': '"false"' },
    banner: {
      js: "import{createRequire as ktopRequire}from'node:module';const require=ktopRequire(import.meta.url);",
    },
    alias: { 'react-devtools-core': `${ROOT}test/e2e/nothing.ts` },
    logLevel: 'warning',
  });
  return outfile;
}
