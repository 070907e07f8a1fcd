// biome-ignore-all lint/suspicious/noControlCharactersInRegex: terminal output is read here
/** A film of the dashboard: its lines, its keys, its clock, and that a terminal shows what was painted. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import xterm from '@xterm/headless';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Grid } from '../../src/panels/grid.ts';
import { openRecording } from '../../src/sources/recording.ts';
import { Asciicast } from '../../src/ui/cast/asciicast.ts';
import { type FilmOptions, film } from '../../src/ui/cast/film.ts';
import { parseKeyScript } from '../../src/ui/cast/key-script.ts';
import { VirtualClock } from '../../src/ui/cast/virtual-clock.ts';
import { irqOff, profile, showcase, trace } from '../e2e/fake-monitors.ts';
import { TAPE_START } from '../e2e/fake-source.ts';
import { makeRecording } from '../helpers/fake-recording.ts';

const MONITORS = [showcase, trace, irqOff, profile];
let directory = '';
let recording = '';

beforeAll(async () => {
  process.env.TZ = 'UTC';
  directory = mkdtempSync(join(tmpdir(), 'ktop-cast-'));
  recording = join(directory, 'made.ktop');
  await makeRecording(recording, MONITORS);
});

afterAll(() => rmSync(directory, { recursive: true, force: true }));

type Wish = Partial<Omit<FilmOptions, 'source' | 'clock' | 'monitors' | 'keys' | 'write'>> & {
  readonly script?: string;
};

interface Shot {
  readonly text: string;
  readonly lines: readonly (readonly [number, string, string])[];
  readonly frames: readonly {
    readonly at_ms: number;
    readonly screen: readonly string[];
    readonly styles: readonly number[];
  }[];
  readonly length_ms: number;
}

async function shoot({ script = '', ...wish }: Wish = {}): Promise<Shot> {
  const clock = new VirtualClock();
  const source = openRecording(recording, { playing: false, clock });
  let text = '';
  const frames: { at_ms: number; screen: string[]; styles: number[] }[] = [];
  try {
    const { length_ms } = await film({
      source,
      clock,
      monitors: MONITORS,
      initial: 'showcase',
      options: () => ({ interval_ms: 1000 }),
      file: 'made.ktop',
      size: { columns: 100, rows: 30 },
      colour: 'auto',
      ascii: false,
      theme: 'default',
      speed: 1,
      from: undefined,
      to: Number.POSITIVE_INFINITY,
      version: 2,
      keys: parseKeyScript(script),
      write: (part) => {
        text += part;
      },
      onFrame: (at_ms, grid: Grid) =>
        frames.push({
          at_ms,
          screen: grid.lines(),
          styles: [...grid.styles].map((style, index) => seen(grid.chars[index] === 0x20, style & 0x1e00)),
        }),
      ...wish,
    });
    const lines = text
      .trimEnd()
      .split('\n')
      .slice(1)
      .map((line) => JSON.parse(line));
    return { text, lines, frames, length_ms };
  } finally {
    await source.close();
  }
}

/** Attributes that can be seen: neither weight nor colour of a blank, only a line below it and reversal. */
const seen = (blank: boolean, style: number): number => (blank && (style & 0x1800) === 0 ? 0 : style);

/** What a terminal shows after all that was written up to a time; attributes as bits. */
async function screenAt(shot: Shot, at_ms: number, cols: number, rows: number) {
  const terminal = new xterm.Terminal({ cols, rows, allowProposedApi: true });
  for (const [time, code, data] of shot.lines)
    if (code === 'o' && Math.round(time * 1000) <= at_ms)
      await new Promise<void>((done) => terminal.write(data, done));
  const buffer = terminal.buffer.active;
  const lines = Array.from({ length: rows }, (_, y) =>
    (buffer.getLine(y)?.translateToString(true) ?? '').trimEnd(),
  );
  const styles = Array.from({ length: rows * cols }, (_, index) => {
    const cell = buffer.getLine(Math.floor(index / cols))?.getCell(index % cols);
    const bits = [cell?.isBold(), cell?.isDim(), cell?.isUnderline(), cell?.isInverse()];
    const style = bits.reduce<number>((sum, bit, at) => sum + (bit ? 1 << (9 + at) : 0), 0);
    return seen(/^ ?$/.test(cell?.getChars() ?? '') && cell?.getWidth() === 1, style);
  });
  terminal.dispose();
  return { lines, styles };
}

