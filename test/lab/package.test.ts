/** The single executable on another kernel, on a disk with no Node of ours. */
import { expect, test } from 'vitest';
import type { Picture } from '../helpers/ktop.ts';
import { packages } from '../helpers/package.ts';
import { runGuest } from './guest.ts';
import { findKernels } from './kernels.ts';

const SCRIPT = `
rm /usr/bin/node
export HOME=/root
/job/ktop --version >/out/version || exit 1
/job/ktop cpu-util --json -n 2 >/out/cpu-util.json || exit 2
/job/ktop syscalls --json -n 1 >/out/syscalls.json || exit 3
find / -xdev -name 'ktop*' -perm -004 -not -path '/job/*' >/out/readable
`;

test('the single executable in a guest', { timeout: 420_000 }, async () => {
  const kernel = findKernels().at(-1);
  if (kernel === undefined) throw new Error('no kernel for a guest');
  const { executable } = packages();
  const { status, files, stderr } = await runGuest({ kernel, script: SCRIPT, files: { ktop: executable } });
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
  expect(files.get('version')).toContain('carried in this executable');
  const pictures = (name: string) =>
    (files.get(`${name}.json`) ?? '')
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as Picture);
  expect(pictures('cpu-util').map(({ rows }) => rows.length)).toEqual([2, 2]);
  expect(pictures('syscalls')[0]?.rows.length).toBeGreaterThan(0);
  expect(files.get('readable')).toBe('');
});
