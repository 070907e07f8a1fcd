/** The session of crash, with the real program on real cores; and everything that may be missing or go wrong. */
import { spawnSync, spawn as startChild } from 'node:child_process';
import {
  chmodSync,
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { withCrash } from '../../src/vmcore/crash/compare.ts';
import { CrashError } from '../../src/vmcore/crash/crash-error.ts';
import { askFacts, askTables } from '../../src/vmcore/crash/facts.ts';
import { makeIndexed } from '../../src/vmcore/crash/gdb-index.ts';
import { planLaunch } from '../../src/vmcore/crash/launch.ts';
import { type OpenedCrash, openCrash } from '../../src/vmcore/crash/open.ts';
import { CrashSession, type CrashState } from '../../src/vmcore/crash/session.ts';
import { inspectVmlinux } from '../../src/vmcore/crash/vmlinux.ts';
import { openCore } from '../../src/vmcore/open.ts';
import type { Report } from '../../src/vmcore/report.ts';
import { spawn } from '../e2e/pty.ts';
import { ended } from '../e2e/run-cli.ts';
import { command } from '../helpers/command.ts';
import { paths } from '../helpers/paths.ts';
import { findKernels } from '../lab/kernels.ts';
import { debugVmlinux } from '../lab/vmlinux.ts';
import type { Core } from './lab/cores.ts';
import { labCores, MAKE_MS } from './read.ts';

/** Where indexed copies of vmlinux go; they stay for the next run. */
const INDEX = join(paths.lab, 'vmlinux-index');
const START_MS = 120_000;

let cores: readonly Core[] = [];
let old = '';
let work = '';
beforeAll(async () => {
  cores = await labCores();
  const kernel = findKernels().find(({ series }) => series === '6.1');
  if (kernel === undefined) throw new Error('apt has no kernel 6.1');
  old = debugVmlinux(kernel);
  await makeIndexed(inspectVmlinux(old), { cache: INDEX });
  mkdirSync(paths.lab, { recursive: true });
  work = mkdtempSync(join(paths.lab, 'crash-'));
  // Nothing is known of any build, but the index is there.
  for (const cache of ['cache', 'filled']) {
    mkdirSync(join(work, cache, 'ktop'), { recursive: true, mode: 0o700 });
    symlinkSync(INDEX, join(work, cache, 'ktop/vmlinux'));
  }
}, MAKE_MS);
afterAll(() => rmSync(work, { recursive: true, force: true }));

function coreOf(name: string): Core {
  const core = cores.find(({ truth }) => truth.name === name);
  if (core === undefined) throw new Error(`the lab has no ${name}`);
  return core;
}

const fileOf = (name: string) => join(coreOf(name).directory, coreOf(name).truth.files.flat ?? '');

async function reportOf(name: string): Promise<Report> {
  const core = openCore(fileOf(name), { cache: '' });
  try {
    return await core.report();
  } finally {
    core.close();
  }
}

/** Which is of this kernel without being asked. */
const openOn = (name: string, vmlinux = old, kernel = headOf(name)): OpenedCrash =>
  openCrash({ core: fileOf(name), kernel, vmlinux, index: { cache: INDEX } });

function headOf(name: string): Report['kernel'] {
  const core = openCore(fileOf(name), { cache: '' });
  const { kernel } = core.head();
  core.close();
  return kernel;
}

describe('a session', () => {
  const NAME = 'null-a';
  const states: CrashState['status'][] = [];
  let opened: OpenedCrash;
  let session: CrashSession;
  beforeAll(() => {
    opened = openCrash({
      core: fileOf(NAME),
      kernel: headOf(NAME),
      vmlinux: old,
      index: { cache: INDEX },
      onState: ({ status }) => states.push(status),
    });
    session = opened.session;
  });
  afterAll(() => opened.close());

  test(
    'starts with the index, and says what crash said',
    async () => {
      expect(opened.vmlinux).toMatchObject({ indexed: true, dwarf: true });
      expect(opened.vmlinux.path).toContain(INDEX);
      await session.start();
      expect(session.state).toMatchObject({ status: 'ready', mode: 'full' });
      // This crash does not know the table of pids of such kernels.
      expect(session.state.startup).toMatch(/WARNING: active task/);
    },
    START_MS,
  );

  test('where it differs from the native reader, both are shown; on the panic they agree', async () => {
    const { truth } = coreOf(NAME);
    const said = await askTables(session);
    expect(said).toMatchObject({
      release: truth.release,
      cpus: truth.cpus,
      panic_cpu: truth.panic.cpu,
      panic_pid: truth.panic.pid,
      panic_task: truth.panic.address,
    });
    const report = withCrash(await reportOf(NAME), said);
    // What each CPU ran, what is loaded and where: the same.
    expect(report.sections.cpus?.disagreements).toBeUndefined();
    expect(report.sections.modules?.disagreements).toBeUndefined();
    expect(report.sections.cpus?.warnings.join()).toMatch(/crash: WARNING: active task/);
    expect(report.sections.tasks?.disagreements).toEqual([
      { what: 'tasks', native: String(truth.task_count), crash: String((said.tasks ?? 0) - truth.cpus) },
      { what: 'tasks that it has alone', native: expect.stringMatching(/^1 2 3 .*…/), crash: '-' },
    ]);
  });

  test.each([
    ['bt', /\[exception RIP: weigh_missing\+5\]/],
    ['bt -a', /COMMAND: "clerk"/],
    ['runq', /CPU 1 RUNQUEUE: /],
    ['kmem -i', /TOTAL MEM/],
    ['dis -l sysrq_handle_crash', /drivers\/tty\/sysrq\.c: \d+/],
    ['struct list_head', /struct list_head \*next;/],
    ['log | grep -c .', /^\d+\n$/],
    ['mod', /culprit/],
    ['nosuchcommand', /command not found: nosuchcommand/],
    ['', /^$/],
  ])('%s', async (line, wanted) => {
    const { text, cut } = await session.run(line);
    expect(text).toMatch(wanted);
    expect(text).not.toContain('@@');
    expect(cut).toBeUndefined();
  });

  test('commands handed in together are answered in their order, each with its own', async () => {
    const symbols = ['panic', 'schedule', 'vfs_write', 'do_exit', 'kfree'];
    const answers = await Promise.all(symbols.map((symbol) => session.run(`sym ${symbol}`)));
    expect(answers.map(({ text }) => /^[0-9a-f]{16} \(T\) (\S+)/.exec(text)?.[1])).toEqual(symbols);
  });

  test('a command that takes too long is interrupted, and the session goes on', async () => {
    const { cut, ms } = await session.run('!sleep 600', { timeout_ms: 300 });
    expect(cut).toBe('time');
    expect(ms).toBeLessThan(60_000);
    expect((await session.run('sym panic')).text).toContain('panic');
    expect(states).not.toContain('failed');
  });

  test('so is one that says too much', async () => {
    const { cut, text } = await session.run('!yes');
    expect(cut).toBe('size');
    expect(text.length).toBeLessThanOrEqual(16 * 2 ** 20);
    expect((await session.run('sym panic')).text).toContain('panic');
  }, 60_000);

  test('and one that the user stops', async () => {
    const stop = new AbortController();
    setTimeout(() => stop.abort(), 300);
    const running = session.run('!sleep 600', { signal: stop.signal });
    const queued = session.run('!sleep 601', { signal: stop.signal });
    expect((await running).cut).toBe('stopped');
    expect(await queued).toMatchObject({ text: '', cut: 'stopped' });
    const asleep = session.run('!sleep 602');
    expect(session.interrupt()).toBe(true);
    expect((await asleep).cut).toBe('stopped');
    expect(session.interrupt()).toBe(false);
  });

  test(
    'a process that dies is started anew by the next command',
    async () => {
      await expect(session.run('!kill -9 $PPID')).rejects.toThrow(
        /^crash ended by SIGKILL in the middle of a command; the next one starts it anew$/,
      );
      expect(session.state.status).toBe('idle');
      expect((await session.run('sym panic')).text).toContain('panic');
    },
    START_MS,
  );

  test(
    'one that does not let itself be interrupted is ended',
    async () => {
      const { cut } = await session.run('!trap "" INT; sleep 600', { timeout_ms: 300 });
      expect(cut).toBe('time');
      expect((await session.run('sym panic')).text).toContain('panic');
    },
    START_MS,
  );

  test('quit ends it for now', async () => {
    expect((await session.run('quit')).text).toBe('');
    expect(session.state.status).toBe('idle');
  });

  test('what is no command is refused before crash sees it', async () => {
    await expect(session.run('bt\nwr panic 0')).rejects.toThrow(/^a command of crash is one line; /);
    await expect(session.run('bt \u001b[2J')).rejects.toThrow(/^a command of crash is one line; /);
    await expect(session.run('x'.repeat(5000))).rejects.toThrow(
      /^a command of crash may have 4096 characters; /,
    );
    await expect(session.run(' wr panic 0')).rejects.toThrow(/^wr would change the core; /);
  });

  test('closed is closed', async () => {
    await session.close();
    await expect(session.run('bt')).rejects.toThrow('the session of crash is closed');
  });
});

test(
  'the core cannot be changed by crash, not even by root’s',
  async () => {
    const file = join(work, 'vmcore');
    copyFileSync(fileOf('sysrq-a'), file);
    chmodSync(file, 0o666);
    const launch = planLaunch('crash', file);
    expect(launch.readOnly).toBe(true);
    const { session, close } = openCrash({
      core: file,
      kernel: headOf('sysrq-a'),
      vmlinux: old,
      index: { cache: INDEX },
    });
    try {
      const { text } = await session.run(`!test -w ${file} && echo writable || echo kept`);
      expect(text).toBe('kept\n');
      // A way around the refusal of the word.
      await session.run('alias change wr');
      await session.run('change -64 jiffies 1234567890');
    } finally {
      await close();
    }
    expect(readFileSync(file).equals(readFileSync(fileOf('sysrq-a')))).toBe(true);
  },
  START_MS,
);

describe('what is missing is said before anything is started', () => {
  const refused = (run: () => unknown): string => {
    const started = performance.now();
    try {
      run();
    } catch (error) {
      if (!(error instanceof CrashError)) throw error;
      expect(performance.now() - started).toBeLessThan(1000);
      return error.message;
    }
    throw new Error('it was not refused');
  };
  const given = (vmlinux: string, name = 'sysrq-a') => refused(() => openOn(name, vmlinux));

  test('crash', () => {
    expect(
      refused(() =>
        openCrash({ core: fileOf('sysrq-a'), kernel: {}, vmlinux: old, program: 'no-such-crash' }),
      ),
    ).toBe('no-such-crash is not installed; install the package crash');
  });

  test('any vmlinux', () => {
    const kernel = { release: '6.0.0-none', build_id: 'ab'.repeat(20) };
    expect(refused(() => openCrash({ core: fileOf('sysrq-a'), kernel }))).toMatch(
      /^no vmlinux of 6\.0\.0-none under \/usr\/lib\/debug; install its debug package, or name one with --vmlinux$/,
    );
    expect(given(join(work, 'missing'))).toMatch(/^vmlinux .*missing cannot be opened \(ENOENT\); /);
    mkdirSync(join(work, 'nothing'));
    expect(given(join(work, 'nothing'))).toMatch(/^no vmlinux of 6\.1\S+ in .*nothing; name the file$/);
  });

  test('the right one', () => {
    expect(given(old, 'sysrq-b')).toMatch(
      / is another kernel's \(build-id \w{12}…, the core's is \w{12}…\); /,
    );
  });

  test('its debug information', () => {
    const stripped = join(work, 'stripped');
    command('objcopy', ['--strip-debug', old, stripped]);
    expect(given(stripped)).toMatch(/ has no debug information \(DWARF\), which crash needs; /);
  }, 60_000);

  test('its sense', () => {
    const junk = join(work, 'junk');
    writeFileSync(junk, 'no kernel');
    expect(given(junk)).toMatch(/ is no vmlinux \(no 64-bit ELF file\); /);
    writeFileSync(junk, readFileSync('/bin/ls').subarray(0, 5000));
    expect(given(junk)).toMatch(/ is no vmlinux \(it ends before its section headers\); /);
    writeFileSync(junk, '');
    expect(given(junk)).toMatch(/ is no vmlinux /);
  });

  test('a directory of them holds the right one', () => {
    const { build_id } = inspectVmlinux(old);
    const place = join(work, 'debug', '.build-id', build_id.slice(0, 2));
    mkdirSync(place, { recursive: true });
    command('ln', ['-s', old, join(place, `${build_id.slice(2)}.debug`)]);
    expect(openOn('sysrq-a', join(work, 'debug')).vmlinux.build_id).toBe(build_id);
  });
});

