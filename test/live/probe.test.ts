/** Probes in programs: every way to write one, against a program that knows how often it was hit. */
import {
  closeSync,
  constants,
  copyFileSync,
  existsSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  writeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Pty, spawn } from '../e2e/pty.ts';
import { type Ended, ktop } from '../e2e/run-cli.ts';
import { command } from '../helpers/command.ts';
import { number, type Picture, type Row, startKtop, watch } from '../helpers/ktop.ts';
import { paths } from '../helpers/paths.ts';
import { sleep, startLoad, workload } from '../helpers/workload.ts';

const TRACEFS = '/sys/kernel/tracing';
const CALLS = 1000;
const uprobes = () => readFileSync(`${TRACEFS}/uprobe_events`, 'utf8');

/** Watches while the program makes its calls. */
async function watchProbed(args: readonly string[], sleeps = 0, ms = 0) {
  const program = startLoad<{ calls: number; semaphore: number }>('probed', [CALLS, sleeps, ms]);
  const { pictures, load } = await watch(
    ['probe', 'watch', ...args, '-i', '300', '-p', String(program.pid)],
    async () => {
      program.go();
      return (await program.said).truth;
    },
  );
  await (await program.said).release();
  const last = pictures.at(-1) as Picture;
  for (const picture of pictures) expect(picture).toMatchObject({ lost: 0 });
  const records = pictures.flatMap(({ log = [] }) => log);
  return { pictures, last, records, truth: load, row: last.rows[0] as Row };
}

const panel = (picture: Picture, name: string) => picture[name] as readonly Row[];

describe('functions of a program', () => {
  let path: string;
  beforeAll(() => {
    path = workload('probed');
  });

  test('counted by a text argument, exactly', async () => {
    const { last, row } = await watchProbed([
      '-x',
      path,
      'probed_call i=%di:s32 name=+0(%si):string',
      '--by',
      'name',
    ]);
    expect(row).toMatchObject({
      name: 'probed_call',
      kind: 'uprobe',
      hits: CALLS,
      state: 'armed',
      source: 'manual',
    });
    const counts = panel(last, 'counts') ?? [];
    expect(Object.fromEntries(counts.map(({ value, count }) => [value, count]))).toEqual({
      name0: CALLS / 4,
      name1: CALLS / 4,
      name2: CALLS / 4,
      name3: CALLS / 4,
    });
  });

  test('the return, its value, and a filter that the kernel applies', async () => {
    const { records, row } = await watchProbed([
      `gone=${path}:probed_call%return value=$retval:s32`,
      '--filter',
      'value <= -990',
    ]);
    expect(row).toMatchObject({ name: 'gone', kind: 'uretprobe', hits: CALLS });
    const values = records.map(({ text }) => Number(/value=(-?\d+)/.exec(String(text))?.[1]));
    expect(values).toEqual([-990, -991, -992, -993, -994, -995, -996, -997, -998, -999]);
    expect(String(records[0]?.text)).toMatch(/^probe:gone: \(0x[0-9a-f]+ <- 0x[0-9a-f]+\) value=-990$/);
    expect(records[0]).toMatchObject({ comm: 'probed' });
  });

  test('the histogram of an argument', async () => {
    const { last } = await watchProbed([`${path}:probed_call size=%dx:s64`, '--hist', 'size']);
    expect(last.histogram?.filter(({ count }) => count > 0)).toEqual([
      { low: 64, high: 127, count: CALLS / 2 },
      { low: 4096, high: 8191, count: CALLS / 2 },
    ]);
  });

  test('from entry to return', async () => {
    const { last } = await watchProbed([`${path}:probed_sleep`, '--lat'], 5, 20);
    const [row] = panel(last, 'latency');
    expect(row).toMatchObject({ probe: 'probed_sleep', calls: 5 });
    expect(number(row as Row, 'p50_us')).toBeGreaterThan(19_000);
    const all = (last.histogram ?? []).reduce((sum, { count }) => sum + count, 0);
    expect(all).toBe(5);
  });

  test('a marker: found by its note, its semaphore raised, its arguments read', async () => {
    const { records, truth, row } = await watchProbed([`sdt ${path} ktop_test:marker`]);
    expect(row).toMatchObject({
      name: 'ktop_test_marker',
      kind: 'usdt',
      hits: CALLS,
      args: 'arg1 arg2 arg3',
    });
    expect(truth.semaphore).toBe(1);
    expect(String(records.at(-1)?.text)).toMatch(/arg1=999 arg2=\d+ arg3=-7$/);
  });

  test('in the words of tracefs, and two at a time', async () => {
    const offset = (await ktop(['probe', 'funcs', '-x', path, 'probed_call'])).stdout.match(
      /0x[0-9a-f]+/,
    )?.[0];
    const { last } = await watchProbed([`p:other/mine ${path}:${offset} n=%di:u32`, `${path}:probed_sleep`]);
    const hits = Object.fromEntries(last.rows.map(({ name, hits: n }) => [name, n]));
    expect(hits).toEqual({ mine: CALLS, probed_sleep: 0 });
  });
});

