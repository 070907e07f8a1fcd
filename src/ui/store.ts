/** The newest picture of every tab, what came before it as far as panels need it, and a frozen copy when paused. */
import type { LogPanel, Monitor } from '../monitors/monitor.ts';
import { lineValue } from '../panels/paint-line.ts';
import type { KeptEntry } from '../panels/paint-log.ts';
import type { LogEntry, Snapshot } from '../sources/snapshot.ts';
import type { Capability, Failure, HostLoad, SourceMessage, Totals } from '../sources/source.ts';

/** Values kept for a line panel, entries kept of a log, notices kept. */
const HISTORY = 600;
const LOG_ENTRIES = 5000;
const INCIDENTS = 1000;
const NOTICES = 50;

/** What a tab is painted from. */
export interface Picture {
  readonly snapshot: Snapshot;
  /** Values of each line panel, oldest first, by panel id. */
  readonly history: ReadonlyMap<string, readonly number[]>;
  /** Entries of each log, oldest first, by log name. */
  readonly logs: ReadonlyMap<string, readonly KeptEntry[]>;
  /** Wall clock when it arrived, milliseconds. */
  readonly received: number;
}

/** An entry of a log whose entries are incidents. */
export interface Incident extends KeptEntry {
  readonly monitor: string;
  /** Name of the log it stands in. */
  readonly log: string;
}

export interface Notice {
  readonly text: string;
  readonly time: number;
}

interface Tab {
  readonly monitor: Monitor;
  picture: Picture | undefined;
  frozen: Picture | undefined;
  failure: Failure | undefined;
  capability: Capability | undefined;
  totals: Totals;
}

const NOTHING: Totals = { lost: 0, late: 0, unseen: 0 };

export class Store {
  #load: HostLoad | undefined;
  #frozenLoad: HostLoad | undefined;
  readonly notices: Notice[] = [];
  paused = false;
  /** Times that everything kept was forgotten: what is of another time has another number. */
  resets = 0;
  #incidents: readonly Incident[] = [];
  /** Ids of the incidents by what they are: those told again keep theirs. */
  readonly #incidentIds = new Map<string, number>();
  readonly #takenIds = new Set<number>();
  readonly #tabs: ReadonlyMap<string, Tab>;

