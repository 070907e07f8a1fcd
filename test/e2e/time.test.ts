// biome-ignore-all lint/suspicious/noControlCharactersInRegex: terminal output is read here
/** Moving in time in a real terminal: a recording, the past of a live source, recording what is seen. */
import { afterEach, beforeAll, describe, expect, test, vi } from 'vitest';
import { TIME_KEYS } from '../../src/ui/time-keys.ts';
import { bundleHarness } from './bundle-harness.ts';
import { bytesOf, type Pty, type PtyOptions, sleep, spawn } from './pty.ts';

vi.setConfig({ testTimeout: 60_000 });

let harness = '';
const open: Pty[] = [];

beforeAll(async () => {
  harness = await bundleHarness();
});

afterEach(() => {
  for (const pty of open.splice(0)) {
    try {
      pty.kill('SIGKILL');
    } catch {
      // It has ended by itself.
    }
  }
});

function start(wish: object, options: PtyOptions = {}): Pty {
  const env = { TZ: 'UTC', ...options.env };
  const small = { rows: 200, cpus: 8 };
  const pty = spawn(process.execPath, [harness, JSON.stringify({ ...small, ...wish })], {
    cols: 120,
    rows: 40,
    ...options,
    env,
  });
  open.push(pty);
  return pty;
}

/** What is between header and line of time, once it has been painted whole. */
async function stillBody(pty: Pty): Promise<string[]> {
  const body = () => pty.screen().slice(2, -2);
  for (let before = body(); ; before = body()) {
    await sleep(500);
    if (body().join('\n') === before.join('\n')) return before;
  }
}

/** Held at its second minute. */
async function held(options: PtyOptions = {}, wish: object = {}): Promise<Pty> {
  const pty = start({ playback: 'file', ...wish }, options);
  await pty.waitFor(/of 200/);
  pty.send(' ');
  await pty.waitFor(/REPLAY PAUSED/);
  pty.send('g12:05:00\r');
  await pty.waitFor(/PAUSED +2026-11-20 12:05:00/);
  await pty.waitFor(/of 200/);
  return pty;
}

