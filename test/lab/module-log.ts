/** What the module of test/lab/module says of its misdeeds in the kernel log. */

export interface Off {
  readonly what: 'irq' | 'preempt';
  readonly cpu: number;
  /** CLOCK_MONOTONIC. */
  readonly start_ms: number;
  readonly us: number;
}

/** In the order in which they ended. */
export function parseOffs(dmesg: string): Off[] {
  return [...dmesg.matchAll(/irqoff: (irq|preempt) cpu=(\d+) start=(\d+) ns=(\d+)/g)].map(
    ([, what, cpu, start, ns]) => ({
      what: what as Off['what'],
      cpu: Number(cpu),
      start_ms: Number(start) / 1e6,
      us: Number(ns) / 1e3,
    }),
  );
}