test('crash does not outlive ktop, not even one that is killed', async () => {
  const ktop = startChild(paths.node(), [
    ...[paths.ktop, 'vmcore', fileOf('null-a'), '--vmlinux', old, 'crash', '!sleep 600'],
  ]);
  const over = new Promise((resolve) => ktop.once('close', resolve));
  /** What ktop has started, once it is crash: before, it is what crash is started by. */
  const crash = async (): Promise<number> => {
    for (;;) {
      const said = spawnSync('ps', ['-o', 'pid=,comm=', '--ppid', String(ktop.pid)], { encoding: 'utf8' });
      const [, pid] = /^ *(\d+) crash$/m.exec(said.stdout) ?? [];
      if (pid !== undefined) return Number(pid);
      await sleep(20);
    }
  };
  const pid = await crash();
  ktop.kill('SIGKILL');
  await over;
  // Dead and not yet buried counts.
  const runs = () => /^State:\s+[^ZX]/m.test(statusOf(pid));
  while (runs()) await sleep(20);
}, 60_000);

function statusOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/status`, 'utf8');
  } catch {
    return '';
  }
}

describe('a core that crash does not know', () => {
  test(
    'falls back to what there is of it',
    async () => {
      // It dies on a member of mm_struct that is gone.
      const { session, close } = openOn('overflow-a');
      try {
        await session.start();
        expect(session.state.mode).toBe('minimal');
        expect((await session.run('log')).text).toMatch(/Kernel panic - not syncing/);
        expect((await session.run('sym panic')).text).toContain('panic');
        await expect(askFacts(session)).rejects.toThrow(/could only be started with --minimal/);
      } finally {
        await close();
      }
    },
    START_MS,
  );

  test(
    'or is refused with one reason',
    async () => {
      const core = fileOf('sysrq-b');
      // Of another kernel, as crash would be left alone with it: it ends without a word.
      const session = new CrashSession({
        launch: planLaunch('crash', core),
        vmlinux: join(INDEX, inspectVmlinux(old).build_id, 'vmlinux'),
        core,
        release: 'that kernel',
        modes: ['full'],
      });
      const failure = await session.start().then(
        () => 'it started',
        (error: Error) => error.message,
      );
      expect(failure).toMatch(
        /^crash (?:ended (?:with status \d+|by SIG\w+) after [\d.]+ s without a word|does not start on this core: ).*; .*that kernel/,
      );
      await expect(session.run('bt')).rejects.toThrow(failure);
      expect(session.state).toMatchObject({ status: 'failed', reason: failure });
      await session.close();
    },
    START_MS,
  );

  test('one that hangs is ended', async () => {
    const hangs = join(work, 'hangs');
    writeFileSync(hangs, '#!/bin/sh\nexec sleep 600\n', { mode: 0o755 });
    const launch = planLaunch(hangs, fileOf('sysrq-a'));
    const session = new CrashSession({
      launch,
      vmlinux: old,
      core: fileOf('sysrq-a'),
      start_ms: 300,
      modes: ['full'],
    });
    await expect(session.run('bt')).rejects.toThrow(/^crash did not start within [\d.]+ s; /);
    await session.close();
  });
});

/** The built program; crash may take its time. Index and cache are its own. */
const run = (args: readonly string[]) =>
  ended(
    startChild(paths.node(), [paths.ktop, ...args], {
      env: { ...process.env, XDG_CACHE_HOME: join(work, 'cache') },
      timeout: START_MS,
      killSignal: 'SIGKILL',
    }),
  );

/** The real crash, which begins only when it is told to: what comes before does not wait for it. */
function gatedCrash(cache: string) {
  const bin = mkdtempSync(join(work, 'held-'));
  const gate = join(bin, 'gate');
  const real = spawnSync('sh', ['-c', 'command -v crash'], { encoding: 'utf8' }).stdout.trim();
  const script = `#!/bin/sh\nuntil [ -e ${gate} ]; do sleep 0.05; done\nexec ${real} "$@"\n`;
  writeFileSync(join(bin, 'crash'), script, { mode: 0o755 });
  return {
    env: { XDG_CACHE_HOME: join(work, cache), PATH: `${bin}:${process.env.PATH}` },
    go: () => writeFileSync(gate, ''),
  };
}

