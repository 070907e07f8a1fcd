/** CPUs that spin for a spinlock, and which: the lock is in a register of the code that spins. */
import type { Addr, Task } from '../core.ts';
import type { Scene } from './scene.ts';

export interface Spinner {
  readonly cpu: number;
  readonly task: Task;
  readonly lock: Addr;
  /** Since it is on the CPU. */
  readonly ms: number;
}

const SPIN =
  /^(?:native_|__pv_|pv_)?queued_spin_lock_slowpath|^(?:do_)?_?_?raw_spin_lock(?:_irq|_irqsave|_bh)?$|^virt_spin_lock/;
/** How far below an interrupted place the spinning function may be. */
const NEAR = 2;
/** The first argument first: most of these functions keep it there. */
const ORDER = [
  ...['rdi', 'di', 'rbx', 'bx', 'rbp', 'bp', 'r12', 'r13', 'r14', 'r15', 'r8', 'r9', 'r10', 'rax', 'ax'],
  ...['rcx', 'cx', 'rdx', 'dx', 'rsi', 'si', 'r11'],
];
const LOWEST = 0xff00000000000000n;
/** Of a qspinlock: its lowest byte is 1 while it is held, bit 8 is "one waits", those up to 16 are not used. */
const HELD = 1;
const UNUSED = 0xfe00;

export function findSpinners(scene: Scene): Spinner[] {
  const { kernel } = scene;
  const found = kernel.cpus.flatMap((cpu) => {
    const task = scene.current(cpu);
    const registers = task === undefined ? undefined : spinRegisters(scene, cpu, task);
    if (task === undefined || registers === undefined) return [];
    const values = [...new Set(ORDER.flatMap((name) => registers[name] ?? []))];
    return [{ cpu, task, candidates: values.filter((value) => mayBeHeld(scene, value)) }];
  });
  // What several CPUs have in common is the lock; else what comes first.
  const counts = new Map<Addr, number>();
  for (const { candidates } of found)
    for (const address of candidates) counts.set(address, (counts.get(address) ?? 0) + 1);
  return found.flatMap(({ cpu, task, candidates }) => {
    const lock = candidates.toSorted((a, b) => (counts.get(b) ?? 0) - (counts.get(a) ?? 0))[0];
    return lock === undefined ? [] : [{ cpu, task, lock, ms: scene.onCpuMs(task) }];
  });
}

/** Registers at the place where that CPU spins; undefined when it does not. */
function spinRegisters(scene: Scene, cpu: number, task: Task): Readonly<Record<string, bigint>> | undefined {
  const { frames } = scene.kernel.backtrace(task);
  const spinsAt = (at: number) =>
    frames.slice(at, at + NEAR).some(({ function: name, module }) => module === undefined && SPIN.test(name));
  const interrupted = scene.kernel.interruptions(task).find(({ frame }) => spinsAt(frame));
  if (interrupted !== undefined) return interrupted.registers;
  return frames[0]?.kind === 'normal' && spinsAt(0) ? scene.kernel.registers(cpu) : undefined;
}

function mayBeHeld({ kernel }: Scene, address: Addr): boolean {
  if (address < LOWEST || (address & 3n) !== 0n) return false;
  const value = kernel.u32(address);
  if (value === undefined || (value & 0xff) !== HELD || (value & UNUSED) !== 0) return false;
  // Not a place on some stack, and no code.
  if (kernel.symbols.isText(address)) return false;
  return !kernel.tasks().some(({ struct }) => {
    const stack = struct.ptr('stack');
    return stack !== undefined && address >= stack && address < stack + 16_384n;
  });
}
