/** Rules over a report: what stands out, with its evidence. Pure; a section that is missing is a rule that finds nothing. */
import type { Finding } from '../report.ts';
import { cpuHogs, deafCpus } from './cpus.ts';
import type { Examined } from './evidence.ts';
import { crowdedLock, deadlocks, frozenFilesystems, lostOwners, sleepingOwners } from './locks.ts';
import { exhaustedZones, recursion, slabLeaks } from './memory.ts';
import { bitFlip, errorPointer, poison, textPointer } from './pointers.ts';

const RULES: readonly ((report: Examined) => readonly Finding[])[] = [
  deadlocks,
  sleepingOwners,
  lostOwners,
  frozenFilesystems,
  crowdedLock,
  deafCpus,
  cpuHogs,
  slabLeaks,
  exhaustedZones,
  recursion,
  poison,
  errorPointer,
  textPointer,
  bitFlip,
];

const RANK = { alarm: 0, warning: 1, notice: 2 } as const;
/** Of one rule so many are kept: a thousand locks with sleeping owners are one trouble. */
const MOST_OF_A_KIND = 8;

/** Most severe first, in the order of the rules. */
export function findingsOf(report: Examined): readonly Finding[] {
  const found = RULES.flatMap((rule) => cut(rule(report)));
  return found.sort((a, b) => RANK[a.severity] - RANK[b.severity]);
}

function cut(found: readonly Finding[]): readonly Finding[] {
  const last = found[MOST_OF_A_KIND - 1];
  const rest = found.length - MOST_OF_A_KIND;
  if (last === undefined || rest <= 0) return found;
  return [
    ...found.slice(0, MOST_OF_A_KIND - 1),
    { ...last, evidence: [...last.evidence, `and ${rest} more of this kind`] },
  ];
}
