/** Backtraces: from a place in the code and a stack, caller by caller, as the ORC tables say. */
import type { Addr } from '../core.ts';
import type { Frame, FrameKind } from '../report.ts';
import type { Mem } from './mem.ts';
import { FRAME_POINTER, NOWHERE, type Orc, type OrcEntry } from './orc.ts';

/** Where to begin. */
export interface Start {
  readonly ip: Addr;
  readonly sp: Addr;
  readonly bp: Addr;
  /** Other registers where they are known, by their names in user_regs_struct. */
  readonly registers?: Readonly<Record<string, bigint>>;
  /** `ip` is where it was interrupted, not where a call returns to. */
  readonly interrupted: boolean;
}

export interface Unwound {
  readonly frames: readonly Frame[];
  /** All frames are certain and the end was reached. */
  readonly exact: boolean;
  /** Why it ended: `end`, `user`, or what went wrong. */
  readonly stopped: string;
  /** Where frames were interrupted, innermost first. */
  readonly interruptions: readonly Interruption[];
}

/** What the processor, and the handler's entry code, saved of what they interrupted. */
export interface Interruption {
  /** Index of the interrupted frame. */
  readonly frame: number;
  readonly flags: bigint;
  /** By their names in pt_regs; none where only the processor saved anything. */
  readonly registers: Readonly<Record<string, bigint>>;
}

/** What the unwinder asks of symbols. */
export interface Names {
  /** As the call at `ip` is shown: the symbol before a return address, the one at an interrupted place. */
  frameName(
    ip: Addr,
    interrupted: boolean,
  ): { name: string; offset?: number; size?: number; module?: string };
  isText(ip: Addr): boolean;
}

const MOST_FRAMES = 1024;
/** struct pt_regs: a layout that does not change, as it is that of the processor and of ptrace. */
const PT_REGS = {
  ...{ r15: 0, r14: 8, r13: 16, r12: 24, bp: 32, bx: 40, r11: 48, r10: 56, r9: 64, r8: 72, ax: 80 },
  ...{ cx: 88, dx: 96, si: 104, di: 112, ip: 128, cs: 136, flags: 144, sp: 152, ss: 160 },
};
const PT_REGS_BYTES = 168;
const IRET_FRAME = 128;
const NOTE_NAMES: Readonly<Record<string, string>> = {
  ...{ r10: 'r10', r13: 'r13', dx: 'rdx', di: 'rdi', ax: 'rax' },
};

interface State {
  ip: Addr;
  sp: Addr;
  bp: Addr;
  signal: boolean;
  /** Saved registers in force: of the last frame that saved all of them, until a call. */
  saved: Buffer | undefined;
  /** No call has been passed yet: the registers given at the start are in force. */
  fresh: boolean;
}

export function unwind(mem: Mem, orc: Orc, names: Names, start: Start): Unwound {
  const frames: Frame[] = [];
  const interruptions: Interruption[] = [];
  const state: State = {
    ip: start.ip,
    sp: start.sp,
    bp: start.bp,
    signal: start.interrupted,
    saved: undefined,
    fresh: true,
  };
  let exact = orc.usable;
  /** What the next frame to be pushed is: interrupted, and by what. */
  let kind: FrameKind = 'normal';
  const seen = new Set<Addr>();
  const done = (stopped: string): Unwound => ({
    frames,
    exact: exact && (stopped === 'end' || stopped === 'user'),
    stopped,
    interruptions,
  });

  while (frames.length < MOST_FRAMES) {
    const frame = describe(names, state, kind);
    frames.push(frame);
    if (seen.has(state.sp) && frames.length > 2) return done('the stack leads in a circle');
    seen.add(state.sp);
    kind = 'normal';

    let entry: OrcEntry | undefined = orc.find(state.signal ? state.ip : state.ip - 1n);
    if (entry === undefined || entry.type === 'undefined') {
      if (!names.isText(state.ip) && state.signal) entry = NOWHERE;
      else {
        exact = false;
        entry = FRAME_POINTER;
      }
    }
    if (entry.type === 'end') return done('end');

    const at = previousStack(mem, entry, state, start);
    if (at === undefined) return done(`the stack is not readable from ${hex(state.sp)} on`);
    const before = state.sp;
    let saved: Buffer | undefined;
    if (entry.type === 'call') {
      const ip = mem.u64(at - 8n);
      if (ip === undefined) return done(`the stack is not readable at ${hex(at - 8n)}`);
      state.ip = ip;
      state.sp = at;
      state.signal = entry.signal ?? false;
      if (!names.isText(ip)) return done(`${hex(ip)} is no code`);
    } else {
      const full = entry.type === 'regs';
      const bytes = full ? mem.view(at, PT_REGS_BYTES) : mem.view(at, PT_REGS_BYTES - IRET_FRAME);
      if (bytes === undefined) return done(`the registers saved at ${hex(at)} are not readable`);
      const shift = full ? 0 : IRET_FRAME;
      if ((bytes.readUInt8(PT_REGS.cs - shift) & 3) !== 0) return done('user');
      kind = interruptKind(frame.function);
      state.ip = bytes.readBigUInt64LE(PT_REGS.ip - shift);
      state.sp = bytes.readBigUInt64LE(PT_REGS.sp - shift);
      state.signal = entry.signal ?? true;
      if (full) saved = bytes;
      interruptions.push({
        frame: frames.length,
        flags: bytes.readBigUInt64LE(PT_REGS.flags - shift),
        registers: full ? generalRegisters(bytes) : {},
      });
    }
    const bp = previousFrame(mem, entry, state.bp, at, saved);
    if (bp === undefined) return done(`the frame pointer saved near ${hex(at)} is not readable`);
    state.bp = bp;
    if (saved !== undefined) state.saved = saved;
    else if (entry.type === 'call') {
      state.saved = undefined;
      state.fresh = false;
    }
    // Calls go up the stack; only an exception may come from another one.
    if (entry.type === 'call' && entry.spReg === 'sp' && state.sp <= before)
      return done('the stack does not lead upwards');
  }
  return done(`more than ${MOST_FRAMES} frames`);
}

