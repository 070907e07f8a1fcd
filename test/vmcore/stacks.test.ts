/**
 * Stacks of sleeping tasks against two witnesses: drgn, which unwinds with DWARF, where it can read the core (its
 * version in Debian knows kernels to 6.3); and the guest's own kernel, of tasks that have not run since they were
 * looked at in /proc/PID/stack.
 */
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { beforeAll, describe, expect, test } from 'vitest';
import { openCore } from '../../src/vmcore/open.ts';
import type { Frame } from '../../src/vmcore/report.ts';
import { command } from '../helpers/command.ts';
import { findKernels } from '../lab/kernels.ts';
import { buildModule } from '../lab/module.ts';
import { debugVmlinux } from '../lab/vmlinux.ts';
import { CULPRIT } from './lab/initramfs.ts';
import { MAKE_MS, type ReadCore, readLab } from './read.ts';

/** Shaped as /proc/vmcore, which it wants. */
const BY_DRGN = ['abba-c', 'null-e'];

let read: readonly ReadCore[] = [];
beforeAll(async () => {
  read = await readLab(({ name, stacks }) => stacks.length > 0 || BY_DRGN.includes(name));
}, MAKE_MS);

const PYTHON = '/usr/bin/python3';
const DRGN = fileURLToPath(new URL('drgn-stacks.py', import.meta.url));
const DRGN_SERIES = '6.1';
const FIRST_KERNEL_ADDRESS = 0xffff800000000000n;

const stackOf = ({ report }: ReadCore, pid: number) => {
  const stack = report.sections.backtraces?.stacks?.find((each) => each.pid === pid);
  if (stack === undefined) throw new Error(`the report has no stack of ${pid}`);
  return stack;
};

/** To the kernel a function of a module is as large as the way to the next one: sizes are left out. */
const text = ({ function: name, offset = 0, module }: Frame) =>
  `${name}+0x${offset.toString(16)}${module === undefined ? '' : ` [${module}]`}`;
const withoutSize = (frame: string) => frame.replace(/\/0x[0-9a-f]+/, '');

test('frame for frame as the guest’s own kernel', () => {
  let compared = 0;
  const looked = read.filter(({ truth }) => truth.stacks.length > 0);
  expect(new Set(looked.map(({ truth }) => truth.release)).size).toBe(2);
  expect(new Set(looked.map(({ truth }) => truth.page_levels)).size).toBe(2);
  for (const core of looked) {
    const { truth, file } = core;
    const open = openCore(file, { cache: '' });
    const [from, to] = [open.ctx()?.sym('__sched_text_start'), open.ctx()?.sym('__sched_text_end')];
    open.close();
    if (from === undefined || to === undefined) throw new Error(`${truth.name} has no scheduler`);
    const schedules = ({ ip }: Frame) => BigInt(ip) >= from && BigInt(ip) < to;
    const tasks = new Map(truth.tasks.map((task) => [task.pid, task]));
    for (const { pid, switches, frames } of truth.stacks) {
      const task = tasks.get(pid);
      if (task === undefined || task.oncpu || task.switches !== switches) continue;
      // That file leaves out the frames of the scheduler, which are on top.
      const stack = stackOf(core, pid);
      const first = stack.frames.findIndex((frame) => !schedules(frame));
      expect(first, `${truth.name} ${pid}`).toBeGreaterThan(0);
      expect(stack.frames.slice(first).map(text), `${truth.name} ${pid} ${stack.comm}`).toEqual(
        frames.map(withoutSize),
      );
      expect(stack.exact).toBe(true);
      compared++;
    }
  }
  expect(compared).toBeGreaterThan(40 * looked.length);
});

interface DrgnStack {
  readonly pid: number;
  readonly task: string;
  readonly ips?: readonly string[];
  readonly error?: string;
}

describe('frame for frame as drgn', () => {
  test.each(BY_DRGN)(
    '%s',
    (name) => {
      const core = read.find(({ truth }) => truth.name === name);
      if (core?.truth.files.proc === undefined) throw new Error(`the lab has no /proc/vmcore of ${name}`);
      const kernel = findKernels().find(({ series }) => series === DRGN_SERIES);
      if (kernel === undefined) throw new Error(`apt has no kernel ${DRGN_SERIES}`);
      const symbols = [debugVmlinux(kernel), buildModule(kernel, CULPRIT)];
      const said = command(PYTHON, [DRGN, join(core.directory, core.truth.files.proc), ...symbols]);
      const stacks = said
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line) as DrgnStack);
      expect(stacks.length).toBeGreaterThan(50);
      expect(stacks.length).toBe(core.truth.tasks.filter(({ oncpu }) => !oncpu).length);
      for (const { pid, ips = [], error } of stacks) {
        expect(error).toBeUndefined();
        // It goes on into user space.
        const kernelIps = ips.filter((ip) => BigInt(ip) >= FIRST_KERNEL_ADDRESS);
        const ours = stackOf(core, pid);
        expect(
          ours.frames.map(({ ip }) => ip),
          `${name} ${pid} ${ours.comm}`,
        ).toEqual(kernelIps);
      }
    },
    600_000,
  );
});
