/** nettop against processes that know to the byte what they sent and received over loopback. */
import { beforeAll, describe, expect, test } from 'vitest';
import { type Picture, sum, watch } from '../helpers/ktop.ts';
import { perfStat } from '../helpers/oracle.ts';
import { runLoad, sleep } from '../helpers/workload.ts';
import { accounted, eventsOf, total } from './accounting.ts';

interface Truth {
  readonly client: number;
  readonly server: number;
  readonly sent: number;
  readonly received: number;
}

const LOADS = {
  tcp: ['tcp', 200, 10_000, 2],
  sendfile: ['sendfile', 1_000_000],
  udp: ['udp', 5, 777],
  peek: ['peek', 5_000],
  mute: ['mute', 5, 777],
} as const;

type Name = keyof typeof LOADS;

/** Bytes of a process, over all pictures; each cell is exact to the byte. */
function bytes(pictures: readonly Picture[], pid: number, key: string, dev?: string): number {
  let all = 0;
  for (const picture of pictures) {
    for (const row of picture.rows) {
      if (row.pid !== pid || (dev !== undefined && row.dev !== dev)) continue;
      all += Math.round(Number(row[key]) * 1024);
    }
  }
  return all;
}

describe('nettop', () => {
  const truth = {} as Record<Name, Truth>;
  let pictures: readonly Picture[] = [];
  /** Programs that only compute, one on each CPU, all the while. */
  const bystanders: number[] = [];

  beforeAll(async () => {
    const run = await watch(['nettop', '-i', '500'], async () => {
      const burning = [0, 1].map((cpu) => runLoad<{ pid: number }>('burn', [cpu, 'user', 3]));
      for (const [name, args] of Object.entries(LOADS)) {
        truth[name as Name] = await runLoad<Truth>('net', args);
      }
      bystanders.push(...(await Promise.all(burning)).map(({ pid }) => pid));
    });
    pictures = run.pictures;
  }, 60_000);

  test.each(['tcp', 'sendfile', 'udp', 'peek'] as const)(
    '%s: exact bytes for sender and receiver',
    (name) => {
      const { client, server, sent, received } = truth[name];
      expect(received).toBe(sent);
      expect(bytes(pictures, client, 'tx_app_kb')).toBe(sent);
      expect(bytes(pictures, server, 'rx_app_kb')).toBe(received);
      expect(bytes(pictures, client, 'rx_app_kb')).toBe(0);
      expect(bytes(pictures, server, 'tx_app_kb')).toBe(0);
    },
  );

  test.each(['tcp', 'sendfile'] as const)(
    '%s: received on lo by its reader, not by whom the softirq hit',
    (name) => {
      const { client, server, received } = truth[name];
      expect(bytes(pictures, server, 'recv_kb', 'lo')).toBe(received);
      expect(bytes(pictures, client, 'recv_kb')).toBe(0);
    },
  );

  test('nothing is billed to whom the softirqs interrupted', () => {
    expect(bystanders.length).toBe(2);
    const rows = pictures
      .flatMap((picture) => picture.rows)
      .filter((row) => bystanders.includes(Number(row.pid)));
    expect(rows).toEqual([]);
  });

  test('a process that only sends is shown, with its packets', () => {
    const { client, sent } = truth.mute;
    expect(bytes(pictures, client, 'tx_app_kb')).toBe(sent);
    expect(bytes(pictures, client, 'rx_app_kb')).toBe(0);
    expect(sum(pictures, 'xmit_pk', (row) => row.pid === client && row.dev === 'lo')).toBe(5);
    // 5 datagrams with 20 bytes of IP, 8 of UDP and 14 of Ethernet header each.
    expect(bytes(pictures, client, 'xmit_kb', 'lo')).toBe(sent + 5 * 42);
  });

  test('-C: what these CPUs sent and received, also when it came in on another', {
    timeout: 60_000,
  }, async () => {
    // Over loopback a packet arrives on the CPU that sends it.
    const reads = await watch(['nettop', '-C', '1', '-i', '500'], async () => {
      const sends = await watch(['nettop', '-C', '0', '-i', '500'], () =>
        runLoad<Truth>('net', ['apart', 50, 10_000, 2]),
      );
      return sends;
    });
    const { client, server, sent, received } = reads.load.load;
    expect(received).toBe(sent);
    expect(bytes(reads.pictures, server, 'rx_app_kb', 'lo')).toBe(received);
    expect(bytes(reads.pictures, server, 'recv_kb', 'lo')).toBe(received);
    expect(bytes(reads.pictures, client, 'tx_app_kb')).toBe(0);
    expect(bytes(reads.load.pictures, client, 'tx_app_kb', 'lo')).toBe(sent);
    expect(bytes(reads.load.pictures, server, 'rx_app_kb')).toBe(0);
  });

  test('names and owners', () => {
    for (const [pid, comm] of [
      [truth.tcp.client, 'w-client'],
      [truth.tcp.server, 'w-server'],
    ] as const) {
      const rows = pictures.flatMap((picture) => picture.rows).filter((row) => row.pid === pid);
      expect(rows.length).toBeGreaterThan(0);
      for (const row of rows) expect(row).toMatchObject({ comm, uid: 0 });
    }
  });

  test('every event is accounted for', { timeout: 60_000 }, async () => {
    const events = eventsOf('nettop');
    const outer = await perfStat(events);
    const { pictures: all, load } = await watch(['nettop', '-i', '500', '--budget', 'off'], async () => {
      const inner = await perfStat(events);
      await runLoad('storm', ['udp', 2]);
      await sleep(100);
      return total(await inner.stop());
    });
    const most = total(await outer.stop());
    const seen = accounted(all);
    expect(load).toBeGreaterThan(100_000);
    expect(seen).toBeGreaterThanOrEqual(load);
    expect(seen).toBeLessThanOrEqual(most);
  });
});
