/** Records and counts of probes whose arguments are addresses and ports. */
import { expect, test } from 'vitest';
import { probe } from '../../src/monitors/probe.ts';

test('addresses and ports in network order are written as people write them', () => {
  const choice = {
    name: 'send',
    place: 'tcp_sendmsg',
    fields: ['skc_daddr', 'skc_dport', 'size'],
    source: 'recipe',
    display: { skc_daddr: 'ip', skc_dport: 'port' },
  } as const;
  const entry = { at_ms: 1, cpu: 0, pid: 1, tid: 1, comm: 'curl' };
  const text = 'probe:send: (tcp_sendmsg+0x0) skc_daddr=0x100007f skc_dport=0xbb01 size=100';
  const other = { ...entry, text: text.replace('probe:send', 'probe:else') };
  const options = { interval_ms: 1000, probes: { list: [choice], count: 'skc_daddr' } };
  const logs = probe.logs?.({}, options, { records: [{ ...entry, text }, other] });
  expect(logs?.records).toEqual([
    { ...entry, text: 'probe:send: (tcp_sendmsg+0x0) skc_daddr=127.0.0.1 skc_dport=443 size=100' },
    other,
  ]);
  const counts = {
    length: 1,
    key: ['probe', 'value'],
    columns: { value: Float64Array.of(0x0101a8c0), count: Float64Array.of(3) },
  };
  const derived = probe.derive?.({ counts }, options, 1000);
  expect(JSON.stringify(derived?.counts?.columns.value)).toContain('192.168.1.1');
});
