/** The two header lines and the notes: what does not depend on the tab's panels, painted without React. */

import { clipText, textWidth, wrapText } from '../panels/char-width.ts';
import type { Region } from '../panels/grid.ts';
import type { Span } from '../panels/paint-title.ts';
import { sanitise } from '../panels/sanitise.ts';
import { BOLD, PLAIN } from '../panels/style.ts';
import { LOOK, type Theme } from '../panels/theme.ts';
import { dayOf, lengthText, timeOfDay, zoneOf } from '../panels/wall-time.ts';
import type { Shed } from '../sources/snapshot.ts';
import type { HostInfo, HostLoad, PlaybackState, RecordingState, Totals } from '../sources/source.ts';
import type { Picture } from './store.ts';

export interface StatusFacts {
  readonly host: HostInfo;
  readonly load: HostLoad | undefined;
  readonly picture: Picture | undefined;
  /** Losses of the tab in all. */
  readonly totals: Totals;
  readonly interval_ms: number;
  readonly paused: boolean;
  /** Milliseconds between paints on a link that does not keep up; 0 when it does. */
  readonly spacing_ms: number;
  /** Age of the picture in seconds when it is not fresh, else 0. */
  readonly age_s: number;
  /** Wall clock, milliseconds. */
  readonly now: number;
  /** Where in time the picture is; undefined where time cannot be moved in. */
  readonly playback: PlaybackState | undefined;
  readonly recording: RecordingState | undefined;
  /** Name of the recording that is played. */
  readonly file: string;
  /** Nothing changes any more: no interval, no rates. */
  readonly still: boolean;
}

/** Columns that have room for date and zone. */
const WIDE = 72;

/** A piece of a line that may be left out: the highest rank goes first. */
interface Piece {
  readonly spans: readonly Span[];
  readonly rank: number;
}

/** Paints host facts and, below, the facts of the running tab. */
export function paintStatus(region: Region, facts: StatusFacts, theme: Theme): void {
  paintLine(
    region.part(0, 0, region.width, 1),
    hostPieces(facts, theme),
    timePieces(facts, region.width, theme),
  );
  const right = [...badgePieces(facts), ...selfPieces(facts.load)];
  paintLine(region.part(0, 1, region.width, 1), dataPieces(facts, theme), right);
}

function hostPieces({ host, load }: StatusFacts, theme: Theme): Piece[] {
  const name = clipText(sanitise(host.host, theme.ascii), 24, theme.glyphs.ellipsis);
  const pieces: Piece[] = [
    piece(0, name, BOLD),
    ...(host.kernel === '' ? [] : [piece(1, sanitise(`Linux ${host.kernel}`, theme.ascii), PLAIN)]),
    ...(host.cpus === 0 ? [] : [piece(4, `${host.cpus} CPUs`, LOOK.label)]),
  ];
  if (load === undefined) return pieces;
  const averages = load.load.map((value) => value.toFixed(2)).join(' ');
  return [...pieces, labelled(3, 'up', uptime(load.uptime_s)), labelled(2, 'load', averages)];
}

/** What time the picture is of, and whether anything is being recorded. */
function timePieces(facts: StatusFacts, width: number, theme: Theme): Piece[] {
  return [...recordingPieces(facts, theme), ...playbackPieces(facts, width, theme)];
}

function recordingPieces({ recording, now }: StatusFacts, { glyphs }: Theme): Piece[] {
  if (recording === undefined || recording.path === '') return [];
  const length = lengthText(now - recording.since);
  return [piece(0, `REC ${glyphs.record} ${shortBytes(recording.bytes)} ${length}`, LOOK.recording)];
}

