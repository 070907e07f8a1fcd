/**
 * What a terminal must never cost: an unchanged screen writes nothing, one that has stalled holds nobody up, and one that is
 * painted for long needs no more memory than at first.
 */
import { existsSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { KTOP, memoryMb, NODE, sleep, table, title } from './lib.mjs';
import { start, withHome } from './terminal-program.mjs';

const DELAY = new URL('loop-delay.mjs', import.meta.url).href;
const LARGE = { cols: 200, rows: 60 };

async function paused(home, seconds) {
  const ktop = start({ command: [NODE, KTOP], env: { HOME: home } });
  await sleep(3000);
  ktop.send('p');
  await sleep(4000);
  const before = ktop.bytes;
  await sleep(seconds * 1000);
  const bytes = ktop.bytes - before;
  await ktop.stop();
  return { seconds, bytes };
}

/** Ten frames a second into a terminal that nobody reads: how long the thread of keys and timers was busy at a stretch. */
async function stalled(home, seconds) {
  const file = join(home, 'delay.json');
  const delay = async (pid) => {
    rmSync(file, { force: true });
    process.kill(pid, 'SIGUSR2');
    for (let tries = 0; tries < 200 && !existsSync(file); tries++) await sleep(10);
    await sleep(20);
    return JSON.parse(readFileSync(file, 'utf8'));
  };
  const command = [NODE, '--import', DELAY, KTOP, 'cpu-util', '-i', '100'];
  const ktop = start({ command, env: { HOME: home, LOOP_DELAY: file } }, { size: LARGE });
  await sleep(6000);
  await delay(ktop.pid);
  await sleep(seconds * 1000);
  const flowing = await delay(ktop.pid);
  ktop.stall();
  await sleep(seconds * 1000);
  const result = { seconds, flowing, stalled: await delay(ktop.pid) };
  ktop.flow();
  await ktop.stop();
  return result;
}

/** Memory after some frames, and after many. */
async function flat(home, seconds) {
  const ktop = start(
    { command: [NODE, KTOP, 'cpu-util', '-i', '100'], env: { HOME: home } },
    { size: LARGE },
  );
  const found = [];
  for (const share of [0.25, 0.5, 0.75, 1]) {
    await sleep((seconds * 1000) / 4);
    found.push({ frames: Math.round(seconds * share * 10), ...memoryMb(ktop.pid) });
  }
  await ktop.stop();
  return found;
}

export const terminal = ({ quick }) =>
  withHome(async (home) => {
    title('Paused');
    const still = await paused(home, quick ? 3 : 15);
    table([
      ['seconds', 'bytes'],
      [String(still.seconds), String(still.bytes)],
    ]);
    title('A terminal that has stalled: event loop of the main thread held up, ms (10 frames/s, 200x60)');
    const stall = await stalled(home, quick ? 3 : 15);
    table([
      ['terminal', 'p99', 'longest'],
      ['flowing', stall.flowing.p99_ms, stall.flowing.max_ms],
      ['stalled', stall.stalled.p99_ms, stall.stalled.max_ms],
    ]);
    title('Memory, 10 frames/s at 200x60');
    const memory = await flat(home, quick ? 8 : 120);
    table([
      ['frames', 'RSS MB', 'PSS MB'],
      ...memory.map(({ frames, rss, pss }) => [String(frames), rss, pss]),
    ]);
    return { paused: still, stall, memory };
  });