describe('a recording', () => {
  test('every key of time', async () => {
    const pty = await held();
    const seen: Readonly<Record<string, RegExp>> = {
      'step-back': /12:04:59 UTC/,
      'step-forward': /12:05:01 UTC/,
      'minute-back': /12:04:00 UTC/,
      'minute-forward': /12:06:00 UTC/,
      'mark-next': /damage 12:08:00: frame 12 is damaged[\s\S]*/,
      'mark-previous': /loss 12:04:30 \S+: 17 events lost/,
      moment: /go to time:/,
      play: /REPLAY 1×/,
      'speed-down': /speed 0\.5/,
      'speed-up': /speed 2/,
      'time-start': /PAUSED +2026-11-20 12:03:00/,
      'time-end': /PAUSED +2026-11-20 12:13:00/,
    };
    for (const { command, keys } of TIME_KEYS) {
      for (const key of keys) {
        pty.send(bytesOf(key));
        await pty.waitFor(seen[command] as RegExp);
        if (command === 'moment') pty.send('\x1b');
        if (command === 'play') {
          pty.send(bytesOf(key));
          await pty.waitFor(/REPLAY PAUSED/);
        }
        if (command === 'speed-down') pty.send('>');
        if (command === 'speed-up') pty.send('<');
        await sleep(80);
        // Back to where all began.
        pty.send('g12:05:00\r');
        await pty.waitFor(/PAUSED +2026-11-20 12:05:00/);
      }
    }
  });

  test('plays at ten times the speed to its end and holds there', async () => {
    const pty = start({ playback: 'file', seconds: 20 });
    await pty.waitFor(/of 200/);
    pty.send('>>>');
    await pty.waitFor(/REPLAY 10×/);
    await pty.waitFor(/REPLAY PAUSED +2026-11-20 12:03:20/);
    pty.send(' ');
    await pty.waitFor(/this is the end; Home goes to the start/);
    pty.send(bytesOf('home'));
    await pty.waitFor(/PAUSED +2026-11-20 12:03:00/);
  });

  test('all else goes on: tabs, sort, filter, details, incidents', async () => {
    const pty = await held();
    pty.send('2');
    await pty.waitFor(/Storage|BYTES/);
    pty.send('/comm=sshd\r');
    await pty.waitFor(/filter "comm=sshd"/);
    pty.send('r');
    await pty.waitFor(/smallest first/);
    pty.send('j\r');
    await pty.waitFor(/Esc closes/);
    const before = pty.screen().slice(3, -2).join('\n');
    pty.send(']]]]]]]');
    await pty.waitFor(/12:05:07 UTC/);
    await pty.waitFor((lines) => lines.slice(3, -2).join('\n') !== before);
    expect(pty.text()).toMatch(/Esc closes/);
    pty.send('\x1b');
    await pty.waitFor(/filter "comm=sshd"/);
    pty.send('I');
    await pty.waitFor(
      /Incidents of the recording[\s\S]*second incident[\s\S]*dd\[4711\] D 3214 ms in .\[31mio_sch/,
    );
    pty.send('j\r');
    await pty.waitFor(/event +second incident/);
    pty.send('\r');
    await pty.waitFor(/12:10:00 UTC/);
  });

  test('tabs that were not recorded', async () => {
    const pty = await held({}, { recorded: ['nettop', 'task-state'] });
    pty.send('\t');
    await pty.waitFor(/Offenders/);
    pty.send('2');
    await pty.waitFor(/disktop: not recorded[\s\S]*it holds nettop, task-state/);
    pty.send(':cpu');
    await pty.waitFor(/\(not recorded\)/);
    pty.send('\x1b');
    await sleep(80);
    pty.send('1');
    await pty.waitFor(/of 200/);
  });

  test('what is missing is said', async () => {
    const pty = start({
      playback: 'file',
      damage: ['the file ends in the middle of a frame; 3 s are missing'],
    });
    await pty.waitFor(/! the file ends in the middle of a frame; 3 s are missing/);
  });

  test.each([
    [80, 24],
    [200, 60],
    [300, 100],
  ])('line of time and header at %dx%d', async (cols, rows) => {
    const pty = await held({ cols, rows });
    // A frame may still be on its way.
    await pty.waitFor((lines) => /REPLAY PAUSED +2026-11-20 12:05:00 UTC/.test(lines[1] ?? ''));
    const line = /^ 12:03:00 .*▲.*!?.*┃.*x.*▲.* 12:13:00 {2}2:00\/10:00$/;
    await pty.waitFor((lines) => line.test(lines.at(-2) ?? ''));
    await pty.waitFor((lines) => /q quit {2}Space play\/hold/.test(lines.at(-1) ?? ''));
  });

  test('ASCII, no colours', async () => {
    const pty = await held({ env: { LANG: 'C', NO_COLOR: '1' } });
    expect(pty.output()).toMatch(/^[\x00-\x7f]*$/);
    const line = /^ 12:03:00 .*#.*\|.*x.*# *-* 12:13:00 {2}2:00\/10:00$/;
    await pty.waitFor((lines) => line.test(lines.at(-2) ?? ''));
    expect(pty.text()).toMatch(/REPLAY PAUSED/);
  });
});

describe('a live source', () => {
  test('Left goes into the past, new data go on, End is now', async () => {
    const pty = start({ playback: 'live', interval_ms: 200 });
    await pty.waitFor(/LIVE/);
    await pty.waitFor(/of 200/);
    await sleep(1500);
    pty.send(bytesOf('left'));
    await pty.waitFor(/PAST −\d\d:\d\d PAUSED/);
    const body = await stillBody(pty);
    const header = pty.screen()[1];
    await pty.waitFor((lines) => lines[1] !== header);
    await sleep(1000);
    expect(pty.screen().slice(2, -2)).toEqual(body);
    pty.send(' ');
    await pty.waitFor(/PAST −\d\d:\d\d 1×/);
    pty.send(bytesOf('end'));
    await pty.waitFor(/LIVE/);
    await pty.waitFor((lines) => lines.slice(2, -2).join() !== body.join());
  });

  test('faster than time one is back at now', async () => {
    const pty = start({ playback: 'live', interval_ms: 200 });
    await pty.waitFor(/of 200/);
    await sleep(1500);
    pty.send('[[[');
    await pty.waitFor(/PAST/);
    pty.send('>>>>> ');
    await pty.waitFor(/LIVE/);
  });

  test('R records, R stops', async () => {
    const pty = start({ playback: 'live', interval_ms: 200 });
    await pty.waitFor(/of 200/);
    pty.send('R');
    await pty.waitFor(/recording to \.\/ktop-buildhost-17-\d{8}-\d{6}\.ktop/);
    await pty.waitFor(/REC ● \d+(?:\.\d)? k?B 0:\d\d/);
    pty.send('R');
    await pty.waitFor(/recorded to \.\/ktop-buildhost-17/);
    await pty.waitFor((lines) => !/REC ●/.test(lines.join('')));
  });

  test.each([
    ['denied', /cannot make \.\/ktop-\S+ \(EACCES\); record to another directory/],
    ['full', /! recording has stopped: the disk is full; what was written replays/],
  ])('disk %s: one sentence, and the dashboard goes on', async (disk, said) => {
    const pty = start({ playback: 'live', interval_ms: 200, disk }, { cols: 160 });
    await pty.waitFor(/of 200/);
    pty.send('R');
    await pty.waitFor(said);
    await pty.waitFor((lines) => !/REC ●/.test(lines.join('')));
    const before = pty.text();
    await pty.waitFor((lines) => lines.join('\n') !== before);
  });
});
