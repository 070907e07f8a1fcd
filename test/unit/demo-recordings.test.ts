/** The recordings that come with ktop: whole, small, and each shows what its sidecar says of it. */
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { monitors } from '../../src/monitors/index.ts';
import { jsonLine } from '../../src/output/json.ts';
import { RecordingFile } from '../../src/recording/file.ts';
import { snapshotsOf } from '../../src/recording/reading.ts';
import { coreTabs } from '../../src/vmcore/screen/tabs.ts';
import { number, type Picture, type Row } from '../helpers/ktop.ts';

const HERE = fileURLToPath(new URL('../../demo-recordings/', import.meta.url));
const MOST_BYTES = 1024 * 1024;
const TABS = [...monitors, ...coreTabs];

function seen(recording: string, name: string): Picture[] {
  const file = new RecordingFile(join(HERE, `${recording}.ktop`));
  const tab = TABS.find((each) => each.name === name);
  if (tab === undefined) throw new Error(`no monitor ${name}`);
  const pictures = [...snapshotsOf(file, name)].map((one) => JSON.parse(jsonLine(tab, one)) as Picture);
  file.close();
  return pictures;
}

const rowsOf = (pictures: readonly Picture[]): Row[] => pictures.flatMap(({ rows }) => rows);
const logOf = (pictures: readonly Picture[]): string[] =>
  pictures.flatMap(({ log = [] }) => log.map(({ text }) => String(text)));
const most = (rows: readonly Row[], key: string): number =>
  rows.reduce((top, row) => Math.max(top, number(row, key)), 0);

const RECORDINGS = readdirSync(HERE)
  .filter((name) => name.endsWith('.ktop'))
  .map((name) => name.slice(0, -'.ktop'.length));

test('there are eight or more', () => expect(RECORDINGS.length).toBeGreaterThanOrEqual(8));

describe.each(RECORDINGS)('%s', (name) => {
  const path = join(HERE, `${name}.ktop`);

  test('is whole, small, and tells how it was made and what to notice', () => {
    expect(statSync(path).size).toBeLessThanOrEqual(MOST_BYTES);
    const file = new RecordingFile(path);
    expect([...snapshotsOf(file)].length).toBeGreaterThan(10);
    expect(file.damage).toEqual([]);
    file.close();
    const [made, empty, notice] = readFileSync(join(HERE, `${name}.md`), 'utf8').split('\n');
    expect(made?.length).toBeGreaterThan(40);
    expect(empty).toBe('');
    expect(notice).toMatch(/^Notice: .{40,}/);
  });
});

