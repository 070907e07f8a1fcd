/** What CONTRIBUTING.md tells to write is right: its code has the types it must have, its files are there. */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { command } from '../helpers/command.ts';
import { paths } from '../helpers/paths.ts';

const text = readFileSync(join(paths.project, 'CONTRIBUTING.md'), 'utf8');

test('the code compiles as part of the project', { timeout: 120_000 }, () => {
  const blocks = [...text.matchAll(/```ts\n(.*?)```/gs)].map((match) => match[1] ?? '');
  expect(blocks.length).toBe(2);
  const directory = join(paths.project, 'build/contributing');
  mkdirSync(directory, { recursive: true });
  const [monitor = '', lab = ''] = blocks;
  writeFileSync(
    join(directory, 'wakers.ts'),
    monitor.replace('./monitor.ts', '../../src/monitors/monitor.ts'),
  );
  writeFileSync(
    join(directory, 'lab.ts'),
    [
      "import { expect, test } from 'vitest';",
      "import { picturesOf, runKtopGuest } from '../../test/lab/guest-ktop.ts';",
      "import { findKernels } from '../../test/lab/kernels.ts';",
      lab,
    ].join('\n'),
  );
  writeFileSync(
    join(directory, 'tsconfig.json'),
    JSON.stringify({ extends: '../../tsconfig.json', include: ['*.ts'], exclude: [] }),
  );
  command(join(paths.project, 'node_modules/.bin/tsc'), ['--noEmit', '-p', directory]);
});

test('the files it names are there', () => {
  const named = [...text.matchAll(/`((?:src|test|native|docs)\/[\w./-]+)`/g)].map((match) => match[1] ?? '');
  const examples = /wakers|NAME/;
  const missing = named.filter((name) => !examples.test(name) && !existsSync(join(paths.project, name)));
  expect(named.length).toBeGreaterThan(10);
  expect(missing).toEqual([]);
});