function heldBack(args: readonly string[], cache: string) {
  const crash = gatedCrash(cache);
  const child = startChild(paths.node(), [paths.ktop, ...args], {
    env: { ...process.env, ...crash.env },
    timeout: START_MS,
    killSignal: 'SIGKILL',
  });
  const said = { stdout: '', stderr: '' };
  for (const stream of ['stdout', 'stderr'] as const)
    child[stream].setEncoding('utf8').on('data', (text: string) => {
      said[stream] += text;
    });
  const end = new Promise<number | null>((resolve) => child.once('close', resolve));
  return {
    said,
    until: async (stream: 'stdout' | 'stderr', wanted: RegExp) => {
      while (!wanted.test(said[stream])) {
        if (child.exitCode !== null) throw new Error(`it ended: ${said.stdout.slice(-500)}${said.stderr}`);
        await sleep(10);
      }
    },
    /** Resolves to the exit code. */
    go: () => {
      crash.go();
      return end;
    },
  };
}

describe('nobody waits for crash without an answer', () => {
  const args = (format: string) => ['vmcore', fileOf('null-a'), '--vmlinux', old, format];

  test(
    'as text: what crash cannot change stands there before it has begun',
    async () => {
      const { said, until, go } = heldBack(args('--plain'), 'filled');
      await until('stdout', /\nblamed stack \([^)]*\):\n(?: {4}.*\n)+$/);
      expect(said.stdout).toMatch(/^panic +BUG: kernel NULL pointer dereference/);
      expect(said.stdout).not.toContain('\nCPUs (');
      expect(await go()).toBe(0);
      expect(said.stdout).toMatch(/\nnote: the backends disagree on tasks: native \d+, crash \d+\n/);
      expect(said.stdout.match(/^class /gm)).toHaveLength(1);
      expect(said.stderr).toBe('');
    },
    START_MS,
  );

  test(
    'on the screen: all there is, and that it is asked',
    async () => {
      const { env, go } = gatedCrash('filled');
      const args = [paths.ktop, 'vmcore', fileOf('null-a'), '--vmlinux', old];
      const pty = spawn(paths.node(), args, { cols: 160, rows: 50, env });
      try {
        await pty.waitFor(/crash is asked, which takes seconds/, 30_000);
        pty.send('6');
        await pty.waitFor(/khungtaskd/, 30_000);
        go();
        await pty.waitFor(/backends disagree on tasks: native says \d+, crash says \d+/, START_MS);
        expect(pty.text()).not.toContain('crash is asked');
      } finally {
        pty.send('q');
        await pty.exit;
      }
    },
    START_MS + 60_000,
  );

  test(
    'as JSON: the beginning of the object',
    async () => {
      const { said, until, go } = heldBack(args('--json'), 'filled');
      await until('stdout', /"findings":\[.*\],$/);
      const { crash } = JSON.parse(`${said.stdout.slice(0, -1)}}`);
      expect(crash).toMatchObject({ class: 'null-deref', blame: { function: 'weigh_missing' } });
      expect(await go()).toBe(0);
      const report = JSON.parse(said.stdout);
      expect(report).toMatchObject({ ktop: 1, status: 'full', crash, failures: [] });
      expect(report.sections.tasks.disagreements).not.toEqual([]);
    },
    START_MS,
  );
});

