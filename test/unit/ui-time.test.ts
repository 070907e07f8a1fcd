// biome-ignore-all lint/suspicious/noControlCharactersInRegex: terminal output is read here
/** Moving in time: keys, the line of time, the header, recording. */
import { beforeAll, describe, expect, test } from 'vitest';
import { Grid } from '../../src/panels/grid.ts';
import { paintTimeline, type TimelinePicture } from '../../src/panels/paint-timeline.ts';
import { makeTheme } from '../../src/panels/theme.ts';
import type { LogEntry, Snapshot } from '../../src/sources/snapshot.ts';
import type { Mark, PlaybackState, Recording, RecordingState } from '../../src/sources/source.ts';
import { FirstChrome } from '../../src/ui/chrome/first-chrome.ts';
import type { InkHost } from '../../src/ui/chrome/ink-host.tsx';
import { commandOf, KEYMAP, type KeyContext } from '../../src/ui/keymap.ts';
import { Overview } from '../../src/ui/overview.ts';
import { chromeView } from '../../src/ui/picture.ts';
import { recordingPath } from '../../src/ui/record-command.ts';
import { Screen } from '../../src/ui/terminal/screen.ts';
import { TIME_KEYS } from '../../src/ui/time-keys.ts';
import { irqOff, manyMonitors, profile, showcase, trace } from '../e2e/fake-monitors.ts';
import { DEFAULTS, World } from '../e2e/fake-source.ts';
import { NOW, Stage } from './ui-stage.ts';

let makeInk: () => InkHost;

beforeAll(async () => {
  process.env.TZ = 'UTC';
  process.env.FORCE_COLOR = '1';
  const { InkHost: Host } = await import('../../src/ui/chrome/ink-host.tsx');
  makeInk = () => new Host();
});

const START = NOW - 600_000;
const MARKS: readonly Mark[] = [
  { time: START + 60_000, kind: 'incident', monitor: 'irq-off', text: 'cpu3 \x1b[2Joff 12 ms' },
  { time: START + 60_000, kind: 'loss', monitor: 'trace', text: '17 lost' },
  { time: START + 300_000, kind: 'damage', monitor: '', text: '' },
];

/** A source that answers at once and tells what it was asked. */
class Deck {
  readonly calls: string[] = [];
  state: PlaybackState;
  stage: Stage | undefined;

  constructor(state: Partial<PlaybackState>) {
    this.state = {
      start: START,
      end: NOW,
      at: START + 120_000,
      speed: 1,
      playing: true,
      place: 'file',
      marks: MARKS,
      damage: [],
      ...state,
    };
  }

  readonly playback = {
    state: () => this.state,
    seek: (time: number) => this.#change(`seek ${(time - START) / 1000}`, { at: time, place: this.#away }),
    step: (monitor: string, by: number) =>
      this.#change(`step ${monitor} ${by}`, {
        at: this.state.at + by * 1000,
        playing: false,
        place: this.#away,
      }),
    setSpeed: (speed: number) => this.#change(`speed ${speed}`, { speed }),
    setPlaying: (playing: boolean) => this.#change(playing ? 'play' : 'hold', { playing }),
    toEnd: () =>
      this.#change('end', { at: this.state.end, place: this.state.place === 'file' ? 'file' : 'live' }),
  };

  get #away(): PlaybackState['place'] {
    return this.state.place === 'file' ? 'file' : 'past';
  }

  #change(call: string, state: Partial<PlaybackState>): void {
    this.calls.push(call);
    this.state = { ...this.state, ...state };
    this.stage?.session.accept({ type: 'playback', playback: this.state }, this.stage.now);
  }
}

function stageOn(
  state: Partial<PlaybackState>,
  initial = 'irq-off',
  recorded?: readonly string[],
): [Stage, Deck] {
  const deck = new Deck(state);
  const source = {
    playback: deck.playback,
    ...(recorded === undefined
      ? {}
      : { recorded: recorded.map((monitor) => ({ monitor, options: { interval_ms: 1000 } })) }),
  };
  const stage = new Stage(makeInk(), initial, manyMonitors, { source, file: 'disk-stall.ktop' });
  deck.stage = stage;
  return [stage, deck];
}

