/** Bytes to the terminal for the frames that ktop draws, next to what ncurses needs for the very same ones. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import xterm from '@xterm/headless';
import { KTOP, median, NODE, ROOT, sleep, table, title } from './lib.mjs';
import { SIZE, start, withHome } from './terminal-program.mjs';

/** A frame is over when nothing comes for so long. */
const GAP_MS = 60;

/**
 * Runs ktop for some seconds; what stood on its terminal after each burst of output, and how long that was. The screen is
 * xterm's, not ktop's.
 */
export async function record(command, seconds, home, keys = '') {
  const screen = new xterm.Terminal({ ...SIZE, allowProposedApi: true });
  const frames = [];
  const bytes = [];
  let taken = 0;
  let timer;
  const take = () => {
    const size = ktop.bytes - taken;
    taken = ktop.bytes;
    screen.write('', () => {
      frames.push(cells(screen));
      bytes.push(size);
    });
  };
  const ktop = start(
    { command, env: { HOME: home } },
    {
      onData: (data) => {
        screen.write(data);
        clearTimeout(timer);
        timer = setTimeout(take, GAP_MS);
      },
    },
  );
  await sleep(1500);
  if (keys !== '') ktop.send(keys);
  await sleep(3500);
  const from = frames.length;
  await sleep(seconds * 1000);
  const until = frames.length;
  await ktop.stop();
  // The first one is where the comparison begins.
  return { frames: frames.slice(from - 1, until), bytes: bytes.slice(from, until) };
}

/** Lines of runs of one style: text, colour (-1 the terminal's own), bold, dim, underline, inverse. */
function cells({ buffer: { active } }) {
  return Array.from({ length: SIZE.rows }, (_, y) => {
    const line = active.getLine(active.baseY + y);
    const runs = [];
    for (let x = 0; x < SIZE.cols; x++) {
      const cell = line?.getCell(x);
      if (cell === undefined || cell.getWidth() === 0) continue;
      const flag = (value) => (value ? 1 : 0);
      const style = [
        cell.isFgDefault() ? -1 : cell.getFgColor(),
        flag(cell.isBold()),
        flag(cell.isDim()),
        flag(cell.isUnderline()),
        flag(cell.isInverse()),
      ];
      const last = runs.at(-1);
      const text = cell.getChars() || ' ';
      if (last !== undefined && style.every((value, index) => value === last[index + 1])) last[0] += text;
      else runs.push([text, ...style]);
    }
    return runs;
  });
}

/** Bytes that ncurses writes for each frame after the first. */
export async function throughNcurses(frames, home) {
  const file = join(home, 'frames.json');
  writeFileSync(file, JSON.stringify({ frames }));
  let heard = 0;
  const program = start(
    { command: ['/usr/bin/python3', join(ROOT, 'bench/ncurses.py'), file], env: { HOME: home } },
    {
      onData: () => {
        heard = performance.now();
      },
    },
  );
  const quiet = async () => {
    const since = performance.now();
    while (performance.now() - Math.max(since, heard) < GAP_MS / 2) await sleep(3);
  };
  while (program.bytes === 0 && !program.ended) await sleep(10);
  await sleep(500);
  const sizes = [];
  for (let i = 1; i < frames.length; i++) {
    const before = program.bytes;
    program.send(' ');
    await quiet();
    sizes.push(program.bytes - before);
  }
  await program.stop();
  return sizes;
}

const SCENES = [
  ['NetTop, at rest, 1 Hz', ['nettop']],
  ['NetTop, at rest, 4 Hz', ['nettop', '-i', '250']],
  ['CPU, 4 Hz', ['cpu-util', '-i', '250']],
  ['Tasks asleep, 4 Hz', ['task-state', '-S', '-i', '250']],
  ['syscall-storm replayed', ['replay', join(ROOT, 'demo-recordings/syscall-storm.ktop')]],
  ['network-flood replayed', ['replay', join(ROOT, 'demo-recordings/network-flood.ktop')]],
];

export const frames = ({ quick }) =>
  withHome(async (home) => {
    const seconds = quick ? 3 : 12;
    title(`Bytes to a terminal of 120x40, and what ncurses needs for the same frames (${seconds} s each)`);
    const results = {};
    const rows = [['scene', 'frames', 'ktop, median', 'mean', 'ncurses, median', 'mean', 'ktop / ncurses']];
    const mean = (list) => list.reduce((sum, value) => sum + value, 0) / list.length;
    for (const [name, args] of SCENES) {
      const seen = await record([NODE, KTOP, ...args], seconds, home);
      if (seen.bytes.length === 0) continue;
      const theirs = await throughNcurses(seen.frames, home);
      const result = { frames: theirs.length, ktop: mean(seen.bytes), ncurses: mean(theirs) };
      results[name] = { ...result, ratio: result.ktop / result.ncurses };
      rows.push([
        name,
        String(theirs.length),
        median(seen.bytes),
        result.ktop,
        median(theirs),
        result.ncurses,
        results[name].ratio,
      ]);
    }
    table(rows);
    return results;
  });