describe('a core that only crash can read', () => {
  const NAME = 'sysrq-a';
  const lonely = () => join(work, 'lonely');
  const core = () => join(lonely(), 'vmcore.elf');
  beforeAll(() => {
    const { directory, truth } = coreOf(NAME);
    mkdirSync(join(work, 'no-types'));
    mkdirSync(lonely());
    command('objcopy', ['--rename-section', '.BTF=.none', old, join(work, 'no-types/vmlinux')]);
    command('cp', ['--sparse=always', join(directory, truth.files.elf ?? ''), core()]);
    // As of a kernel built without types: no header of BTF is left in its memory.
    const bytes = readFileSync(core());
    const header = Buffer.from('9feb0100180000000000', 'hex');
    let found = 0;
    for (let at = bytes.indexOf(header); at >= 0; at = bytes.indexOf(header, at + 1), found++) bytes[at] = 0;
    expect(found).toBeGreaterThan(0);
    writeFileSync(core(), bytes);
  }, START_MS);

  test(
    'the report is made by it, and says so',
    async () => {
      const { truth } = coreOf(NAME);
      const vmlinux = join(work, 'no-types');
      const { code, stdout } = await run(['vmcore', core(), '--vmlinux', vmlinux, '--json']);
      expect(code).toBe(0);
      const report = JSON.parse(stdout);
      expect(report).toMatchObject({
        status: 'partial',
        kernel: { release: truth.release, cpus: truth.cpus },
        crash: {
          class: 'sysrq',
          panic_string: 'sysrq triggered crash',
          panic_cpu: truth.panic.cpu,
          panic_task: { pid: truth.panic.pid, comm: truth.panic.comm, task: truth.panic.address },
        },
        failures: [{ stage: 'types' }],
      });
      const backends = Object.entries<{ backend: string }>(report.sections).map(([name, { backend }]) => [
        name,
        backend,
      ]);
      // The log needs no types.
      expect(Object.fromEntries(backends)).toEqual({
        dmesg: 'native',
        cpus: 'crash',
        tasks: 'crash',
        modules: 'crash',
      });
      expect(report.sections.modules.rows.map(({ module }: { module: string }) => module).sort()).toEqual(
        truth.modules.map(({ name }) => name).sort(),
      );
    },
    START_MS,
  );

  test(
    'why there is nothing yet is said before crash has begun',
    async () => {
      const { said, until, go } = heldBack(
        ['vmcore', core(), '--vmlinux', join(work, 'no-types'), '--plain'],
        'cache',
      );
      await until('stderr', /^ktop: .*BTF.*; crash is asked, which takes seconds\n$/);
      expect(said.stdout).toBe('');
      expect(await go()).toBe(0);
      expect(said.stdout).toMatch(/^panic +Kernel panic - not syncing: sysrq triggered crash\n/);
    },
    START_MS,
  );

  test(
    'so it is in a batch',
    async () => {
      const { truth } = coreOf(NAME);
      const out = join(work, 'lonely-out');
      const args = [
        '-d',
        lonely(),
        '-o',
        out,
        '--vmlinux',
        join(work, 'no-types'),
        '--timeout',
        '120s',
        '--json',
      ];
      const { code, stdout } = await run(['vmcore', ...args]);
      expect(code).toBe(0);
      expect(JSON.parse(stdout).vmcores).toMatchObject({ cores: 1, read: 1, failed: 0 });
      const text = readFileSync(join(out, 'vmcore.elf.crash'), 'utf8');
      expect(text).toMatch(new RegExp(`PANIC TASK: {2}PID ${truth.panic.pid} .* CPU ${truth.panic.cpu}\n`));
      expect(text).toContain('sysrq_handle_crash');
      expect(text).toContain('== NOT READ\ntypes: ');
    },
    START_MS,
  );

  test('nobody can: one reason from each', async () => {
    const { code, stdout } = await run(['vmcore', core(), '--vmlinux', join(work, 'lonely'), '--json']);
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({
      status: 'log',
      crash: { class: 'sysrq' },
      failures: [
        { stage: 'types' },
        { stage: 'crash', text: expect.stringMatching(/^no vmlinux of .*; name the file$/) },
      ],
    });
  }, 60_000);
});

