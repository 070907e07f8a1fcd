/** Completion and the manual, as the shells and `man` themselves understand them. */
import { spawnSync } from 'node:child_process';
import { describe, expect, test } from 'vitest';
import { COMMAND_TABLE } from '../../src/cli/command-table.ts';
import { completionText } from '../../src/cli/completion.ts';
import { manualText } from '../../src/cli/manual.ts';
import { OPTIONS } from '../../src/cli/option-table.ts';
import { monitors } from '../../src/monitors/index.ts';

function run(program: string, args: readonly string[]): string {
  const { status, stdout, stderr } = spawnSync(program, args, { encoding: 'utf8' });
  expect({ program, status, stderr }).toEqual({ program, status: 0, stderr: '' });
  return stdout;
}

const places = [...new Set([...monitors, ...COMMAND_TABLE].map(({ name }) => name))];

describe('bash', () => {
  const script = completionText('bash', monitors);
  const complete = (...words: string[]) =>
    run('bash', [
      '-c',
      `${script}\nCOMP_WORDS=("$@") COMP_CWORD=$(($# - 1)); _ktop; printf '%s\\n' "\${COMPREPLY[@]}"`,
      'bash',
      ...words,
    ])
      .split('\n')
      .filter(Boolean);

  test('first monitors and commands', () => {
    expect(complete('ktop', '').sort()).toEqual([...places].sort());
    expect(complete('ktop', 'kv')).toEqual(['kvm-exit']);
  });

  test('then the options that belong there', () => {
    expect(complete('ktop', 'kvm-exit', '--perc')).toEqual(['--percpu']);
    expect(complete('ktop', 'nettop', '--perc')).toEqual([]);
    expect(complete('ktop', 'replay', '--sp')).toEqual(['--speed']);
    const general = OPTIONS.filter(({ uses }) => uses === undefined).map(({ name }) => `--${name}`);
    expect(complete('ktop', '--').sort()).toEqual(general.sort());
  });

  test('monitors behind record, files behind replay and behind an option that takes one', () => {
    expect(complete('ktop', 'probe', 'wa')).toEqual(['watch']);
    expect(complete('ktop', 'record', 'net')).toEqual(['nettop']);
    expect(complete('ktop', 'replay', 'package.j')).toEqual(['package.json']);
    expect(complete('ktop', 'kvm-exit', '--record', 'package.j')).toEqual(['package.json']);
    expect(complete('ktop', 'kvm-exit', 'package.j')).toEqual([]);
  });
});

test('zsh takes the same', () => {
  const script = completionText('zsh', monitors);
  expect(script.startsWith('#compdef ktop\n')).toBe(true);
  const out = run('zsh', ['-fc', `autoload -U compinit && compinit -D -u; ${script}\necho $_comps[ktop]`]);
  expect(out).toContain('_bash_complete');
});

test('fish', () => {
  const script = completionText('fish', monitors);
  const complete = (line: string) =>
    run('fish', ['--no-config', '-c', `${script}complete -C '${line}'`])
      .split('\n')
      .filter(Boolean)
      .map((each) => each.split('\t')[0]);
  expect(complete('ktop ').sort()).toEqual([...places].sort());
  expect(complete('ktop kvm-exit --perc')).toEqual(['--percpu']);
  expect(complete('ktop replay package.j')).toEqual(['package.json']);
  expect(complete('ktop completion z')).toEqual(['zsh']);
});

describe('the manual', () => {
  test('is a page without a warning, and has every monitor, command and option', () => {
    const { status, stdout, stderr } = spawnSync('man', ['--warnings', '-E', 'UTF-8', '-l', '-'], {
      input: manualText(monitors),
      env: { ...process.env, MANWIDTH: '100', LC_ALL: 'C.UTF-8' },
      encoding: 'utf8',
    });
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
    // biome-ignore lint/suspicious/noControlCharactersInRegex: overstriking is what man prints for bold.
    const text = stdout.replace(/.\x08/g, '');
    for (const name of places) expect(text).toContain(name);
    for (const { name, uses } of OPTIONS)
      if (uses === undefined || monitors.some(({ options }) => options.includes(uses)))
        expect(text).toContain(`--${name}`);
    expect(text).toContain('ktop replay FILE [MONITOR] [--speed X]');
  });
});
