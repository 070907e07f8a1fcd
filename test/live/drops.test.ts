/** drops against datagrams of known number that nobody wants, and against the kernel's own trace. */
import { describe, expect, test } from 'vitest';
import { number, type Picture, type Row, watch } from '../helpers/ktop.ts';
import { traceInstance } from '../helpers/trace-instance.ts';
import { runLoad } from '../helpers/workload.ts';

interface Truth {
  readonly client: number;
}

const table = (pictures: readonly Picture[], name: string) =>
  pictures.flatMap((picture) => picture[name] as readonly Row[]);
const count = (rows: readonly Row[]) => rows.reduce((all, row) => all + number(row, 'count'), 0);

describe('drops', () => {
  test('each reason, place and protocol as often as the trace has it, and nobody is blamed for a softirq', {
    timeout: 60_000,
  }, async () => {
    const witness = traceInstance([{ event: 'skb:kfree_skb' }]);
    const { pictures, load } = await watch(['drops', '-i', '400'], () =>
      runLoad<Truth>('tcp', ['drops', 300]),
    );
    const traced = witness.stop();
    const rows = table(pictures, 'rows');
    for (const reason of ['NO_SOCKET', 'SOCKET_FILTER']) {
      const seen = traced.filter(({ text }) => text.endsWith(`reason: ${reason}`));
      expect(seen.length, reason).toBeGreaterThanOrEqual(300);
      const ours = rows.filter((row) => row.reason === reason && row.protocol === 'IPv4');
      // The trace began before and ended after.
      expect(count(ours), reason).toBeGreaterThanOrEqual(300);
      expect(count(ours), reason).toBeLessThanOrEqual(seen.length);
      const place = /location=([^+ ]+)/.exec(seen[0]?.text ?? '')?.[1];
      expect(new Set(ours.map(({ location }) => location))).toContain(place);
    }
    // Packets over loopback are taken in a softirq, on the sender's back or in ksoftirqd.
    expect(traced.filter(({ flags }) => /[sH]/.test(flags[2] ?? '')).length).toBeGreaterThanOrEqual(600);
    const blamed = table(pictures, 'tasks').filter(({ pid }) => pid === load.client);
    expect(count(blamed)).toBeLessThanOrEqual(
      traced.filter(({ tid, flags }) => tid === load.client && !/[hHsz]/.test(flags[2] ?? '')).length,
    );
    expect(count(table(pictures, 'tasks'))).toBe(count(rows));
  });

  test('-g gives the way to the place', { timeout: 60_000 }, async () => {
    const { pictures } = await watch(['drops', '-g', '-i', '400'], () =>
      runLoad<Truth>('tcp', ['drops', 20]),
    );
    const stacks = JSON.stringify(pictures.map(({ stacks: each }) => each));
    expect(stacks).toMatch(/udp_(queue_)?\w*rcv\w*|__udp4_lib_rcv/);
    expect(stacks).toMatch(/udp_sendmsg/);
  });
});
