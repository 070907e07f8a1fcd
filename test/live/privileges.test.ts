/**
 * ktop as an ordinary user: what docs/privileges.md says works, works, and the rest says what it needs. tracefs is opened to
 * a group for the time of the test, as that page advises.
 */
import { spawn, spawnSync } from 'node:child_process';
import { chmodSync, copyFileSync, cpSync, mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { command } from '../helpers/command.ts';
import { type Picture, sum } from '../helpers/ktop.ts';
import { paths } from '../helpers/paths.ts';
import { sleep, startLoad } from '../helpers/workload.ts';

const TRACEFS = '/sys/kernel/tracing';
const NOBODY = 65_534;
const RIGHTS = '+perfmon,+syslog';
const PAGE = readFileSync(new URL('../../docs/privileges.md', import.meta.url), 'utf8');

/** Of each tab: with no rights, and with those of the page. */
const PROMISED = [...PAGE.matchAll(/^\| ([a-z-]+) \| (yes|part|no) \| (yes|part|no) \|/gm)].map(
  ([, tab = '', without = '', having = '']) => ({ tab, without, having }),
);

/** What a user may run who may not look into the checkout. */
let place = '';

beforeAll(() => {
  place = mkdtempSync(join(tmpdir(), 'ktop-user-'));
  chmodSync(place, 0o755);
  cpSync(paths.dist, join(place, 'dist'), { recursive: true });
  copyFileSync(paths.node(), join(place, 'node'));
});
afterAll(() => rmSync(place, { recursive: true, force: true }));

/** The beginning of a command line: an ordinary user with these rights and no others. */
function as(rights: string): string[] {
  const user = [`--reuid=${NOBODY}`, `--regid=${NOBODY}`, '--clear-groups'];
  return ['setpriv', ...user, ...(rights === '' ? [] : [`--inh-caps=${rights}`, `--ambient-caps=${rights}`])];
}

function ktop(rights: string, args: readonly string[], before: readonly string[] = []) {
  const [file = '', ...words] = [
    ...before,
    ...as(rights),
    join(place, 'node'),
    join(place, 'dist/ktop.mjs'),
    ...args,
  ];
  const { stdout, stderr, status } = spawnSync(file, words, { encoding: 'utf8', cwd: '/', timeout: 60_000 });
  return { stdout, stderr, status };
}

function states(rights: string): Map<string, string> {
  const { stdout, stderr } = ktop(rights, ['list', '--json']);
  expect(stderr).toBe('');
  const { monitors } = JSON.parse(stdout) as { monitors: { name: string; state: string; why: string }[] };
  for (const { name, state, why } of monitors) if (state !== 'yes') expect(why, name).not.toBe('');
  return new Map(monitors.map(({ name, state }) => [name, state]));
}

/** A host that lacks an event gives part of what the rights would allow. */
const KEPT: Readonly<Record<string, readonly string[]>> = {
  yes: ['yes', 'degraded'],
  part: ['degraded'],
  no: ['no'],
};

function pictures(stdout: string): Picture[] {
  return stdout
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line) as Picture);
}

test('the page has every tab', () => {
  expect(PROMISED.map(({ tab }) => tab).sort()).toEqual([...states('').keys()].sort());
});

test('an ordinary user: what the page says, each with its reason', () => {
  const found = states('');
  for (const { tab, without } of PROMISED) expect(KEPT[without], tab).toContain(found.get(tab));
  const { stderr, status } = ktop('', ['signal', '--json', '-n', '1']);
  expect(status).toBe(3);
  expect(stderr.trim().split('\n').length).toBe(1);
  expect(stderr).toMatch(/CAP_PERFMON/);
  expect(ktop('', ['cpu-util', '--json', '-n', '1', '-i', '200']).status).toBe(0);
});