test('a stripped program that carries its symbols packed, as those of Fedora do', async () => {
  const work = mkdtempSync(join(tmpdir(), 'ktop-mini-'));
  try {
    const [program, symbols] = ['probed', 'symbols'].map((name) => join(work, name)) as [string, string];
    copyFileSync(workload('probed'), program);
    command('objcopy', ['--only-keep-debug', program, symbols]);
    command('objcopy', ['--strip-debug', symbols]);
    command('xz', [symbols]);
    command('strip', ['--strip-all', program]);
    const bare = await ktop(['probe', 'funcs', '-x', program, 'probed_call']);
    expect(bare).toMatchObject({ code: 3, stdout: '' });
    command('objcopy', ['--add-section', `.gnu_debugdata=${symbols}.xz`, program]);

    const place = async (path: string) =>
      (await ktop(['probe', 'funcs', '-x', path, 'probed_*'])).stdout
        .match(/\w+ +\S+:0x[0-9a-f]+/g)
        ?.map((line) => line.replace(/ +\S+:/, ' '));
    expect(await place(program)).toEqual(await place(workload('probed')));
    const run = await startKtop(['probe', 'watch', `${program}:probed_call i=%di:s32`, '-i', '300']);
    command('sh', ['-c', `echo | ${program} 7 0 0`]);
    await run.more(2);
    await run.stop();
    expect(run.pictures.at(-1)?.rows[0]).toMatchObject({ name: 'probed_call', hits: 7 });
  } finally {
    rmSync(work, { recursive: true });
  }
});

