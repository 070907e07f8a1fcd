/** Looks up what is to be watched: an event of this kernel, or a place where a probe can stand. */
import type { EventField, EventFormat } from '../filter/event-format.ts';
import type { ProbeSpec } from '../monitors/monitor.ts';
import type { ReadyProbe } from '../probes/probe.ts';
import { type Source, Undeclarable } from './declare.ts';
import { eventFormat, NoEvent, tracefsHere } from './tracefs.ts';

/** How long a probe is armed to see how often it is hit. */
const TRIAL_MS = 100;

/** As `lookUp`; a probe is armed for a moment, and refused where it would slow the machine. */
export const lookUpAndTry = (words: readonly string[]): Promise<Source> => lookUp(words, true);

/** Throws a NoEvent where there is neither. */
export async function lookUp(words: readonly string[], tries = false): Promise<Source> {
  const [first = '', ...rest] = words;
  // A module and its function look the same; an event that there is goes first.
  if (/^[A-Za-z][\w-]*:[\w-]+$/.test(first) && !/^[prfte]\d*:/.test(first)) {
    try {
      const args = rest.flatMap((word) => word.split(',')).filter((word) => word !== '');
      return { name: first, format: eventFormat(first), args, notes: [] };
    } catch (error) {
      if (!(error instanceof NoEvent) || tracefsHere() === undefined) throw error;
      if (!(await isModule(first.split(':')[0] ?? ''))) throw error;
    }
  }
  return probeOf(words.join(' '), tries);
}

async function isModule(name: string): Promise<boolean> {
  const { existsSync } = await import('node:fs');
  return existsSync(`/sys/module/${name.replace(/-/g, '_')}/initstate`);
}

async function probeOf(text: string, tries: boolean): Promise<Source> {
  // Only here: symbols and types of a kernel are nothing that every start needs.
  const [{ resolveProbe }, { Kernel }, { NoProbe }] = await Promise.all([
    import('../probes/resolve.ts'),
    import('../probes/kernel.ts'),
    import('../probes/probe.ts'),
  ]);
  try {
    const kernel = new Kernel();
    const ready = resolveProbe(text, kernel, { path: '', returns: false });
    if (ready.event !== undefined)
      return { name: ready.event, format: eventFormat(ready.event), args: [], notes: ready.notes };
    if (ready.probe === undefined) throw new Undeclarable(`${text} is no place for a probe; name a function`);
    if (tries) await refuseHot(kernel.tracefs, ready);
    const end = endOf(ready.probe);
    return {
      name: ready.place,
      probe: { id: ready.name, spec: ready.probe, ...(end === undefined ? {} : { end }) },
      format: formatOfProbe(ready.place, ready.probe.definition),
      args: [],
      notes: ready.notes,
    };
  } catch (error) {
    if (error instanceof NoProbe) throw new NoEvent(error.kind, error.message);
    throw error;
  }
}

async function refuseHot(tracefs: string, ready: ReadyProbe): Promise<void> {
  const [{ tryProbe }, { costPercent, MANY_PER_S }] = await Promise.all([
    import('../probes/tracefs.ts'),
    import('../probes/choose.ts'),
  ]);
  const per_s = await tryProbe(tracefs, ready, '', TRIAL_MS);
  if (!(per_s > MANY_PER_S)) return;
  const cost = costPercent(ready.probe?.kind ?? 'kprobe', per_s).toFixed(0);
  throw new NoEvent(
    'host',
    `${ready.place} is hit ${Math.round(per_s)} times a second: it would cost ${cost} % of a CPU; name a rarer place, or give --yes`,
  );
}

/** The return of the function that a probe stands at the entry of. */
function endOf({ kind, definition }: ProbeSpec): ProbeSpec | undefined {
  const place = definition.split(' ')[0] ?? '';
  if (kind === 'kprobe' && /^[^+]+$|\+0$/.test(place))
    return { kind: 'kretprobe', definition: place.replace(/\+0$/, '') };
  return kind === 'uprobe' ? { kind: 'uretprobe', definition: place } : undefined;
}

/** Arguments of a definition as fields: `file=+0(%si):ustring` is a text. */
export function formatOfProbe(name: string, definition: string): EventFormat {
  const fields = definition
    .split(/\s+/)
    .slice(1)
    .flatMap((word): EventField[] => {
      const [, field, , type = 'u64'] = /^(\w+)=(.*?)(?::([\w[\]/@]+))?$/.exec(word) ?? [];
      if (field === undefined) return [];
      const size = Number(/^[suxbd](\d+)/.exec(type)?.[1] ?? 64) / 8;
      const text = /^(?:u?string|symstr)$/.test(type);
      return [
        {
          name: field,
          kind: text ? 'text' : /\[/.test(type) ? 'other' : 'number',
          signed: type.startsWith('s'),
          size,
        },
      ];
    });
  return { event: name, fields };
}
