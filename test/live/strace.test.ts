/** strace against strace itself on the same commands, and against programs that know what they did. */
import { spawn, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { command } from '../helpers/command.ts';
import { number, type Picture, type Row, startKtop } from '../helpers/ktop.ts';
import { paths } from '../helpers/paths.ts';

/** Many processes, one after the other. */
const SCRIPT = `
cd /etc
ls -l / > /dev/null
for i in 1 2 3 4; do cat passwd group > /dev/null; done
cat no-such-file 2> /dev/null
test -e /nowhere/at/all
exit 7
`;
/** How often they happen depends on when children end. */
const BY_CHANCE = new Set(['rt_sigreturn', 'wait4', 'restart_syscall', 'futex', 'exit_group']);
const CHILDREN = 1000;

let work = '';
beforeAll(() => {
  work = mkdtempSync(join(tmpdir(), 'ktop-strace-'));
});
afterAll(() => rmSync(work, { recursive: true }));

/** ktop strace … -- COMMAND, to its end. */
function traced(options: readonly string[], program: readonly string[]) {
  const { stdout, stderr, status } = spawnSync(
    paths.node(),
    [paths.ktop, 'strace', ...options, '--', ...program],
    { encoding: 'utf8', maxBuffer: 256 * 1024 * 1024, timeout: 60_000 },
  );
  return { stdout, stderr, status };
}

/** Name of a call → "calls errors", by strace. */
function counted(program: readonly string[]): Map<string, string> {
  const file = join(work, 'counts');
  spawnSync('strace', ['-f', '-c', '-o', file, '-U', 'calls,errors,name', ...program]);
  return new Map(
    [...readFileSync(file, 'utf8').matchAll(/^ *(\d+) +(\d+)? +(\w+)$/gm)]
      .filter(([, , , name]) => name !== 'total')
      .map(([, calls, errors = '0', name = '']) => [name, `${calls} ${errors}`]),
  );
}

interface Line {
  readonly tid: number;
  readonly call: string;
  readonly args: string;
  readonly result: string;
}

/** Every line is one of these; anything else fails. */
function parsed(text: string): Line[] {
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => {
      const match =
        /^ *\d+\.\d{3} \( *(?:>=)?\d+\.\d{3} ms\): .{1,15}\/(\d+) ([\w/]+)\((.*)\) (?:= (.*)|\.\.\.)$/.exec(
          line,
        );
      const again =
        /^ *\d+\.\d{3} \( *(?:>=)?\d+\.\d{3} ms\): .{1,15}\/(\d+) {2}\.\.\. \[continued\]: ([\w/]+)\(\)() = (.*)$/.exec(
          line,
        );
      const [, tid, call = '', args = '', result = '...'] = match ?? again ?? [];
      if (tid === undefined) throw new Error(`not a line of a call: ${line}`);
      return { tid: Number(tid), call, args, result };
    });
}

