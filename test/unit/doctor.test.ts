/** What the doctor makes of kernels that give, refuse and lack: each thing that is done is undone. */
import { expect, test } from 'vitest';
import { COMMAND_TABLE } from '../../src/cli/command-table.ts';
import { monitors } from '../../src/monitors/index.ts';
import { doctorJson, doctorText } from '../../src/output/doctor.ts';
import type { Finding } from '../../src/sources/source.ts';
import type { Addon, HostProbe } from '../../src/worker/addon.ts';
import { type Host, no } from '../../src/worker/doctor/check.ts';
import { CHECKS, examine } from '../../src/worker/doctor/doctor.ts';
import type { Files } from '../../src/worker/doctor/files.ts';

const TRACEFS = '/t';
const PROBED: HostProbe = {
  tracefs: TRACEFS,
  mounted: false,
  root: true,
  paranoid: 2,
  tracepoints: true,
  hardware: true,
  clock: true,
  loses_idle: false,
  why: '',
};

interface World {
  readonly host: Host;
  /** What stands in files, and which directories were made. */
  readonly events: Set<string>;
  readonly made: Set<string>;
  readonly written: [string, string][];
}

/** `absent`: paths that end so are not there; `refusing`: writes to them are refused with that error. */
function world(
  absent: RegExp = /(?!)/,
  refusing: RegExp = /(?!)/,
  error = 'EPERM',
  probed: Partial<HostProbe> = {},
): World {
  const events = new Set<string>();
  const made = new Set<string>();
  const written: [string, string][] = [];
  const files: Files = {
    has: (path) => !absent.test(path),
    read: (path) => {
      if (absent.test(path)) return undefined;
      if (path === '/proc/kallsyms') return 'ffffffff81000000 T vfs_read\n';
      if (path.endsWith('available_tracers')) return 'function_graph function nop\n';
      if (path.endsWith('README')) return '<argname>[->field';
      if (path.endsWith('lockdown')) return '[none] integrity confidentiality\n';
      return '1\n';
    },
    bytes: (path) => (absent.test(path) ? undefined : Buffer.from([0x9f, 0xeb, 1, 0])),
    list: () => ['1', 'self'],
    kernelLog: () => [],
    write: (path, text) => {
      written.push([path, text]);
      if (absent.test(path)) return 'ENOENT';
      if (refusing.test(path)) return error;
      const probe = /^(-?[a-z]?):(\S+)/.exec(text);
      if (probe?.[1] === '-') events.delete(probe[2] as string);
      else if (probe !== null) events.add(probe[2] as string);
      return '';
    },
    make: (directory) => {
      if (refusing.test(directory)) return error;
      made.add(directory);
      return '';
    },
    remove: (directory) => {
      made.delete(directory);
      return '';
    },
  };
  const addon = {
    probe: () => ({ ...PROBED, ...probed }),
    facts: () => ({ taskstats: '', bpf: '', format_lost: '' }),
    open: () => 1,
    close: () => ({ notes: [] }) as unknown as ReturnType<Addon['close']>,
  };
  return { host: { addon, files, tracefs: TRACEFS, release: '6.1.0' }, events, made, written };
}

const states = (findings: readonly Finding[]) =>
  Object.fromEntries(findings.map(({ name, state }) => [name, state]));

test('a kernel that gives everything: all yes, and nothing is left', () => {
  const { host, events, made, written } = world();
  const findings = examine(host);
  expect(findings.filter(({ state }) => state !== 'yes')).toEqual([]);
  for (const { remedy } of findings) expect(remedy).toBe('');
  expect(written.length).toBeGreaterThan(20);
  expect(events).toEqual(new Set());
  expect(made).toEqual(new Set());
  // Whatever is made bears ktop's name and process, so that the next start can sweep it.
  for (const [, text] of written.filter(([path]) => /(dynamic|probe|synthetic)_events$/.test(path)))
    expect(text).toContain(`ktop_${process.pid}_doctor`);
});

test('what the kernel lacks is no, what it refuses for want of rights is restricted', () => {
  const lacking = states(examine(world(/kprobe_events|hist$|function_profile_enabled|btf/).host));
  expect(lacking).toMatchObject({
    kprobe: 'no',
    kretprobe: 'no',
    'hist-trigger': 'no',
    types: 'no',
    uprobe: 'yes',
  });
  const closed = states(examine(world(undefined, /set_ftrace_filter|current_tracer|_events$/).host));
  expect(closed).toMatchObject({
    'function-tracer': 'restricted',
    kprobe: 'restricted',
    uprobe: 'restricted',
    instance: 'yes',
  });
  const invalid = states(examine(world(undefined, /dynamic_events$|current_tracer/, 'EINVAL').host));
  expect(invalid).toMatchObject({
    eprobe: 'no',
    fprobe: 'no',
    tprobe: 'no',
    'graph-instance': 'no',
    uprobe: 'yes',
  });
});

test('perf that loses events of idling CPUs is degraded; where it is refused, restricted', () => {
  const of = (probed: Partial<HostProbe>) => states(examine(world(undefined, undefined, '', probed).host));
  expect(of({ loses_idle: true })).toMatchObject({ sampling: 'degraded', perf: 'yes' });
  expect(of({ tracepoints: false, clock: false, hardware: false, why: 'EACCES' })).toMatchObject({
    perf: 'restricted',
    sampling: 'restricted',
    'cpu-clock': 'restricted',
    'hardware-counters': 'restricted',
  });
});

test('without tracefs nothing is said of what is tried there', () => {
  const { host, written } = world();
  const closed = {
    ...host,
    tracefs: '',
    addon: { ...host.addon, probe: () => ({ ...PROBED, root: false }) },
  };
  const findings = examine(closed);
  for (const { name, state, why, remedy } of findings) {
    if (!CHECKS.some((check) => check.name === name && (check.in_tracefs || name === 'tracefs'))) continue;
    expect([name, state], why).toEqual([name, 'restricted']);
    expect(why).not.toContain('CONFIG_');
    expect(remedy).toBe('run ktop as root');
  }
  expect(written).toEqual([]);
});

test('a check that fails is a no with the reason, and the others go on', () => {
  const throwing = {
    name: 'broken',
    affects: [],
    remedy: 'mend it',
    run: () => {
      throw new Error('the tracer is in use');
    },
  };
  const findings = examine(world().host, [throwing, { ...throwing, name: 'fine', run: () => no('x', 'y') }]);
  expect(findings).toEqual([
    { name: 'broken', state: 'no', why: 'the tracer is in use', affects: [], remedy: 'mend it' },
    { name: 'fine', state: 'no', why: 'x', affects: [], remedy: 'y' },
  ]);
});

test('whom it concerns are monitors and commands; every row is told in text and in JSON', () => {
  const known = new Set([...monitors, ...COMMAND_TABLE].map(({ name }) => name));
  const findings = examine(world(/./).host);
  for (const { name, affects } of CHECKS)
    if (name !== 'tracefs') for (const one of affects) expect(known, `${name} affects ${one}`).toContain(one);
  expect(new Set(CHECKS.map(({ name }) => name)).size).toBe(CHECKS.length);
  const text = doctorText(findings);
  for (const { name, state, why } of findings) {
    expect(text).toContain(`\n${name.padEnd(17)}`);
    expect(text).toContain(`${state}`);
    expect(text).toContain(why);
  }
  const parsed = JSON.parse(doctorJson('6.1.0', findings)) as { capabilities: Finding[] };
  expect(parsed.capabilities).toEqual(findings);
});
