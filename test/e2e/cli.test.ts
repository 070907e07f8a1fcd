import { once } from 'node:events';
import { chmodSync, copyFileSync, cpSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test, vi } from 'vitest';
import { monitors } from '../../src/monitors/index.ts';
import { paths } from '../helpers/paths.ts';
import { ended, ktop, program, shell, start } from './run-cli.ts';

const names = monitors.map(({ name }) => name);
const CONTRACT = ['ktop', 'monitor', 'time', 'interval_ms', 'backend', 'events', 'lost', 'late', 'unseen'];

describe('bad input: nothing on stdout, one line on stderr, the exit code of the contract', () => {
  test.each([
    [['netop'], 2, 'did you mean nettop?'],
    [['nettop', '--jsno'], 2, 'did you mean --json?'],
    [['nettop', '-n', 'x', '--json'], 2, 'is not a whole number'],
    [['nettop', '-C', '4095'], 2, 'online are'],
    [['nettop', '--percpu'], 2, 'monitors that do: kvm-exit'],
    [['task-state', '--pid', '4194304', '--json'], 2, 'there is no process 4194304'],
    [['task-state', '--than', 'long'], 2, 'is not a duration'],
    [['kmemleak', '--alloc', 'nonsense', '--json'], 2, 'write system:name'],
    [['kmemleak', '--alloc', 'no:such_event', '--json', '-n', '1'], 3, 'no:such_event'],
  ])('ktop %j', async (args, code, text) => {
    const result = await ktop(args);
    expect(result).toMatchObject({ code, stdout: '' });
    expect(result.stderr).toMatch(/^ktop: [^\n]*; [^\n]*\n$/);
    expect(result.stderr).toContain(text);
  });
});

describe('what is asked for', () => {
  test('--version and --help', async () => {
    const { version } = JSON.parse(readFileSync(join(paths.project, 'package.json'), 'utf8'));
    const said = await ktop(['--version']);
    expect(said).toMatchObject({ code: 0, stderr: '' });
    expect(said.stdout.split('\n')).toEqual([
      `ktop ${version}`,
      expect.stringMatching(/^commit (unknown|[0-9a-f]{12}\+?), for linux-\w+$/),
      `Node.js ${process.versions.node} (from ${paths.node()}), Node-API ${process.versions.napi}`,
      '',
    ]);
    const help = await ktop(['--help']);
    expect(help).toMatchObject({ code: 0, stderr: '' });
    for (const name of names) expect(help.stdout).toContain(name);
  });

  test('list names every monitor; --json is one object', async () => {
    const text = await ktop(['list']);
    expect(text.code).toBe(0);
    for (const name of names) expect(text.stdout).toContain(`${name} needs: `);
    const json = await ktop(['list', '--json']);
    const { ktop: version, monitors: listed } = JSON.parse(json.stdout);
    expect(version).toBe(1);
    expect(listed.map(({ name }: { name: string }) => name)).toEqual(names);
    for (const entry of listed) {
      expect(Object.keys(entry)).toEqual(['name', 'summary', 'state', 'backend', 'needs', 'why', 'remedy']);
      expect(['yes', 'degraded', 'no']).toContain(entry.state);
      expect(entry.why !== '').toBe(entry.state !== 'yes');
    }
  });

  test('what list says of the backend is what is used', async () => {
    const { monitors: listed } = JSON.parse((await ktop(['list', '--json'])).stdout);
    for (const name of ['nettop', 'signal', 'percpu-stat']) {
      const { backend } = JSON.parse((await ktop([name, '--json', '-n', '1', '-i', '100'])).stdout);
      const said = listed.find((one: { name: string }) => one.name === name).backend;
      expect(backend.split(' + ')[0], name).toBe(said);
    }
    const locks = listed.find((one: { name: string }) => one.name === 'split-lock');
    const { notes } = JSON.parse((await ktop(['split-lock', '--json', '-n', '1', '-i', '100'])).stdout);
    expect(locks.state).toBe(
      notes.some((note: string) => note.startsWith('no hardware count')) ? 'degraded' : 'yes',
    );
  });

  test.each(names)('%s --json -n 2', async (name) => {
    const result = await ktop([name, '--json', '-n', '2', '-i', '300']);
    expect(result).toMatchObject({ code: 0, stderr: '' });
    const lines = result.stdout.trimEnd().split('\n');
    expect(lines).toHaveLength(2);
    for (const line of lines) {
      const object = JSON.parse(line);
      expect(Object.keys(object).slice(0, CONTRACT.length)).toEqual(CONTRACT);
      expect(object).toMatchObject({
        ktop: 1,
        monitor: name,
        rows: expect.any(Array),
        notes: expect.any(Array),
      });
      expect(object.interval_ms).toBeGreaterThan(250);
      expect(new Date(object.time).toISOString()).toBe(object.time);
    }
  });

  // Lines of calls and nothing else, as those of strace.
  test('strace as text has no header', async () => {
    const result = await ktop(['strace', '-n', '1', '-i', '200']);
    expect(result).toMatchObject({ code: 0, stderr: '' });
    expect(result.stdout).not.toMatch(/interval \d+ ms/);
  });

  test.each(names.filter((name) => name !== 'strace'))(
    '%s as text, without asking, when stdout is no terminal',
    async (name) => {
      const result = await ktop([name, '-n', '1', '-i', '200']);
      expect(result).toMatchObject({ code: 0, stderr: '' });
      expect(result.stdout).toMatch(
        new RegExp(`^${name}  \\d{4}-.* interval \\d+ ms  events \\d+  lost \\d+`),
      );
      expect(result.stdout.endsWith('\n\n')).toBe(true);
    },
  );

  test('npm start puts nothing but ktop on stdout', async () => {
    const result = await program('npm', [
      'start',
      '--silent',
      '--',
      'cpu-util',
      '--json',
      '-n',
      '1',
      '-i',
      '100',
    ]);
    expect(result.code).toBe(0);
    expect(JSON.parse(result.stdout).monitor).toBe('cpu-util');
  });
});

