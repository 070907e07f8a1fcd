/** The incidents of a recording: all of them, wherever one stands in it. */
import type { Mark } from '../sources/source.ts';
import type { Incident } from './store.ts';

let last: { readonly marks: readonly Mark[]; readonly incidents: readonly Incident[] } | undefined;

/** Newest first. Of what a mark does not say (CPU, task) nothing is said. The last result is kept. */
export function incidentsOfMarks(marks: readonly Mark[]): readonly Incident[] {
  if (last?.marks === marks) return last.incidents;
  const incidents = marks
    .filter(({ kind }) => kind === 'incident')
    .map(
      ({ time, monitor, text }, index): Incident => ({
        id: index + 1,
        time,
        monitor,
        log: '',
        entry: { at_ms: Number.NaN, cpu: -1, pid: -1, tid: -1, comm: '', text },
      }),
    )
    .reverse();
  last = { marks, incidents };
  return incidents;
}
