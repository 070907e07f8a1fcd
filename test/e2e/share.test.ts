/** One shares its dashboard, others watch: the built program in real terminals, on this kernel. */
import { existsSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, describe, expect, test, vi } from 'vitest';
import type { Picture } from '../helpers/ktop.ts';
import { paths } from '../helpers/paths.ts';
import { type Pty, spawn } from './pty.ts';
import { ktop, program } from './run-cli.ts';

vi.setConfig({ testTimeout: 60_000 });

const work = mkdtempSync(join(tmpdir(), 'ktop-share-'));
const open: Pty[] = [];
let sockets = 0;
const freshPath = () => join(work, `s${++sockets}`);

afterEach(() => {
  for (const pty of open.splice(0)) {
    try {
      pty.kill('SIGKILL');
    } catch {
      // It has ended by itself.
    }
  }
});

afterAll(() => rmSync(work, { recursive: true }));

function start(...args: string[]): Pty {
  const pty = spawn(paths.node(), [paths.ktop, ...args], { cols: 120, rows: 40, cwd: paths.project });
  open.push(pty);
  return pty;
}

async function shared(path: string, ...args: string[]): Promise<Pty> {
  const pty = start(...args, '--share', path);
  await pty.waitFor(/ LIVE/);
  await vi.waitFor(() => expect(existsSync(path)).toBe(true), { timeout: 10_000 });
  return pty;
}

describe('share and join', () => {
  test('a viewer has a tab of its own on the same host, and the one who shares keeps theirs', async () => {
    const path = freshPath();
    const sharer = await shared(path, 'cpu-util');
    expect(statSync(path).mode & 0o777).toBe(0o600);
    const viewer = start('join', path, 'percpu-stat');
    await viewer.waitFor(/CTXSW|CSW|SWITCHES/);
    await sharer.waitFor(/a viewer joined; 1 is watching/);
    await sharer.waitFor(/%SYS /);
    // Turning to another tab is the viewer's own affair.
    viewer.send('\t');
    await viewer.waitFor(
      (lines) =>
        !lines
          .slice(2)
          .join('\n')
          .match(/CTXSW|CSW|SWITCHES/),
    );
    viewer.send('q');
    expect((await viewer.exit).code).toBe(0);
    await sharer.waitFor(/a viewer left; 0 are watching/);
    sharer.send('q');
    expect((await sharer.exit).code).toBe(0);
    expect(existsSync(path)).toBe(false);
  });

  test('the same snapshots: what one records and what the other prints', async () => {
    const path = freshPath();
    const file = join(work, 'shared.ktop');
    const sharer = await shared(path, 'cpu-util', '--record', file);
    const [first, second] = await Promise.all([
      ktop(['join', path, 'cpu-util', '--json', '-n', '3']),
      ktop(['join', path, 'cpu-util', '--json', '-n', '3']),
    ]);
    for (const { code, stderr } of [first, second]) expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    sharer.send('q');
    await sharer.exit;
    const replayed = await ktop(['replay', file, 'cpu-util', '--json']);
    const own = new Set(replayed.stdout.trim().split('\n'));
    for (const line of [...first.stdout.trim().split('\n'), ...second.stdout.trim().split('\n')])
      expect(own).toContain(line);
  });

  test('a monitor that only the viewer wants is opened for it, and closed after it', async () => {
    const path = freshPath();
    const sharer = await shared(path, 'cpu-util');
    const { code, stdout } = await ktop(['join', path, 'percpu-stat', '--json', '-n', '2']);
    expect(code).toBe(0);
    const pictures = stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as Picture);
    expect(pictures.map(({ monitor }) => monitor)).toEqual(['percpu-stat', 'percpu-stat']);
    await sharer.waitFor(/a viewer left; 0 are watching/);
  });

  test('when the other one ends, that is said', async () => {
    const path = freshPath();
    const sharer = await shared(path, 'cpu-util');
    const viewer = start('join', path, 'cpu-util');
    await viewer.waitFor(/%SYS /);
    const stream = ktop(['join', path, 'cpu-util', '--json']);
    await sharer.waitFor(/2 are watching/);
    sharer.send('q');
    await sharer.exit;
    await viewer.waitFor(/the ktop that shared this has ended/);
    viewer.send('q');
    expect((await viewer.exit).code).toBe(0);
    const { code, stderr } = await stream;
    expect(code).toBe(1);
    expect(stderr).toMatch(/the ktop that shared this has ended; start one of your own\n/);
  });

  test('a viewer records for itself, also past the death of the one who shares', async () => {
    const path = freshPath();
    const file = join(work, 'viewer.ktop');
    const sharer = await shared(path, 'cpu-util');
    const viewer = start('join', path, 'cpu-util', '--record', file);
    await viewer.waitFor(/REC ● /);
    await viewer.waitFor(/REC ● .* 00?:0[3-9]|REC ● .* 0:0[3-9]/, 20_000);
    sharer.kill('SIGKILL');
    await viewer.waitFor(/the ktop that shared this has ended/);
    viewer.send('q');
    expect((await viewer.exit).code).toBe(0);
    const replayed = await ktop(['replay', file, 'cpu-util', '--json']);
    expect(replayed.code).toBe(0);
    expect(replayed.stdout.trim().split('\n').length).toBeGreaterThan(1);
    expect(statSync(file).mode & 0o777).toBe(0o600);
  });

  test('killed, its socket is no obstacle to the next', async () => {
    const path = freshPath();
    const killed = await shared(path, 'cpu-util');
    killed.kill('SIGKILL');
    await killed.exit;
    expect(existsSync(path)).toBe(true);
    const refused = await ktop(['join', path, '--json']);
    expect(refused).toMatchObject({ code: 1, stdout: '' });
    expect(refused.stderr).toMatch(/has nobody behind it; /);
    const sharer = await shared(path, 'cpu-util');
    expect((await ktop(['join', path, 'cpu-util', '--json', '-n', '1'])).code).toBe(0);
    const other = start('cpu-util', '--share', path);
    expect((await other.exit).code).toBe(1);
    expect(other.text()).toMatch(/is in use by another ktop/);
    sharer.send('q');
  });

  test('others are kept out', async () => {
    const path = freshPath();
    await shared(path, 'cpu-util');
    const asNobody = await program('setpriv', [
      ...['--reuid=65534', '--regid=65534', '--clear-groups'],
      ...[
        process.execPath,
        '-e',
        `require('net').connect('${path}').on('error', (e) => console.log(e.code))`,
      ],
    ]);
    expect(asNobody.stdout).toBe('EACCES\n');
  });

  test('one that talks nonsense is sent away, one that reads nothing disturbs nobody', async () => {
    const path = freshPath();
    const sharer = await shared(path, 'cpu-util', '-i', '100');
    const stalled = connect(path);
    stalled.write('{"watch":["cpu-util","percpu-stat"]}\n');
    stalled.pause();
    await sharer.waitFor(/1 is watching/);
    const rude = connect(path);
    const closed = new Promise<void>((resolve) => rude.on('close', () => resolve()));
    rude.resume();
    rude.write('x'.repeat(10_000));
    await closed;
    expect((await ktop(['join', path, 'cpu-util', '--json', '-n', '5'])).code).toBe(0);
    stalled.destroy();
    await sharer.waitFor(/0 are watching/);
  });
});

