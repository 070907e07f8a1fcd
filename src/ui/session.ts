/** A dashboard without a terminal: the source, what it sent, and what the user has chosen. */
import type { Monitor, Options, PanelSpec } from '../monitors/monitor.ts';
import { columnsFor } from '../panels/cell.ts';
import type { Snapshot } from '../sources/snapshot.ts';
import type { PlaybackState, RecordingState, Source, SourceMessage } from '../sources/source.ts';
import type { KeyContext } from './keymap.ts';
import { incidentsOfMarks } from './mark-incidents.ts';
import { Overview } from './overview.ts';
import type { ProbeDesk } from './probe-desk.ts';
import { type ActiveStacks, locateStacks } from './stack-commands.ts';
import {
  activeTable,
  filteredView,
  focusedPanel,
  initialState,
  type Mode,
  type PanelView,
  type TabView,
  type UiState,
} from './state.ts';
import { type Incident, type Picture, Store } from './store.ts';
import type { ActiveTable } from './table-commands.ts';

const MESSAGE_MS = 3000;

/** What only the owner of the terminal can do. */
export interface Effects {
  quit(): void;
  /** Goes back to where the dashboard was opened from; absent where that is nowhere. */
  leave?(): void;
  redraw(): void;
  /** Takes the mouse, or gives it back to the terminal, and says so. */
  mouse(now: number): void;
  suspend(): void;
  /** Writes a file for the user; returns a word on where it is, or why it is not. */
  exportFile(name: string, suffix: string, text: string, now: number): string;
}

export interface SessionOptions {
  readonly source: Source;
  readonly monitors: readonly Monitor[];
  /** Name of the monitor to open on; the first when there is no such. */
  readonly initial: string;
  readonly options: (monitor: string) => Options;
  /** Name of the recording that the source plays. */
  readonly file?: string;
  /** Absent where no probe can be armed. */
  readonly probes?: ProbeDesk | undefined;
}

export class Session {
  readonly store: Store;
  /** What the line of time shows of each tab. */
  readonly overview = new Overview();
  readonly file: string;
  /** Where the source stands in time; undefined where time cannot be moved in. */
  playback: PlaybackState | undefined;
  recording: RecordingState | undefined;
  readonly state: UiState;
  readonly source: Source;
  readonly monitors: readonly Monitor[];
  readonly effects: Effects;
  /** Wall clock when the visible tab was opened: older pictures are stale. */
  opened = 0;
  /** Lines of a page that fit; set by the painter. */
  pageHeight = 20;
  /** Lines kept for the notes of a tab, and until when (wall clock, ms); see `chromeView`. */
  notesRoom: { readonly lines: number; readonly until: number; readonly tab: number } = {
    lines: 0,
    until: 0,
    tab: 0,
  };
  readonly probes: ProbeDesk | undefined;
  readonly #options: (monitor: string) => Options;

  constructor({ source, monitors, initial, options, file = '', probes }: SessionOptions, effects: Effects) {
    this.source = source;
    this.monitors = monitors;
    this.file = file;
    this.probes = probes;
    this.playback = source.playback?.state();
    this.recording = source.recording?.state();
    this.effects = effects;
    this.store = new Store(monitors);
    this.#options = options;
    const found = monitors.findIndex(({ name }) => name === initial);
    const tab = Math.max(0, found);
    const { interval_ms } = options((monitors[tab] as Monitor).name);
    this.state = initialState(monitors, tab, interval_ms);
  }

  get monitor(): Monitor {
    return this.monitors[this.state.tab] as Monitor;
  }

  get view(): TabView {
    return this.state.tabs[this.state.tab] as TabView;
  }

  /** What the visible tab is painted from; undefined before its first data. */
  get picture(): Picture | undefined {
    return this.store.picture(this.monitor.name);
  }

  /** The table that sorting and filtering act on, if the tab has one. */
  get table(): ActiveTable | undefined {
    const active = activeTable(this.monitor, this.view);
    if (active === undefined) return undefined;
    const data = this.picture?.snapshot.tables[active.panel.table];
    return { ...active, columns: columnsFor(active.panel, data, 'screen') };
  }

  /** The stacks that have the focus, once there are any. */
  get stacks(): ActiveStacks | undefined {
    const focused = focusedPanel(this.monitor, this.view);
    if (focused?.panel.kind !== 'stacks') return undefined;
    const table = this.picture?.snapshot.tables[focused.panel.table];
    return table === undefined ? undefined : locateStacks(focused.panel, focused.view, table);
  }

  /** Kind of the panel that has the focus. */
  get focusedKind(): PanelSpec['kind'] | undefined {
    return this.monitor.panels[this.view.focus]?.kind;
  }

