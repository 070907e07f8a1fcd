/** Pointers that tell what went wrong: poison, one bit changed, an error code, text. */
import type { Finding } from '../report.ts';
import { addressOf, type Examined, faultRegisters, hex, type Register, rowsOf } from './evidence.ts';

interface Suspect {
  readonly name: string;
  readonly value: bigint;
}

/** Classes in which an address was wrong. */
const MEMORY: ReadonlySet<string> = new Set([
  'null-deref',
  'page-fault',
  'gpf',
  'bug',
  'list-corruption',
  'invalid-opcode',
  'kasan',
  'double-fault',
]);
/** Members of structures are this far from their start at most. */
const REACH = 4096n;
const PAGE = 4096n;
const ALL = 2n ** 64n - 1n;

interface Poison {
  readonly value: bigint;
  readonly means: string;
}

const fill = (byte: bigint): bigint => byte * 0x0101010101010101n;

const POISONS: readonly Poison[] = [
  {
    value: 0xdead000000000100n,
    means: 'LIST_POISON1: the next pointer of an entry that was taken off its list',
  },
  {
    value: 0xdead000000000122n,
    means: 'LIST_POISON2: the previous pointer of an entry that was taken off its list',
  },
  {
    value: 0xdead000000000200n,
    means: 'LIST_POISON2 of older kernels: an entry that was taken off its list',
  },
  { value: fill(0x6bn), means: 'POISON_FREE: memory of a slab object that was freed' },
  { value: fill(0x5an), means: 'POISON_INUSE: memory of a slab object that was never written' },
  { value: fill(0xbbn), means: 'SLUB_RED_INACTIVE: the red zone of a freed slab object' },
  { value: fill(0xccn), means: 'SLUB_RED_ACTIVE: the red zone of a slab object, or freed initial memory' },
  { value: fill(0xaan), means: 'PAGE_POISON: a page that was freed' },
  { value: 0xdead4ead00000000n, means: 'SPINLOCK_MAGIC: a lock where a pointer was expected' },
];

/** Registers and the address touched, of crashes by a wrong address. */
function suspects(report: Examined): readonly Suspect[] {
  if (!MEMORY.has(report.crash.class)) return [];
  const fault = faultAddress(report);
  return [
    ...(fault === undefined ? [] : [{ name: 'fault address', value: fault }]),
    ...faultRegisters(report),
  ];
}

/** As reported, or as the line of the oops says it of non-canonical addresses. */
function faultAddress({ crash }: Examined): bigint | undefined {
  const said = /(?:non-canonical address|address:?|at) (?:0x)?([\da-f]{16})\b/i.exec(crash.panic_line)?.[1];
  return addressOf(crash.fault_address) ?? addressOf(said);
}

/** Bytes that the kernel writes to catch just this. */
export function poison(report: Examined): Finding[] {
  const found = suspects(report).flatMap(({ name, value }) => {
    const match = POISONS.find((one) => isNear(value, one.value));
    return match === undefined ? [] : [{ name, value, match }];
  });
  const first = found[0];
  if (first === undefined) return [];
  const { name, value, match } = first;
  return [
    {
      id: 'poison',
      severity: 'alarm',
      text: `${name} ${hex(value)} is poison: ${match.means.replace(/^\S+ ?.*?: /, '')}`,
      evidence: found.map((one) => `${one.name} = ${hex(one.value)}: ${one.match.means}`),
      see: { section: 'dmesg' },
    },
  ];
}

const isPoison = (value: bigint): boolean => POISONS.some((one) => isNear(value, one.value));

/** The value itself, or a member of a structure at it. */
const isNear = (value: bigint, base: bigint): boolean => {
  const far = BigInt.asUintN(64, value - base);
  return far < REACH || BigInt.asUintN(64, base - value) <= 256n;
};

/** Bits below tell places within a page apart. */
const LEAST_BIT = 12;
/** A difference in a bit below may just be that of two neighbours in memory, unless only one of them is in memory. */
const FAR_BIT = 34;

/** The address touched differs by one bit from a pointer that is good. */
export function bitFlip(report: Examined): Finding[] {
  const fault = faultAddress(report);
  if (fault === undefined || fault < 2n ** 32n || !MEMORY.has(report.crash.class)) return [];
  if (isPoison(fault)) return [];
  const registers = faultRegisters(report);
  // The pointer itself, of which the fault address is a member.
  const pointers = registers.filter(({ value }) => value <= fault && fault - value < REACH);
  return flippedTwin(report, fault, pointers, registers) ?? flippedIntoMemory(report, fault) ?? [];
}

/** The good pointer is at hand: in another register, or known as the address of something. */
function flippedTwin(
  report: Examined,
  fault: bigint,
  pointers: readonly Register[],
  registers: readonly Register[],
): Finding[] | undefined {
  const range = directMap(report);
  const known = [
    ...registers.filter(({ name }) => name !== 'CR2').map(({ name, value }) => ({ name, value })),
    ...knownAddresses(report),
  ];
  for (const pointer of [...pointers, { name: 'fault address', value: fault }])
    for (const good of known) {
      const bit = singleBit(pointer.value ^ good.value);
      if (bit === undefined || !isKernel(good.value) || isAlsoBad(good, pointers)) continue;
      const outside = range !== undefined && !inside(fault, range) && inside(good.value, range);
      if (bit < (outside ? LEAST_BIT : FAR_BIT)) continue;
      return [
        flip(
          `${pointer.name} ${hex(pointer.value)} is ${good.name} ${hex(good.value)} with bit ${bit} changed`,
          [
            `${pointer.name} = ${hex(pointer.value)}, used to touch ${hex(fault)}`,
            `${good.name} = ${hex(good.value)}`,
            `they differ in bit ${bit} alone`,
          ],
        ),
      ];
    }
  return undefined;
}