  constructor(monitors: readonly Monitor[]) {
    this.#tabs = new Map(
      monitors.map((monitor) => [
        monitor.name,
        {
          monitor,
          picture: undefined,
          frozen: undefined,
          failure: undefined,
          capability: undefined,
          totals: NOTHING,
        },
      ]),
    );
  }

  /** Takes a message in. `now`: when it arrived, or for a snapshot, of when it is; wall clock, milliseconds. */
  accept(message: SourceMessage, now: number): void {
    switch (message.type) {
      case 'snapshot':
        this.#snapshot(message.snapshot, now);
        break;
      case 'load':
        this.#load = message.load;
        break;
      case 'failed': {
        const tab = this.#tabs.get(message.failure.monitor);
        if (tab !== undefined) tab.failure = message.failure;
        break;
      }
      case 'notice':
        this.notice(message.text, now);
        break;
      case 'capabilities':
        for (const capability of message.capabilities) {
          const tab = this.#tabs.get(capability.monitor);
          if (tab !== undefined) tab.capability = capability;
        }
        break;
      case 'totals': {
        const tab = this.#tabs.get(message.monitor);
        if (tab !== undefined) tab.totals = message.totals;
        break;
      }
      case 'reset':
        this.#reset();
        break;
    }
  }

  /** Keeps a sentence for the notes and the help page. */
  notice(text: string, now: number): void {
    this.notices.push({ text, time: now });
    if (this.notices.length > NOTICES) this.notices.shift();
  }

  /** Load of host and ktop; while paused as it was then. */
  get load(): HostLoad | undefined {
    return this.paused ? this.#frozenLoad : this.#load;
  }

  /** What to paint for a tab: the frozen picture while paused. A tab that never had one gets its first. */
  picture(monitor: string): Picture | undefined {
    const tab = this.#tabs.get(monitor);
    return this.paused ? (tab?.frozen ?? tab?.picture) : tab?.picture;
  }

  /** What exceeded a threshold on any tab, newest first; at most 1,000. A new array when there is a new one. */
  get incidents(): readonly Incident[] {
    return this.#incidents;
  }

  /** What this host gives to each monitor, in the order of the tabs; those not known yet left out. */
  get capabilities(): readonly Capability[] {
    return [...this.#tabs.values()].flatMap(({ capability }) => capability ?? []);
  }

  failure(monitor: string): Failure | undefined {
    return this.#tabs.get(monitor)?.failure;
  }

  capability(monitor: string): Capability | undefined {
    return this.#tabs.get(monitor)?.capability;
  }

  /** Losses since ktop was started, on this tab. */
  totals(monitor: string): Totals {
    return this.#tabs.get(monitor)?.totals ?? NOTHING;
  }

  /** Forgets a failure, for another try. */
  clearFailure(monitor: string): void {
    const tab = this.#tabs.get(monitor);
    if (tab !== undefined) tab.failure = undefined;
  }

  /** Freezes or thaws the pictures; measuring goes on. */
  setPaused(paused: boolean): void {
    this.paused = paused;
    this.#frozenLoad = this.#load;
    for (const tab of this.#tabs.values()) tab.frozen = paused ? tab.picture : undefined;
  }

  /** Pictures and losses are of another time. Incidents stay: they are a list of times themselves. */
  #reset(): void {
    this.resets += 1;
    for (const tab of this.#tabs.values()) {
      tab.picture = undefined;
      tab.frozen = undefined;
      tab.totals = NOTHING;
    }
  }

  #snapshot(snapshot: Snapshot, now: number): void {
    const tab = this.#tabs.get(snapshot.monitor);
    if (tab === undefined) return;
    tab.failure = undefined;
    const { lost, late, unseen } = tab.totals;
    tab.totals = {
      lost: lost + snapshot.lost,
      late: late + snapshot.late,
      unseen: unseen + snapshot.unseen,
    };
    // Fresh arrays each time: a frozen picture keeps its own.
    const history = new Map<string, readonly number[]>();
    const logs = new Map<string, readonly KeptEntry[]>();
    for (const panel of tab.monitor.panels) {
      if (panel.kind === 'line') {
        const before = tab.picture?.history.get(panel.id) ?? [];
        const value = lineValue(panel, snapshot.tables[panel.table]);
        history.set(panel.id, [...before.slice(1 - HISTORY), value]);
      } else if (panel.kind === 'log') {
        const before = tab.picture?.logs.get(panel.log) ?? [];
        const repeated = tab.picture?.snapshot.logs[panel.log] ?? [];
        const fresh = this.#fresh(panel, before.at(-1)?.id ?? 0, repeated, snapshot);
        logs.set(
          panel.log,
          fresh.length === 0 ? before : [...before, ...fresh].slice(-(panel.keep ?? LOG_ENTRIES)),
        );
        if (panel.incidents === true) this.#remember(fresh, snapshot.monitor, panel.log);
      }
    }
    tab.picture = { snapshot, history, logs, received: now };
    if (this.paused && tab.frozen === undefined) tab.frozen = tab.picture;
  }

  /**
   * Entries that the snapshot before did not have: sources may repeat the last ones. Ids are times in microseconds,
   * made to grow: an entry that is told again after a jump in time is known again.
   */
  #fresh(
    { log, incidents }: LogPanel,
    lastId: number,
    repeated: readonly LogEntry[],
    snapshot: Snapshot,
  ): KeptEntry[] {
    const entries = snapshot.logs[log] ?? [];
    if (entries.length === 0) return [];
    const known = new Set(repeated.map(identity));
    let last = lastId;
    return entries
      .filter((entry) => !known.has(identity(entry)))
      .map((entry) => {
        const time = snapshot.time - (snapshot.mono_ms - entry.at_ms);
        const least = Math.max(last + 1, Math.round(time * 1000));
        last =
          incidents === true
            ? this.#incidentId(`${snapshot.monitor} ${log} ${identity(entry)}`, least)
            : least;
        return { id: last, entry, time };
      });
  }

  /** Incidents of all tabs stand in one list: no two have the same id. */
  #incidentId(name: string, least: number): number {
    const known = this.#incidentIds.get(name);
    if (known !== undefined) return known;
    let id = least;
    while (this.#takenIds.has(id)) id += 1;
    this.#takenIds.add(id);
    this.#incidentIds.set(name, id);
    return id;
  }

  #remember(fresh: readonly KeptEntry[], monitor: string, log: string): void {
    const told = new Set(this.#incidents.map(({ id }) => id));
    const added = fresh
      .filter(({ id }) => !told.has(id))
      .map((kept): Incident => ({ ...kept, monitor, log }));
    if (added.length === 0) return;
    this.#incidents = [...added, ...this.#incidents].sort((a, b) => b.id - a.id).slice(0, INCIDENTS);
    if (this.#incidentIds.size > 4 * INCIDENTS) this.#forgetIds();
  }

  /** Names of incidents that have fallen out of the list. */
  #forgetIds(): void {
    const kept = new Set(this.#incidents.map(({ id }) => id));
    for (const [name, id] of this.#incidentIds) if (!kept.has(id)) this.#incidentIds.delete(name);
    for (const id of this.#takenIds) if (!kept.has(id)) this.#takenIds.delete(id);
  }
}

function identity(entry: LogEntry): string {
  return `${entry.at_ms} ${entry.cpu} ${entry.tid} ${entry.text}`;
}
