import { defineConfig } from 'vitest/config';

export default defineConfig({
  // React's production build knows no jsxDEV.
  oxc: { jsx: { runtime: 'automatic', development: false } },
  test: {
    include: ['**/*.test.{ts,tsx}'],
    environment: 'node',
    // A busy machine is no failure.
    testTimeout: 30_000,
    // React's development build measures every commit and keeps the entries.
    env: { NODE_ENV: 'production' },
  },
});
