/** Formats of events, as tracefs has them: for columns and filters of monitors that users ask for. */
import { readdirSync, readFileSync } from 'node:fs';
import { type EventFormat, parseEventFormat } from '../filter/event-format.ts';
import { suggestion } from '../filter/nearest.ts';

const PLACES = ['/sys/kernel/tracing', '/sys/kernel/debug/tracing'];

/** Why there is no such event, one sentence. `usage`: the name is wrong; `host`: not possible here. */
export class NoEvent extends Error {
  readonly kind: 'usage' | 'host';

  constructor(kind: 'usage' | 'host', text: string) {
    super(text);
    this.kind = kind;
  }
}

/** Where tracefs is mounted and may be read; undefined when it is not. */
export function tracefsHere(): string | undefined {
  return PLACES.find((place) => {
    try {
      return readdirSync(`${place}/events`).length > 0;
    } catch {
      return false;
    }
  });
}

/** The fields of `sys:name`. Throws a NoEvent with the nearest name. */
export function eventFormat(event: string, tracefs = tracefsHere()): EventFormat {
  const [, system = '', name = ''] = /^([\w-]+):([\w-]+)$/.exec(event) ?? [];
  if (name === '')
    throw new NoEvent(
      'usage',
      `${JSON.stringify(event)} is not an event; write system:name, such as sched:sched_switch`,
    );
  if (tracefs === undefined)
    throw new NoEvent(
      'host',
      `tracefs cannot be read, so ${event} is not known; run ktop as root, and mount tracefs on ${PLACES[0]}`,
    );
  try {
    const format = parseEventFormat(
      event,
      readFileSync(`${tracefs}/events/${system}/${name}/format`, 'utf8'),
    );
    return isDerived(tracefs, system, name) ? { ...format, derived: true } : format;
  } catch {
    throw new NoEvent('host', `this kernel has no event ${event}${nearestEvent(tracefs, system, name)}`);
  }
}

function isDerived(tracefs: string, system: string, name: string): boolean {
  try {
    return `\n${readFileSync(`${tracefs}/dynamic_events`, 'utf8')}`.includes(`\ne:${system}/${name} `);
  } catch {
    return false;
  }
}

function nearestEvent(tracefs: string, system: string, name: string): string {
  const names = (of: string): string[] => {
    try {
      return readdirSync(of, { withFileTypes: true })
        .filter((entry) => entry.isDirectory())
        .map((entry) => entry.name);
    } catch {
      return [];
    }
  };
  const events = names(`${tracefs}/events/${system}`);
  if (events.length > 0) {
    const near = suggestion(name, events);
    return near === '' ? `; ${system} has ${events.length} others` : near.replace(/mean /, `mean ${system}:`);
  }
  return suggestion(system, names(`${tracefs}/events`)) || '; perf list shows what there is';
}