function snapshotOf(name: string, time: number, logs?: Record<string, readonly LogEntry[]>): Snapshot {
  const monitor = manyMonitors.find((candidate) => candidate.name === name) ?? showcase;
  const options = { ...DEFAULTS, rows: 20, cpus: 8, frozen: true, stacks: 50, monitors: manyMonitors };
  const snapshot = new World(monitor, options).snapshot(1, 1000, time - START, 0);
  return { ...snapshot, time, ...(logs === undefined ? {} : { logs }) };
}

const entry = (at: number, text: string): LogEntry => ({
  at_ms: at - START,
  cpu: 3,
  pid: 7,
  tid: 7,
  comm: 'dd',
  text,
});

const LEFT = '\x1b[D';
const RIGHT = '\x1b[C';
const HOME = '\x1b[H';
const END = '\x1b[F';

describe('keys', () => {
  test('no key has two meanings in one place', () => {
    for (const context of [undefined, 'stacks', 'time', 'elsewhen'] as const) {
      const keys = KEYMAP.filter(({ on }) => on === context).flatMap((binding) => binding.keys);
      expect(keys.filter((key, index) => keys.indexOf(key) !== index)).toEqual([]);
    }
  });

  test('what time takes from the rest is this and no more, and what it takes has another key', () => {
    const taken = TIME_KEYS.flatMap(({ keys }) => keys).filter((key) => commandOf(key) !== undefined);
    expect(taken.sort()).toEqual(['<', '>', 'end', 'g', 'home', 'left', 'p', 'right', 'space']);
    const contexts: KeyContext[] = ['elsewhen', 'time'];
    const stillThere = KEYMAP.filter(({ on }) => on === undefined).filter(({ command, keys }) =>
      keys.some((key) => commandOf(key, contexts) === command),
    );
    const lost = KEYMAP.filter((binding) => binding.on === undefined && !stillThere.includes(binding));
    // Pausing is holding time there.
    expect(lost.map(({ command }) => command)).toEqual(['pause']);
  });

  test('every key of a recording', () => {
    const [stage, deck] = stageOn({ at: START + 120_000, playing: false });
    stage.keys(`[]{}${LEFT}${RIGHT}\x1b[1;2D ${HOME}${END}`);
    expect(deck.calls).toEqual([
      'step irq-off -1',
      'step irq-off 1',
      'seek 60',
      'seek 120',
      'step irq-off -1',
      'step irq-off 1',
      'step irq-off -1',
      'play',
      'seek 0',
      'end',
    ]);
    deck.calls.length = 0;
    stage.keys('<>>>>>>>>>><<<<<<<<<<<');
    expect(deck.calls.map((call) => Number(call.split(' ')[1]))).toEqual([
      0.5, 1, 2, 5, 10, 20, 50, 100, 50, 20, 10, 5, 2, 1, 0.5, 0.2, 0.1,
    ]);
  });

  test('the ends are said', () => {
    const [stage, deck] = stageOn({ at: NOW, playing: false });
    expect(stage.keys(']').frame(120, 24).at(-1)).toContain('this is the end of the recording');
    expect(stage.keys(' ').frame(120, 24).at(-1)).toContain('Home goes to the start');
    expect(deck.calls).toEqual([]);
    stage.keys(`${HOME}[`);
    expect(stage.frame(120, 24).at(-1)).toContain('the recording starts at 11:50:00');
    stage.keys('{');
    expect(deck.calls).toEqual(['seek 0', 'seek 0']);
  });

  test('rows stay movable, and sorting by the neighbour column', () => {
    const [stage] = stageOn({ playing: false }, 'nettop');
    stage.session.accept({ type: 'snapshot', snapshot: snapshotOf('nettop', START + 120_000) }, NOW);
    const selected = () => stage.frame(100, 30).findIndex((line) => /^▸ +\d/.test(line));
    stage.frame(100, 30);
    stage.keys('jjj');
    const third = selected();
    stage.keys('K');
    expect(selected()).toBe(third - 2);
    stage.keys('J');
    expect(selected()).toBeGreaterThan(third);
    expect(stage.keys('.').frame(140, 30).at(-1)).toContain('sorted by');
  });

  test('stacks keep their arrows; brackets move in time there', () => {
    const [stage, deck] = stageOn({ playing: false }, 'profile');
    stage.session.accept({ type: 'snapshot', snapshot: snapshotOf('profile', START + 120_000) }, NOW);
    stage.keys(`${LEFT}${RIGHT}`);
    expect(deck.calls).toEqual([]);
    stage.keys('[');
    expect(deck.calls).toEqual(['step profile -1']);
  });

  test('on a page the time moves under it', () => {
    const [stage, deck] = stageOn({ playing: false }, 'nettop');
    stage.session.accept({ type: 'snapshot', snapshot: snapshotOf('nettop', START + 120_000) }, NOW);
    stage.frame(100, 30);
    stage.keys('j\r[]');
    expect(deck.calls).toEqual(['step nettop -1', 'step nettop 1']);
    expect(stage.session.state.mode).toBe('details');
  });

  test('panels have w and W', () => {
    const [stage] = stageOn({ playing: false });
    stage.keys('w');
    expect(stage.session.view.focus).toBe(1);
    stage.keys('W');
    expect(stage.session.view.focus).toBe(0);
  });

  test('there is no interval to change', () => {
    const [stage, deck] = stageOn({});
    expect(stage.keys('+').frame(140, 24).at(-1)).toContain('< and > change the speed');
    expect(stage.started).toEqual(['irq-off 1000']);
    expect(deck.calls).toEqual([]);
  });

  test('without time to move in the keys say so, and arrows move panels', () => {
    const stage = new Stage(makeInk(), 'irq-off', manyMonitors);
    stage.keys(RIGHT);
    expect(stage.session.view.focus).toBe(1);
    expect(stage.keys('R').frame(140, 24).at(-1)).toContain('nothing can be recorded here');
  });
});

