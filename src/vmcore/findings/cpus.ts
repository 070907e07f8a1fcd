/** CPUs that do not come back. */
import type { Finding } from '../report.ts';
import { type Examined, rowsOf, type TableRow, time } from './evidence.ts';

/** Classes in which some CPU did not react. */
const STALLS: ReadonlySet<string> = new Set(['soft-lockup', 'hard-lockup', 'rcu-stall', 'nmi']);

const who = (row: TableRow): string => `${row.text('comm')} ${row.num('pid')}`;

/** A CPU that runs with interrupts disabled and does not handle the panic: deaf to everything but NMIs. */
export function deafCpus(report: Examined): Finding[] {
  const culprits = rowsOf(report, 'cpus').filter(
    (row) => row.text('irqs') === 'off' && row.text('state') === 'running' && row.num('hardirq') !== 1,
  );
  return culprits.map((row) => ({
    id: 'irqs-off',
    severity: STALLS.has(report.crash.class) ? 'alarm' : 'warning',
    text: `CPU ${row.num('cpu')} ran ${who(row)} in ${row.text('function') || 'an unknown function'} with interrupts disabled`,
    evidence: [
      `stopped by: ${row.text('stopped') || 'unknown'}`,
      ...(row.text('stack') === '' ? [] : [`stack: ${row.text('stack')}`]),
      ...ranFor(report, row.num('cpu')),
    ],
    see: { section: 'cpus', key: String(row.num('cpu')) },
  }));
}

function ranFor(report: Examined, cpu: number): string[] {
  const row = rowsOf(report, 'current').find((one) => one.num('cpu') === cpu);
  const ms = row?.num('oncpu_ms') ?? Number.NaN;
  return Number.isNaN(ms) ? [] : [`on the CPU for ${time(ms)}`];
}

/** A task this long on its CPU, with others waiting for it, keeps it to itself. */
const HOG_MS = 5000;

/** A task that keeps a CPU from others for seconds. */
export function cpuHogs(report: Examined): Finding[] {
  const waiting = new Map(rowsOf(report, 'runqueues').map((row) => [row.num('cpu'), row]));
  return rowsOf(report, 'current').flatMap((row): Finding[] => {
    const ms = row.num('oncpu_ms');
    const queue = waiting.get(row.num('cpu'));
    const others = (queue?.num('running') ?? 0) - 1;
    if (!(ms >= HOG_MS) || row.num('pid') === 0 || !(others > 0)) return [];
    return [
      {
        id: 'cpu-hog',
        severity: STALLS.has(report.crash.class) ? 'alarm' : 'warning',
        text: `${who(row)} kept CPU ${row.num('cpu')} for ${time(ms)} while ${others} waited`,
        evidence: [
          `policy ${row.text('policy') || 'unknown'}, priority ${row.num('prio')}, in ${row.text('function') || 'an unknown function'}`,
          ...(queue?.text('waiting') ? [`waiting: ${queue.text('waiting')}`] : []),
        ],
        see: { section: 'runqueues', key: String(row.num('cpu')) },
      },
    ];
  });
}
