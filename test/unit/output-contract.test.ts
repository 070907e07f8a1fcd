import { expect, test } from 'vitest';
import { monitors } from '../../src/monitors/index.ts';
import { shownPanels } from '../../src/output/shape.ts';
import { columnsFor } from '../../src/panels/cell.ts';

/** Row keys that scripts rely on; a monitor may have more, never fewer. */
const CONTRACT: Readonly<Record<string, readonly string[]>> = {
  nettop: 'pid uid dev xmit_pk recv_pk xmit_kb recv_kb tx_app_kb rx_app_kb errors comm'.split(' '),
  disktop: 'uid pid ppid comm device op bytes iops cache_hit_pct'.split(' '),
  'cpu-util': 'cpu usr_pct sys_pct irq_pct softirq_pct steal_pct guest_pct idle_pct'.split(' '),
  'task-state': 'pid tid comm state count total_ms max_ms p99_ms current_ms wchan'.split(' '),
  'kvm-exit': 'exit_reason calls total_us min_us avg_us p99_us max_us'.split(' '),
  kmemleak: 'count bytes oldest_s site comms stack'.split(' '),
};

/** Of the other monitors. */
const MORE: Readonly<Record<string, readonly string[]>> = {
  'irq-off': 'cpu count max_us last_us steal_us kind'.split(' '),
  profile: 'stack count pct comm'.split(' '),
  watchdog: 'cpu touch_age_ms limit_ms state'.split(' '),
  syscalls: 'pid comm call calls errors errnos total_ms avg_us p50_us p95_us p99_us max_us'.split(' '),
  strace: 'call calls errors unfinished total_ms min_us avg_us p99_us max_us errnos'.split(' '),
  slowfiles:
    'kind dur_ms pid tid comm call path result io_ms bytes how flags fstype device in_flight at_least at_ms'.split(
      ' ',
    ),
  files: 'pid comm fd path reads writes read_bytes write_bytes io_ms max_us errors fstype mount'.split(' '),
  rundelay: 'pid tid comm count total_ms avg_us p50_us p95_us p99_us max_us now_ms'.split(' '),
  offcpu: 'pid tid comm state reason count total_ms delay_ms avg_ms max_ms now_ms waker place stack'.split(
    ' ',
  ),
  execs: 'uid pid ppid parent comm ret age_s exit args file'.split(' '),
  conns: 'pid comm dir local remote state connect_ms age_s tx rx retrans'.split(' '),
  retrans: 'pid comm local remote state count failed'.split(' '),
  drops: 'reason location protocol count per_s'.split(' '),
  calls: 'function calls total_us avg_us max_us self_us'.split(' '),
  oncpu: 'cpu pid tid comm on_ms pct switches migrations max_ms now_ms'.split(' '),
};

test('the six monitors, in the order of their tabs', () => {
  expect(monitors.slice(0, 6).map(({ name }) => name)).toEqual(Object.keys(CONTRACT));
});

test.each(Object.entries({ ...CONTRACT, ...MORE }))(
  'rows of %s have the keys of the contract',
  (name, keys) => {
    const monitor = monitors.find((candidate) => candidate.name === name);
    const rows = shownPanels(monitor ?? (monitors[0] as never)).find(({ key }) => key === 'rows')?.panel;
    const found = rows?.kind === 'table' ? columnsFor(rows, undefined, 'json').map(({ id }) => id) : [];
    expect(found).toEqual(expect.arrayContaining([...keys]));
  },
);

test.each(monitors.map((monitor) => [monitor.name, monitor] as const))(
  '%s is well declared',
  (_, monitor) => {
    expect(monitor.title.length).toBeLessThanOrEqual(10);
    const ids = monitor.panels.map(({ id }) => id);
    expect(new Set(ids).size).toBe(ids.length);
    for (const panel of monitor.panels) {
      if (panel.kind !== 'table') continue;
      const columns = panel.columns.map(({ id }) => id);
      expect(new Set(columns).size).toBe(columns.length);
      expect(columns).toContain(panel.sort.column);
    }
  },
);
