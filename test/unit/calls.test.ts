/** What `ktop calls` makes of a command line: which plan, and which part is for the command. */
import { describe, expect, test } from 'vitest';
import { parseCommand } from '../../src/cli/parse.ts';
import { UsageError } from '../../src/cli/usage-error.ts';
import { monitors } from '../../src/monitors/index.ts';
import type { Options, Plan } from '../../src/monitors/monitor.ts';

function optionsOf(...argv: string[]): Options {
  const command = parseCommand(['calls', ...argv], monitors, false);
  if (command.kind !== 'stream') throw new Error(command.kind);
  return command.options;
}

const planOf = (...argv: string[]): Plan => {
  const monitor = monitors.find(({ name }) => name === 'calls');
  if (monitor === undefined) throw new Error('no monitor calls');
  return monitor.plan(optionsOf(...argv));
};

function refused(argv: readonly string[]): string {
  try {
    parseCommand(argv, monitors, false);
  } catch (error) {
    if (error instanceof UsageError) return error.message;
    throw error;
  }
  return '';
}

describe('the command line of calls', () => {
  test('functions are words, the command stands behind --, with options of its own', () => {
    const options = optionsOf(
      'ext4_*',
      ':mod:loop',
      '-g',
      'do_sys_openat2',
      '--depth',
      '3',
      '--',
      'ls',
      '-g',
      '--x',
    );
    expect(options).toMatchObject({
      functions: ['ext4_*', ':mod:loop'],
      subtrees: ['do_sys_openat2'],
      depth: 3,
      command: ['ls', '-g', '--x'],
    });
    expect(options.command_quiet).toBeUndefined();
  });

  test('on the screen what the command says goes elsewhere', () => {
    const command = parseCommand(['calls', '--', 'ls'], monitors, true);
    if (command.kind !== 'dashboard') throw new Error(command.kind);
    expect(command.options('calls')).toMatchObject({ command: ['ls'], command_quiet: true });
    expect(command.options('profile').command).toBeUndefined();
  });

  test('-g of others is theirs', () => {
    const command = parseCommand(['trace', '-g'], monitors, false);
    expect(command).toMatchObject({ options: { callgraph: true } });
    expect(refused(['trace', '-g', 'do_sys_openat2'])).toContain('unexpected argument');
  });

  test('what cannot be is refused in one sentence', () => {
    expect(refused(['calls', '--'])).toContain('no command behind --');
    expect(refused(['nettop', '--', 'ls'])).toMatch(/^nettop starts no command .*\bcalls\b/);
    expect(refused(['calls', 'a;b'])).toContain('takes a function');
    expect(refused(['calls', '--input', 'perf.data', 'ext4_*'])).toContain('--input');
  });
});

describe('the plan of calls', () => {
  test('no function is named: none is traced', () => {
    for (const argv of [[], ['--', 'ls'], ['-p', '1']]) expect(planOf(...argv).graph).toBeUndefined();
  });

  test('all functions only when that is said', () => {
    expect(planOf('--all').graph?.functions).toEqual([]);
    expect(planOf('-g', 'vfs_read').graph).toMatchObject({ functions: [], subtrees: ['vfs_read'] });
    expect(planOf('vfs_*').graph?.functions).toEqual(['vfs_*']);
  });

  test('ext3 is ext4, and that is said', () => {
    const plan = planOf('ext3_*', 'vfs_*');
    expect(plan.graph?.functions).toEqual(['ext4_*', 'vfs_*']);
    expect(plan.notes?.join()).toContain('ext4');
    expect(planOf('ext4_*').notes).toEqual([]);
  });

  test('slow calls are known by their return alone', () => {
    const plan = planOf('vfs_*', '--than', '1ms');
    expect(plan.graph?.than_us).toBe(1000);
    expect(plan.events.map(({ names }) => names)).toEqual([['ftrace:funcgraph_exit']]);
  });

  test('where functions cannot be traced: events of that name, and what cannot be done is said', () => {
    const { otherwise } = planOf('xfs_*', ':mod:btrfs', '--depth', '2');
    expect(otherwise?.graph).toBeUndefined();
    expect(otherwise?.events.at(-1)?.names).toEqual(['xfs:xfs_*', 'btrfs:*']);
    expect(otherwise?.notes?.join()).toContain('--depth');
    expect(otherwise?.operators.at(-1)).toMatchObject({ op: 'calls', only: true });
  });

  test('the command of the fallback is the same', () => {
    const plan = planOf('ext4_*', '--', 'ls', '/');
    expect(plan.command).toEqual(['ls', '/']);
    expect(plan.otherwise?.command).toEqual(['ls', '/']);
  });
});