describe('the end', () => {
  test('| head is no error', async () => {
    const result = await shell('$ktop cpu-util --json -i 100 | head -1; echo $PIPESTATUS >&2');
    expect(result.stderr).toBe('0\n');
    expect(JSON.parse(result.stdout).monitor).toBe('cpu-util');
  });

  test('a full disk is one', async () => {
    const result = await shell('$ktop cpu-util --json -i 100 > /dev/full');
    expect(result.code).toBe(1);
    expect(result.stderr).toMatch(/^ktop: cannot write: [^\n]*ENOSPC[^\n]*\n$/);
  });

  test.each(['SIGINT', 'SIGTERM', 'SIGHUP'] as const)('%s ends it in order', async (signal) => {
    const child = start(paths.node(), [paths.ktop, 'nettop', '--json', '-i', '100']);
    const result = ended(child);
    await once(child.stdout as NodeJS.ReadableStream, 'data');
    child.kill(signal);
    expect(await result).toMatchObject({ code: 0, signal: null, stderr: '' });
  });

  test('also while nobody reads what it writes', async () => {
    const child = start(paths.node(), [paths.ktop, 'task-state', '-S', '--than', '1', '--json', '-i', '100']);
    await new Promise((resolve) => setTimeout(resolve, 2500));
    child.kill('SIGTERM');
    const [code] = await once(child, 'exit');
    expect(code).toBe(0);
  });
});