const isAlsoBad = (good: Suspect, pointers: readonly Register[]): boolean =>
  pointers.some(({ name }) => name === good.name);

/** One bit away lies memory that the kernel uses, and only one bit does that. */
function flippedIntoMemory(report: Examined, fault: bigint): Finding[] | undefined {
  const range = directMap(report);
  if (range === undefined || inside(fault, range)) return undefined;
  const bits = Array.from({ length: 64 - LEAST_BIT }, (_, i) => i + LEAST_BIT).filter((bit) =>
    inside(fault ^ (1n << BigInt(bit)), range),
  );
  const [bit, another] = bits;
  if (bit === undefined || another !== undefined) return undefined;
  const good = fault ^ (1n << BigInt(bit));
  return [
    flip(`the fault address ${hex(fault)} would be ordinary memory, ${hex(good)}, with bit ${bit} changed`, [
      `fault address = ${hex(fault)}`,
      `bit ${bit} changed = ${hex(good)}`,
      `tasks lie from ${hex(range.low)} to ${hex(range.high)}`,
    ]),
  ];
}

const flip = (text: string, evidence: readonly string[]): Finding => ({
  id: 'bit-flip',
  severity: 'warning',
  text: `${text}: memory that is faulty, or a stray write of one bit`,
  evidence,
  see: { section: 'dmesg' },
});

interface Range {
  readonly low: bigint;
  readonly high: bigint;
}

const inside = (value: bigint, { low, high }: Range): boolean => value >= low && value < high;

/** Where all memory is mapped: around the tasks, which are spread over it, no further than there is memory. */
function directMap(report: Examined): Range | undefined {
  const tasks = knownAddresses(report).map(({ value }) => value);
  const memory = report.kernel.memory_bytes ?? report.file.memory_bytes;
  if (tasks.length < 8 || memory === undefined) return undefined;
  const sorted = tasks.toSorted((a, b) => (a < b ? -1 : 1));
  const [low, high] = [sorted[0] as bigint, sorted.at(-1) as bigint];
  const size = BigInt(Math.round(memory));
  // Tasks that lie further apart than there is memory are not all in it.
  return high - low > size * 2n ? undefined : { low: high > size ? high - size : 0n, high: low + size };
}

function knownAddresses(report: Examined): Suspect[] {
  return rowsOf(report, 'tasks').flatMap((row) => {
    const value = addressOf(row.text('task'));
    // The first task is part of the kernel's image.
    return value === undefined || value >= 0xffffffff80000000n
      ? []
      : [{ name: `the task ${row.text('comm')} ${row.num('pid')}`, value }];
  });
}

const isKernel = (value: bigint): boolean => value >= 0xff00000000000000n && value < ALL - PAGE;

/** Number of the only bit set. */
function singleBit(value: bigint): number | undefined {
  return value !== 0n && (value & (value - 1n)) === 0n ? value.toString(2).length - 1 : undefined;
}

/** An error code that was taken for a pointer: -4095 to -1. What lies behind -1 cannot be told from behind NULL. */
export function errorPointer(report: Examined): Finding[] {
  const fault = faultAddress(report);
  if (fault === undefined || !MEMORY.has(report.crash.class)) return [];
  if (fault <= ALL - 4095n) return [];
  const wrong = faultRegisters(report).find(
    ({ name, value }) => name !== 'CR2' && value > ALL - 4095n && value <= fault,
  ) ?? {
    name: 'fault address',
    value: fault,
  };
  const code = BigInt.asIntN(64, wrong.value);
  return [
    {
      id: 'error-pointer',
      severity: 'alarm',
      text: `an error code was used as a pointer: ${wrong.name} is ${code}`,
      evidence: [`${wrong.name} = ${hex(wrong.value)}`, `fault address = ${hex(fault)}`],
      see: { section: 'dmesg' },
    },
  ];
}

const TEXT = /^[\x20-\x7e]{8}$/;

/** Eight letters where a pointer should be: text was written over it. */
export function textPointer(report: Examined): Finding[] {
  const fault = faultAddress(report);
  if (fault === undefined || !MEMORY.has(report.crash.class) || isPoison(fault)) return [];
  const near = [{ name: 'fault address', value: fault }, ...faultRegisters(report)].find(
    ({ value }) => fault >= value && fault - value < REACH && TEXT.test(lettersOf(value)),
  );
  if (near === undefined) return [];
  return [
    {
      id: 'text-pointer',
      severity: 'alarm',
      text: `${near.name} holds text, ${JSON.stringify(lettersOf(near.value))}, where a pointer should be`,
      evidence: [`${near.name} = ${hex(near.value)}`, `fault address = ${hex(fault)}`],
      see: { section: 'dmesg' },
    },
  ];
}

/** As the bytes lie in memory. */
function lettersOf(value: bigint): string {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64LE(BigInt.asUintN(64, value));
  return bytes.toString('latin1');
}
