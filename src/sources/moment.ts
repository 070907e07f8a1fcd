/** A moment as people type it. Pure but for the local time zone. */

/** What a moment is looked for in. Wall clock, milliseconds since the epoch. */
export interface TimeSpan {
  readonly start: number;
  readonly end: number;
  /** Where steps begin. */
  readonly at: number;
}

/** Said where a text is none of these. */
export const MOMENT_FORMS = '12:03:40, 2026-11-20 12:03, +5m, -30s, 40%, start or end';

const DAY_MS = 86_400_000;
/** Days looked through for a time of day. */
const MOST_DAYS = 400;
const UNITS_MS: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: DAY_MS };

const CLOCK = /^(\d{1,2}):(\d{2})(?::(\d{2}(?:\.\d{1,9})?))?$/;
const DATE =
  /^(\d{4})-(\d{2})-(\d{2})(?:[T ]+(\d{1,2}):(\d{2})(?::(\d{2}(?:\.\d{1,9})?))?)?\s*(Z|[+-]\d{2}:?\d{2})?$/i;
const STEP = /^([+-])\s*(.+)$/;
const AMOUNT = /^(?:(\d+(?:\.\d+)?)\s*(ms|s|m|h|d)?\s*)/;

/**
 * The moment that a text means; undefined when it means none. It may lie outside the span: whoever asks clamps.
 * A time of day is that of the nearest day on which it lies within the span. Times are local unless they say otherwise.
 */
export function parseMoment(text: string, span: TimeSpan): number | undefined {
  const word = text.trim().toLowerCase();
  if (word === 'start' || word === 'begin') return span.start;
  if (word === 'end' || word === 'now') return span.end;
  const percent = /^(\d+(?:\.\d+)?)\s*%$/.exec(word);
  if (percent !== null) {
    const share = Number(percent[1]) / 100;
    return share <= 1 ? span.start + share * (span.end - span.start) : undefined;
  }
  const step = STEP.exec(word);
  if (step !== null) {
    const length = parseLength(step[2] as string);
    return length === undefined ? undefined : span.at + (step[1] === '-' ? -length : length);
  }
  return parseDate(word) ?? parseClock(word, span);
}

/** Milliseconds of `5m`, `1h30m`, `90` (seconds), `1:30`, `1:02:03`. */
export function parseLength(text: string): number | undefined {
  const clock = /^(?:(\d+):)?(\d{1,3}):(\d{2}(?:\.\d+)?)$/.exec(text);
  if (clock !== null) {
    const [, hours = '0', minutes, seconds] = clock;
    return (Number(hours) * 3600 + Number(minutes) * 60 + Number(seconds)) * 1000;
  }
  let rest = text.trim();
  let sum = 0;
  for (let parts = 0; rest !== ''; parts += 1) {
    const amount = AMOUNT.exec(rest);
    // A bare number is seconds, and stands alone.
    if (amount === null || (amount[2] === undefined && (parts > 0 || amount[0].length < rest.length)))
      return undefined;
    sum += Number(amount[1]) * (UNITS_MS[amount[2] ?? 's'] as number);
    rest = rest.slice(amount[0].length);
  }
  return text.trim() === '' ? undefined : sum;
}

function parseDate(text: string): number | undefined {
  const match = DATE.exec(text);
  if (match === null) return undefined;
  const [, year, month, day, hours = '0', minutes = '0', seconds = '0', zone] = match;
  const parts = [year, month, day, hours, minutes].map(Number) as [number, number, number, number, number];
  if (!isDate(parts) || Number(seconds) >= 61) return undefined;
  const [y, mo, d, h, mi] = parts;
  const ms = Number(seconds) * 1000;
  if (zone === undefined) return new Date(y, mo - 1, d, h, mi).getTime() + ms;
  return Date.UTC(y, mo - 1, d, h, mi) + ms - zoneOffset(zone);
}

function isDate([year, month, day, hours, minutes]: readonly [
  number,
  number,
  number,
  number,
  number,
]): boolean {
  const date = new Date(Date.UTC(year, month - 1, day));
  return date.getUTCMonth() === month - 1 && date.getUTCDate() === day && hours < 24 && minutes < 60;
}

function zoneOffset(zone: string): number {
  if (zone.toUpperCase() === 'Z') return 0;
  const digits = zone.replace(/\D/g, '');
  const minutes = Number(digits.slice(0, 2)) * 60 + Number(digits.slice(2));
  return (zone.startsWith('-') ? -minutes : minutes) * 60_000;
}

function parseClock(text: string, { start, end, at }: TimeSpan): number | undefined {
  const match = CLOCK.exec(text);
  if (match === null) return undefined;
  const [hours, minutes, seconds] = [match[1], match[2], match[3] ?? '0'].map(Number) as [
    number,
    number,
    number,
  ];
  if (hours > 23 || minutes > 59 || seconds >= 61) return undefined;
  const on = (day: number) => {
    const date = new Date(at);
    date.setHours(0, 0, 0, 0);
    date.setDate(date.getDate() + day);
    date.setHours(hours, minutes);
    return date.getTime() + seconds * 1000;
  };
  const reach = Math.min(MOST_DAYS, Math.ceil((end - start) / DAY_MS) + 1);
  let found: number | undefined;
  for (let day = -reach; day <= reach; day += 1) {
    const time = on(day);
    // Whoever types a second means all of it.
    if (
      time <= end &&
      time + 999 >= start &&
      (found === undefined || Math.abs(time - at) < Math.abs(found - at))
    )
      found = time;
  }
  return found ?? on(0);
}
