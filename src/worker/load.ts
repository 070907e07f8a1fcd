/** The machine's load and ktop's own cost. */
import { loadavg, uptime } from 'node:os';
import type { HostLoad } from '../sources/source.ts';

/**
 * A function that measures since its last call, the first time since the process began: CPU of the whole process (all
 * threads) in % of one CPU.
 */
export function loadMeter(): () => HostLoad {
  let cpu: NodeJS.CpuUsage = { user: 0, system: 0 };
  let at = performance.now() - process.uptime() * 1000;
  return () => {
    const used = process.cpuUsage(cpu);
    const now = performance.now();
    const passed_us = Math.max(1, (now - at) * 1000);
    cpu = process.cpuUsage();
    at = now;
    const [one = 0, five = 0, fifteen = 0] = loadavg();
    return {
      uptime_s: uptime(),
      load: [one, five, fifteen],
      self_cpu_pct: (100 * (used.user + used.system)) / passed_us,
      self_rss: process.memoryUsage.rss(),
    };
  };
}
