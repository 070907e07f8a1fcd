/** What keys do to the time that is looked at. The source moves; what it answers is taken in like anything else. */
import { timeOfDay } from '../panels/wall-time.ts';
import { MOMENT_FORMS, parseMoment } from '../sources/moment.ts';
import type { Mark, Playback, PlaybackState } from '../sources/source.ts';
import type { Session } from './session.ts';
import type { Key } from './terminal/keys.ts';
import type { TimeCommandId } from './time-keys.ts';

type Action = (session: Session, key: string, now: number) => void;

const MINUTE_MS = 60_000;
const SPEEDS = [0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100];
const MOST_TEXT = 40;

export const TIME_ACTIONS: Readonly<Record<TimeCommandId, Action>> = {
  'step-back': (session, _key, now) => step(session, -1, now),
  'step-forward': (session, _key, now) => step(session, 1, now),
  'minute-back': (session, _key, now) => travel(session, -MINUTE_MS, now),
  'minute-forward': (session, _key, now) => travel(session, MINUTE_MS, now),
  'mark-next': (session, _key, now) => toMark(session, 1, now),
  'mark-previous': (session, _key, now) => toMark(session, -1, now),
  moment: openMoment,
  play,
  'speed-down': (session, _key, now) => changeSpeed(session, -1, now),
  'speed-up': (session, _key, now) => changeSpeed(session, 1, now),
  'time-start': (session, _key, now) => moving(session, now, ({ start }, playback) => playback.seek(start)),
  'time-end': (session, _key, now) =>
    moving(session, now, ({ place }, playback) => {
      playback.toEnd();
      if (place === 'past') session.say('now', now);
    }),
};

/** Does something to the time where there is one to move in. A frozen picture lets go: from there one moves on. */
function moving(
  session: Session,
  now: number,
  move: (state: PlaybackState, playback: Playback) => void,
): void {
  const { playback } = session.source;
  if (playback === undefined) {
    session.say('time cannot be moved in here', now);
    return;
  }
  const state = playback.state();
  const frozen = session.store.paused ? session.picture?.snapshot.time : undefined;
  session.store.setPaused(false);
  if (frozen === undefined || frozen >= state.at) {
    move(state, playback);
    return;
  }
  playback.seek(frozen);
  move(playback.state(), playback);
}

function step(session: Session, by: 1 | -1, now: number): void {
  moving(session, now, (state, playback) => {
    if (by > 0 && state.place === 'live') session.say('this is now', now);
    else if (by > 0 && state.place === 'file' && state.at >= state.end)
      session.say('this is the end of the recording', now);
    else if (by < 0 && state.at <= state.start) session.say(startText(state), now);
    else playback.step(session.monitor.name, by);
  });
}

function travel(session: Session, by_ms: number, now: number): void {
  moving(session, now, (state, playback) => goTo(session, state, playback, state.at + by_ms, now));
}

/** Goes to a time, or as near to it as there is something. */
function goTo(session: Session, state: PlaybackState, playback: Playback, time: number, now: number): void {
  const { start, end, place } = state;
  if (time >= end && place !== 'file') {
    if (place === 'live') session.say('this is now', now);
    else playback.toEnd();
    return;
  }
  if (time < start) session.say(startText(state), now);
  else if (time > end) session.say(`the recording ends at ${timeOfDay(end)}`, now);
  playback.seek(Math.max(start, Math.min(end, time)));
}

function startText({ place, start }: PlaybackState): string {
  return place === 'file'
    ? `the recording starts at ${timeOfDay(start)}`
    : `nothing is kept from before ${timeOfDay(start)}`;
}

function play(session: Session, _key: string, now: number): void {
  moving(session, now, ({ playing, at, end, place }, playback) => {
    if (!playing && place === 'file' && at >= end)
      session.say('this is the end; Home goes to the start', now);
    else playback.setPlaying(!playing);
  });
}

function changeSpeed(session: Session, direction: 1 | -1, now: number): void {
  moving(session, now, ({ speed }, playback) => {
    const next =
      direction > 0
        ? SPEEDS.find((candidate) => candidate > speed * 1.001)
        : SPEEDS.findLast((candidate) => candidate < speed / 1.001);
    if (next !== undefined) playback.setSpeed(next);
    session.say(`speed ${next ?? speed}`, now);
  });
}

// ---------------------------------------------------------------- marks

function toMark(session: Session, direction: 1 | -1, now: number): void {
  moving(session, now, ({ marks, at }, playback) => {
    const mark =
      direction > 0 ? marks.find(({ time }) => time > at) : marks.findLast(({ time }) => time < at);
    if (mark === undefined) {
      session.say(`no mark ${direction > 0 ? 'after' : 'before'} this`, now);
      return;
    }
    playback.seek(mark.time);
    const others = marks.filter(({ time }) => time === mark.time).length - 1;
    session.say(`${markText(mark)}${others > 0 ? ` and ${others} more` : ''}`, now);
  });
}

function markText({ kind, monitor, text, time }: Mark): string {
  const head = [kind, timeOfDay(time), monitor].filter((word) => word !== '').join(' ');
  return text === '' ? head : `${head}: ${text}`;
}

// ---------------------------------------------------------------- a time that is typed

function openMoment(session: Session, _key: string, now: number): void {
  if (session.playback === undefined) {
    session.say('time cannot be moved in here', now);
    return;
  }
  const { state } = session;
  state.moment = { text: '', problem: '', from: state.mode };
  state.mode = 'moment';
}

/** What a key does while a time is typed. */
export function momentKey(session: Session, key: Key, now: number): void {
  const { state } = session;
  const { text, from } = state.moment;
  if (key.name === 'escape') state.mode = from;
  else if (key.name === 'enter') enterMoment(session, now);
  else if (key.name === 'backspace')
    state.moment = { text: [...text].slice(0, -1).join(''), problem: '', from };
  else if (key.name === 'ctrl-u') state.moment = { text: '', problem: '', from };
  else if (key.text !== '')
    state.moment = { text: (text + key.text.replace(/\s+/g, ' ')).slice(0, MOST_TEXT), problem: '', from };
}

function enterMoment(session: Session, now: number): void {
  const { state } = session;
  const { text, from } = state.moment;
  if (text.trim() === '') {
    state.mode = from;
    return;
  }
  moving(session, now, (span, playback) => {
    const time = parseMoment(text, span);
    if (time === undefined) {
      state.moment = { text, problem: `not a time; ${MOMENT_FORMS}`, from };
      return;
    }
    state.mode = from;
    goTo(session, span, playback, time, now);
  });
}
