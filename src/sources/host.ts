/** Facts of this host that need no privilege. */
import { readFileSync } from 'node:fs';
import { hostname, release, uptime } from 'node:os';
import type { HostInfo } from './source.ts';

/** Numbers of a kernel list such as `0-3,7`; undefined when it is not one. */
export function parseList(text: string): number[] | undefined {
  const found: number[] = [];
  for (const part of text.trim().split(',')) {
    const match = /^(\d{1,6})(?:-(\d{1,6}))?$/.exec(part.trim());
    if (match === null) return undefined;
    const low = Number(match[1]);
    const high = Number(match[2] ?? match[1]);
    if (high < low) return undefined;
    for (let n = low; n <= high; n += 1) found.push(n);
  }
  return [...new Set(found)].sort((a, b) => a - b);
}

/** The CPUs that are online, as the kernel writes them and as numbers. */
export function onlineCpus(): { readonly text: string; readonly numbers: readonly number[] } {
  try {
    const text = readFileSync('/sys/devices/system/cpu/online', 'utf8').trim();
    return { text, numbers: parseList(text) ?? [0] };
  } catch {
    return { text: '0', numbers: [0] };
  }
}

/** Name, kernel, CPUs and boot time of this machine. */
export function thisHost(): HostInfo {
  return {
    host: hostname(),
    kernel: release(),
    cpus: onlineCpus().numbers.length,
    boot_time: Math.round(Date.now() - uptime() * 1000),
  };
}
