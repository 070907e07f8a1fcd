/** What others carry: the single executable in an empty root directory, the package in npm’s hands. */
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { command, libraries } from '../helpers/command.ts';
import { type Packages, packages } from '../helpers/package.ts';
import { paths } from '../helpers/paths.ts';
import { program } from './run-cli.ts';

const work = mkdtempSync(join(tmpdir(), 'ktop-package-'));
let made: Packages;

beforeAll(() => {
  made = packages();
}, 120_000);
afterAll(() => rmSync(work, { recursive: true }));

const { version } = JSON.parse(readFileSync(join(paths.project, 'package.json'), 'utf8'));

describe('the single executable, in a root directory that has nothing but the C and C++ libraries', () => {
  const root = join(work, 'root');
  const cache = join(root, 'var/cache/ktop');
  // Mounts of a namespace of its own: they are gone with the last process in it.
  const inRoot = (...args: string[]) =>
    program('unshare', [
      ...['--mount', 'sh', '-c'],
      'mount -t proc none "$0/proc" && mount --rbind /sys "$0/sys" && exec env -i HOME=/root PATH="$PATH" chroot "$0" /ktop "$@"',
      ...[root, ...args],
    ]);

  beforeAll(() => {
    for (const directory of ['proc', 'sys', 'tmp', 'root', 'var/cache'])
      mkdirSync(join(root, directory), { recursive: true });
    for (const library of libraries(made.executable)) {
      mkdirSync(dirname(join(root, library)), { recursive: true });
      copyFileSync(library, join(root, library));
    }
    copyFileSync(made.executable, join(root, 'ktop'));
  });

  test('says what it is', async () => {
    const { code, stdout, stderr } = await inRoot('--version');
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(stdout).toMatch(
      new RegExp(`^ktop ${version}\ncommit .*\nNode.js [\\d.]+ \\(carried in this executable\\)`),
    );
  });

  test('reads this kernel: /proc, and perf events by its addon', async () => {
    const own = await inRoot('cpu-util', '--json', '-n', '1');
    expect({ code: own.code, stderr: own.stderr }).toEqual({ code: 0, stderr: '' });
    const picture = JSON.parse(own.stdout);
    expect(picture.backend).toContain('perf');
    expect(picture.events).toBeGreaterThan(0);
    expect(picture.rows.length).toBeGreaterThan(1);
    const demo = await inRoot('demo');
    expect(demo.code).toBe(0);
    expect(demo.stdout).toContain('disk-stall');
  });

  test('unpacks itself once, for nobody else to read', async () => {
    const [name] = readdirSync(cache) as [string];
    expect(readdirSync(cache)).toEqual([name]);
    expect(name).toMatch(new RegExp(`^${version.replaceAll('.', '\\.')}-[0-9a-f]{16}$`));
    expect(statSync(cache).mode & 0o777).toBe(0o700);
    const marker = join(cache, name, '.complete');
    const { mtimeMs } = statSync(marker);
    expect((await inRoot('--version')).code).toBe(0);
    expect(statSync(marker).mtimeMs).toBe(mtimeMs);
    expect(readdirSync(join(root, 'tmp'))).toEqual([]);
  });

  test('runs nothing that another could have put there', async () => {
    const [name] = readdirSync(cache) as [string];
    chmodSync(cache, 0o777);
    const main = join(cache, name, 'dist/start.cjs');
    const own = readFileSync(main);
    try {
      rmSync(main);
      const { code, stdout } = await inRoot('--version');
      expect(code).toBe(0);
      expect(stdout).toContain(`ktop ${version}`);
      expect(readdirSync(join(root, 'root/.cache/ktop'))).toEqual([name]);
      chmodSync(join(root, 'root'), 0o777);
      expect((await inRoot('--version')).code).toBe(0);
      // Unpacked for that run only.
      expect(readdirSync(join(root, 'tmp'))).toEqual([]);
    } finally {
      chmodSync(cache, 0o700);
      chmodSync(join(root, 'root'), 0o700);
      rmSync(join(root, 'root/.cache'), { recursive: true, force: true });
      expect(own.length).toBeGreaterThan(0);
    }
  });
});

test('the package installs without a compiler, without scripts, and runs', async () => {
  const prefix = join(work, 'prefix');
  const tools = join(work, 'tools');
  mkdirSync(tools);
  command('npm', [
    ...['install', '--global', '--offline', '--ignore-scripts', '--no-audit', '--no-fund'],
    ...['--prefix', prefix, made.archive],
  ]);
  const bin = join(prefix, 'bin/ktop');
  expect(existsSync(bin)).toBe(true);
  expect(readFileSync(join(prefix, 'share/man/man1/ktop.1'), 'utf8')).toMatch(/^\.TH KTOP 1/);
  const env = { PATH: `${dirname(paths.node())}:${tools}` };
  const said = await program(bin, ['cpu-util', '--json', '-n', '1'], env);
  expect({ code: said.code, stderr: said.stderr }).toEqual({ code: 0, stderr: '' });
  expect(JSON.parse(said.stdout).backend).toContain('perf');
});
