/** signal against a program that knows what it sent, against bpftrace and against the kernel's counter. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { beforeAll, describe, expect, test } from 'vitest';
import { number, type Picture, type Row, startKtop, sum, watch } from '../helpers/ktop.ts';
import { bpftrace, perfStat } from '../helpers/oracle.ts';
import { runLoad } from '../helpers/workload.ts';
import { accounted, total } from './accounting.ts';

interface Truth {
  readonly sender: number;
  readonly receiver: number;
  readonly fault: number;
  readonly kills: number;
  readonly queued: number;
  readonly pending: number;
  readonly timers: number;
}

const EVENT = 'signal:signal_generate';
const COUNTS = [200, 50, 7] as const;

/** Everything in which one of these processes had a part: receiver, signal, origin, result → count. */
function told(pictures: readonly Picture[], of: readonly number[]): Map<string, number> {
  const counts = new Map<string, number>();
  for (const row of pictures.flatMap(({ rows }) => rows)) {
    if (!of.includes(number(row, 'sender')) || !of.includes(number(row, 'receiver'))) continue;
    const key = `${row.sender} > ${row.receiver} ${row.number}`;
    counts.set(key, (counts.get(key) ?? 0) + number(row, 'count'));
  }
  return counts;
}

describe('signal', () => {
  let pictures: readonly Picture[] = [];
  let truth: Truth;
  let witness: string[] = [];
  let least = 0;
  let most = 0;

  beforeAll(async () => {
    const program = `tracepoint:${EVENT} { printf("%d > %d %d\\n", pid, args->pid, args->sig); }`;
    const traced = await bpftrace(program);
    const outer = await perfStat([EVENT]);
    const run = await watch(['signal', '-i', '500'], async () => {
      const inner = await perfStat([EVENT]);
      const load = await runLoad<Truth>('signals', COUNTS);
      least = total(await inner.stop());
      return load;
    });
    most = total(await outer.stop());
    witness = await traced.stop();
    ({ pictures, load: truth } = run);
  }, 60_000);

  const where = (wanted: Row) => (row: Row) =>
    Object.entries(wanted).every(([key, value]) => row[key] === value);

  test('kill and sigqueue: exact, by sender, receiver and signal', () => {
    const { sender, receiver, kills, queued } = truth;
    const sent = { sender, receiver, sender_comm: 'w-signals', receiver_comm: 'w-receiver', origin: 'user' };
    expect(sum(pictures, 'count', where({ ...sent, sig: 'USR1', result: 'delivered' }))).toBe(kills);
    expect(sum(pictures, 'count', where({ ...sent, sig: 'RT3', result: 'delivered' }))).toBe(queued);
    expect(sum(pictures, 'count', where({ ...sent, sig: 'KILL' }))).toBe(1);
  });

  test('of signals nobody takes, the first is delivered and the others were pending', () => {
    const { sender, receiver, pending } = truth;
    const sent = { sender, receiver, sig: 'USR2' };
    expect(sum(pictures, 'count', where({ ...sent, result: 'delivered' }))).toBe(1);
    expect(sum(pictures, 'count', where({ ...sent, result: 'pending' }))).toBe(pending - 1);
  });

  test('what the kernel made is flagged: children, a fault, a timer', () => {
    const { sender, receiver, fault, timers } = truth;
    const made = (wanted: Row) => sum(pictures, 'count', where({ ...wanted, origin: 'kernel' }));
    expect(made({ sender: receiver, receiver: sender, sig: 'CHLD' })).toBe(1);
    expect(made({ sender: fault, receiver: sender, sig: 'CHLD' })).toBe(1);
    expect(made({ sender: fault, receiver: fault, sig: 'SEGV' })).toBe(1);
    // The timer interrupts whoever runs there.
    expect(made({ receiver: sender, sig: 'ALRM' })).toBe(timers);
    expect(sum(pictures, 'count', where({ receiver: sender, sig: 'ALRM', sender: 0 }))).toBe(timers);
    expect(sum(pictures, 'count', where({ receiver: sender, sig: 'ALRM', origin: 'user' }))).toBe(0);
  });

  test('bpftrace saw the same', () => {
    const ours = [truth.sender, truth.receiver, truth.fault];
    const wanted = new Map<string, number>();
    for (const line of witness) {
      const [, from, to] = /^(\d+) > (\d+)/.exec(line) ?? [];
      if (ours.includes(Number(from)) && ours.includes(Number(to)))
        wanted.set(line, (wanted.get(line) ?? 0) + 1);
    }
    // Alarms came by interrupt: bpftrace names the interrupted task.
    wanted.delete(`${truth.sender} > ${truth.sender} 14`);
    expect(told(pictures, ours)).toEqual(wanted);
  });

  test('the sum over all rows is the kernel’s count', () => {
    expect(least).toBeGreaterThan(COUNTS[0] + COUNTS[1] + COUNTS[2]);
    for (const counted of [sum(pictures, 'count'), accounted(pictures)]) {
      expect(counted).toBeGreaterThanOrEqual(least);
      expect(counted).toBeLessThanOrEqual(most);
    }
    for (const picture of pictures) expect(picture).toMatchObject({ lost: 0, late: 0, unseen: 0 });
  });

  test('the log has the last ones as the kernel prints them; -g says who sent', {
    timeout: 30_000,
  }, async () => {
    const ktop = await startKtop(['signal', '-g', '--filter', 'w-rec*', '-i', '500']);
    try {
      const load = await runLoad<Truth>('signals', [20, 5, 2]);
      const all = await ktop.stop();
      expect(all.flatMap(({ rows }) => rows).every((row) => row.receiver_comm === 'w-receiver')).toBe(true);
      const log = all.flatMap((picture) => picture.log ?? []);
      const usr1 = `${EVENT}: sig=10 errno=0 code=0 comm=w-receiver pid=${load.receiver} grp=1 res=0`;
      expect(log.filter(({ text }) => text === usr1).length).toBe(20);
      for (const entry of log) expect(entry.tid).toBe(load.sender);
      expect(JSON.stringify(log.find(({ text }) => text === usr1)?.stack)).toContain('sys_kill');
    } finally {
      await ktop.kill();
    }
  });
});

// To the kernel a quote ends a text, a digit in front makes it plain text and `!` denies it.
test.each([
  ['5"*', '5"a'],
  ['!?"', '!b"'],
  ["[7-9]'*", "8'c"],
])('--filter %s is a glob like any other', { timeout: 60_000 }, async (filter, name) => {
  const named = (comm: string) =>
    spawn('bash', ['-c', 'printf %s "$1" >/proc/$$/comm; echo; read -r _', '_', comm]);
  const shells = [named(name), named('5b'), named('other')];
  await Promise.all(shells.map((shell) => once(shell.stdout, 'data')));
  const { pictures } = await watch(['signal', '--filter', filter, '-i', '300'], async () => {
    for (const shell of shells) for (let i = 0; i < 4; i++) shell.kill('SIGURG');
  });
  for (const shell of shells) shell.kill('SIGKILL');
  expect(new Set(pictures.flatMap(({ rows }) => rows.map((row) => row.receiver_comm)))).toEqual(
    new Set([name]),
  );
  expect(sum(pictures, 'count', (row) => row.receiver === shells[0]?.pid && row.sig === 'URG')).toBe(4);
});