test('without a directory for temporary files the report is made all the same', async () => {
  const { code, stdout } = await ended(
    startChild(paths.node(), [paths.ktop, 'vmcore', fileOf('null-a'), '--vmlinux', old, '--json'], {
      env: { ...process.env, XDG_CACHE_HOME: join(work, 'filled'), TMPDIR: '/no/where' },
    }),
  );
  expect(code).toBe(0);
  expect(JSON.parse(stdout)).toMatchObject({
    status: 'full',
    crash: { class: 'null-deref' },
    failures: [
      { stage: 'crash', text: expect.stringMatching(/^crash needs a directory in \/no\/where \(ENOENT\); /) },
    ],
  });
}, 60_000);

describe('ktop vmcore', () => {
  test(
    'FILE crash COMMAND',
    async () => {
      const args = ['vmcore', fileOf('null-a'), '--vmlinux', old, 'crash', 'bt'];
      const plain = await run(args);
      expect(plain).toMatchObject({ code: 0, stderr: '' });
      expect(plain.stdout).toMatch(/\[exception RIP: weigh_missing\+5\]/);
      const wrong = await run(['vmcore', fileOf('sysrq-b'), '--vmlinux', old, 'crash', 'bt']);
      expect(wrong.code).toBe(1);
      expect(wrong.stderr).toMatch(/^ktop: .* is another kernel's .*\n$/);
    },
    START_MS,
  );

  test(
    'the pane of the dashboard',
    async () => {
      const pty = spawn(paths.node(), [paths.ktop, 'vmcore', fileOf('null-a'), '--vmlinux', old], {
        cols: 160,
        rows: 50,
        env: { XDG_CACHE_HOME: join(work, 'cache') },
      });
      try {
        await pty.waitFor(/weigh_missing/, 30_000);
        pty.send('!');
        await pty.waitFor(/crash>/);
        pty.send('dis -l sysrq_handle_crash');
        await pty.waitFor(/crash>: *dis -l sysrq_handle_crash/);
        pty.send('\r');
        await pty.waitFor(/drivers\/tty\/sysrq\.c: \d+/, START_MS);
        pty.send('!sleep 600');
        await pty.waitFor(/crash>: *!sleep 600/);
        pty.send('\r');
        await pty.waitFor(/crash> !sleep 600/);
        pty.send('\x03');
        await pty.waitFor(/\(interrupted\)/, 30_000);
      } finally {
        // At the prompt q is a letter.
        pty.kill();
        await pty.exit;
      }
    },
    START_MS + 60_000,
  );
});

test('an index is made once', async () => {
  const { build_id } = inspectVmlinux(old);
  const before = statSync(join(INDEX, build_id, 'vmlinux'));
  const again = await makeIndexed(inspectVmlinux(old), { cache: INDEX });
  expect(again).toMatchObject({ path: join(INDEX, build_id, 'vmlinux'), indexed: true, build_id });
  expect(statSync(again.path).ino).toBe(before.ino);
  // What somebody else could have put there is not used.
  chmodSync(join(INDEX, build_id, 'vmlinux'), 0o666);
  expect(openOn('sysrq-a').vmlinux.path).toBe(old);
  chmodSync(join(INDEX, build_id, 'vmlinux'), 0o644);
});
