// biome-ignore-all lint/suspicious/noControlCharactersInRegex: terminal output is read here
/**
 * Through every tab and every key with the built program in a real terminal: recordings, whose screens are compared whole
 * with those in `screens/`, and this kernel.
 */
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest';
import { monitors } from '../../src/monitors/index.ts';
import { type CommandId, KEYMAP } from '../../src/ui/keymap.ts';
import { paths } from '../helpers/paths.ts';
import { type Load, startLoad } from '../helpers/workload.ts';
import { bytesOf, type Pty, sleep, spawn } from './pty.ts';

vi.setConfig({ testTimeout: 240_000 });

const work = mkdtempSync(join(tmpdir(), 'ktop-tour-'));
const open: Pty[] = [];

afterEach(() => {
  for (const pty of open.splice(0)) {
    try {
      pty.kill('SIGKILL');
    } catch {
      // It has ended by itself.
    }
  }
});
afterAll(() => rmSync(work, { recursive: true }));

function start(args: readonly string[], cols: number, rows: number): Pty {
  const env = { TZ: 'UTC' };
  const pty = spawn(paths.node(), [paths.ktop, ...args], { cols, rows, env, cwd: work, answers: false });
  open.push(pty);
  return pty;
}

const recording = (name: string) => join(paths.project, 'demo-recordings', `${name}.ktop`);

async function untilQuiet(pty: Pty, quiet_ms = 300): Promise<void> {
  for (let last = -1; pty.output().length !== last; await sleep(quiet_ms)) last = pty.output().length;
}

/** Screens compared with those of a file: each is waited for, so that a slow machine is no failure. */
class Album {
  readonly #path: string;
  readonly #known: ReadonlyMap<string, string>;
  readonly #seen: string[] = [];

  constructor(name: string) {
    this.#path = join(paths.project, 'test/e2e/screens', `${name}.txt`);
    const parts = existsSync(this.#path) ? readFileSync(this.#path, 'utf8').split(/^==== (.*)\n/m) : [];
    this.#known = new Map(
      Array.from({ length: parts.length >> 1 }, (_, index) => [
        parts[index * 2 + 1] as string,
        parts[index * 2 + 2] as string,
      ]),
    );
  }

  async expect(name: string, pty: Pty): Promise<void> {
    const now = () => `${pty.screen().join('\n')}\n`;
    const known = this.#known.get(name);
    if (known === undefined) await untilQuiet(pty, 1500);
    else for (const end = Date.now() + 8000; now() !== known && Date.now() < end; ) await sleep(20);
    this.#seen.push(`==== ${name}\n${now()}`);
    if (known !== undefined) expect.soft(now(), name).toBe(known);
  }

