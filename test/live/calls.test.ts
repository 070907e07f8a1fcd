/** calls where functions cannot be traced: system calls and events, against programs that know what they did. */
import { mkdtempSync, readFileSync, rmSync, statfsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ktop as runKtop } from '../e2e/run-cli.ts';
import { number, type Picture } from '../helpers/ktop.ts';
import { workload } from '../helpers/workload.ts';

const EXT4 = 0xef53;
const TRACING = '/sys/kernel/tracing';
const traced = readFileSync(`${TRACING}/available_tracers`, 'utf8').includes('function_graph');

const pictures = (text: string): Picture[] =>
  text
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line) as Picture);

let place: string;
beforeAll(() => {
  place = mkdtempSync(join(tmpdir(), 'ktop-calls-'));
});
afterAll(() => rmSync(place, { recursive: true, force: true }));

describe('calls of a command', () => {
  test('with its threads and children: as often as it says', { timeout: 60_000 }, async () => {
    const run = await runKtop(['calls', '--json', '-i', '1000', '--', workload('calls'), 'mix']);
    expect(run.code).toBe(0);
    const truth = (JSON.parse(run.stderr.trim()) as { calls: Record<string, number> }).calls;
    const seen = pictures(run.stdout);
    for (const picture of seen) expect(picture).toMatchObject({ backend: 'tracefs', lost: 0, unseen: 0 });
    const rows = new Map(seen.at(-1)?.rows.map((row) => [row.function, number(row, 'calls')]));
    for (const call of ['getppid', 'fchdir', 'chdir', 'tgkill', 'getpgrp'])
      expect([call, rows.get(call)]).toEqual([call, truth[call]]);
    expect(seen.at(-1)?.notes?.join()).toContain('ended with exit code 0');
  });

  test('the first line is at 0, every call returns but the last', { timeout: 30_000 }, async () => {
    const run = await runKtop(['calls', '--json', '-i', '500', '--', 'sh', '-c', 'exit 7']);
    expect(run.code).toBe(0);
    const lines = pictures(run.stdout).flatMap(({ log = [] }) => log.map(({ text }) => String(text)));
    expect(lines[0]).toMatch(/^ {5}0 .+: -> execve$/);
    const open: string[] = [];
    for (const line of lines) {
      const [, indent = '', arrow, name = ''] = /\): ( *)(->|<-|--) (\S+)/.exec(line) ?? [];
      expect(indent.length, line).toBe(arrow === '<-' ? open.length - 1 : open.length);
      if (arrow === '->') open.push(name);
      if (arrow === '<-') expect(open.pop()).toBe(name);
    }
    expect(open).toEqual([]);
    expect(lines.at(-1)).toMatch(/<- exit_group {2}\(no return seen\)$/);
    expect(run.stdout).toContain('sh ended with exit code 7');
  });

  test('a program that is not there is a usage error', { timeout: 30_000 }, async () => {
    const run = await runKtop(['calls', '--json', '--', 'no-such-program-of-ktop']);
    expect(run.code).toBe(2);
    expect(run.stderr).toContain('no program "no-such-program-of-ktop"');
  });
});

if (!traced)
  test('names that no event has are said', { timeout: 30_000 }, async () => {
    const run = await runKtop(['calls', 'nosuch_*', '--json', '-n', '1', '-i', '200']);
    expect(run.code).toBe(0);
    expect(pictures(run.stdout)[0]?.notes).toContain('no event of this kernel is called nosuch:nosuch_*');
  });

// Where functions can be traced the lab's tests are right; the events are those of one file system.
if (!traced && statfsSync(tmpdir()).type === EXT4)
  test('calls where the kernel lets no functions be traced: ext4_*: system calls in which events of ext4 happened, and a note', {
    timeout: 30_000,
  }, async () => {
    const file = join(place, 'gone');
    const script = `echo x >'${file}'; rm '${file}'`;
    const run = await runKtop(['calls', 'ext3_*', '--plain', '-i', '500', '--', 'sh', '-c', script]);
    expect(run.code).toBe(0);
    expect(run.stdout).toContain('note: no function calls here, but system calls and events: ');
    // As the kernel's own events have it: ext4_unlink_enter and _exit, inside unlinkat.
    const lines = run.stdout.split('\n').map((line) => /^ *\d+ rm\(\d+\): ( *)(->|<-) (\S+)/.exec(line));
    const steps = lines.flatMap((match) => (match === null ? [] : [`${match[1]}${match[2]} ${match[3]}`]));
    const at = steps.indexOf(' -> ext4_unlink');
    expect(steps.slice(0, at).findLast((step) => step.startsWith('->'))).toBe('-> unlinkat');
    expect(steps.indexOf(' <- ext4_unlink')).toBeGreaterThan(at);
    expect(steps.slice(at).find((step) => step.startsWith('<-'))).toBe('<- unlinkat');
    // System calls in which nothing of it happened are not told.
    expect(run.stdout).not.toContain('-> brk');
  });