function playbackPieces({ playback, now, file }: StatusFacts, width: number, theme: Theme): Piece[] {
  const name = clipText(sanitise(file, theme.ascii), 40, theme.glyphs.ellipsis);
  const files = name === '' ? [] : [piece(3, name, LOOK.label)];
  if (playback === undefined) return files;
  const { place, playing, speed, at } = playback;
  if (place === 'live') return [piece(5, 'LIVE', LOOK.label)];
  const pace = playing ? `${speed}${theme.glyphs.times}` : 'PAUSED';
  const where = place === 'file' ? 'REPLAY' : `PAST ${theme.glyphs.minus}${behind(now - at)}`;
  const otherDay = place === 'file' || dayOf(at) !== dayOf(now);
  const wide = width >= WIDE;
  const day = otherDay && wide ? `${dayOf(at)} ` : '';
  const zone = place === 'file' && wide ? ` ${zoneOf(at)}` : '';
  const pieces = [
    piece(0, ` ${where} ${pace} `, playing ? LOOK.replay : LOOK.paused),
    piece(0, `${day}${timeOfDay(at)}${zone}`, BOLD),
  ];
  return [...pieces, ...files];
}

/** 00:35, 12:05, 1:02:03. */
function behind(ms: number): string {
  const text = lengthText(ms);
  return text.length < 5 ? `0${text}` : text;
}

function selfPieces(load: HostLoad | undefined): Piece[] {
  if (load === undefined) return [];
  const text = `${load.self_cpu_pct.toFixed(1)}% ${Math.round(load.self_rss / 2 ** 20)}M`;
  return [labelled(1, 'ktop', text)];
}

function dataPieces({ picture, totals, interval_ms, still }: StatusFacts, theme: Theme): Piece[] {
  if (still)
    return picture === undefined
      ? []
      : [labelled(2, 'read by', sanitise(picture.snapshot.backend, theme.ascii))];
  const every = labelled(3, 'every', duration(interval_ms));
  if (picture === undefined) return [every];
  const { snapshot } = picture;
  const rate = (snapshot.events * 1000) / Math.max(1, snapshot.interval_ms);
  return [
    piece(2, sanitise(snapshot.backend, theme.ascii), PLAIN),
    every,
    ...shedPieces(snapshot.shed, theme),
    { rank: 2, spans: [{ text: shortCount(rate), style: PLAIN }, label(' events/s')] },
    counter('lost', snapshot.lost, totals.lost, theme),
    counter('late', snapshot.late, totals.late, theme),
    counter('unseen', snapshot.unseen, totals.unseen, theme),
  ];
}

/** What is not watched, as long as something is not. */
function shedPieces(shed: Shed | undefined, { glyphs }: Theme): Piece[] {
  if (shed === undefined || shed.text === '') return [];
  const { kind, share, cost_pct } = shed;
  if (kind === 'full' && share >= 1) {
    return shed.level === 0 && cost_pct > 0
      ? [piece(1, `${glyphs.warn}costs ${cost_pct.toFixed(0)}%`, LOOK.warn)]
      : [];
  }
  const what = { full: 'part', lean: 'lean', filter: 'sample', duty: 'part', off: 'nothing' }[kind];
  const percent = share < 1 && kind !== 'off' ? ` ~${(100 * share).toFixed(share < 0.1 ? 1 : 0)}%` : '';
  return [piece(0, `${glyphs.warn}watched: ${what}${percent}`, LOOK.alarm)];
}

/** A counter of what the picture lacks: stands out, with a mark, as soon as it is not nought, and is not forgotten. */
function counter(name: string, value: number, total: number, theme: Theme): Piece {
  const before = total > value ? ` (${shortCount(total)} in all)` : '';
  if (value > 0) return piece(0, `${theme.glyphs.warn}${name} ${shortCount(value)}${before}`, LOOK.alarm);
  return before === '' ? labelled(4, name, '0') : piece(1, `${name} 0${before}`, LOOK.warn);
}

function badgePieces({ paused, spacing_ms, age_s }: StatusFacts): Piece[] {
  const pieces: Piece[] = [];
  if (age_s > 0) pieces.push(piece(1, `${age_s} s old`, LOOK.warn));
  if (spacing_ms > 0) pieces.push(piece(1, `link slow: every ${duration(spacing_ms)}`, LOOK.warn));
  if (paused) pieces.push(piece(0, ' PAUSED ', LOOK.paused));
  return pieces;
}

