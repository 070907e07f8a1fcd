/** Recipes of programs with debug information, made and used here, against what the program says it did; and of this kernel's types. */
import { copyFileSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { release, tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Recipe } from '../../src/recipes/recipe.ts';
import { type Pty, spawn } from '../e2e/pty.ts';
import { type Ended, ktop } from '../e2e/run-cli.ts';
import { command } from '../helpers/command.ts';
import { type Picture, type Row, startKtop, watch } from '../helpers/ktop.ts';
import { paths } from '../helpers/paths.ts';
import { sleep, startLoad, workload } from '../helpers/workload.ts';

const TRACEFS = '/sys/kernel/tracing';
/** No more records than a picture has. */
const ROUNDS = 150;
const uprobes = () => readFileSync(`${TRACEFS}/uprobe_events`, 'utf8');
/** perf takes its time beside other work. */
const MAKE_MS = 100_000;

const work = mkdtempSync(join(tmpdir(), 'recipe-'));
afterAll(() => rmSync(work, { recursive: true }));
const fileOf = (name: string) => join(work, `${name}.ktprobe`);
const recipeOf = (name: string) => JSON.parse(readFileSync(fileOf(name), 'utf8')) as Recipe;
const make = (name: string, ...args: readonly string[]): Promise<Ended> =>
  ktop(['recipe', 'make', '-o', fileOf(name), ...args], {}, MAKE_MS);
const refused = async (said: RegExp, ...args: readonly string[]): Promise<void> => {
  const { code, stdout, stderr } = await make('refused', ...args);
  expect(stderr).toMatch(said);
  expect(stderr.trim().split('\n')).toHaveLength(1);
  expect({ code, stdout }).toEqual({ code: 3, stdout: '' });
  expect(existsSync(fileOf('refused'))).toBe(false);
};

interface Truth {
  readonly sent: number;
  readonly again: number;
  readonly goals: number;
  readonly bytes: number;
}

describe('a program with debug information', () => {
  let program = '';
  const LOCAL = 'goals=account:4 goal packet->len packet->name:string';

  beforeAll(async () => {
    program = workload('inlined');
    const made = await make(
      'program',
      '-x',
      program,
      '--hist',
      'len',
      LOCAL,
      'resend_packet again',
      'send_packet%return',
    );
    expect(made).toMatchObject({ code: 0, stderr: '' });
  }, MAKE_MS);

  test('the recipe: an inlined function is one probe in two places, each with its own registers', () => {
    const recipe = recipeOf('program');
    const id = /Build ID: ([0-9a-f]+)/.exec(command('readelf', ['-n', program]))?.[1];
    expect(recipe.kernel).toBeNull();
    expect(recipe.binaries).toMatchObject({ [program]: { build_id: id } });
    const [goals] = recipe.probes;
    expect(goals).toMatchObject({
      id: 'goals',
      kind: 'uprobe',
      mode: 'dwarf',
      view: { mode: 'hist', key: 'len' },
    });
    expect(goals?.places.map(({ symbol }) => symbol).sort()).toEqual(['resend_packet', 'send_packet']);
    for (const place of goals?.places ?? [])
      expect(place).toMatchObject({
        inlined_function: 'account',
        file: expect.stringMatching(/inlined\.c$/),
        line: 16,
      });
    const said = command('perf', ['probe', '-x', program, '-D', LOCAL]).trim().split('\n');
    const own = goals?.places.map(
      (place) =>
        `${program}:0x${place.file_offset?.toString(16)} ${goals.args.map(({ name, fetch, type }, index) => `${name}=${place.fetch?.[index] ?? fetch}:${type}`).join(' ')}`,
    );
    expect(own).toEqual(said.map((line) => line.replace(/^\S+ /, '')));
  });

  test('used: every place is hit as often as the program has come by', async () => {
    const load = startLoad<Truth>('inlined', [ROUNDS]);
    const { pictures } = await watch(
      ['recipe', 'use', fileOf('program'), '-y', '-i', '300', '-p', String(load.pid)],
      async () => {
        load.go();
        return load.said;
      },
    );
    const { truth, release: over } = await load.said;
    await over();
    const rows = Object.fromEntries((pictures.at(-1) as Picture).rows.map((row) => [row.name, row]));
    expect(rows.goals).toMatchObject({ kind: 'uprobe', source: 'recipe', hits: truth.sent + truth.again });
    expect(rows.resend_packet).toMatchObject({ hits: truth.again });
    expect(rows.send_packet__return).toMatchObject({ kind: 'uretprobe', hits: truth.sent });
  }, 60_000);

  test('local variable, member and text of each call are those that the program had', async () => {
    const load = startLoad<Truth>('inlined', [ROUNDS]);
    const { pictures } = await watch(
      [
        'recipe',
        'use',
        fileOf('program'),
        '--only',
        'goals',
        '--list',
        '-y',
        '-i',
        '300',
        '-p',
        String(load.pid),
      ],
      async () => {
        load.go();
        return load.said;
      },
    );
    const { truth, release: over } = await load.said;
    await over();
    const texts = pictures.flatMap(({ log = [] }) => log.map(({ text }) => String(text)));
    const goals = texts.flatMap((text) => {
      const match = /^probe:goals: \(0x\w+\) goal=(-?\d+) len=(\d+) name="packet([01])"$/.exec(text);
      return match === null ? [] : [match.slice(1).map(Number) as [number, number, number]];
    });
    expect(goals).toHaveLength(truth.sent + truth.again);
    expect(goals.reduce((sum, [goal]) => sum + goal, 0)).toBe(truth.goals);
    expect(goals.reduce((sum, [, len]) => sum + len, 0)).toBe(truth.bytes);
  }, 60_000);

  test('as the recipe wants to be seen: a histogram; --only takes one of them', async () => {
    const load = startLoad<Truth>('inlined', [ROUNDS]);
    const { pictures } = await watch(
      ['recipe', 'use', fileOf('program'), '--only', 'goals', '-y', '-i', '300', '-p', String(load.pid)],
      async () => {
        load.go();
        return load.said;
      },
    );
    const { truth, release: over } = await load.said;
    await over();
    const last = pictures.at(-1) as Picture;
    expect(last.rows.map(({ name }) => name)).toEqual(['goals']);
    expect(last.log).toBeUndefined();
    expect((last.histogram ?? []).reduce((sum, { count }) => sum + count, 0)).toBe(truth.sent + truth.again);
  }, 60_000);

  test(
    'tested where it is made, while the program runs',
    async () => {
      const load = startLoad<Truth>('inlined', [ROUNDS]);
      const making = make('tested', '-x', program, '--test', '2', 'send_packet packet->len');
      await sleep(0);
      // As soon as the probe stands.
      for (let tries = 0; tries < 1000 && !uprobes().includes('_test/send_packet'); tries += 1)
        await sleep(20);
      await sleep(300);
      load.go();
      const { code, stderr } = await making;
      await (await load.said).release();
      expect({ code, stderr }).toEqual({ code: 0, stderr: 'ktop: testing send_packet for 2 s\n' });
      expect(recipeOf('tested').probes[0]?.tested).toMatchObject({ hits: ROUNDS, seconds: 2 });
      expect(uprobes()).not.toContain('_test/');
    },
    MAKE_MS,
  );

  test.each([
    [
      'account%return',
      /account is inlined into \w+\+\d+, \w+\+\d+: its return cannot be probed; its entry and its lines can/,
    ],
    ['account:4 nothing', /nothing cannot be had at account:4: .*; there are budget, goal, packet/],
    ['account:5 goal', /goal is optimised away in one of the 2 places of account:5/],
    ['send_packet:3', /line 3 of send_packet has no code of its own/],
    ['no_such_function', /has no function no_such_function, neither as such nor inlined/],
    ['send_pack', /did you mean .*send_packet/],
  ])('%s is rejected', (query, said) => refused(said, '-x', program, query), MAKE_MS);

  test(
    'another build of the program is refused with both ids, and none is still one',
    async () => {
      const copy = join(work, 'inlined');
      copyFileSync(program, copy);
      expect(await make('copied', '-x', copy, 'send_packet budget')).toMatchObject({ code: 0 });
      const ids = [recipeOf('copied').binaries[copy]?.build_id.slice(0, 8), ''];
      command('gcc', [
        '-g',
        '-O2',
        '-DOTHER',
        '-w',
        '-o',
        copy,
        join(paths.workloadSources, 'hostile.c'),
        '-pthread',
        '-D_GNU_SOURCE',
      ]);
      ids[1] = /Build ID: ([0-9a-f]{8})/.exec(command('readelf', ['-n', copy]))?.[1];
      const before = uprobes();
      const { code, stderr, stdout } = await ktop(['recipe', 'use', fileOf('copied'), '--json', '-n', '1']);
      expect({ code, stdout }).toEqual({ code: 3, stdout: '' });
      expect(stderr).toBe(
        `ktop: recipe is for ${copy} build ${ids[0]}, this is build ${ids[1]}; register and offset data would be wrong: re-make it with ktop recipe make on a matching reference machine\n`,
      );
      expect(uprobes()).toBe(before);
      const shown = await ktop(['recipe', 'show', fileOf('copied')]);
      expect(shown.stdout).toContain('It does not fit here.');
      rmSync(copy);
      expect((await ktop(['recipe', 'use', fileOf('copied'), '--json'])).stderr).toMatch(
        /is not there, and recipe is for its build/,
      );
      // A pipe in its place must not be waited for.
      command('mkfifo', [copy]);
      expect((await ktop(['recipe', 'use', fileOf('copied'), '--json'])).stderr).toMatch(/is no file/);
    },
    MAKE_MS,
  );

  test('a killed ktop leaves nothing of it', async () => {
    const running = await startKtop(['recipe', 'use', fileOf('program'), '-y', '-i', '300']);
    const own = `ktop_${running.pid}_`;
    expect(uprobes().match(new RegExp(`${own}\\d+/goals`, 'g'))).toHaveLength(2);
    await running.kill();
    for (let tries = 0; tries < 200 && uprobes().includes(own); tries += 1) await sleep(50);
    expect(uprobes()).not.toContain(own);
  }, 60_000);

  test(
    'lines and variables, stored and looked up without debug information',
    async () => {
      const file = join(work, 'inlined.db');
      const stored = await ktop(
        ['recipe', 'db', '*send_packet', '--lines', '--vars', '-x', program, '-o', file],
        {},
        MAKE_MS,
      );
      expect(stored).toMatchObject({ code: 0, stderr: '' });
      expect(stored.stdout).toMatch(/: 2 functions of \S+inlined, \d+ lines, variables at \d+ places\n$/);
      const all = await ktop(['recipe', 'db', file]);
      expect(all.stdout).toMatch(/^resend_packet +\d+ +\d+ +\S+inlined\.c$/m);
      const { stdout } = await ktop(['recipe', 'db', file, 'send_packet']);
      // What is a line there is one in the source.
      const source = readFileSync(join(paths.workloadSources, 'inlined.c'), 'utf8').split('\n');
      const first = source.findIndex((line) => line.includes('int send_packet('));
      const probed = [...stdout.matchAll(/^ {0,6}(\d+) {2}(.*)$/gm)];
      expect(probed.length).toBeGreaterThan(0);
      for (const [, line, text] of probed)
        expect(text).toBe(source[first + Number(line)]?.replaceAll('\t', '    '));
      expect(stdout).toMatch(/variables at send_packet \(send_packet\+0\)\n(?: {4}.*\n)* {4}int budget\n/);
      const lines = await ktop(['probe', 'lines', 'send_packet', '--db', file]);
      expect(lines.stdout).toContain('int send_packet(');
      const json = JSON.parse(
        (await ktop(['probe', 'vars', 'send_packet', '--db', file, '--json'])).stdout,
      ) as {
        function: { places: { variables: Row[] }[] };
      };
      expect(json.function.places[0]?.variables.map(({ name }) => name)).toContain('budget');
      expect((await ktop(['recipe', 'db', file, 'nothing'])).stderr).toMatch(
        /has no function nothing; it has /,
      );
    },
    MAKE_MS,
  );

  test('without perf it is said what to install', async () => {
    const nowhere = join(work, 'empty');
    const { code, stderr } = await ktop(
      ['recipe', 'make', '-o', fileOf('refused'), '-x', program, 'account'],
      { PATH: nowhere },
    );
    expect({ code, stderr }).toEqual({
      code: 3,
      stderr:
        'ktop: perf is not there, and only it reads debug information; install it: linux-perf on Debian, linux-tools of this kernel on Ubuntu, perf on Fedora and RHEL\n',
    });
  });

  test('without debug information it is said how to get it', async () => {
    const bare = join(work, 'bare');
    command('strip', ['--strip-debug', '-o', bare, program]);
    await refused(/bare has no debug information; build it with -g, or install/, '-x', bare, 'account');
  });

  test(
    'on the tab: i takes a recipe in, x writes one',
    async () => {
      const tab = spawn(paths.node(), [paths.ktop, 'probe', '-i', '300'], { cols: 160, rows: 40 });
      try {
        await tab.waitFor(/a add/, 20_000);
        expect(tab.text()).toMatch(/i use recipe {2}x export/);
        tab.send('i');
        await tab.waitFor(/use recipe/);
        tab.send(`${fileOf('program')}\r`);
        await tab.waitFor(/goals +uprobe .* armed +recipe/, 20_000);
        const load = startLoad<Truth>('inlined', [ROUNDS]);
        load.go();
        const { truth, release: over } = await load.said;
        await tab.waitFor(
          new RegExp(`goals +uprobe .* ${truth.sent + truth.again} .* armed +recipe`),
          20_000,
        );
        await over();
        tab.send('i/nowhere.ktprobe\r');
        await tab.waitFor(/\/nowhere\.ktprobe is not there/);
        tab.send('x');
        await tab.waitFor(/recipe of (?:all probes|\w+).*\.ktprobe/s);
        tab.send(`\x15${fileOf('exported')}\r`);
        await tab.waitFor(/exported\.ktprobe has \d probe/);
        const [before, exported] = [recipeOf('program'), recipeOf('exported')];
        // What debug information said of it has not been lost on the way.
        expect(exported.probes[0]?.query).toBe(
          before.probes.find(({ id }) => id === exported.probes[0]?.id)?.query,
        );
        expect(exported.binaries).toEqual(before.binaries);
        for (const probe of exported.probes) {
          const same = before.probes.find(({ id }) => id === probe.id);
          const where = (one: Recipe['probes'][number] | undefined) =>
            one?.places.map(({ binary, file_offset, fetch }) => ({ binary, file_offset, fetch }));
          expect(where(probe)).toEqual(where(same));
        }
        tab.send('q');
        expect(await tab.exit).toMatchObject({ code: 0 });
      } finally {
        await end(tab);
      }
      expect((await ktop(['recipe', 'show', fileOf('exported')])).stdout).toContain('It fits here.');
    },
    MAKE_MS,
  );
});

describe('the types of this kernel', () => {
  const QUERY = 'vfs_read file->f_path.dentry->d_name.name:string count';

  test('arguments at the entry, without debug information and without perf (A7)', async () => {
    const { code, stdout } = await ktop(['recipe', 'make', '--btf', '-o', fileOf('types'), QUERY], {
      PATH: '/nowhere',
    });
    expect(code).toBe(0);
    expect(stdout).toContain('vfs_read');
    const recipe = recipeOf('types');
    const [probe] = recipe.probes;
    expect(probe).toMatchObject({
      mode: 'btf',
      kind: 'kprobe',
      query: QUERY,
      places: [{ symbol: 'vfs_read', offset: 0 }],
    });
    expect(probe?.args.map(({ name, type }) => `${name}:${type}`)).toEqual(['name:string', 'count:x64']);
    const [name, count] = probe?.args ?? [];
    expect(count).toMatchObject({ fetch: '%dx', display: 'dec' });
    const offset = /^\+0\(\+\d+\(\+(\d+)\(%di\)\)\)$/.exec(name?.fetch ?? '')?.[1];
    // struct file has moved about: 64 bytes before f_path and 8 into that on 6.18, 16 and 8 on 6.1.
    if (release().startsWith('6.18.')) expect(offset).toBe('72');
    else expect(Number(offset)).toBeGreaterThan(0);
    expect(recipe.kernel?.release).toBe(release());
    expect(recipe.kernel?.version_string).toBe(readFileSync('/proc/version', 'utf8').trim());
    const note = readFileSync('/sys/kernel/notes');
    expect(note.includes(Buffer.from(recipe.kernel?.build_id ?? '', 'hex'))).toBe(true);
  });

  test('it is looked up anew where it is used: offsets of another kernel do no harm', async () => {
    const recipe = recipeOf('types');
    const other = {
      ...recipe,
      kernel: { ...recipe.kernel, build_id: '0'.repeat(40), release: '6.1.0-other' },
      probes: recipe.probes.map((probe) => ({
        ...probe,
        args: probe.args.map((one) => ({ ...one, fetch: one.fetch.replace(/\+\d+\(%di\)/, '+24(%di)') })),
      })),
    };
    writeFileSync(fileOf('other'), JSON.stringify(other));
    const shown = JSON.parse((await ktop(['recipe', 'show', fileOf('other'), '--json'])).stdout) as {
      fits: { state: string; definitions: string[] }[];
    };
    expect(shown.fits[0]?.state).toBe('yes');
    const fetch = recipe.probes[0]?.args[0]?.fetch;
    expect(shown.fits[0]?.definitions[0]).toBe(`vfs_read+0 name=${fetch}:string count=%dx:u64`);
  });

  test('by debug information that would be another kernel: refused with both ids', async () => {
    const recipe = recipeOf('types');
    const id = recipe.kernel?.build_id ?? '';
    writeFileSync(
      fileOf('bound'),
      JSON.stringify({
        ...recipe,
        kernel: { ...recipe.kernel, build_id: '0'.repeat(40), release: '6.1.0-other' },
        probes: recipe.probes.map((probe) => ({ ...probe, mode: 'dwarf' })),
      }),
    );
    const { code, stderr } = await ktop(['recipe', 'use', fileOf('bound'), '--json', '-n', '1']);
    expect(code).toBe(3);
    expect(stderr).toBe(
      `ktop: recipe is for 6.1.0-other build 00000000, this is ${release()} build ${id.slice(0, 8)}; register and offset data would be wrong: re-make it with ktop recipe make on a matching reference machine\n`,
    );
  });

  test.each([
    ['vfs_read:14 ret', /vfs_read:14 needs debug information, .* install .*, or give --vmlinux FILE/],
    [
      'vfs_read nothing',
      /vfs_read has no argument nothing; it has file, buf, count, pos; for local variables and inlined functions, install /,
    ],
    ['no_such_function_at_all', /this kernel has no function no_such_function_at_all: /],
  ])('%s needs more', (query, said) => refused(said, '--btf', query));
});

/** Whatever state it is in. */
async function end(tab: Pty): Promise<void> {
  try {
    tab.kill('SIGKILL');
  } catch {
    // It has ended.
  }
  await tab.exit;
}