function describe(names: Names, { ip, sp, signal }: State, kind: FrameKind): Frame {
  const { name, offset, size, module } = names.frameName(ip, signal);
  return {
    ip: hex(ip),
    sp: hex(sp),
    function: name,
    ...(offset === undefined ? {} : { offset }),
    ...(size === undefined ? {} : { size }),
    ...(module === undefined ? {} : { module }),
    kind,
  };
}

function previousStack(mem: Mem, entry: OrcEntry, state: State, start: Start): Addr | undefined {
  const offset = BigInt(entry.spOffset);
  const register = (name: keyof typeof PT_REGS): Addr | undefined => {
    if (state.saved !== undefined) return state.saved.readBigUInt64LE(PT_REGS[name]);
    return state.fresh ? start.registers?.[NOTE_NAMES[name] ?? ''] : undefined;
  };
  const plus = (base: Addr | undefined) =>
    base === undefined ? undefined : BigInt.asUintN(64, base + offset);
  switch (entry.spReg) {
    case 'sp':
      return plus(state.sp);
    case 'bp':
      return plus(state.bp);
    case 'sp-indirect':
      return plus(mem.u64(state.sp));
    case 'bp-indirect': {
      const place = plus(state.bp);
      return place === undefined ? undefined : mem.u64(place);
    }
    case 'r10':
    case 'r13':
    case 'di':
    case 'dx':
    case 'ax':
      return register(entry.spReg);
    default:
      return undefined;
  }
}

function previousFrame(
  mem: Mem,
  entry: OrcEntry,
  bp: Addr,
  at: Addr,
  saved: Buffer | undefined,
): Addr | undefined {
  switch (entry.bpReg) {
    case 'undefined':
      return saved === undefined ? bp : saved.readBigUInt64LE(PT_REGS.bp);
    case 'prev-sp':
      return mem.u64(BigInt.asUintN(64, at + BigInt(entry.bpOffset)));
    case 'bp':
      return mem.u64(BigInt.asUintN(64, bp + BigInt(entry.bpOffset)));
    default:
      return undefined;
  }
}

function generalRegisters(bytes: Buffer): Record<string, bigint> {
  const names = Object.entries(PT_REGS).filter(([, at]) => at < IRET_FRAME);
  return Object.fromEntries(names.map(([name, at]) => [name, bytes.readBigUInt64LE(at)]));
}

/** By what the next frame was interrupted: told by the handler's entry code. */
function interruptKind(handler: string): FrameKind {
  if (/nmi/.test(handler)) return 'nmi';
  return /^asm_(sysvec|common_interrupt|spurious)|^(common_interrupt|irq_entries_start|ret_from_intr)/.test(
    handler,
  )
    ? 'irq'
    : 'exception';
}

export function hex(value: bigint): string {
  return `0x${BigInt.asUintN(64, value).toString(16).padStart(16, '0')}`;
}