describe('the screen at a time is the frame at that time', () => {
  test.each([
    [{}, 100, 30],
    [{ speed: 5, size: { columns: 80, rows: 24 }, ascii: true }, 80, 24],
    [{ colour: 'never' as const, size: { columns: 200, rows: 60 }, initial: 'trace' }, 200, 60],
    [
      {
        script:
          '2 2 j j enter\n+1 escape\n+1 / "a=b" escape\n+1 space [ [ [ g "+3s" enter\n+1 ? tab\n+1 escape >\n+0.5 space',
        size: { columns: 120, rows: 40 },
      },
      120,
      40,
    ],
  ])(
    '%j',
    async (wish, columns, rows) => {
      const shot = await shoot(wish);
      expect(shot.frames.length).toBeGreaterThan(15);
      for (const frame of shot.frames) {
        const { lines, styles } = await screenAt(shot, frame.at_ms, columns, rows);
        expect(lines).toEqual(frame.screen);
        expect(styles).toEqual(frame.styles);
      }
    },
    120_000,
  );
});

test('the same bytes every time, however slow the machine is', async () => {
  const wish = { script: '1 2 j enter\n+2 escape\n+1 I\n+1 escape g "50%" enter' };
  const [first, second] = [await shoot(wish), await shoot({ ...wish, onFrame: waste })];
  expect(second.text).toBe(first.text);
});

function waste(): void {
  for (const until = performance.now() + 40; performance.now() < until; );
}

test('playing shows every picture at its time', async () => {
  const { frames, length_ms } = await shoot({ speed: 2 });
  // Twenty seconds at twice the speed, and the last picture for two more.
  expect(length_ms).toBe(12_000);
  const heads = frames.map(
    ({ at_ms, screen }) => [at_ms, /REPLAY (\S+) +2026-11-20 (\S+)/.exec(screen[1] ?? '')?.slice(1)] as const,
  );
  for (const [at_ms, head] of heads.filter(([at]) => at < 10_000)) {
    const [pace, clock] = head ?? [];
    expect(pace).toBe('2×');
    expect(clock).toBe(new Date(TAPE_START + Math.floor(at_ms * 2)).toISOString().slice(11, 19));
  }
  expect(heads.at(-1)?.[1]).toEqual(['PAUSED', '12:03:20']);
});

test('from, to: no more than that', async () => {
  const { frames, length_ms } = await shoot({ from: TAPE_START + 5000, to: TAPE_START + 9500 });
  expect(frames[0]?.screen[1]).toContain('12:03:05 UTC');
  expect(frames.at(-1)?.screen[1]).toMatch(/PAUSED +2026-11-20 12:03:09 UTC/);
  expect(length_ms).toBe(6500);
});

test('keys act when the script says, and q ends the film', async () => {
  const { frames, length_ms } = await shoot({ script: '1 2\n2.5 ?\n4 q\n4.5 q\n9 j' });
  const at = (ms: number) => frames.findLast(({ at_ms }) => at_ms <= ms)?.screen.join('\n') ?? '';
  expect(at(900)).toMatch(/ Latency ──/);
  expect(at(1100)).not.toMatch(/ Latency ──/);
  expect(at(2600)).toMatch(/Help: /);
  expect(at(4100)).not.toMatch(/Help: /);
  expect(length_ms).toBe(4500);
});

test('a film that is held ends', async () => {
  const { length_ms, frames } = await shoot({ script: '3 space' });
  expect(length_ms).toBe(5000);
  expect(frames.at(-1)?.screen[1]).toContain('REPLAY PAUSED');
});

test('marks that playing passes become markers', async () => {
  const { lines } = await shoot({ speed: 4 });
  const markers = lines.filter(([, code]) => code === 'm');
  expect(markers.map(([time, , text]) => `${time} ${text.split(' ').slice(0, 2).join(' ')}`)).toEqual([
    ...Array.from({ length: 3 }, () => '1.25 incident irq-off'),
    ...MONITORS.map(({ name }) => `2.25 loss ${name}`),
  ]);
  for (const [, , text] of markers) expect(text).toMatch(/^[^\x00-\x1f\x7f]{1,100}$/);
});