/** Left pieces from the left edge, right pieces at the right edge; leaves out what does not fit. */
function paintLine(region: Region, left: readonly Piece[], right: readonly Piece[]): void {
  const GAP = 2;
  let kept = [...left.map((item) => ({ ...item, side: 0 })), ...right.map((item) => ({ ...item, side: 1 }))];
  const width = () => kept.reduce((sum, item) => sum + widthOf(item) + GAP, 0);
  while (width() > region.width && kept.some(({ rank }) => rank > 0)) {
    const worst = Math.max(...kept.map(({ rank }) => rank));
    const index = kept.findLastIndex(({ rank }) => rank === worst);
    kept = kept.filter((_, position) => position !== index);
  }
  let x = 1;
  for (const item of kept.filter(({ side }) => side === 0)) x = putPiece(region, x, item) + GAP;
  const end = kept.filter(({ side }) => side === 1);
  const room = end.reduce((sum, item) => sum + widthOf(item) + GAP, -GAP);
  let from = Math.max(x, region.width - 1 - room);
  for (const item of end) from = putPiece(region, from, item) + GAP;
}

function putPiece(region: Region, x: number, { spans }: Piece): number {
  let after = x;
  for (const { text, style } of spans) after = region.put(after, 0, text, style);
  return after;
}

function widthOf({ spans }: Piece): number {
  return spans.reduce((sum, span) => sum + textWidth(span.text), 0);
}

function piece(rank: number, text: string, style: number): Piece {
  return { rank, spans: [{ text, style }] };
}

function label(text: string): Span {
  return { text, style: LOOK.label };
}

function labelled(rank: number, name: string, value: string): Piece {
  return { rank, spans: [label(`${name} `), { text: value, style: PLAIN }] };
}

/** Lines of the notes at most. */
export const NOTE_LINES = 2;

/** The notes as at most `most` lines; what does not fit is announced. */
export function noteLines(notes: readonly string[], width: number, most: number, theme: Theme): string[] {
  if (notes.length === 0 || most <= 0) return [];
  const mark = theme.glyphs.warn;
  const lines = notes.flatMap((note) =>
    wrapText(sanitise(note, theme.ascii), width - 4).map(
      (text, index) => `${index === 0 ? mark : ' '} ${text}`,
    ),
  );
  if (lines.length <= most) return lines;
  const more = ` ${theme.glyphs.ellipsis} (? shows all)`;
  const last = clipText(lines[most - 1] as string, width - 2 - textWidth(more), ' ').trimEnd();
  return [...lines.slice(0, most - 1), last + more];
}

/** Paints the lines of `noteLines`. */
export function paintNotes(region: Region, lines: readonly string[]): void {
  for (const [y, text] of lines.entries()) region.put(1, y, text, LOOK.note);
}

/** 1.0 s, 200 ms. */
function duration(ms: number): string {
  return ms < 1000 ? `${Math.round(ms)} ms` : `${(ms / 1000).toFixed(ms % 1000 === 0 ? 0 : 1)} s`;
}

/** 12d 3h, 3h 07m, 12m. */
function uptime(seconds: number): string {
  const minutes = Math.floor(seconds / 60);
  const hours = Math.floor(minutes / 60);
  if (hours >= 24) return `${Math.floor(hours / 24)}d ${hours % 24}h`;
  return hours > 0 ? `${hours}h ${String(minutes % 60).padStart(2, '0')}m` : `${minutes}m`;
}

/** 812 B, 96 kB, 1.2 MB, 3.4 GB. */
function shortBytes(bytes: number): string {
  if (bytes < 1000) return `${bytes} B`;
  const [unit, size] = bytes < 1e6 ? ['kB', 1e3] : bytes < 1e9 ? ['MB', 1e6] : ['GB', 1e9];
  const value = bytes / (size as number);
  return `${value < 10 ? value.toFixed(1) : value.toFixed(0)} ${unit}`;
}

/** Whole below ten thousand, then k and M. */
function shortCount(value: number): string {
  if (value < 10_000) return value.toFixed(0);
  return value < 10_000_000 ? `${(value / 1000).toFixed(1)}k` : `${(value / 1_000_000).toFixed(1)}M`;
}
