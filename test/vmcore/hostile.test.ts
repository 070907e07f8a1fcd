/** Names of tasks and lines of the log that would do something to a terminal, from a guest that really had them. */
import { join } from 'node:path';
import { beforeAll, expect, test } from 'vitest';
import { type Pty, spawn } from '../e2e/pty.ts';
import { ktop } from '../e2e/run-cli.ts';
import { paths } from '../helpers/paths.ts';
import type { Core } from './lab/cores.ts';
import { labCores, MAKE_MS } from './read.ts';

let cores: readonly Core[] = [];
beforeAll(async () => {
  cores = (await labCores()).filter(({ truth }) => truth.hostile);
}, MAKE_MS);

const fileOf = ({ truth, directory }: Core) => join(directory, truth.files.flat ?? '');

/** Controls, marks of direction and the like, and what takes no place of its own. */
const HARMFUL = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}]/u;
// biome-ignore lint/suspicious/noControlCharactersInRegex: that is what is looked for
const CONTROL = /[\u0000-\u001f\u007f-\u009f]/;

test('the guests had such names', () => {
  expect(cores.length).toBeGreaterThanOrEqual(2);
  for (const { truth } of cores) {
    expect(truth.tasks.filter(({ comm }) => HARMFUL.test(comm)).length).toBeGreaterThanOrEqual(4);
    expect(CONTROL.test(truth.panic.comm)).toBe(true);
  }
});

test('the report as text holds none of it', async () => {
  for (const core of cores) {
    const { code, stdout, stderr } = await ktop(['vmcore', fileOf(core), '--plain']);
    expect(stderr).toBe('');
    expect(code).toBe(0);
    for (const line of stdout.split('\n')) expect(HARMFUL.test(line), JSON.stringify(line)).toBe(false);
    // It is there all the same.
    expect(stdout).toContain('[31mred');
    expect(stdout).toContain('hostile: ');
    expect(stdout).toContain('txt.exe');
  }
});

test('the report as JSON holds the names as they are', async () => {
  for (const core of cores) {
    const { stdout } = await ktop(['vmcore', fileOf(core), '--json']);
    const report = JSON.parse(stdout) as { crash: { panic_task: { pid: number; comm: string } } };
    expect(report.crash.panic_task).toMatchObject({ pid: core.truth.panic.pid, comm: core.truth.panic.comm });
    // One line, whatever is in it.
    expect(stdout.trimEnd()).not.toMatch(CONTROL);
  }
});

test('the dashboard draws none of it', async () => {
  for (const core of cores.slice(-1)) {
    const pty: Pty = spawn(paths.node(), [paths.ktop, 'vmcore', fileOf(core)], { cols: 200, rows: 50 });
    try {
      await pty.waitFor(/sysrq triggered crash/, 30_000);
      // Through all tabs, once around.
      const seen = new Set<string>();
      for (let i = 0; i < 20; i++) {
        pty.send('\t');
        await new Promise((resolve) => setTimeout(resolve, 300));
        for (const line of pty.screen()) seen.add(line);
      }
      expect([...seen].some((line) => line.includes('[31mred'))).toBe(true);
      const output = pty.output();
      // What ktop itself sends to the terminal has neither titles, nor C1 controls, nor marks of direction.
      expect(output).not.toContain('\u001b]0;title');
      expect(output).not.toContain('\u001b[31mred');
      expect(output).not.toMatch(/[\u0080-\u009f\u202a-\u202e\u2066-\u2069]/);
    } finally {
      pty.send('q');
      await pty.exit;
    }
  }
}, 120_000);