test('version 3: differences, an exit status, the same screens', async () => {
  const [two, three] = [await shoot({ version: 2 }), await shoot({ version: 3 })];
  const head = JSON.parse(three.text.split('\n')[0] ?? '');
  expect(head).toMatchObject({
    version: 3,
    term: { cols: 100, rows: 30 },
    timestamp: Math.floor(TAPE_START / 1000),
  });
  expect(JSON.parse(two.text.split('\n')[0] ?? '')).toMatchObject({ version: 2, width: 100, height: 30 });
  expect(three.lines.at(-1)).toEqual([0, 'x', '0']);
  let sum = 0;
  const absolute = three.lines.slice(0, -1).map(([time, code, data]) => {
    sum += Math.round(time * 1000);
    return [sum / 1000, code, data];
  });
  expect(absolute).toEqual(two.lines);
});

test('nothing but what a terminal shows', async () => {
  const { lines } = await shoot({ speed: 10 });
  const output = lines
    .filter(([, code]) => code === 'o')
    .map(([, , data]) => data)
    .join('');
  // Colours, moves, erasing, scrolling, cursor and wrapping: no title, no other mode.
  expect(output.replace(/\x1b\[(?:\?(?:25|7)[hl]|[0-9;]*[mHJKABCDLMr])|\x08/g, '')).not.toMatch(
    /[\x00-\x09\x0b\x0c\x0e-\x1f\x7f-\x9f]/,
  );
  expect(output.startsWith('\x1b[?25l')).toBe(true);
  expect(output.endsWith('\x1b[?25h\x1b[30H\r\n')).toBe(true);
});

describe('a script of keys', () => {
  const names = (text: string) => parseKeyScript(text).map(({ at_ms, key }) => `${at_ms} ${key.name}`);

  test('is read', () => {
    expect(
      names('# a film\n\n1 tab j enter # done\n+0.5 "a b" space\n2.25 : "cpu" enter\n3 "#" \\ #'),
    ).toEqual([
      '1000 tab',
      '1000 j',
      '1000 enter',
      '1500 a',
      '1500 space',
      '1500 b',
      '1500 space',
      '2250 :',
      '2250 c',
      '2250 p',
      '2250 u',
      '2250 enter',
      '3000 #',
      '3000 \\',
    ]);
    expect(parseKeyScript('1 "x\\"y"').map(({ key }) => key.text)).toEqual(['x', '"', 'y']);
  });

  test.each([
    ['1 tab\nenter 2', /line 2: "enter 2" is not SECONDS KEY/],
    ['1 entr', /line 1: no key "entr"; text goes in quotes/],
    ['2 j\n1 k', /line 2: 1 is before the line above/],
    ['1', /line 1: "1" is not SECONDS KEY/],
  ])('%j is refused', (text, problem) => {
    expect(() => parseKeyScript(text)).toThrow(problem);
  });

  test('a monstrous one is refused', () => {
    expect(() => parseKeyScript(`0 ${'j '.repeat(10_001)}`)).toThrow(/more than 10000 keys/);
  });
});

test('a clock of its own', () => {
  const clock = new VirtualClock();
  const rings: string[] = [];
  clock.after(20, () => rings.push(`b ${clock.now()}`));
  clock.after(10, () => {
    rings.push(`a ${clock.now()}`);
    clock.after(0, () => rings.push(`c ${clock.now()}`));
  });
  const undo = clock.after(15, () => rings.push('never'));
  undo();
  expect(clock.next).toBe(10);
  expect(clock.advance(5)).toBe(false);
  while (clock.next <= 30) clock.advance(clock.next);
  expect(rings).toEqual(['a 10', 'c 10', 'b 20']);
  expect(clock.next).toBe(Number.POSITIVE_INFINITY);
  clock.advance(7);
  expect(clock.now()).toBe(20);
});

test('times of a cast never go back', () => {
  const cast = new Asciicast(3);
  expect(
    [cast.event(10.4, 'o', 'a'), cast.event(9, 'o', 'b'), cast.event(1010.4, 'm', 'c')].map(
      (line) => JSON.parse(line)[0],
    ),
  ).toEqual([0.01, 0, 1]);
});