describe('a host that gives less', () => {
  test('without root: /proc works, the rest says what it needs', async () => {
    const home = publicCopy();
    try {
      const asNobody = (args: readonly string[]) =>
        program('setpriv', [
          ...['--reuid=65534', '--regid=65534', '--clear-groups', '--inh-caps=-all'],
          ...[join(home, 'node'), join(home, 'ktop.mjs'), ...args],
        ]);
      const usage = await asNobody(['cpu-util', '--json', '-n', '1', '-i', '200']);
      expect(usage.code).toBe(0);
      expect(JSON.parse(usage.stdout).rows.length).toBeGreaterThan(0);
      const leak = await asNobody(['kmemleak', '--json', '-n', '1', '-i', '200']);
      expect(leak).toMatchObject({ code: 3, stdout: '' });
      expect(leak.stderr).toMatch(/^ktop: [^\n]*; [^\n]*root[^\n]*\n$/);
      const list = JSON.parse((await asNobody(['list', '--json'])).stdout).monitors;
      const state = new Map(list.map((entry: { name: string; state: string }) => [entry.name, entry.state]));
      expect(state.get('kmemleak')).toBe('no');
      expect(state.get('cpu-util')).not.toBe('no');
      for (const entry of list) if (entry.state === 'no') expect(entry.remedy).not.toBe('');
      // What the list says is what running it gives.
      for (const monitor of ['profile', 'percpu-stat', 'split-lock', 'irq-off']) {
        const refused = await asNobody([monitor, '--json', '-n', '1', '-i', '200']);
        expect(refused, monitor).toMatchObject({ code: 3, stdout: '' });
        expect(refused.stderr, monitor).toMatch(/^ktop: [^\n]*; run (ktop )?as root[^\n]*\n$/);
        expect(state.get(monitor), monitor).toBe('no');
      }
      const guests = JSON.parse((await asNobody(['kvm-exit', '--json', '-n', '1', '-i', '200'])).stdout);
      expect(guests.notes).toHaveLength(2);
      expect(guests.notes[0]).toMatch(/^tracefs may not be read/);
    } finally {
      rmSync(home, { recursive: true });
    }
  });

  test('without tracefs: root mounts it and says so', async () => {
    const bare = 'umount -l /sys/kernel/debug 2>/dev/null; umount -l /sys/kernel/tracing 2>/dev/null';
    const result = await shell(`unshare -m bash -c "${bare}; exec $ktop nettop --json -n 1 -i 200"`);
    expect(result.code).toBe(0);
    expect(result.stderr).toMatch(/^ktop: tracefs was not mounted; ktop mounted it on [^\n]*\n$/);
    expect(JSON.parse(result.stdout).monitor).toBe('nettop');
  });
});

describe('accidents', () => {
  test('the reader thread dies once: said, restarted, going on', async () => {
    const result = await ktop(['nettop', '--json', '-n', '5', '-i', '300'], {
      KTOP_TEST_CRASH_WORKER_AFTER_MS: '800',
    });
    expect(result.code).toBe(0);
    expect(result.stdout.trimEnd().split('\n')).toHaveLength(5);
    expect(result.stderr).toMatch(/^ktop: the reader thread died \([^\n]*\); restarted\n$/);
  });

  test('twice: it gives up, with the cause', async () => {
    const result = await ktop(['nettop', '--json', '-i', '300'], {
      KTOP_TEST_CRASH_WORKER_AFTER_MS: '500,500',
    });
    expect(result.code).toBe(1);
    expect(result.stderr).toMatch(/died 2 times \([^\n]*\); [^\n]*\n$/);
  });

  test('an addon that is missing is one line', async () => {
    const home = publicCopy();
    try {
      rmSync(join(home, 'ktop.node'));
      const result = await program(paths.node(), [join(home, 'ktop.mjs'), 'nettop', '--json']);
      expect(result).toMatchObject({ code: 1, stdout: '' });
      expect(result.stderr).toMatch(/^ktop: the native addon does not load [^\n]*; build it[^\n]*\n$/);
    } finally {
      rmSync(home, { recursive: true });
    }
  });

  test.each(['perf', 'tracefs'])('kill -9 with %s leaves nothing behind', async (backend) => {
    const child = start(paths.node(), [
      ...[paths.ktop, 'kmemleak', '--json', '-i', '200'],
      ...['--backend', backend],
    ]);
    const result = ended(child);
    await once(child.stdout as NodeJS.ReadableStream, 'data');
    expect(instancesOf(child.pid)).toHaveLength(backend === 'tracefs' ? 1 : 0);
    child.kill('SIGKILL');
    expect((await result).signal).toBe('SIGKILL');
    await vi.waitFor(() => expect(instancesOf(child.pid)).toEqual([]), { timeout: 5000 });
    expect(readFileSync('/sys/kernel/tracing/dynamic_events', 'utf8')).not.toContain('ktop');
  });
});

/** Trace instances that belong to a process. */
function instancesOf(pid: number | undefined): string[] {
  return readdirSync('/sys/kernel/tracing/instances').filter(
    (name) => name.match(/^ktop_(\d+)/)?.[1] === String(pid),
  );
}

/** dist and Node where any user may read them. */
function publicCopy(): string {
  const home = mkdtempSync(join(tmpdir(), 'ktop-e2e-'));
  cpSync(paths.dist, home, { recursive: true });
  copyFileSync(paths.node(), join(home, 'node'));
  for (const mode of [home, join(home, 'node')]) chmodSync(mode, 0o755);
  return home;
}