describe('what cannot be', () => {
  test.each([
    ['nothing there', () => freshPath(), 'is not there; the other one starts ktop --share PATH'],
    [
      'a file',
      () => {
        const path = freshPath();
        writeFileSync(path, '');
        return path;
      },
      'has nobody behind it; ',
    ],
  ])('join: %s', async (_, make, text) => {
    const { code, stdout, stderr } = await ktop(['join', make(), '--json']);
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
    expect(stderr).toContain(text);
    expect(stderr.trim().split('\n').length).toBe(1);
  });

  test('join: something else answers', async () => {
    const path = freshPath();
    const server = createServer((socket) => socket.end('220 mail\r\n')).listen(path);
    const { code, stderr } = await ktop(['join', path, '--json']);
    server.close();
    expect(code).toBe(1);
    expect(stderr).toMatch(/does not answer as ktop does; give the path of ktop --share\n$/);
  });

  test('share: a file is in the way, a directory is missing, no terminal', async () => {
    const path = freshPath();
    writeFileSync(path, 'mine');
    const taken = start('cpu-util', '--share', path);
    expect((await taken.exit).code).toBe(1);
    expect(taken.text()).toMatch(/exists already; give another name, or remove it/);
    const missing = start('cpu-util', '--share', join(work, 'no/such/place'));
    expect((await missing.exit).code).toBe(1);
    expect(missing.text()).toMatch(/cannot make the socket/);
    const piped = await ktop(['cpu-util', '--share', freshPath(), '--json']);
    expect(piped.code).toBe(2);
    expect(piped.stderr).toMatch(/--share is for the dashboard; /);
  });
});
