/** Memory that is gone, and stacks that were too small. */
import { comparedStack } from '../cluster/frames.ts';
import type { Finding, Frame } from '../report.ts';
import { type Examined, rowsOf } from './evidence.ts';

/** A cache that cannot be given back is a leak from this share of all memory on; when memory ran out, from this. */
const LEAK_PCT = 25;
const LEAK_OOM_PCT = 10;

export function slabLeaks(report: Examined): Finding[] {
  const oom = report.crash.class === 'oom';
  return rowsOf(report, 'slab').flatMap((row): Finding[] => {
    const share = row.num('share_pct');
    if (row.text('reclaimable') === 'yes' || !(share >= (oom ? LEAK_OOM_PCT : LEAK_PCT))) return [];
    const cache = row.text('cache');
    return [
      {
        id: 'slab-leak',
        severity: oom ? 'alarm' : 'warning',
        text: `the slab cache ${cache} holds ${share.toFixed(0)} % of all memory and cannot be reclaimed`,
        evidence: [
          `${row.num('active')} objects of ${row.num('object_size')} bytes in use, ${mb(row.num('bytes'))} in all`,
          ...memoryLines(report),
        ],
        see: { section: 'slab', key: cache },
      },
    ];
  });
}

const mb = (bytes: number): string => `${(bytes / 2 ** 20).toFixed(1)} MiB`;

/** The largest parts of memory, for comparison. */
function memoryLines(report: Examined): string[] {
  return rowsOf(report, 'memory')
    .filter((row) => row.num('share_pct') >= 5)
    .slice(0, 6)
    .map((row) => `${row.text('what')} ${mb(row.num('bytes'))}, ${row.num('share_pct').toFixed(0)} %`);
}

/** Zones below the watermark at which nobody but those that free memory gets any. */
export function exhaustedZones(report: Examined): Finding[] {
  const below = rowsOf(report, 'memory', 'zones').filter((row) => row.text('state') === 'below min');
  if (below.length === 0) return [];
  const names = below.map((row) => `${row.text('zone')} of node ${row.num('node')}`);
  return [
    {
      id: 'no-memory',
      severity: report.crash.class === 'oom' ? 'alarm' : 'warning',
      text: `free memory is below the lowest watermark in ${names.join(', ')}`,
      evidence: below.map(
        (row) => `${row.text('zone')}: ${mb(row.num('free'))} free, minimum ${mb(row.num('min'))}`,
      ),
      see: { section: 'memory' },
    },
  ];
}

/** Frames folded away that are recursion beyond doubt. */
const RECURSION = 8;

/** Functions that call each other over and over, in the stack that is to blame or that of a CPU. */
export function recursion(report: Examined): Finding[] {
  const overflow = report.crash.class === 'stack-overflow' || report.crash.class === 'double-fault';
  const blamed = report.crash.blame?.stack ?? [];
  const stacks: readonly (readonly Frame[])[] = [
    blamed,
    report.crash.panic_stack,
    ...(report.sections.cpus?.stacks ?? []).map(({ frames }) => frames),
  ];
  for (const frames of stacks) {
    const names = frames.map((frame) =>
      frame.module ? `${frame.function} [${frame.module}]` : frame.function,
    );
    const { folded } = comparedStack(names);
    if (folded < RECURSION) continue;
    const [name, times] = mostOften(names);
    return [
      {
        id: 'recursion',
        severity: overflow ? 'alarm' : 'warning',
        text: `${name} is ${times} times on one stack of ${names.length} frames${overflow ? ', which overflowed' : ''}`,
        evidence: [
          ...depthOf(frames),
          `innermost: ${names.slice(0, 6).join(', ')}`,
          `outermost: ${names.slice(-4).join(', ')}`,
        ],
        see: { section: 'cpus' },
      },
    ];
  }
  return [];
}

function mostOften(names: readonly string[]): readonly [string, number] {
  const counts = new Map<string, number>();
  for (const name of names) counts.set(name, (counts.get(name) ?? 0) + 1);
  return [...counts].reduce((best, one) => (one[1] > best[1] ? one : best));
}

/** Bytes between the innermost and the outermost frame, where both say where they are. */
function depthOf(frames: readonly Frame[]): string[] {
  const places = frames.flatMap(({ sp }) => (sp === undefined ? [] : [BigInt(sp)]));
  const [low, high] = [places[0], places.at(-1)];
  if (low === undefined || high === undefined || high <= low || high - low > 1n << 20n) return [];
  return [`${high - low} bytes of stack`];
}
