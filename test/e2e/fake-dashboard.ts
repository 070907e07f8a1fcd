/** The dashboard on a fake source, as a program: `node build/fake-dashboard.mjs '{"rows":10000}'`. */
import { monitors as real } from '../../src/monitors/index.ts';
import { type DashboardOptions, runDashboard } from '../../src/ui/dashboard.tsx';
import { manyMonitors } from './fake-monitors.ts';
import { DEFAULTS, type FakeOptions, fakeSource } from './fake-source.ts';

interface HarnessOptions extends Partial<Omit<FakeOptions, 'monitors'>> {
  readonly initial?: string;
  readonly interval_ms?: number;
  readonly colour?: DashboardOptions['colour'];
  readonly ascii?: boolean;
  readonly theme?: DashboardOptions['theme'];
  readonly mouse?: boolean;
  /** Throws after so many milliseconds. */
  readonly crash_ms?: number;
  /** Fourteen tabs, among them stacks and logs. */
  readonly many?: boolean;
}

const wish = JSON.parse(process.argv[2] ?? '{}') as HarnessOptions;
if (wish.crash_ms !== undefined) {
  setTimeout(() => {
    throw new Error('crashed on purpose');
  }, wish.crash_ms);
}
const monitors = wish.many === true ? manyMonitors : real;
const source = fakeSource({ ...DEFAULTS, ...wish, monitors });
const status = await runDashboard({
  source,
  monitors,
  initial: wish.initial ?? 'nettop',
  options: () => ({ interval_ms: wish.interval_ms ?? 1000 }),
  colour: wish.colour ?? 'auto',
  ascii: wish.ascii ?? false,
  theme: wish.theme ?? 'default',
  mouse: wish.mouse ?? false,
  ...(wish.playback === 'file' ? { file: 'disk-stall.ktop' } : {}),
});
await source.close();
process.exit(status);
