/** The tabs, in order. */

import { calls } from './call-tree.ts';
import { conns } from './conns.ts';
import { cpuUtil } from './cpu-util.ts';
import { disktop } from './disktop.ts';
import { drops } from './drops.ts';
import { execs } from './execs.ts';
import { files } from './files.ts';
import { hist } from './hist.ts';
import { irqOff } from './irq-off.ts';
import { kmemleak } from './kmemleak.ts';
import { kvmExit } from './kvm-exit.ts';
import type { Monitor } from './monitor.ts';
import { mpdelay } from './mpdelay.ts';
import { nettop } from './nettop.ts';
import { offcpu } from './offcpu.ts';
import { oncpu } from './oncpu.ts';
import { percpuStat } from './percpu-stat.ts';
import { probe } from './probe.ts';
import { profile } from './profile.ts';
import { retrans } from './retrans.ts';
import { rundelay } from './rundelay.ts';
import { signal } from './signal.ts';
import { slowfiles } from './slowfiles.ts';
import { splitLock } from './split-lock.ts';
import { strace } from './strace.ts';
import { syscalls } from './syscalls.ts';
import { taskState } from './task-state.ts';
import { trace } from './trace.ts';
import { watchdog } from './watchdog.ts';

export const monitors: readonly Monitor[] = [
  nettop,
  disktop,
  cpuUtil,
  taskState,
  kvmExit,
  kmemleak,
  irqOff,
  profile,
  trace,
  signal,
  watchdog,
  splitLock,
  percpuStat,
  mpdelay,
  syscalls,
  strace,
  slowfiles,
  files,
  rundelay,
  oncpu,
  offcpu,
  probe,
  hist,
  execs,
  conns,
  retrans,
  drops,
  calls,
];