describe('a time that is typed', () => {
  test('goes there', () => {
    const [stage, deck] = stageOn({});
    stage.keys('g');
    expect(stage.frame(80, 24).at(-1)).toMatch(/^ go to time: .*12:03:40 {2}\+5m {2}-30s {2}40%/);
    stage.keys('+5x\x7fm\r');
    expect(deck.calls).toEqual(['seek 420']);
    expect(stage.session.state.mode).toBe('panels');
    stage.keys('g40%\rg11:50:30\rg\r');
    expect(deck.calls).toEqual(['seek 420', 'seek 240', 'seek 30']);
  });

  test('what is no time is said and can be mended', () => {
    const [stage, deck] = stageOn({});
    stage.keys('gnoon\r');
    expect(stage.frame(120, 24).at(-1)).toContain('not a time; 12:03:40, 2026-11-20 12:03, +5m');
    stage.keys('\x15-1m\r');
    expect(deck.calls).toEqual(['seek 60']);
    stage.keys('g-1\x1b');
    expect(deck.calls.length).toBe(1);
    expect(stage.session.state.mode).toBe('panels');
  });

  test('what was on the screen stays there while it is typed', () => {
    const [stage] = stageOn({}, 'nettop');
    stage.session.accept({ type: 'snapshot', snapshot: snapshotOf('nettop', START + 120_000) }, NOW);
    stage.frame(100, 30);
    for (const [open, shown] of [
      ['I', 'Incidents of the recording'],
      ['I\r', 'monitor   irq-off'],
      ['j\r', 'Esc closes'],
    ] as const) {
      stage.keys(`${open}g+1`);
      expect(stage.frame(100, 30).join('\n')).toContain(shown);
      expect(stage.frame(100, 30).at(-1)).toContain('go to time: +1');
      stage.keys('\x1b');
      expect(stage.frame(100, 30).join('\n')).toContain(shown);
      stage.keys('\x1b').keys('\x1b');
    }
  });

  test('past the ends: the end, with a word', () => {
    const [stage, deck] = stageOn({});
    expect(stage.keys('g13:00\r').frame(120, 24).at(-1)).toContain('the recording ends at 12:00:00');
    stage.keys('g-9h\r');
    expect(deck.calls).toEqual(['seek 600', 'seek 0']);
  });
});

