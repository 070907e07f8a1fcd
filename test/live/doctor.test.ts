/** The doctor against a shell that does the same things to this kernel, and what it leaves behind: nothing. */
import { readdirSync, readFileSync, rmdirSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Ended, ktop } from '../e2e/run-cli.ts';
import { command } from '../helpers/command.ts';

const TRACEFS = '/sys/kernel/tracing';

interface Row {
  readonly name: string;
  readonly state: string;
  readonly why: string;
  readonly affects: readonly string[];
  readonly remedy: string;
}

/** What a shell says that tries it and undoes it; `''` where it worked. */
const tried = (script: string): string =>
  command('bash', ['-c', `cd ${TRACEFS}; { ${script}; } 2>&1 || echo failed`]).trim();

function inInstance(script: string): string {
  const path = `${TRACEFS}/instances/doctor_test_${process.pid}`;
  const said = tried(`mkdir ${path} && cd ${path} && echo 0 >tracing_on && ${script}`);
  rmdirSync(path);
  return said;
}

const FOREIGN = `foreign_${process.pid}`;
/** Of the doctor's own, and of others'. */
const leavings = (mark: string) =>
  ['dynamic_events', 'uprobe_events', 'kprobe_events', 'synthetic_events']
    .flatMap((file) => contentOf(file).split('\n'))
    .concat(readdirSync(`${TRACEFS}/instances`))
    .filter((line) => line.includes(mark));

function contentOf(file: string): string {
  try {
    return readFileSync(`${TRACEFS}/${file}`, 'utf8');
  } catch {
    return '';
  }
}

describe('ktop doctor', () => {
  let ended: Ended;
  let rows: readonly Row[];
  let tracer = '';
  const stateOf = (name: string) => rows.find((row) => row.name === name)?.state;

  beforeAll(async () => {
    tracer = contentOf('current_tracer');
    tried(`echo 'p:${FOREIGN}/theirs /usr/bin/bash:0x1000' >>uprobe_events; mkdir instances/${FOREIGN}`);
    ended = await ktop(['doctor', '--json']);
    rows = (JSON.parse(ended.stdout) as { capabilities: Row[] }).capabilities;
  }, 60_000);

  afterAll(() => tried(`echo '-:${FOREIGN}/theirs' >>uprobe_events; rmdir instances/${FOREIGN}`));

  test('says of every row whether, and where not, why and what to do', () => {
    expect(ended).toMatchObject({ code: 0, stderr: '' });
    expect(rows.length).toBeGreaterThan(30);
    for (const { name, state, why, affects, remedy } of rows) {
      expect(['yes', 'no', 'restricted', 'degraded'], name).toContain(state);
      if (state === 'yes') continue;
      expect(why, name).not.toBe('');
      if (affects.length > 0 && name !== 'graph-instance') expect(remedy, name).not.toBe('');
    }
  });

  test.each([
    ['kprobe', 'kprobe_events', 'p:doctor_test/p vfs_read'],
    ['kretprobe', 'kprobe_events', 'r:doctor_test/r vfs_read'],
    ['uprobe', 'uprobe_events', 'p:doctor_test/u /usr/bin/bash:0x1000'],
    ['eprobe', 'dynamic_events', 'e:doctor_test/e sched.sched_switch next=$next_pid:s32'],
    ['fprobe', 'dynamic_events', 'f:doctor_test/f vfs_read'],
    ['tprobe', 'dynamic_events', 't:doctor_test/t sched_switch'],
  ])('%s is there where a shell can make one', (name, file, line) => {
    const made = line.slice(2).split(' ')[0];
    const said = tried(`ls ${file} >/dev/null && echo '${line}' >>${file} && echo '-:${made}' >>${file}`);
    const expected = said === '' ? 'yes' : /not permitted|denied/i.test(said) ? 'restricted' : 'no';
    expect(stateOf(name), said).toBe(expected);
  });

  test('the tracer of functions is there where a shell can select it in an instance', () => {
    const said = inInstance(
      'echo vfs_read >set_ftrace_filter && echo function >current_tracer && echo nop >current_tracer',
    );
    const listed = contentOf('available_tracers').split(/\s+/).includes('function');
    expect(stateOf('function-tracer'), said).toBe(
      said === '' ? 'yes' : listed && /not permitted|denied/i.test(said) ? 'restricted' : 'no',
    );
  });

  test('hist triggers, filters on texts and process ids likewise', () => {
    const is = (said: string) => (said === '' ? 'yes' : 'no');
    const trigger = 'hist:keys=parent_pid';
    const hist = inInstance(
      `for t in '${trigger}' '!${trigger}'; do echo "$t" >events/sched/sched_process_fork/trigger; done`,
    );
    expect(stateOf('hist-trigger'), hist).toBe(is(hist));
    const text = inInstance(
      `echo 'filename.ustring ~ "/nowhere/*"' >events/syscalls/sys_enter_openat/filter`,
    );
    expect(stateOf('user-text-filter'), text).toBe(is(text));
    expect(stateOf('event-pid')).toBe(is(inInstance('echo $$ >set_event_pid')));
  });

  test('perf and bpf as perf and bpftrace find them', () => {
    const perf = command('sh', ['-c', 'perf stat -e sched:sched_switch -a -- true 2>&1 && echo perf-works']);
    expect(stateOf('perf')).toBe(perf.includes('perf-works') ? 'yes' : 'restricted');
    const cycles = command('sh', ['-c', 'perf stat -x, -e cycles -a -- true 2>&1']);
    expect(stateOf('hardware-counters')).toBe(cycles.includes('not supported') ? 'no' : 'yes');
    const bpf = command('sh', [
      '-c',
      "bpftrace -e 'BEGIN { exit() }' >/dev/null 2>&1 && echo works || echo fails",
    ]);
    if (bpf.includes('works')) expect(stateOf('bpf')).toBe('yes');
  });

  test('nothing is left, and what was there is as it was', () => {
    expect(leavings('_doctor')).toEqual([]);
    expect(leavings(FOREIGN).length).toBeGreaterThanOrEqual(2);
    expect(contentOf('current_tracer')).toBe(tracer);
  });

  test('as text a row each; wrong words are refused', async () => {
    const { stdout, code } = await ktop(['doctor']);
    expect(code).toBe(0);
    for (const { name } of rows)
      expect(stdout).toMatch(new RegExp(`^${name} +(yes|no|restricted|degraded)\\b`, 'm'));
    expect(await ktop(['doctor', 'more'])).toMatchObject({ code: 2 });
    expect(await ktop(['doctor', '-p', '1'])).toMatchObject({ code: 2 });
  });
});