describe('programs of the system', () => {
  test('what is typed into a shell', async () => {
    const ktopRun = await startKtop([
      'probe',
      'watch',
      '/usr/bin/bash:readline%return line=+0($retval):string',
      '-i',
      '300',
    ]);
    const shell = spawn('/usr/bin/bash', ['--norc', '-i']);
    try {
      await shell.waitFor(/[$#]\s*$/m, 15_000);
      shell.send('echo probed $((6 * 7))\r');
      await shell.waitFor(/probed 42/, 15_000);
      await ktopRun.more(2);
      const texts = ktopRun.pictures.flatMap(({ log = [] }) => log.map(({ text }) => String(text)));
      expect(texts.some((text) => text.includes('line="echo probed $((6 * 7))"'))).toBe(true);
    } finally {
      shell.kill('SIGKILL');
      await ktopRun.kill();
    }
  });

  test('names that are looked up', async () => {
    const run = await startKtop([
      'probe',
      'watch',
      '-x',
      'libc',
      'getaddrinfo host=+0(%di):string',
      '-i',
      '300',
    ]);
    try {
      command('getent', ['ahosts', 'localhost']);
      await run.more(2);
      const texts = run.pictures.flatMap(({ log = [] }) => log.map(({ text }) => String(text)));
      expect(texts.some((text) => text.endsWith('host="localhost"'))).toBe(true);
    } finally {
      await run.kill();
    }
  });
});

// Debian's has markers; what else is on the path of a machine may have none.
if (hasNotes('/usr/bin/python3'))
  test('the markers of Python: a collection of garbage', async () => {
    const run = await startKtop(['probe', 'watch', 'sdt /usr/bin/python3 python:gc__done', '-i', '300']);
    try {
      command('/usr/bin/python3', ['-c', 'import gc\nx=[]; x.append(x); del x\ngc.collect()']);
      await run.more(2);
      expect(run.pictures.flatMap(({ log = [] }) => log).length).toBeGreaterThan(0);
    } finally {
      await run.kill();
    }
  });

function hasNotes(path: string): boolean {
  return existsSync(path) && readFileSync(path).includes('stapsdt\0');
}

describe('probes that stay', () => {
  const name = `live_test_${process.pid}`;
  let path: string;
  beforeAll(() => {
    path = workload('probed');
  });
  afterAll(() => {
    if (uprobes().includes(`/${name} `)) append(`-:ktop_keep/${name}`);
  });

  test('added, seen by all, watched by name, deleted', async () => {
    const added = await ktop(['probe', 'add', `${path}:probed_call i=%di:s32`, '--name', name]);
    expect(added).toMatchObject({
      code: 0,
      stdout: `added ktop_keep:${name} ${path}:probed_call\n`,
      stderr: '',
    });
    expect(uprobes()).toMatch(new RegExp(`^p:ktop_keep/${name} ${path}:0x[0-9a-f]+ i=%di:s32$`, 'm'));
    const again = await ktop(['probe', 'add', `${path}:probed_call`, '--name', name]);
    expect(again).toMatchObject({ code: 2, stdout: '' });
    expect(again.stderr).toContain('already');

    const listed = JSON.parse((await ktop(['probe', 'list', '--json'])).stdout) as Picture;
    const row = listed.rows.find((each) => each.name === name);
    expect(row).toMatchObject({ kind: 'uprobe', state: 'off', source: 'kept', args: 'i' });

    const { pictures, last } = await watchProbed([name, '--by', 'i']);
    expect(last.rows).toMatchObject([{ name, kind: 'event', hits: CALLS, source: 'kept' }]);
    expect(panel(last, 'counts').length).toBe(CALLS);
    expect(pictures.at(-1)?.notes ?? []).toEqual([]);

    // Its start sweeps what is left of killed ones, and nothing else.
    expect(uprobes()).toContain(`ktop_keep/${name} `);
    expect(await ktop(['probe', 'del', name])).toMatchObject({ code: 0, stdout: '', stderr: '' });
    expect(uprobes()).not.toContain(`/${name} `);
    expect(await ktop(['probe', 'del', name])).toMatchObject({ code: 2 });
  });
});

describe('what is left behind', () => {
  const foreign = `foreign_${process.pid}/theirs`;
  let place: string;
  beforeAll(async () => {
    const path = workload('probed');
    place = `${path}:${(await ktop(['probe', 'funcs', '-x', path, 'probed_call'])).stdout.match(/0x[0-9a-f]+/)?.[0]}`;
    append(`p:${foreign} ${place}`);
  });
  afterAll(() => append(`-:${foreign}`));

  test('a killed ktop leaves no probe, and touches nobody else’s', async () => {
    const run = await startKtop(['probe', 'watch', `${workload('probed')}:probed_call`, '-i', '300']);
    const group = `ktop_${run.pid}_`;
    expect(uprobes()).toContain(group);
    await run.kill();
    await until(() => !uprobes().includes(group));
    expect(uprobes()).toContain(foreign);
  });

  test('what no guardian could remove is swept by the next start', async () => {
    const dead = spawnedAndGone();
    append(`p:ktop_${dead}_4/left ${place}`);
    await ktop(['probe', 'watch', `${workload('probed')}:probed_call`, '--plain', '-n', '1', '-i', '100']);
    expect(uprobes()).not.toContain(`ktop_${dead}_4`);
    expect(uprobes()).toContain(foreign);
  });

  test('foreign probes are listed with their group', async () => {
    const listed = JSON.parse((await ktop(['probe', 'list', '--json'])).stdout) as Picture;
    expect(listed.rows).toContainEqual(
      expect.objectContaining({ name: 'theirs', source: foreign.split('/')[0], state: 'off', hits: 0 }),
    );
  });
});

describe('the tab', () => {
  test('typed, armed, its records, counted, disarmed, edited, deleted', async () => {
    const path = workload('probed');
    const program = startLoad<{ calls: number }>('probed', [CALLS, 0, 0]);
    const tab = spawn(paths.node(), [paths.ktop, 'probe', '-i', '300'], { cols: 150, rows: 40 });
    try {
      await tab.waitFor(/a add/, 20_000);
      tab.send('a');
      await tab.waitFor(/new probe/);
      tab.send(`${path}:probed_call i=%di:s32 name=+0(%si):string if i >= 900\r`);
      await tab.waitFor(/probed_call +uprobe .* armed +manual/, 20_000);
      program.go();
      await program.said;
      await tab.waitFor(/probed_call +uprobe .* 1000 .* armed/, 20_000);
      // Only what the filter lets pass is counted from here on; what was hit before is not armed any more.
      tab.send('c');
      await tab.waitFor(/count by.*i {2}name {2}comm/s);
      tab.send('name\r');
      await tab.waitFor(/counted by name/);
      tab.send('\x1b[B');
      await tab.waitFor((lines) => lines.join('\n').includes('probed_call'));
      tab.send(' ');
      await tab.waitFor(/probed_call +uprobe .* off +manual/, 20_000);
      expect(uprobes()).not.toContain('/probed_call ');
      tab.send(' ');
      await tab.waitFor(/probed_call +uprobe .* armed +manual/, 20_000);
      tab.send('e');
      await tab.waitFor(/name=\+0\(%si\):string if i/);
      tab.send('\x15renamed=probed_nothing\r');
      await tab.waitFor(/no function|no kprobes|refuses|no such/, 20_000);
      tab.send('d');
      await tab.waitFor(/probed_call is gone/, 20_000);
      await until(() => !uprobes().includes('/probed_call '));
      tab.send('q');
      expect(await tab.exit).toMatchObject({ code: 0 });
    } finally {
      await end(tab);
      program.go();
      await (await program.said).release();
    }
  });

  test('live records of the one that is selected, from one that stays', async () => {
    const path = workload('probed');
    const name = `tab_test_${process.pid}`;
    expect(await ktop(['probe', 'add', `${path}:probed_call i=%di:s32`, '--name', name])).toMatchObject({
      code: 0,
    });
    const program = startLoad<{ calls: number }>('probed', [20, 0, 0]);
    const tab = spawn(paths.node(), [paths.ktop, 'probe', '-i', '300'], { cols: 150, rows: 40 });
    try {
      await tab.waitFor(new RegExp(`${name} .* off +kept`), 20_000);
      // The only one is meant where none is selected; others may be there.
      for (let row = 0; row < 10 && !tab.text().includes(`${name} is watched`); row += 1) {
        tab.send(' ');
        await sleep(400);
        if (!tab.text().includes(`${name} is watched`)) tab.send('\x1b[B');
      }
      await tab.waitFor(new RegExp(`${name} .* armed +kept`), 20_000);
      program.go();
      await program.said;
      tab.send('\r');
      await tab.waitFor(new RegExp(`ktop_keep:${name}: .* i=19`), 20_000);
      tab.send('q');
      expect(await tab.exit).toMatchObject({ code: 0 });
    } finally {
      await end(tab);
      program.go();
      await (await program.said).release();
      await ktop(['probe', 'del', name]);
    }
  });
});

test('what the tab refuses is there to be corrected', async () => {
  const path = workload('probed');
  const tab = spawn(paths.node(), [paths.ktop, 'probe', '-i', '300'], { cols: 150, rows: 40 });
  try {
    await tab.waitFor(/a add/, 20_000);
    tab.send('a');
    await tab.waitFor(/new probe/);
    tab.send(`${path}:probed_cal\r`);
    await tab.waitFor(/has no function probed_cal/, 20_000);
    tab.send('a');
    await tab.waitFor(/new probe: .*:probed_cal /);
    tab.send('l\r');
    await tab.waitFor(/probed_call +uprobe .* armed +manual/, 20_000);
    tab.send('a');
    await tab.waitFor(/new probe: +FUNC/);
    tab.send('\x1bq');
  } finally {
    await end(tab);
  }
});

describe('what cannot be', () => {
  const refused = async (args: readonly string[]): Promise<Ended> => {
    const end = await ktop(['probe', 'watch', ...args, '--plain', '-n', '1']);
    expect(end.stdout).toBe('');
    return end;
  };

  test('the kernel’s words, and its caret below the place at fault', async () => {
    const path = workload('probed');
    const { code, stderr } = await refused([`${path}:probed_call x=%nothing`]);
    expect(code).toBe(3);
    const [said = '', line = '', caret = ''] = stderr.split('\n');
    expect(said).toMatch(
      /^ktop: the kernel refuses the uprobe probed_call: Invalid register name; registers are %ax/,
    );
    expect(line.indexOf('%nothing')).toBe(caret.indexOf('^'));
    expect(uprobes()).not.toContain('_try/');
  });

  test('a filter the kernel does not take', async () => {
    const { code, stderr } = await refused([`${workload('probed')}:probed_call x=%di`, '--filter', 'y > 3']);
    expect(code).toBe(3);
    expect(stderr).toContain('refuses the filter: ');
    expect(uprobes()).not.toContain('_try/');
  });

  test.each([
    [['/nowhere/at/all:main'], 3, 'is not there'],
    [['PROBED:no_such_function'], 3, 'has no function no_such_function'],
    [['PROBED:probed_call+100000'], 3, 'past the end of probed_call'],
    [['PROBED:probed_call', '--by', 'size'], 2, 'has an argument size'],
    [['sdt PROBED ktop_test:other'], 3, 'it has ktop_test:marker'],
    [['/etc/passwd:main'], 3, 'no ELF file'],
    [['a b c', '--lat', '--ret'], 2, 'leave --ret out'],
  ])('%j', async (args, code, text) => {
    const end = await refused(args.map((each) => each.replace('PROBED', workload('probed'))));
    expect(end).toMatchObject({ code });
    expect(end.stderr).toContain(text);
    expect(end.stderr.trim().split('\n').length).toBe(1);
  });
});

if (withoutEventProbes())
  test('a kernel without event probes says so, not that the definition is wrong', async () => {
    const { code, stderr } = await ktop([
      'probe',
      'watch',
      'e:x sched.sched_switch next=$next_pid',
      '--plain',
    ]);
    expect(code).toBe(3);
    expect(stderr).toContain('this kernel takes no eprobes');
  });

/** As a shell finds out. */
function withoutEventProbes(): boolean {
  const line = 'e:probe_test/x sched.sched_switch next=$next_pid:s32';
  const script = `echo '${line}' >>${TRACEFS}/dynamic_events && echo -:probe_test/x >>${TRACEFS}/dynamic_events`;
  return command('bash', ['-c', `{ ${script}; } 2>&1 || true`]).includes('Invalid argument');
}

/** Whatever state it is in. */
async function end(tab: Pty): Promise<void> {
  try {
    tab.kill('SIGKILL');
  } catch {
    // It has ended.
  }
  await tab.exit;
}

/** In one write: tracefs takes a line whole. */
function append(line: string): void {
  const fd = openSync(`${TRACEFS}/uprobe_events`, constants.O_WRONLY | constants.O_APPEND);
  writeSync(fd, line);
  closeSync(fd);
}

/** A process id that is nobody's any more. */
function spawnedAndGone(): number {
  return Number(command('sh', ['-c', 'echo $$']).trim());
}

async function until(done: () => boolean): Promise<void> {
  for (let tries = 0; tries < 200 && !done(); tries += 1) await sleep(50);
  expect(done()).toBe(true);
}
