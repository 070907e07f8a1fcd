/** Facts of the kernel, as they become known. */
import type { CoreFile } from './file/core-file.ts';
import type { Booted } from './kernel/boot.ts';
import type { Kernel } from './kernel/kernel.ts';
import { hex } from './kernel/unwind.ts';
import type { KernelFacts } from './report.ts';
import { totalMemory } from './sections/memory.ts';
import type { Scene } from './sections/scene.ts';
import { taintLetters, taintTexts } from './sections/taint.ts';

const PAGE_SIZE = 4096;
/** Averages of load are fixed-point numbers of 11 bits. */
const LOAD_ONE = 2048;
/** In tk_core a sequence count stands before the timekeeper, padded to 8 bytes. */
const OLD_TIMEKEEPER = 8;
/** 2001-09-09 to 2286-11-20: what a clock that was set may say. */
const SANE_SECONDS = [1e9, 1e10] as const;

/** Of the file's own header, where nothing else could be read. */
export function headerFacts(file: CoreFile): KernelFacts {
  const { kdump } = file;
  return {
    ...(kdump === undefined || kdump.release === '' ? {} : { release: kdump.release }),
    ...(kdump === undefined || kdump.machine === '' ? {} : { machine: kdump.machine }),
    ...(kdump === undefined || kdump.hostname === '' ? {} : { hostname: kdump.hostname }),
    ...infoFacts(file.vmcoreinfo),
    ...(file.notes.prstatus.length > 0 ? { cpus: file.notes.prstatus.length } : {}),
    page_size: PAGE_SIZE,
    taint_flags: [],
  };
}

function infoFacts(text: string | undefined): Partial<KernelFacts> {
  const release = /^OSRELEASE=(.*)$/m.exec(text ?? '')?.[1];
  const build = /^BUILD-ID=([0-9a-f]+)$/m.exec(text ?? '')?.[1];
  return {
    ...(release === undefined ? {} : { release }),
    ...(build === undefined ? {} : { build_id: build }),
  };
}

/** With memory, before symbols. */
export function bootFacts(file: CoreFile, { info, uts, translation, physBase }: Booted): KernelFacts {
  const offset = info.kernelOffset;
  const crashed = info.crashTime;
  const sign = physBase < 0n ? '-' : '';
  return {
    ...headerFacts(file),
    release: uts.release,
    version: `${uts.sysname} version ${uts.release} ${uts.version}`,
    ...(info.buildId === undefined ? {} : { build_id: info.buildId }),
    machine: uts.machine,
    hostname: uts.nodename,
    page_levels: translation.levels,
    ...(offset === undefined ? {} : { kaslr_offset: `0x${offset.toString(16)}` }),
    phys_base: `${sign}0x${(physBase < 0n ? -physBase : physBase).toString(16)}`,
    ...(crashed === undefined ? {} : { crash_time: crashed * 1000 }),
  };
}

/** With symbols and types. */
export function kernelFacts(scene: Scene, before: KernelFacts): KernelFacts {
  const { kernel } = scene;
  const banner = kernel.sym('linux_banner');
  const version = banner === undefined ? undefined : kernel.cstring(banner, 512)?.trim();
  const taint = wordOf(kernel, 'tainted_mask');
  const time = readTime(kernel);
  const logged = (scene.log.entries.at(-1)?.at_ms ?? 0) / 1000;
  const uptime = time === undefined ? (logged > 0 ? logged : undefined) : Math.max(time.uptime_s, logged);
  const crash_time =
    before.crash_time ??
    (time === undefined ? undefined : (time.wall_s + Math.max(0, (uptime ?? 0) - time.uptime_s)) * 1000);
  const memory = totalMemory(scene);
  const command = commandLine(kernel);
  const load = readLoad(kernel);
  return {
    ...before,
    ...(version === undefined || version === '' ? {} : { version }),
    ...(command === undefined ? {} : { command_line: command }),
    cpus: kernel.cpus.length,
    cpus_online: kernel.cpusOnline.length,
    ...(uptime === undefined ? {} : { uptime_s: uptime }),
    ...(crash_time === undefined ? {} : { crash_time }),
    ...(crash_time === undefined || uptime === undefined ? {} : { boot_time: crash_time - uptime * 1000 }),
    ...(load === undefined ? {} : { load }),
    ...(Number.isNaN(memory) ? {} : { memory_bytes: memory }),
    tasks: kernel.tasks().filter(({ idle }) => !idle).length,
    ...(taint === undefined ? {} : { taint: taintLetters(taint) }),
    taint_flags: taint === undefined ? [] : taintTexts(taint),
  };
}

function wordOf(kernel: Kernel, symbol: string): number | undefined {
  const address = kernel.sym(symbol);
  const value = address === undefined ? undefined : kernel.u64(address);
  return value === undefined ? undefined : Number(value);
}

function commandLine(kernel: Kernel): string | undefined {
  const pointer = kernel.sym('saved_command_line');
  const address = pointer === undefined ? undefined : kernel.u64(pointer);
  return address === undefined || address === 0n ? undefined : kernel.cstring(address, 4096);
}

function readLoad(kernel: Kernel): readonly [number, number, number] | undefined {
  const address = kernel.sym('avenrun');
  const bytes = address === undefined ? undefined : kernel.read(address, 24);
  if (bytes === undefined) return undefined;
  const at = (index: number) => Math.round((Number(bytes.readBigUInt64LE(index * 8)) / LOAD_ONE) * 100) / 100;
  return [at(0), at(1), at(2)];
}

/** The timekeeper: wall clock, and by its distance to the monotonic one the time since boot. */
function readTime(kernel: Kernel): { wall_s: number; uptime_s: number } | undefined {
  const core = kernel.sym('tk_core');
  const inside = kernel.member('tk_data', 'timekeeper')?.offset ?? OLD_TIMEKEEPER;
  const places = [
    ...(core === undefined ? [] : [core + BigInt(inside)]),
    ...(kernel.sym('shadow_timekeeper') === undefined ? [] : [kernel.sym('shadow_timekeeper') as bigint]),
  ];
  for (const place of places) {
    const keeper = kernel.struct('timekeeper', place);
    const seconds = keeper.num('xtime_sec');
    const shift = keeper.num('tkr_mono.shift');
    const fraction = keeper.num('tkr_mono.xtime_nsec') / 2 ** shift;
    // Up to the next second; more would be another struct.
    if (!(seconds >= SANE_SECONDS[0] && seconds < SANE_SECONDS[1] && shift < 64)) continue;
    const to = keeper.num('wall_to_monotonic.tv_sec') + keeper.num('wall_to_monotonic.tv_nsec') / 1e9;
    const asleep = keeper.num('offs_boot') / 1e9;
    const wall_s = seconds + (fraction >= 0 && fraction < 1e10 ? fraction / 1e9 : 0);
    const uptime_s = wall_s + to + (Number.isNaN(asleep) ? 0 : asleep);
    if (uptime_s >= 0 && uptime_s < 1e10) return { wall_s, uptime_s };
  }
  return undefined;
}

export const textOf = hex;