describe('with CAP_PERFMON, CAP_SYSLOG and tracefs of a group', () => {
  beforeAll(() => {
    command('mount', ['-o', `remount,gid=${NOBODY},mode=750`, TRACEFS]);
  });
  afterAll(() => {
    command('mount', ['-o', 'remount,gid=0,mode=700', TRACEFS]);
    expect(statSync(TRACEFS).mode & 0o777).toBe(0o700);
  });

  test('each tab is what the page says', () => {
    const found = states(RIGHTS);
    for (const { tab, having } of PROMISED) expect(KEPT[having], tab).toContain(found.get(tab));
  });

  test('signals are counted, as root counts them', async () => {
    const { pictures: seen, truth } = await watchedSignals();
    const kills = sum(
      seen,
      'count',
      (row) => row.sender === truth.sender && row.receiver === truth.receiver && row.sig === 'USR1',
    );
    expect(kills).toBe(20);
    expect(seen.every(({ backend }) => backend === 'perf')).toBe(true);
  });

  test('functions of the kernel have names with CAP_SYSLOG, and no address is told without', () => {
    const wanted = ['kmemleak', '--json', '-n', '2', '-i', '500'];
    const named = ktop(RIGHTS, wanted);
    const sites = pictures(named.stdout).flatMap(({ rows }) => rows.map(({ site }) => String(site)));
    expect(sites.filter((site) => /^\w+\+0x/.test(site)).length).toBeGreaterThan(0);
    const unnamed = ktop('+perfmon', wanted);
    const hidden = pictures(unnamed.stdout).flatMap(({ rows }) => rows.map(({ site }) => String(site)));
    expect(hidden.filter((site) => /^ptr_[0-9a-f]{8}$/.test(site)).length).toBeGreaterThan(0);
    expect(unnamed.stdout).not.toMatch(/ffff[0-9a-f]{12}/);
    const asked = ktop('+perfmon', wanted, ['env', 'KTOP_POINTERS=1']);
    expect(asked.stdout).toMatch(/0xffff[0-9a-f]{12}/);
  });

  test('rings that are too large for the limit of locked memory are halved until they fit', () => {
    const { stdout, status } = ktop(
      RIGHTS,
      ['signal', '--json', '-n', '1', '-i', '200', '-m', '4096'],
      ['prlimit', '--memlock=65536:65536'],
    );
    expect(status).toBe(0);
    const [picture] = pictures(stdout);
    const pages = Number(
      /ring (\d+) pages per CPU instead of 4096: memory lock limit/.exec(
        picture?.notes?.join('\n') ?? '',
      )?.[1],
    );
    expect(pages).toBeGreaterThanOrEqual(8);
    expect(pages).toBeLessThan(4096);
    expect(picture?.lost).toBe(0);
  });

  test('what only root can do says so', () => {
    const { stderr, status } = ktop(RIGHTS, ['irq-off', '--json', '-n', '1']);
    expect(status).toBe(3);
    expect(stderr).toMatch(/instance.*; run ktop as root/);
    expect(stderr.trim().split('\n').length).toBe(1);
  });

  test('I/O of others needs CAP_SYS_PTRACE and CAP_DAC_READ_SEARCH, that of the dead CAP_NET_ADMIN', () => {
    const notes = (rights: string) =>
      pictures(ktop(rights, ['disktop', '--json', '-n', '1', '-i', '200']).stdout)[0]?.notes?.join('\n') ??
      'nothing';
    const told = notes(RIGHTS);
    const most = notes(`${RIGHTS},+sys_ptrace,+dac_read_search,+net_admin`);
    const closed = (text: string) => Number(/I\/O of (\d+) process/.exec(text)?.[1] ?? 0);
    expect(told).toMatch(/is not permitted[\s\S]*CAP_SYS_PTRACE/);
    expect(told).toMatch(/taskstats/);
    expect(most).not.toMatch(/taskstats/);
    // What runs with more than that, or in a user namespace of another one, stays closed.
    expect(closed(told)).toBeGreaterThan(10);
    expect(closed(most)).toBeLessThan(closed(told) / 5);
  });
});

/** signals, watched by an ordinary user who began before it. */
async function watchedSignals(): Promise<{
  pictures: Picture[];
  truth: { sender: number; receiver: number };
}> {
  const [file = '', ...words] = [
    ...as(RIGHTS),
    join(place, 'node'),
    join(place, 'dist/ktop.mjs'),
    'signal',
    '--json',
    '-i',
    '300',
  ];
  const child = spawn(file, words, { cwd: '/', stdio: ['ignore', 'pipe', 'inherit'] });
  let text = '';
  child.stdout.setEncoding('utf8').on('data', (piece: string) => {
    text += piece;
  });
  const lines = () => text.split('\n').length - 1;
  const until = async (count: number) => {
    for (const end = Date.now() + 20_000; lines() < count && Date.now() < end; ) await sleep(50);
  };
  await until(1);
  const load = await startLoad<{ sender: number; receiver: number }>('signals', [20, 5, 5]).said;
  await load.release();
  await until(lines() + 2);
  child.kill('SIGINT');
  await new Promise((resolve) => child.on('close', resolve));
  return { pictures: pictures(text), truth: load.truth };
}