describe('marks', () => {
  test('there and back, said in words, hostile text made harmless', () => {
    const [stage, deck] = stageOn({ at: START, playing: false });
    stage.keys('m');
    expect(deck.calls).toEqual(['seek 60']);
    const foot = stage.frame(140, 24).at(-1) ?? '';
    expect(foot).toContain('incident 11:51:00 irq-off: cpu3 �[2Joff 12 ms and 1 more');
    stage.keys('m');
    expect(stage.frame(140, 24).at(-1)).toContain('damage 11:55:00');
    stage.keys('m');
    expect(stage.frame(140, 24).at(-1)).toContain('no mark after this');
    stage.keys('M');
    expect(deck.calls).toEqual(['seek 60', 'seek 300', 'seek 60']);
    expect(stage.keys('M').frame(140, 24).at(-1)).toContain('no mark before this');
  });

  test('the incidents of a recording are all there from its start; Enter twice goes to tab and time', () => {
    const [stage, deck] = stageOn({ at: START, playing: false }, 'trace');
    expect(stage.frame(120, 24)[0]).toContain('I Incidents 1');
    stage.keys('I');
    const list = stage.frame(120, 24).join('\n');
    expect(list).toContain('Incidents of the recording');
    expect(list).toMatch(/11:51:00\.000 irq-off +cpu3 �\[2Joff 12 ms/);
    stage.keys('\r');
    expect(stage.frame(120, 24).join('\n')).toMatch(/monitor +irq-off\n.*time +2025-11-18 11:51:00/);
    // A mark is all that is known until its time has been played.
    expect(deck.calls).toEqual(['seek 60']);
    expect(stage.frame(120, 24).join('\n')).not.toContain('tid');
    const log = irqOff.panels.find((panel) => panel.kind === 'log')?.log ?? '';
    const told = {
      ...entry(START + 59_500, '\x1b[2Joff 12 ms'),
      comm: 'cpu3',
      between: ['+0.000 us cpu3 a/1 timer: one', '+12000.000 us cpu3 b/2 timer: two'],
      stack: ['first_frame', 'second_frame'],
    };
    const others = { ...told, text: 'off 99 ms', between: [] };
    stage.session.accept(
      { type: 'snapshot', snapshot: snapshotOf('irq-off', START + 60_000, { [log]: [told, others] }) },
      NOW,
    );
    const card = stage.frame(120, 24).join('\n');
    expect(card).toMatch(/event +�\[2Joff 12 ms[\s\S]*Events, from the first on/);
    expect(card).toMatch(/ +\+0\.000 us {2}cpu3 a\/1 timer: one\n +\+12000\.000 us {2}cpu3 b\/2 timer: two/);
    expect(card).toMatch(/Stack, innermost first\n +0 +first_frame\n +1 +second_frame/);
    stage.keys('\r');
    expect(deck.calls).toEqual(['seek 60', 'seek 60']);
    expect(stage.session.monitor.name).toBe('irq-off');
    const { panels } = stage.session.monitor;
    expect(panels[stage.session.view.focus]?.kind).toBe('log');
  });
});

describe('from now into the past', () => {
  test('Left steps back, End returns, the header says how far', () => {
    const [stage, deck] = stageOn({ place: 'live', at: NOW });
    expect(stage.frame(120, 24)[1]).toMatch(/LIVE$/);
    expect(stage.frame(120, 24).at(-2)).not.toMatch(/\d\/\d/);
    stage.keys(LEFT);
    expect(deck.calls).toEqual(['step irq-off -1']);
    stage.now += 34_000;
    const lines = stage.frame(120, 24);
    expect(lines[1]).toMatch(/PAST −00:35 PAUSED {3}11:59:59/);
    expect(lines.at(-2)).toMatch(/^ 11:50:00 .*┃.* 12:00:00 {2}9:59\/10:00/);
    expect(lines.at(-1)).toMatch(/End now/);
    stage.keys(END);
    expect(deck.calls).toEqual(['step irq-off -1', 'end']);
    expect(stage.frame(120, 24)[1]).toMatch(/LIVE$/);
  });

  test('now has no next, and rows keep Home and End', () => {
    const [stage, deck] = stageOn({ place: 'live', at: NOW });
    stage.keys(`]${HOME}${END}`);
    expect(deck.calls).toEqual([]);
    expect(stage.frame(120, 24).at(-1)).toContain('this is now');
    stage.keys('}g+5m\r');
    expect(deck.calls).toEqual([]);
    stage.keys('g-5m\r');
    expect(deck.calls).toEqual(['seek 300']);
    stage.keys('g+1h\r');
    expect(deck.calls).toEqual(['seek 300', 'end']);
  });

  test('a frozen picture lets go where it stands', () => {
    const [stage, deck] = stageOn({ place: 'live', at: NOW });
    stage.session.accept({ type: 'snapshot', snapshot: snapshotOf('irq-off', NOW - 20_000) }, NOW);
    stage.keys('p');
    expect(stage.frame(120, 24)[2]).toContain('PAUSED');
    stage.session.accept({ type: 'snapshot', snapshot: snapshotOf('irq-off', NOW) }, NOW);
    stage.keys(LEFT);
    expect(deck.calls).toEqual(['seek 580', 'step irq-off -1']);
    expect(stage.session.store.paused).toBe(false);
  });

  test('a tab that was not open then', () => {
    const [stage] = stageOn({ place: 'past', at: NOW - 5000 });
    expect(stage.frame(120, 24).join('\n')).toContain(
      'This tab was not open at 11:59:55; End returns to now.',
    );
  });
});

describe('what is kept', () => {
  test('a jump forgets pictures and totals, and the totals before it come with it', () => {
    const [stage] = stageOn({});
    const accept = stage.session.accept.bind(stage.session);
    accept({ type: 'snapshot', snapshot: { ...snapshotOf('irq-off', START + 120_000), lost: 5 } }, NOW);
    accept({ type: 'reset' }, NOW);
    expect(stage.session.picture).toBeUndefined();
    expect(stage.session.store.totals('irq-off').lost).toBe(0);
    accept({ type: 'totals', monitor: 'irq-off', totals: { lost: 40, late: 1, unseen: 2 } }, NOW);
    accept({ type: 'snapshot', snapshot: { ...snapshotOf('irq-off', START + 60_000), lost: 2 } }, NOW);
    expect(stage.session.store.totals('irq-off')).toEqual({ lost: 42, late: 1, unseen: 2 });
    expect(stage.frame(120, 24)[2]).toContain('lost 2 (42 in all)');
  });

  test('an entry that is told again after a jump is the same: the selection holds', () => {
    const [stage] = stageOn({}, 'trace');
    const tell = (from: number) => {
      for (let second = from; second < from + 30; second += 1) {
        const time = START + second * 1000;
        const events = [entry(time - 700, `event ${second}a`), entry(time - 200, `event ${second}b`)];
        stage.session.accept({ type: 'snapshot', snapshot: snapshotOf('trace', time, { events }) }, NOW);
      }
    };
    tell(100);
    stage.frame(100, 40);
    stage.keys('kkkkkkk');
    const selected = () => stage.frame(100, 40).find((line) => /^▸\d\d:/.test(line));
    expect(selected()).toContain('event 126b');
    stage.session.accept({ type: 'reset' }, NOW);
    tell(97);
    expect(selected()).toContain('event 126b');
  });

  test('an incident that is told again is not another one', () => {
    const [stage] = stageOn({ place: 'live', at: NOW });
    const tell = () => {
      const hits = { events: [entry(NOW - 900, 'off 12 ms'), entry(NOW - 400, 'off 30 ms')] };
      const log = irqOff.panels.find((panel) => panel.kind === 'log')?.log ?? '';
      stage.session.accept(
        { type: 'snapshot', snapshot: snapshotOf('irq-off', NOW, { [log]: hits.events }) },
        NOW,
      );
    };
    tell();
    const before = stage.session.incidents.map(({ id }) => id);
    expect(before.length).toBe(2);
    stage.session.accept({ type: 'reset' }, NOW);
    tell();
    expect(stage.session.incidents.map(({ id }) => id)).toEqual(before);
  });

  test('a picture is as old as what it shows', () => {
    const [stage, deck] = stageOn({ at: START + 120_000 });
    stage.session.accept({ type: 'snapshot', snapshot: snapshotOf('irq-off', START + 119_000) }, NOW);
    expect(stage.frame(120, 24)[2]).not.toContain('old');
    deck.playback.seek(START + 150_000);
    expect(stage.frame(120, 24)[2]).toContain('31 s old');
  });
});

describe('a recording that lacks tabs', () => {
  const only = ['nettop', 'irq-off'];

  test('Tab goes past them, the picker says so, the tab itself too', () => {
    const [stage] = stageOn({}, 'nettop', only);
    expect(stage.frame(100, 30)[0]).toMatch(/^ 1 \S+ {2,}\d \S.* I Incidents 1$/);
    expect(stage.frame(100, 30)[0]).not.toContain('Watchdog');
    stage.keys('\t');
    expect(stage.session.monitor.name).toBe('irq-off');
    stage.keys('\t');
    // The incidents of the marks are a tab as well.
    expect(stage.session.onIncidents).toBe(true);
    stage.keys('\t:watch');
    expect(stage.frame(100, 30).join('\n')).toMatch(/> \d+ Watchdog \(not recorded\)/);
    stage.keys('\r');
    const text = 'watchdog is not in this recording; it holds nettop, irq-off';
    stage.session.accept({ type: 'failed', failure: { monitor: 'watchdog', kind: 'host', text } }, NOW);
    const page = stage.frame(100, 30).join('\n');
    expect(page).toMatch(/watchdog: not recorded[\s\S]*it holds nettop, irq-off/);
  });
});

describe('the header', () => {
  test.each([80, 120, 200])(
    'on %d columns: what time, how fast, which file where there is room',
    (columns) => {
      const [stage, deck] = stageOn({ speed: 2 });
      expect(stage.frame(columns, 24)[1]).toMatch(/ REPLAY 2× {3}2025-11-18 11:52:00 UTC/);
      if (columns > 100) expect(stage.frame(columns, 24)[1]).toMatch(/UTC {2}disk-stall\.ktop/);
      deck.playback.setPlaying(false);
      expect(stage.frame(columns, 24)[1]).toContain(' REPLAY PAUSED ');
      expect(stage.frame(columns, 24, true)[1]).toContain(' REPLAY PAUSED ');
    },
  );

  test('the least screen has what matters, whole', () => {
    const [stage, deck] = stageOn({ playing: false });
    expect(stage.frame(60, 15)[1]).toMatch(/^ web-3 .* REPLAY PAUSED {3}11:52:00$/);
    deck.state = { ...deck.state, place: 'past' };
    deck.playback.setPlaying(false);
    const recording = {
      path: './x.ktop',
      bytes: 123_456_789,
      since: NOW - 3_600_000,
      snapshots: 1,
      error: '',
    };
    stage.session.accept({ type: 'recording', recording }, NOW);
    expect(stage.frame(60, 15)[1]).toMatch(/^ web-3 +REC ● 123 MB 1:00:00 +PAST −08:00 PAUSED +11:52:00$/);
  });

  test('a file without time to move in is named too', () => {
    const stage = new Stage(makeInk(), 'nettop', manyMonitors, { file: 'perf.data' });
    expect(stage.frame(100, 24)[1]).toMatch(/ {2}perf\.data$/);
  });

  test('what is missing is said in the notes', () => {
    const [stage] = stageOn({ damage: ['frame 12 (11:55:00) is damaged; it is left out \x1b[2J'] });
    expect(stage.frame(80, 24)[3]).toContain('! frame 12 (11:55:00) is damaged; it is left out �[2J');
  });
});

describe('recording', () => {
  class Tape implements Recording {
    current: RecordingState = { path: '', bytes: 0, since: 0, snapshots: 0, error: '' };
    problem = '';
    state() {
      return this.current;
    }
    start(path: string) {
      if (this.problem !== '') throw new Error(this.problem);
      this.current = { ...this.current, path, since: NOW };
    }
    async stop() {
      this.current = { ...this.current, path: '' };
    }
  }

  function recorder(): [Stage, Tape] {
    const tape = new Tape();
    return [new Stage(makeInk(), 'nettop', manyMonitors, { source: { recording: tape } }), tape];
  }

  test('R starts and stops it; the header says so in words', () => {
    const [stage, tape] = recorder();
    stage.keys('R');
    expect(stage.frame(100, 24).at(-1)).toContain('recording to ./ktop-web-3-20251118-120000.ktop');
    stage.session.accept({ type: 'recording', recording: { ...tape.current, bytes: 1_240_000 } }, NOW);
    stage.now += 65_000;
    expect(stage.frame(100, 24)[1]).toMatch(/REC ● 1\.2 MB 1:05$/);
    expect(stage.frame(100, 24, true)[1]).toMatch(/REC \* 1\.2 MB 1:05$/);
    stage.keys('R');
    stage.session.accept({ type: 'recording', recording: tape.current }, stage.now);
    expect(stage.frame(100, 24).at(-1)).toContain('recorded to ./ktop-web-3-20251118-120000.ktop');
    expect(stage.frame(100, 24)[1]).not.toContain('REC');
  });

  test('a failure is one sentence, and the dashboard goes on', () => {
    const [stage, tape] = recorder();
    tape.problem = 'cannot make ./x.ktop (EACCES); record to another directory';
    expect(stage.keys('R').frame(120, 24).at(-1)).toContain(tape.problem);
    tape.problem = '';
    stage.keys('R');
    const full = { ...tape.current, path: '', error: 'the disk is full; make room and press R again' };
    stage.session.accept({ type: 'recording', recording: full }, NOW);
    expect(stage.frame(120, 24)[3]).toContain(
      '! recording has stopped: the disk is full; make room and press R',
    );
    expect(stage.frame(120, 24)[1]).not.toContain('REC');
  });

  test('names of hosts are names of files', () => {
    expect(recordingPath('web-3.example.com', NOW)).toBe('./ktop-web-3.example.com-20251118-120000.ktop');
    expect(recordingPath('../../etc/\x1b[2J', NOW)).toBe('./ktop-.._.._etc___2J-20251118-120000.ktop');
    expect(recordingPath('', NOW)).toBe('./ktop-host-20251118-120000.ktop');
  });
});

describe('the line of time', () => {
  const picture: TimelinePicture = {
    start: START,
    end: NOW,
    at: START + 300_500,
    marks: [
      MARKS[0] as Mark,
      { ...(MARKS[1] as Mark), time: START + 540_000 },
      { ...(MARKS[2] as Mark), time: START },
    ],
    levels: (parts) =>
      Array.from({ length: parts }, (_, part) => (part < parts / 2 ? part / parts : Number.NaN)),
  };

  function paint(width: number, ascii: boolean, change: Partial<TimelinePicture> = {}): string {
    const grid = new Grid(width, 1, ascii);
    paintTimeline(grid.region(), { ...picture, ...change }, makeTheme({ ascii, colours: 0 }));
    return grid.lines()[0] ?? '';
  }

  test.each([60, 80, 120, 300])('on %d columns', (width) => {
    const line = paint(width, false);
    expect(line.length).toBeLessThanOrEqual(width - 1);
    expect(line).toMatch(/^ 11:50:00 x.*▲.*┃─*!─* 12:00:00 {2}5:01\/10:00$/);
    const plain = paint(width, true);
    expect(plain).toMatch(/^ 11:50:00 x[.1-9]*#[.1-9]*\|-*!-* 12:00:00 {2}5:01\/10:00$/);
    expect(plain.indexOf('|')).toBe(line.indexOf('┃'));
  });

  test('marks in one cell: the graver is shown', () => {
    const at = { time: START + 400_000, monitor: '', text: '' };
    const both = [
      { ...at, kind: 'damage' as const },
      { ...at, kind: 'incident' as const },
      { ...at, kind: 'loss' as const },
    ];
    expect(paint(80, true, { marks: both }).replace(/\d+:\d+/g, '')).toMatch(/x/);
    expect(paint(80, true, { marks: both })).not.toMatch(/[#!]/);
  });

  test('days where they differ; nothing at all; no room', () => {
    expect(paint(100, true, { end: START + 86_400_000 })).toMatch(
      /^ 11-18 11:50 .* 11-19 11:50 {2}5:01\/1d 00:00:00$/,
    );
    expect(paint(80, true, { start: NOW, end: NOW, at: NOW, marks: [] })).toMatch(/^ 12:00:00 \|/);
    expect(paint(40, true)).toMatch(/^ [^ ]{20,} 5:01\/10:00$/);
    expect(paint(8, true).length).toBeLessThanOrEqual(8);
  });

  test.each([
    [80, 24],
    [120, 40],
    [300, 100],
  ])('stands above the footer at %dx%d, the same with and without Ink', (columns, rows) => {
    const [stage] = stageOn({});
    for (const ascii of [false, true]) {
      const lines = stage.frame(columns, rows, ascii);
      expect(lines.length).toBe(rows);
      expect(lines.at(-2)).toMatch(/2:00\/10:00$/);
      expect(lines.at(-1)).toMatch(/^ \? help {2}q quit {2}Space play\/hold/);
      if (ascii) expect(lines.join('')).toMatch(/^[\x20-\x7e]*$/);
    }
    const view = chromeView(stage.session, {
      size: { columns, rows },
      theme: makeTheme({ ascii: false, colours: 16 }),
      now: NOW,
      spacing_ms: 0,
    });
    const [first, ink] = [new FirstChrome(), makeInk()];
    first.show(view);
    ink.show(view);
    expect(Object.fromEntries(ink.surfaces)).toMatchObject(Object.fromEntries(first.surfaces));
    expect(first.grid.lines()).toEqual(ink.grid.lines());
  });

  test('NO_COLOR loses nothing', () => {
    const [stage] = stageOn({});
    const grid = stage.grid(80, 24);
    const bytes = new Screen(~0x1ff & 0x1fff).diff(grid);
    expect(bytes).not.toMatch(/\x1b\[[0-9;]*(?:3[0-8]|9[0-7])(?:;[0-9;]*)?m/);
    expect(bytes).toContain('REPLAY');
    expect(bytes).toContain('┃');
  });
});

describe('how much there was', () => {
  test('what has been seen, in any order, is shown where it was', () => {
    const overview = new Overview();
    for (const second of [5, 4, 3, 9]) {
      const snapshot = { ...snapshotOf('trace', START + second * 1000), events: second * 100 };
      overview.add(trace, snapshot);
      overview.add(trace, snapshot);
    }
    const levels = overview.levels('trace', START, START + 10_000, 10);
    expect(levels.map((level) => (Number.isNaN(level) ? '-' : level.toFixed(2)))).toEqual([
      '-',
      '-',
      '0.33',
      '0.44',
      '0.56',
      '-',
      '-',
      '-',
      '1.00',
      '-',
    ]);
    expect(overview.levels('irq-off', START, NOW, 3)).toEqual([Number.NaN, Number.NaN, Number.NaN]);
    expect(overview.levels('trace', START, START, 3)).toEqual([Number.NaN, Number.NaN, Number.NaN]);
  });

  test('a day at ten a second stays small and keeps its highest', () => {
    const overview = new Overview();
    const snapshot = snapshotOf('profile', START);
    for (let tick = 0; tick < 200_000; tick += 1) {
      const events = tick === 100_000 ? 5000 : 50;
      overview.add(profile, { ...snapshot, time: START + tick * 100, interval_ms: 100, events });
    }
    const levels = overview.levels('profile', START, START + 20_000_000, 100);
    expect(levels.indexOf(1)).toBe(49);
    expect(levels.filter((level) => level === 1).length).toBeLessThanOrEqual(2);
    expect(levels.some(Number.isNaN)).toBe(false);
  });
});
