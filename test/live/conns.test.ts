/** conns against processes that know their connections, and against the kernel's own trace of the same ports. */
import { describe, expect, test } from 'vitest';
import { number, type Picture, type Row, watch } from '../helpers/ktop.ts';
import { traceInstance } from '../helpers/trace-instance.ts';
import { runLoad } from '../helpers/workload.ts';

interface Truth {
  readonly client: number;
  readonly server: number;
  readonly port: number;
  readonly refused: number;
  readonly ports: readonly number[];
  readonly waited: readonly number[];
}

const rowsOf = (pictures: readonly Picture[]) => pictures.flatMap(({ rows }) => rows);
const ENDS = ['CLOSED', 'RESET', 'FAILED'];
const isOver = ({ state }: Row) => ENDS.includes(String(state));

describe('conns', () => {
  test('connections: both ends with their owners, bytes, times and ends', { timeout: 60_000 }, async () => {
    const witness = traceInstance([{ event: 'sock:inet_sock_set_state', filter: 'protocol == 6' }]);
    const { pictures, load } = await watch(['conns', '-i', '400'], () =>
      runLoad<Truth>('tcp', ['conns', 30]),
    );
    const traced = witness.stop();
    const rows = rowsOf(pictures).filter(isOver);
    const remote = `127.0.0.1:${load.port}`;
    const opened = rows.filter((row) => row.remote === remote);
    expect(opened.map(({ local }) => local)).toEqual(
      expect.arrayContaining(load.ports.map((port) => `127.0.0.1:${port}`)),
    );
    expect(opened.length).toBe(30);
    for (const row of opened) {
      const { pid, comm, dir, state, tx, rx } = row;
      expect({ pid, comm, dir, state, tx, rx }).toEqual({
        pid: load.client,
        comm: 'w-client',
        dir: 'out',
        state: 'CLOSED',
        tx: 1000,
        rx: 500,
      });
      const at = load.ports.indexOf(Number(String(row.local).split(':')[1]));
      // The call takes longer than the handshake within it.
      expect(number(row, 'connect_ms')).toBeGreaterThan(0);
      expect(number(row, 'connect_ms')).toBeLessThanOrEqual((load.waited[at] ?? 0) + 0.01);
    }
    // Accepted in a softirq that interrupted or served the client: still the server's.
    const accepted = rows.filter((row) => row.local === remote);
    expect(accepted.length).toBe(30);
    for (const row of accepted) {
      const { pid, comm, dir, state, tx, rx, connect_ms } = row;
      expect({ pid, comm, dir, state, tx, rx, connect_ms }).toEqual({
        pid: load.server,
        comm: 'w-server',
        dir: 'in',
        state: 'CLOSED',
        tx: 500,
        rx: 1000,
        connect_ms: null,
      });
    }
    const refused = rows.filter((row) => row.remote === `127.0.0.1:${load.refused}`);
    expect(refused.map(({ pid, state, dir }) => ({ pid, state, dir }))).toEqual([
      { pid: load.client, state: 'FAILED', dir: 'out' },
    ]);
    // Every change of these ports is in the log, with the same words.
    const ours = new RegExp(`[sd]port=(${load.port}|${load.refused}) `);
    const changes = (lines: readonly string[]) => lines.filter((line) => ours.test(line)).sort();
    const log = pictures
      .flatMap((picture) => picture.log ?? [])
      .map(({ text }) => String(text).replace(/^\S+ /, ''));
    expect(changes(log)).toEqual(changes(traced.map(({ text }) => text)));
    const counted = pictures.flatMap((picture) => picture.changes as readonly Row[]);
    const count = counted.reduce((all, row) => all + number(row, 'count'), 0);
    expect(count).toBeGreaterThanOrEqual(changes(log).length);
  });

  test('a connection that was there before is found when it is used, and shown while it lasts', {
    timeout: 60_000,
  }, async () => {
    const { createServer, connect } = await import('node:net');
    const server = createServer((socket) => socket.pipe(socket)).listen(0, '127.0.0.1');
    await new Promise((resolve) => server.once('listening', resolve));
    const { port } = server.address() as { port: number };
    const client = connect(port, '127.0.0.1');
    await new Promise((resolve) => client.once('connect', resolve));
    const { pictures } = await watch(['conns', '-i', '300'], async (ktop) => {
      for (let i = 0; i < 3; i++) {
        client.write('x'.repeat(100));
        await new Promise((resolve) => client.once('data', resolve));
      }
      await ktop.more(2);
    });
    const rows = rowsOf(pictures).filter(({ remote }) => remote === `127.0.0.1:${port}`);
    expect(rows.length).toBeGreaterThanOrEqual(2);
    for (const { pid, dir } of rows) expect({ pid, dir }).toEqual({ pid: process.pid, dir: '?' });
    const ages = rows.map((row) => number(row, 'age_s'));
    expect(ages).toEqual([...ages].sort((a, b) => a - b));
    client.destroy();
    server.close();
  });
});