  async close(): Promise<void> {
    await expect(this.#seen.join('')).toMatchFileSnapshot(this.#path);
  }
}

const HELD = /REPLAY PAUSED/;
/** Without the line of time, which shows the more the more of it has been looked at, and what the footer says for a while. */
const screenOf = (lines: readonly string[]) => lines.slice(0, -2).join('\n');

async function heldReplay(name: string, cols: number, rows: number): Promise<Pty> {
  const pty = start(['replay', recording(name)], cols, rows);
  await pty.waitFor(/REPLAY/);
  pty.send(' ');
  await pty.waitFor(HELD);
  pty.send('g50%\r');
  await pty.waitFor(
    (lines) => / 0:\d\d\/0:\d\d$/.test(lines.at(-2) ?? '') && !/go to time:/.test(lines.at(-1) ?? ''),
  );
  // The jump has been made, and what it shows has come.
  await untilQuiet(pty, 500);
  return pty;
}

const RECORDINGS: Readonly<Record<string, number>> = {
  'disk-stall': 3,
  'irqs-off': 4,
  'kernel-leak': 2,
  'kvm-exits': 2,
  'network-flood': 3,
  signals: 2,
  'soft-lockup': 3,
  'syscall-storm': 6,
};

describe('replayed', () => {
  test.each(
    Object.entries(RECORDINGS).flatMap(([name, tabs]) => [
      [name, tabs, 80, 24] as const,
      [name, tabs, 120, 40] as const,
    ]),
  )('%s: %d tabs at %dx%d', async (name, tabs, cols, rows) => {
    const album = new Album(`${name}-${cols}x${rows}`);
    const pty = await heldReplay(name, cols, rows);
    for (let tab = 0; tab < tabs; tab += 1) {
      await album.expect(`tab ${tab + 1}`, pty);
      pty.send('\t');
      await sleep(50);
    }
    pty.send('I');
    await album.expect('incidents', pty);
    // The screen as it stands is the one that is painted anew.
    const before = pty.screen();
    pty.send('\x0c');
    await untilQuiet(pty);
    expect(pty.screen()).toEqual(before);
    expect(pty.text()).not.toMatch(/[\x00-\x09\x0b-\x1f\x7f-\x9f]/);
    pty.send('qq');
    expect((await pty.exit).code).toBe(0);
    await album.close();
  });

  test('a vmcore: every tab', async () => {
    const album = new Album('vmcore-deadlock-120x40');
    const pty = await heldReplay('vmcore-deadlock', 120, 40);
    pty.send(bytesOf('end'));
    for (let tab = 0; tab < 14; tab += 1) {
      await album.expect(`tab ${tab + 1}`, pty);
      pty.send('\t');
      await sleep(50);
    }
    pty.send('q');
    expect((await pty.exit).code).toBe(0);
    await album.close();
  });

  test('every key of the help, there and back to the same screen', async () => {
    const album = new Album('keys-80x24');
    const pty = await heldReplay('disk-stall', 80, 24);
    // From a column in the middle there is one at either side.
    pty.send('...j');
    await album.expect('base', pty);
    const base = pty.screen();
    for (const { command, keys, on } of KEYMAP) {
      if (SKIPPED.has(command) || (on !== undefined && !['time', 'elsewhen'].includes(on))) continue;
      for (const [index, key] of keys.entries()) {
        // In a recording some keys mean time.
        if (on === undefined && TIME_TOO.has(key)) continue;
        pty.send(bytesOf(key));
        // Keys of one command do the same: one picture is enough of them, and each has to lead back.
        if (index === 0) await album.expect(`${command} ${on ?? ''}`.trim(), pty);
        else await untilQuiet(pty, 60);
        for (const undo of UNDO[command] ?? ['\x1b']) {
          await sleep(70);
          pty.send(undo);
          if (!undo.startsWith('g')) continue;
          // What comes next is about rows, which a jump in time brings anew.
          await pty.waitFor((lines) => lines[1] === base[1], 8000);
          await untilQuiet(pty, 200);
        }
        // A key right behind Escape would be one with Alt.
        await sleep(120);
        await pty
          .waitFor((lines) => screenOf(lines) === screenOf(base), 8000)
          .catch((error) => {
            throw new Error(
              `${command} by ${key} does not lead back: ${error.message}\nfrom\n${base.join('\n')}`,
            );
          });
      }
    }
    for (const key of [' ', 'p']) {
      pty.send(key);
      await pty.waitFor(/REPLAY 1×/);
      pty.send(key);
      await pty.waitFor(HELD);
    }
    await album.close();
  });
});

/** They end or stop it, or show what does not stand still. */
const SKIPPED: ReadonlySet<CommandId> = new Set(['quit', 'suspend', 'redraw', 'play']);
const TIME_TOO = new Set(
  KEYMAP.filter(({ on }) => on === 'time' || on === 'elsewhen').flatMap(({ keys }) => keys),
);
const HERE = ['\x1b', '\x1b', 'g50%\r', 'J', '\x1b', 'j'];
/** What leads back to the base, where that is not Escape. */
const UNDO: Readonly<Partial<Record<CommandId, readonly string[]>>> = {
  'next-tab': ['\x1b[Z'],
  'previous-tab': ['\t'],
  tab: [':tasks\r'],
  goto: ['\x1b'],
  // The only other tab that was recorded of it is gone to at once.
  jump: ['\x7f'],
  up: ['\x1b', 'j'],
  down: ['\x1b', 'j'],
  'page-up': ['\x1b', 'j'],
  'page-down': ['\x1b', 'j'],
  home: ['\x1b', 'j'],
  end: ['\x1b', 'j'],
  'next-panel': ['W'],
  'previous-panel': ['w'],
  zoom: ['z'],
  back: ['j'],
  'sort-left': ['.'],
  'sort-right': [','],
  reverse: ['r'],
  tree: ['t'],
  mouse: ['x'],
  'step-back': HERE,
  'step-forward': HERE,
  'minute-back': HERE,
  'minute-forward': HERE,
  'mark-next': HERE,
  'mark-previous': HERE,
  'time-start': HERE,
  'time-end': HERE,
  'speed-down': ['>'],
  'speed-up': ['<'],
  command: [],
  record: [],
  slower: [],
  faster: [],
  return: [],
  pause: [],
};

describe('live', () => {
  let hostile: Load<unknown> | undefined;

  beforeAll(async () => {
    hostile = await startLoad('hostile', []).said;
  });
  afterAll(() => hostile?.release());

  /** Painted pictures held: what comes every second is in the first lines. */
  const body = (pty: Pty) => pty.screen().slice(3, -1);

  test('every tab: opens, shows or says why not, is what it is when painted anew', async () => {
    const pty = start([], 120, 40);
    await pty.waitFor(/ktop [\d.]+% \d+M/, 20_000);
    for (const [index, { title, summary }] of monitors.entries()) {
      pty.send(`:${title}`);
      await pty.waitFor(/Go to tab/);
      pty.send('\r');
      await pty.waitFor((lines) => activeTab(pty, lines[0] ?? '') === title, 10_000);
      // Its panels, or the reason; the first picture comes soon.
      await pty.waitFor(
        (lines) => lines.some((line) => /^[─▸╭+]/.test(line) || / (?:cannot|has failed)/.test(line)),
        15_000,
      );
      expect(pty.text(), summary).not.toMatch(/[\x00-\x09\x0b-\x1f\x7f-\x9f]/);
      if (index % 4 !== 0) continue;
      pty.send('p');
      await pty.waitFor(/PAUSED/);
      await sleep(150);
      const before = body(pty);
      pty.send('\x0c');
      await sleep(300);
      expect(body(pty)).toEqual(before);
      pty.send('p');
    }
    pty.send('q');
    expect((await pty.exit).code).toBe(0);
    expect(pty.output()).not.toMatch(/\x1b\]|\x1b\[\?1049l.*\x1b\[\?1049l/s);
  });

  test('the connection drops: it ends at once, with 129, and leaves nothing in tracefs', async () => {
    const status = join(work, 'status');
    // Ended by the same signal the shell could not tell.
    const script = `trap : HUP; '${paths.node()}' '${paths.ktop}' task-state --backend tracefs; echo $? > '${status}'`;
    const pty = spawn('/bin/sh', ['-c', script], { cols: 120, rows: 40, cwd: work });
    open.push(pty);
    const instances = () =>
      readdirSync('/sys/kernel/tracing/instances').filter((name) => name.startsWith('ktop_'));
    const before = instances();
    await pty.waitFor(/tracefs +every/, 20_000);
    const own = await vi.waitFor(
      () => {
        const found = instances().filter((name) => !before.includes(name));
        expect(found.length).toBeGreaterThan(0);
        return found;
      },
      { timeout: 10_000 },
    );
    pty.hangUp();
    await vi.waitFor(() => expect(existsSync(status) && readFileSync(status, 'utf8')).toBe('129\n'), {
      timeout: 5000,
      interval: 20,
    });
    await vi.waitFor(() => expect(instances().filter((name) => own.includes(name))).toEqual([]), {
      timeout: 5000,
    });
    for (const name of own) expect(existsSync(`/proc/${name.slice(5)}`)).toBe(false);
  });

  test('every key does what the help says', async () => {
    const pty = start(['cpu-util', '-i', '500'], 120, 40);
    await pty.waitFor(/CPU▲ +%SYS/, 20_000);
    const press = async (key: string, seen: RegExp | ((lines: string[]) => boolean)) => {
      pty.send(bytesOf(key));
      // A key behind Escape would be one with Alt.
      if (key === 'escape') await sleep(100);
      await pty.waitFor(seen, 15_000).catch((error) => {
        throw new Error(`${key}: ${error.message}`);
      });
    };
    const marked = (line: number) => (lines: string[]) =>
      lines.filter((text) => /^[▸ ] +\d+ /.test(text)).findIndex((text) => text.startsWith('▸')) === line;
    await press('j', marked(0));
    await press('down', marked(1));
    await press('k', marked(0));
    await press('J', (lines) => !marked(0)(lines) && lines.some((line) => /^▸ +\d+ /.test(line)));
    await press('K', marked(0));
    await press('e', /Esc closes/);
    await press('escape', marked(0));
    await press('enter', /Esc closes/);
    await press('enter', (lines) => !/Esc closes/.test(lines.join('')) || /Follow to/.test(lines.join('')));
    await press('escape', /q quit/);
    pty.send('\x1b');
    await sleep(100);
    pty.send('\x1b');
    await sleep(100);
    await press('s', /Sort by/);
    pty.send('j');
    await press('enter', /CPU +%SYS▼/);
    await press(',', /sorted by/);
    await press('.', /sorted by/);
    await press('r', /largest first|smallest first/);
    await press('r', /largest first|smallest first/);
    await press('/', /filter:/);
    pty.send('cpu=0\r');
    await pty.waitFor(/filter "cpu=0"/);
    await press('escape', (lines) => !/filter "cpu=0"/.test(lines.join('')));
    await press('p', /PAUSED/);
    await press('space', (lines) => !/PAUSED/.test(lines.join('')));
    await press('+', /every 1 s/);
    await press('-', /every 500 ms/);
    await press('?', /Help: .*\[this tab\]/);
    await press('tab', /\[this host\]/);
    await press('tab', /\[keys\]/);
    await press('f1', (lines) => !/Help: /.test(lines.join('')));
    await press(':', /Go to tab/);
    await press('escape', (lines) => !/Go to tab/.test(lines.join('')));
    await press('left', /PAST|LIVE/);
    await press('end', /LIVE/);
    await press('g', /go to time:/);
    await press('escape', (lines) => !/go to time:/.test(lines.join('')));
    await press('R', /REC ● /);
    await press('R', (lines) => !/REC ● /.test(lines.join('')));
    await press('x', /mouse on/);
    await press('x', /mouse off/);
    await press('I', /Incidents/);
    await press('q', /CPU/);
    await press('t', /this table has no tree/);
    await press('!', /q quit/);
    await press('tab', (lines) => activeTab(pty, lines[0] ?? '') === 'Tasks');
    await press('shift-tab', (lines) => activeTab(pty, lines[0] ?? '') === 'CPU');
    await press('2', (lines) => activeTab(pty, lines[0] ?? '') === 'DiskTop');
    await press('3', (lines) => activeTab(pty, lines[0] ?? '') === 'CPU');
    await pty.waitFor(/%SYS/);
    await press('z', /q quit/);
    await press('w', /q quit/);
    pty.send('q');
    expect((await pty.exit).code).toBe(0);
    expect(pty.modes()).toEqual({ alternate: false, cursor: true, wrap: true });
  });
});

/** Title of the tab that is marked in the bar. */
function activeTab(pty: Pty, bar: string): string {
  const marked = [...bar].map((char, x) => (pty.cell(x, 0).inverse ? char : '')).join('');
  return marked.trim().replace(/^\d /, '').replace(/^!/, '');
}