describe('what is to be noticed is there', () => {
  test('disk-stall: writers hang in D for more than a second; little gets through, then a burst', () => {
    const stays = logOf(seen('disk-stall', 'task-state')).filter((text) => /^1\d{3}\.\d ms in D/.test(text));
    expect(stays.length).toBeGreaterThan(10);
    const written = seen('disk-stall', 'disktop').map(({ rows }) =>
      rows
        .filter((row) => row.comm === 'w-disk' && row.op === 'W')
        .reduce((sum, row) => sum + number(row, 'bytes'), 0),
    );
    expect(written.filter((bytes) => bytes > 0 && bytes <= 256 << 10).length).toBeGreaterThan(8);
    expect(Math.max(...written)).toBeGreaterThan(256 << 10);
  });

  test('network-flood: the sender is at the top, by process and device', () => {
    const top = seen('network-flood', 'nettop').flatMap(({ rows }) =>
      rows.toSorted((a, b) => number(b, 'xmit_pk') - number(a, 'xmit_pk')).slice(0, 1),
    );
    const floods = top.filter(({ comm, dev }) => comm === 'w-storm' && dev === 'lo');
    expect(floods.length).toBeGreaterThan(5);
    expect(most(floods, 'xmit_pk')).toBeGreaterThan(1000);
  });

  test('kvm-exits: every reason, and how long the host takes', () => {
    const pictures = seen('kvm-exits', 'kvm-exit');
    const reasons = new Set(rowsOf(pictures).map((row) => row.exit_reason));
    for (const reason of ['cpuid', 'io', 'npf', 'hlt']) expect(reasons).toContain(reason);
    expect(logOf(pictures).length).toBeGreaterThan(10);
    for (const text of logOf(pictures)) expect(text).not.toMatch(/^hlt/);
  });

  test('kernel-leak: one stack grows', () => {
    const pictures = seen('kernel-leak', 'kmemleak');
    const counts = pictures.map(({ rows }) =>
      rows
        .filter(({ site }) => /^load_msg\+/.test(String(site)))
        .reduce((n, row) => n + number(row, 'count'), 0),
    );
    expect(Math.max(...counts)).toBeGreaterThanOrEqual(6400);
    expect(new Set(counts).size).toBeGreaterThan(5);
    expect(rowsOf(pictures).some(({ stack }) => /load_msg\+.*msgsnd/.test(String(stack)))).toBe(true);
  });

  test('irqs-off: which CPU, how long, and where interrupts came on again', () => {
    const rows = seen('irqs-off', 'irq-off').at(-1)?.rows ?? [];
    const longest = (cpu: number) =>
      most(
        rows.filter((row) => row.cpu === cpu),
        'max_us',
      );
    expect(longest(1)).toBeGreaterThan(490_000);
    expect(longest(0)).toBeGreaterThan(240_000);
  });

  test('syscall-storm: who calls what how often; what waiting for a CPU costs; where the kernel is', () => {
    const calls = rowsOf(seen('syscall-storm', 'syscalls')).filter(({ comm }) => comm === 'w-storm');
    const most_calls = (call: string) =>
      most(
        calls.filter((row) => row.call === call),
        'calls',
      );
    for (const call of ['getppid', 'read', 'write', 'close']) expect(most_calls(call)).toBeGreaterThan(100);
    const waits = rowsOf(seen('syscall-storm', 'rundelay')).filter(({ comm }) => comm === 'w-storm');
    expect(most(waits, 'total_ms')).toBeGreaterThan(100);
    const stacks = rowsOf(seen('syscall-storm', 'profile')).filter(({ comm }) => comm === 'w-storm');
    expect(stacks.length).toBeGreaterThan(10);
  });

  test('soft-lockup: foretold before it is one', () => {
    const states = seen('soft-lockup', 'watchdog').flatMap(({ rows }) =>
      rows.filter(({ cpu }) => cpu === 1).map(({ state }) => String(state)),
    );
    const foretold = states.findIndex((state) => /WILL/.test(state));
    expect(foretold).toBeGreaterThan(0);
    expect(states.findIndex((state) => /SOFT LOCKUP/.test(state))).toBeGreaterThan(foretold);
  });

  test('signals: who sends what to whom, the events, the time to delivery', () => {
    const rows = rowsOf(seen('signals', 'signal'));
    for (const [sender_comm, receiver_comm, sig] of [
      ['w-signals', 'w-receiver', 'USR1'],
      ['waits', 'w-stopped', 'CONT'],
    ])
      expect(rows).toContainEqual(expect.objectContaining({ sender_comm, receiver_comm, sig }));
    expect(logOf(seen('signals', 'trace')).length).toBeGreaterThan(50);
    expect(most(rowsOf(seen('signals', 'mpdelay')), 'calls')).toBeGreaterThan(1);
  });

  test('vmcore-deadlock: who holds what', () => {
    const facts = seen('vmcore-deadlock', 'core').at(-1)?.rows ?? [];
    const value = (fact: string) => facts.find((row) => row.fact === fact)?.value;
    expect(value('panic')).toMatch(/hung_task/);
    expect(value('blame')).toMatch(/^take_second/);
    expect(JSON.stringify(seen('vmcore-deadlock', 'core-locks'))).toMatch(/culprit_alpha_lock/);
  });
});
