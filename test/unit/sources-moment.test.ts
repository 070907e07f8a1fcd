import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { lengthText, zoneOf } from '../../src/panels/wall-time.ts';
import { parseLength, parseMoment } from '../../src/sources/moment.ts';

const zone = process.env.TZ;
beforeAll(() => {
  process.env.TZ = 'Europe/Berlin';
});
afterAll(() => {
  process.env.TZ = zone;
});

const utc = (text: string) => Date.parse(text);
const SPAN = {
  start: utc('2026-11-20T11:00:00Z'),
  end: utc('2026-11-20T12:00:00Z'),
  at: utc('2026-11-20T11:30:00Z'),
};

describe('a moment as typed', () => {
  test.each([
    ['12:03:40', '2026-11-20T11:03:40Z'],
    ['12:03', '2026-11-20T11:03:00Z'],
    ['12:03:40.250', '2026-11-20T11:03:40.250Z'],
    ['+5m', '2026-11-20T11:35:00Z'],
    ['-30s', '2026-11-20T11:29:30Z'],
    ['- 1h 2m', '2026-11-20T10:28:00Z'],
    ['+90', '2026-11-20T11:31:30Z'],
    ['+1:30', '2026-11-20T11:31:30Z'],
    ['-1:00:01', '2026-11-20T10:29:59Z'],
    ['+250ms', '2026-11-20T11:30:00.250Z'],
    ['40%', '2026-11-20T11:24:00Z'],
    ['0%', '2026-11-20T11:00:00Z'],
    ['start', '2026-11-20T11:00:00Z'],
    [' End ', '2026-11-20T12:00:00Z'],
    ['now', '2026-11-20T12:00:00Z'],
    ['2026-11-20 12:03:40', '2026-11-20T11:03:40Z'],
    ['2026-11-20T12:03:40Z', '2026-11-20T12:03:40Z'],
    ['2026-11-20T12:03:40.5+05:30', '2026-11-20T06:33:40.500Z'],
    ['2026-11-21', '2026-11-20T23:00:00Z'],
    // Outside of what there is: the day one stands on.
    ['03:00', '2026-11-20T02:00:00Z'],
  ])('%s', (text, expected) => {
    expect(new Date(parseMoment(text, SPAN) ?? Number.NaN).toISOString()).toBe(
      new Date(expected).toISOString(),
    );
  });

  test.each([
    '',
    '5',
    '25:00',
    '12:60',
    '12:03:99',
    '101%',
    '-%',
    '+',
    '+5x',
    '+5m 3',
    '2026-02-30',
    'noon',
    '+-5',
  ])('%j is none', (text) => {
    expect(parseMoment(text, SPAN)).toBeUndefined();
  });

  test('a time of day is that of the day within the span, the nearest of several', () => {
    const night = {
      start: utc('2026-11-19T22:00:00Z'),
      end: utc('2026-11-20T03:00:00Z'),
      at: utc('2026-11-19T22:30:00Z'),
    };
    expect(parseMoment('01:00', night)).toBe(utc('2026-11-20T00:00:00Z'));
    const days = {
      start: utc('2026-11-10T00:00:00Z'),
      end: utc('2026-11-20T00:00:00Z'),
      at: utc('2026-11-15T22:00:00Z'),
    };
    expect(parseMoment('01:00', days)).toBe(utc('2026-11-16T00:00:00Z'));
    expect(parseMoment('20:00', days)).toBe(utc('2026-11-15T19:00:00Z'));
  });

  test('the second that a recording begins in is in it', () => {
    const span = {
      start: utc('2026-11-20T11:00:00.700Z'),
      end: utc('2026-11-21T11:30:00Z'),
      at: utc('2026-11-20T11:00:00.700Z'),
    };
    expect(parseMoment('12:00:00', span)).toBe(utc('2026-11-20T11:00:00Z'));
  });

  test('the hour that summer time skips and the one it repeats are some time of that night', () => {
    const at = utc('2027-03-28T06:00:00Z');
    const span = { start: utc('2027-03-27T12:00:00Z'), end: utc('2027-03-28T12:00:00Z'), at };
    for (const text of ['02:30', '03:30']) {
      const time = parseMoment(text, span) ?? 0;
      expect(time).toBeGreaterThan(utc('2027-03-28T00:59:00Z'));
      expect(time).toBeLessThan(utc('2027-03-28T03:00:00Z'));
    }
  });
});

test('lengths', () => {
  expect(parseLength('1h30m')).toBe(5_400_000);
  expect(parseLength('0.5s')).toBe(500);
  expect(parseLength('')).toBeUndefined();
  expect([0, 35_000, 725_000, 3_723_000, 3 * 86_400_000 + 3_723_000].map(lengthText)).toEqual([
    '0:00',
    '0:35',
    '12:05',
    '1:02:03',
    '3d 01:02:03',
  ]);
});

test('the zone is that of the day, not of today', () => {
  expect(zoneOf(utc('2026-11-20T00:00:00Z'))).toBe('UTC+1');
  expect(zoneOf(utc('2026-07-20T00:00:00Z'))).toBe('UTC+2');
  process.env.TZ = 'Asia/Kolkata';
  expect(zoneOf(0)).toBe('UTC+5:30');
  process.env.TZ = 'UTC';
  expect(zoneOf(0)).toBe('UTC');
  process.env.TZ = 'Europe/Berlin';
});
