/** retrans against what the socket itself counted (TCP_INFO), the kernel's counters and its trace. */
import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { number, type Picture, type Row, watch } from '../helpers/ktop.ts';
import { traceInstance } from '../helpers/trace-instance.ts';
import { runLoad } from '../helpers/workload.ts';

interface Truth {
  readonly client: number;
  readonly port: number;
  readonly ports: readonly number[];
  readonly retrans: number;
}

function retransSegs(): number {
  const [names = [], values = []] = readFileSync('/proc/net/snmp', 'utf8')
    .split('\n')
    .filter((line) => line.startsWith('Tcp:'))
    .map((line) => line.split(' '));
  return Number(values[names.indexOf('RetransSegs')]);
}

const table = (pictures: readonly Picture[], name: string) =>
  pictures.flatMap((picture) => picture[name] as readonly Row[]);

describe('retrans', () => {
  test('segments sent again: as many as the socket counted, and the owner is the sender', {
    timeout: 60_000,
  }, async () => {
    const witness = traceInstance([{ event: 'tcp:tcp_retransmit_skb' }]);
    const before = retransSegs();
    const { pictures, load } = await watch(['retrans', '-i', '400'], () =>
      runLoad<Truth>('tcp', ['retrans', 1000]),
    );
    const after = retransSegs();
    const traced = witness.stop();
    expect(load.retrans).toBeGreaterThanOrEqual(2);
    const remote = `127.0.0.1:${load.port}`;
    const rows = table(pictures, 'rows').filter((row) => row.remote === remote);
    expect(rows.reduce((all, row) => all + number(row, 'count'), 0)).toBe(load.retrans);
    expect(traced.filter(({ text }) => text.includes(` dport=${load.port} `)).length).toBe(load.retrans);
    for (const { pid, comm, local, state, failed } of rows)
      expect({ pid, comm, local, state, failed }).toEqual({
        pid: load.client,
        comm: 'w-client',
        local: `127.0.0.1:${load.ports[0]}`,
        state: 'ESTABLISHED',
        failed: 0,
      });
    // It was a timer or a softirq that sent them, in whosever time.
    expect(traced.some(({ flags }) => /[hHsz]/.test(flags[2] ?? ''))).toBe(true);
    const counted = table(pictures, 'counters').reduce((all, row) => all + number(row, 'again'), 0);
    expect(counted).toBeGreaterThanOrEqual(load.retrans);
    expect(counted).toBeLessThanOrEqual(after - before);
    const log = pictures.flatMap((picture) => picture.log ?? []);
    expect(log.filter(({ text }) => String(text).includes(` dport=${load.port} `)).length).toBe(load.retrans);
  });
});
