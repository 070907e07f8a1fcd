/** Bad input for the options of the newer monitors: one line, the exit code of the contract, nothing left behind. */
import { readdirSync } from 'node:fs';
import { afterAll, describe, expect, test } from 'vitest';
import { ktop } from './run-cli.ts';

const instances = () =>
  readdirSync('/sys/kernel/tracing/instances').filter((name) => name.startsWith('ktop_'));
const LONG = `prev_pid==${'1'.repeat(4100)}`;

describe('bad input', () => {
  const before = new Set(instances());

  test.each([
    ['irq-off', ['-L', 'soon'], 2, 'is not a duration'],
    ['irq-off', ['-L', '-5'], 2, 'duration'],
    ['irq-off', ['-L', '0'], 2, 'is not a duration above 0'],
    ['irq-off', ['-C', '4095'], 2, 'online are'],
    ['irq-off', ['-C', ''], 2, '-C/--cpu'],
    ['irq-off', ['-e', 'sched:sched_switch'], 2, 'monitors that do'],
    ['profile', ['-F', 'fast'], 2, 'is not a whole number'],
    ['profile', ['-F', '0'], 2, 'out of range'],
    ['profile', ['-F', '-1'], 2, '-F/--freq'],
    ['profile', ['-F', '10001'], 2, 'out of range'],
    ['profile', ['--than', '101'], 2, 'is not a share in percent'],
    ['profile', ['--than', '5ms'], 2, 'is not a share in percent'],
    ['profile', ['--exclude-user', '--exclude-kernel'], 2, '--exclude'],
    ['profile', ['--exclude-guest', '--guest'], 2, 'guest'],
    ['trace', ['-e', ''], 2, 'needs a value'],
    ['trace', ['-e', 'sched_switch'], 2, 'write system:name'],
    ['trace', ['-e', 'sched:sched_switch,'], 2, 'is not an event'],
    ['trace', ['-e', 'sched:sched_switch/prev_pid==1'], 2, 'has no end'],
    ['trace', ['-e', 'sched:sched_switch', '--filter', ' '], 2, 'the filter is empty'],
    ['trace', ['-e', 'sched:sched_switch', '--filter', LONG], 2, 'the kernel takes 4095 at most'],
    ['trace', ['-e', 'sched:sched_switch', '--filter', 'prev_pdi==1'], 2, 'nearest "prev_pid"'],
    ['trace', ['-e', 'sched:no_such'], 3, 'sched:no_such'],
    ['signal', ['--filter', ' '], 2, 'the filter is empty'],
    ['signal', ['--than', '5'], 2, 'monitors that do'],
    ['watchdog', ['-F', 'x'], 2, 'is not a whole number'],
    ['watchdog', ['-C', '0-'], 2, 'is not a list of CPUs'],
    ['split-lock', ['-T', '-1'], 2, '-T/--trigger'],
    ['split-lock', ['-T', 'x'], 2, 'is not a whole number'],
    ['percpu-stat', ['-C', 'all'], 2, 'is not a list of CPUs'],
    ['percpu-stat', ['-m', '4'], 2, 'monitors that do'],
    ['mpdelay', ['-e', 'sched:sched_wakeup'], 2, 'at least 2 events'],
    ['mpdelay', ['-e', 'sched:sched_wakeup,no:such'], 3, 'no:such'],
    ['mpdelay', ['--key', '1x'], 2, 'is not the name of a field'],
    ['mpdelay', ['-e', 'sched:sched_wakeup,sched:sched_switch', '--key', 'pdi'], 2, 'pdi'],
    ['mpdelay', ['--than', '-3'], 2, 'duration'],
    ['mpdelay', ['-m', '3'], 2, 'is not a power of two'],
  ] as const)('ktop %s %j', async (monitor, args, code, text) => {
    const result = await ktop([monitor, ...args, '--json', '-n', '1', '-i', '100']);
    expect(result.stderr).toMatch(/^ktop: [^\n]*\n$/);
    expect(result.stderr).toContain(text);
    expect(result).toMatchObject({ code, stdout: '' });
  });

  afterAll(() => {
    expect(instances().filter((name) => !before.has(name))).toEqual([]);
  });
});