describe('strace', () => {
  test('-c counts as strace -c -f does; the exit code is that of the command', { timeout: 120_000 }, () => {
    const program = ['/bin/sh', '-c', SCRIPT];
    const truth = counted(program);
    const again = counted(program);
    const { stdout, status } = traced(['-c', '--json'], program);
    expect(status).toBe(7);
    const last = JSON.parse(stdout.trim().split('\n').at(-1) ?? '') as Picture;
    const ours = new Map(last.rows.map((row) => [String(row.call), row]));
    const known = [...truth].filter(([name, counts]) => !BY_CHANCE.has(name) && again.get(name) === counts);
    expect(known.length).toBeGreaterThan(20);
    expect(known.map(([name]) => [name, `${ours.get(name)?.calls} ${ours.get(name)?.errors}`])).toEqual(
      known,
    );
    const strangers = [...ours].filter(([name, row]) => !truth.has(name) && row.calls !== 0);
    expect(strangers.filter(([name]) => !BY_CHANCE.has(name))).toEqual([]);
    // sh, ls, four and one cat end by it.
    expect(ours.get('exit_group')).toMatchObject({ calls: 0, unfinished: 7 });
    expect(ours.get('execve')).toMatchObject({ calls: 7, errors: 0 });
    expect(number(ours.get('openat') as Row, 'max_us')).toBeGreaterThan(0);
    expect([last.lost, last.late]).toEqual([0, 0]);
  });

  test('names all files that ls opens, as strace -y does', { timeout: 120_000 }, () => {
    const file = join(work, 'lines');
    const program = ['ls', '-l', '/'];
    command('strace', ['-y', '-s', '4096', '-o', file, ...program]);
    const wanted = readFileSync(file, 'utf8').split('\n');
    const { stdout, stderr, status } = traced(['--plain'], program);
    expect(status).toBe(0);
    // What the command prints is not between the lines.
    expect(stderr).toMatch(/ etc\n/);
    const lines = parsed(stdout);
    const ofCalls = (names: readonly string[]) => lines.filter(({ call }) => names.includes(call));
    const opened = wanted.flatMap((line) => {
      const [, path, fd = '-1'] = /^openat\([^"]*"(.*)", .* = (?:(\d+)<.*|-1 .*)$/.exec(line) ?? [];
      return path === undefined ? [] : [`${path} ${fd}`];
    });
    const ours = ofCalls(['openat']).map(
      ({ args, result }) => `${/"(.*)"/.exec(args)?.[1]} ${/^-?\d+/.exec(result)?.[0]}`,
    );
    expect(opened.length).toBeGreaterThan(5);
    expect(ours).toEqual(opened);
    // The file of each descriptor at each call: of the same name, whatever links are on the way.
    const base = (text: string) => text.replace(/.*\//, '').replace(/\.so[.\d]*$/, '.so');
    const used = (text: string) => base(/^\d+<([^>]*)>/.exec(text)?.[1] ?? '');
    const theirs = wanted.flatMap((line) => {
      const [, call, args = ''] = /^(read|close|newfstatat|getdents64)\((\d+<.*)/.exec(line) ?? [];
      return call === undefined ? [] : [`${call} ${used(args)}`];
    });
    const files = ofCalls(['read', 'close', 'newfstatat', 'getdents64'])
      .filter(({ args }) => /^\d/.test(args))
      .map(({ call, args }) => `${call} ${used(args)}`);
    // What the command inherited is not the same; of a link strace shows where it leads.
    const own = (list: readonly string[]) =>
      list.filter((each) => !/ (pipe:.*|socket:.*|null|UTC|localtime|)$/.test(each));
    expect(own(files).length).toBeGreaterThan(10);
    expect(own(files)).toEqual(own(theirs));
    expect(lines[0]).toMatchObject({ call: 'execve', result: '0' });
    expect(lines.at(-1)).toMatchObject({ call: 'exit_group', result: '?' });
    expect(stdout).not.toContain('note:');
  });

  test('a thousand processes that open a file and end: every name is right', { timeout: 120_000 }, () => {
    const directory = join(work, 'many');
    mkdirSync(directory);
    for (let i = 0; i < CHILDREN; i += 1) writeFileSync(join(directory, `file-${i}`), '');
    const program = `
import os
for i in range(${CHILDREN}):
    path = b"${directory}/file-%d" % i
    if os.fork() == 0:
        os.open(path, os.O_RDONLY)
        os.open(path + b"-no", os.O_RDONLY) if i % 10 == 0 else 0
        os._exit(0)
    os.wait()
`;
    const script = join(work, 'many.py');
    // An error is an exception, which costs a child its end here.
    writeFileSync(
      script,
      program.replace('os.open(path + b"-no", os.O_RDONLY)', 'os.access(path + b"-no", os.R_OK)'),
    );
    const { stdout, status } = traced(['--plain', '-e', 'openat,access'], ['python3', script]);
    expect(status).toBe(0);
    const children = parsed(stdout).filter(({ args }) => args.includes(`${directory}/file-`));
    const opens = children.filter(({ call }) => call === 'openat');
    expect(opens.length).toBe(CHILDREN);
    expect(new Set(opens.map(({ tid }) => tid)).size).toBe(CHILDREN);
    for (const [i, { args, result }] of opens.entries()) {
      const path = join(directory, `file-${i}`);
      expect(args).toBe(`AT_FDCWD, "${path}", O_RDONLY|O_CLOEXEC`);
      expect(result).toMatch(/^\d+</);
      expect(result.replace(/^\d+/, '')).toBe(`<${path}>`);
    }
    const missing = children.filter(({ call }) => call === 'access');
    expect(missing.map(({ args, result }) => `${args} ${result}`)).toEqual(
      Array.from({ length: CHILDREN / 10 }, (_, i) => `"${directory}/file-${i * 10}-no", R_OK -1 ENOENT`),
    );
  });

  test('-p: what was open before, what is in flight, children too, and nobody else', {
    timeout: 60_000,
  }, async () => {
    const file = join(work, 'open-before');
    writeFileSync(file, 'x'.repeat(100));
    const loop = `exec 3< ${file}; read line; dd bs=10 count=1 <&3 of=/dev/null 2>/dev/null; echo done; read line`;
    const child = spawn('/bin/sh', ['-c', loop], { stdio: ['pipe', 'pipe', 'ignore'] });
    try {
      const said = new Promise((resolve) => child.stdout.once('data', resolve));
      const ktop = await startKtop(['strace', '-p', String(child.pid), '-i', '300']);
      try {
        await ktop.more(1);
        child.stdin.write('go\n');
        await said;
        const pictures = await ktop.stop();
        const log = pictures.flatMap((picture) => picture.log ?? []);
        const texts = log.map(({ text }) => String(text));
        expect(texts[0]).toMatch(
          /\( *>=\d+\.\d+ ms\): sh\/\d+ read\(0<(?:pipe|socket):\[\d+\]>, 0x[0-9a-f]+, 1\) \.\.\.$/,
        );
        expect(texts.filter((text) => / \.\.\. \[continued\]: read\(\) = 1$/.test(text)).length).toBe(1);
        // dd has it as its input.
        const reads = texts.filter((text) => /dd\/\d+ read\(0</.test(text));
        expect(reads.length).toBe(1);
        expect(reads[0]).toContain(`read(0<${file}>, `);
        expect(reads[0]).toMatch(/, 10\) = 10$/);
        const writes = texts.filter((text) => /dd\/\d+ write\(1</.test(text));
        expect(writes.map((text) => text.replace(/^.*: dd\/\d+ |0x\w+/g, ''))).toEqual([
          'write(1</dev/null>, , 10) = 10',
        ]);
        expect(new Set(log.map(({ comm }) => comm))).toEqual(new Set(['sh', 'dd']));
      } finally {
        await ktop.kill();
      }
    } finally {
      child.kill('SIGKILL');
    }
  });

  test('of the whole system: not what ktop does; -e and --than', { timeout: 60_000 }, async () => {
    const load = spawn('/bin/sh', ['-c', 'while :; do sleep 0.05; done'], { stdio: 'ignore' });
    try {
      const ktop = await startKtop(['strace', '-e', 'clock_nanosleep,openat', '--than', '20', '-i', '300']);
      try {
        await ktop.more(2);
        const pictures = await ktop.stop();
        const log = pictures.flatMap((picture) => picture.log ?? []);
        const slept = log.filter(({ comm }) => comm === 'sleep');
        expect(slept.length).toBeGreaterThan(3);
        for (const { text } of slept) expect(text).toMatch(/clock_nanosleep\(\)?/);
        expect(log.filter(({ pid }) => pid === ktop.pid)).toEqual([]);
        const calls = new Set(
          pictures.flatMap(({ rows }) => rows.map(({ call }) => String(call).replace('/32', ''))),
        );
        expect([...calls].filter((call) => call !== 'clock_nanosleep' && call !== 'openat')).toEqual([]);
      } finally {
        await ktop.kill();
      }
    } finally {
      load.kill('SIGKILL');
    }
  });

  test('a command that is not there, and one that is killed', { timeout: 60_000 }, () => {
    const missing = traced(['--plain'], ['no-such-command-at-all']);
    expect(missing.status).toBe(2);
    expect(missing.stderr).toMatch(/"no-such-command-at-all" is no program that can be started; /);
    expect(traced(['--plain'], ['sh', '-c', 'kill -9 $$']).status).toBe(137);
  });
});
