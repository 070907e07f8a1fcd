/** A line for what is behind the source; the screen of a source in which nothing changes. */
import { beforeAll, expect, test } from 'vitest';
import type { LogEntry } from '../../src/sources/snapshot.ts';
import type { InkHost } from '../../src/ui/chrome/ink-host.tsx';
import type { Session } from '../../src/ui/session.ts';
import { outputPicture } from '../../src/vmcore/screen/pictures.ts';
import { CRASH, coreTabs, OVERVIEW } from '../../src/vmcore/screen/tabs.ts';
import { Stage } from './ui-stage.ts';

let ink: InkHost;

beforeAll(async () => {
  process.env.FORCE_COLOR = '1';
  const { InkHost: Host } = await import('../../src/ui/chrome/ink-host.tsx');
  ink = new Host();
});

const UP = '\x1b[A';

/** A dashboard on a source that takes commands. */
function stage(): { readonly on: Stage; readonly lines: string[] } {
  const on = new Stage(ink, OVERVIEW, coreTabs);
  const lines: string[] = [];
  const commands = { tab: CRASH, prompt: 'crash>', run: (line: string) => lines.push(line) };
  Object.assign(on.session.source as Session['source'], { commands, still: true });
  return { on, lines };
}

const text = (on: Stage) => on.frame(100, 24).join('\n');

test('! shows the tab of the answers and asks for a line, Enter sends it as typed and asks for the next', () => {
  const { on, lines } = stage();
  on.keys('!');
  expect(on.session.monitor.name).toBe(CRASH);
  on.keys('bt -a q');
  expect(text(on)).toContain('crash>');
  expect(text(on)).toContain('bt -a q');
  on.keys('\r');
  expect(lines).toEqual(['bt -a q']);
  on.keys('ps\r');
  expect(lines).toEqual(['bt -a q', 'ps']);
  expect(on.quits).toBe(0);
});

test('Up brings back earlier lines, Esc and an empty line end', () => {
  const { on, lines } = stage();
  on.keys('!bt\rps\r').keys(UP).keys(UP).keys('\r');
  expect(lines).toEqual(['bt', 'ps', 'bt']);
  on.keys('\x1b');
  expect(on.session.state.mode).toBe('panels');
  on.keys('!\r');
  expect(on.session.state.mode).toBe('panels');
});

test('Ctrl-C at the prompt stops what runs there; where nothing does it ends ktop', () => {
  const { on } = stage();
  let running = true;
  Object.assign(on.session.source.commands as object, {
    interrupt: () => {
      const was = running;
      running = false;
      return was;
    },
  });
  on.keys('!bt\r');
  expect(text(on)).toContain('Ctrl-C interrupts');
  on.keys('\x03');
  expect([on.quits, on.session.state.mode]).toEqual([0, 'command']);
  on.keys('\x03');
  expect(on.quits).toBe(1);
  // Elsewhere it is not asked.
  running = true;
  stage().on.keys('\x03');
  on.keys('\x1b\x03');
  expect(running).toBe(true);
});

test('where nothing takes commands, ! says so', () => {
  const on = new Stage(ink, OVERVIEW, coreTabs).keys('!');
  expect(text(on)).toContain('nothing here that takes commands');
});

test('what it says stands there without times, control characters harmless', () => {
  const { on } = stage();
  on.keys('!\x1b');
  const entry = (line: string, index: number): LogEntry => ({
    at_ms: index,
    cpu: -1,
    pid: -1,
    tid: -1,
    comm: '',
    text: line,
  });
  const entries = ['crash> bt', 'PID: 1  \x1b[2Jevil', ' #0 schedule'].map(entry);
  on.feed(outputPicture(entries, CRASH, 1, []));
  const lines = on.frame(100, 24);
  expect(lines.some((line) => /^ crash> bt\s*$/.test(line))).toBe(true);
  expect(lines.join('\n')).not.toContain('\x1b');
  expect(lines.join('\n')).toContain('evil');
});

test('a source in which nothing changes has no interval and no rate', () => {
  const { on } = stage();
  on.session.toTab(0, on.now);
  on.feed(outputPicture([], OVERVIEW, 1, []));
  on.now += 3_600_000;
  expect(text(on)).not.toMatch(/every|events\/s| old/);
});

test('o in a list of lines goes to the marked one, and it stands out', () => {
  const { on } = stage();
  on.keys('!\x1b');
  const lines = Array.from({ length: 200 }, (_, index) => ({
    at_ms: index,
    cpu: -1,
    pid: -1,
    tid: -1,
    comm: '',
    text: `line ${index}`,
    ...(index === 40 ? { mark: true } : {}),
  }));
  on.feed(outputPicture(lines, CRASH, 1, []));
  expect(text(on)).not.toContain('line 40');
  on.keys('o');
  expect(on.frame(100, 24).some((line) => /^▸line 40\s*$/.test(line))).toBe(true);
  expect(text(on)).toContain('line 39');
});