  /** Newest first: of a recording all there are, else what has been seen. A new array when there is a new one. */
  get incidents(): readonly Incident[] {
    return this.playback?.place === 'file' ? incidentsOfMarks(this.playback.marks) : this.store.incidents;
  }

  /** What stands on the screen, while something is typed in the footer too. */
  get shownMode(): Mode {
    const { mode, filterFrom, moment } = this.state;
    if (mode === 'moment') return moment.from;
    return mode === 'filter' ? filterFrom : mode;
  }

  /** Incidents stand in place of the tab. */
  get onIncidents(): boolean {
    return this.shownMode === 'incidents' || this.shownMode === 'incident';
  }

  /** `live`: at now; `past`: behind it; `file`: there is no now. */
  get place(): PlaybackState['place'] {
    return this.playback?.place ?? 'live';
  }

  /** Where keys may mean something of their own just now, the closest first. */
  get keyContexts(): readonly KeyContext[] {
    const { mode } = this.state;
    if (mode === 'help' || mode === 'sort' || mode === 'links' || mode === 'command' || mode === 'probe')
      return [];
    const contexts: KeyContext[] = mode === 'panels' && this.focusedKind === 'stacks' ? ['stacks'] : [];
    if (mode === 'panels' && this.place === 'live' && this.probes?.tab === this.monitor.name) {
      // Enter on a record shows that record.
      contexts.push(
        ...(this.focusedKind === 'table' ? (['probe', 'probes'] as const) : (['probes'] as const)),
      );
    }
    if (this.place !== 'live') contexts.push('elsewhen');
    return this.source.playback === undefined ? contexts : [...contexts, 'time'];
  }

  /** Whether a recording holds anything of a monitor; true of every monitor of a live source. */
  isRecorded(monitor: string): boolean {
    const { recorded } = this.source;
    return recorded === undefined || recorded.some((one) => one.monitor === monitor);
  }

  /** What a filter acts on. */
  get filtered(): PanelView | undefined {
    return this.onIncidents ? this.state.incidents : filteredView(this.monitor, this.view);
  }

  /** Opens the visible tab on the source, or opens it anew after a failure. */
  open(now: number): void {
    this.opened = now;
    this.store.clearFailure(this.monitor.name);
    this.#start();
  }

  /** Changes the interval of the visible tab and of those opened from now on. */
  retune(interval_ms: number): void {
    if (interval_ms === this.state.interval_ms) return;
    this.state.interval_ms = interval_ms;
    this.#start();
  }

  /** Shows another tab; the one left is closed on the source, unless it records it, and keeps its last picture. */
  toTab(tab: number, now: number): void {
    if (tab === this.state.tab) {
      this.state.mode = 'panels';
      return;
    }
    if (tab < 0 || tab >= this.monitors.length) {
      this.say(`there is no tab ${tab + 1}`, now);
      return;
    }
    this.source.stop(this.monitor.name);
    this.state.tab = tab;
    this.state.mode = 'panels';
    this.open(now);
  }

  accept(message: SourceMessage, now: number): void {
    if (message.type === 'playback') this.#moved(message.playback);
    else if (message.type === 'recording') this.#recorded(message.recording, now);
    else if (message.type === 'snapshot') this.#seen(message.snapshot, now);
    else this.store.accept(message, now);
  }

  /** Says a word in the footer for a while. */
  say(text: string, now: number): void {
    if (text !== '') this.state.message = { text, until: now + MESSAGE_MS };
  }

  #start(): void {
    const { name } = this.monitor;
    const given = { ...this.#options(name), interval_ms: this.state.interval_ms };
    this.source.start(name, this.probes?.tab === name ? this.probes.options(given) : given);
  }

  #seen(snapshot: Snapshot, now: number): void {
    // Where time can be moved in, a picture is as old as what it shows.
    this.store.accept({ type: 'snapshot', snapshot }, this.playback === undefined ? now : snapshot.time);
    const monitor = this.monitors.find(({ name }) => name === snapshot.monitor);
    if (this.playback !== undefined && monitor !== undefined) this.overview.add(monitor, snapshot);
  }

  #moved(playback: PlaybackState): void {
    this.playback = playback;
    // Pausing is of time itself there.
    if (playback.place !== 'live') this.store.setPaused(false);
    if (playback.place !== 'file') this.overview.forgetBefore(playback.start);
  }

  #recorded(recording: RecordingState, now: number): void {
    const before = this.recording;
    this.recording = recording;
    if (recording.error !== '' && recording.error !== before?.error)
      this.store.notice(`recording has stopped: ${recording.error}`, now);
  }
}
