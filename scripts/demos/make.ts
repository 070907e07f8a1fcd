/**
 * Makes the demo recordings anew, in QEMU guests: `npm run demos [NAME…]`, after a build. Needs what the lab tests need.
 * Beside each goes a line on how it was made and what to notice.
 */
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { RecordingFile } from '../../src/recording/file.ts';
import { snapshotsOf } from '../../src/recording/reading.ts';
import { spawn } from '../../test/e2e/pty.ts';
import { sleep, workload } from '../../test/helpers/workload.ts';
import { runKtopGuest } from '../../test/lab/guest-ktop.ts';
import { findKernels } from '../../test/lab/kernels.ts';
import { buildModule } from '../../test/lab/module.ts';
import { makeCores } from '../../test/vmcore/lab/cores.ts';
import { CRASHES } from '../../test/vmcore/lab/crashes.ts';
import { CORE_DEMO, SCENARIOS, type Scenario } from './scenarios.ts';

const HERE = fileURLToPath(new URL('../../demo-recordings/', import.meta.url));
const MOST_BYTES = 1024 * 1024;

function scriptOf({ hostname, before = '', during, record, under = '', seconds, name }: Scenario): string {
  return `
hostname ${hostname}
${before}
${under} node /job/dist/ktop.mjs record -o /out/${name}.ktop ${record} --duration ${seconds} 2>/out/record.err &
recorder=$!
until [ -s /out/${name}.ktop ]; do kill -0 $recorder || { cat /out/record.err >&2; exit 9; }; sleep 0.2; done
(
${during}
) 2>/out/during.err || { cat /out/during.err >&2; exit 7; }
wait $recorder || { cat /out/record.err >&2; exit 9; }
`;
}

async function make(scenario: Scenario): Promise<void> {
  const { name, series, loads, module, modules, seconds } = scenario;
  const kernel = findKernels().find((each) => each.series === series);
  if (kernel === undefined) throw new Error(`no kernel ${series} for ${name}`);
  const files = {
    ...Object.fromEntries(loads.map((load) => [load, workload(load)])),
    ...(module === true ? { 'irqoff.ko': buildModule(kernel) } : {}),
  };
  const job = { kernel, files, script: scriptOf(scenario), timeout_ms: (seconds * 6 + 240) * 1000 };
  const outcome = await runKtopGuest(modules === undefined ? job : { ...job, modules });
  const bytes = outcome.bytes.get(`${name}.ktop`);
  if (bytes === undefined) throw new Error(`the guest left no ${name}.ktop: ${outcome.stderr}`);
  save(scenario, bytes);
  const file = new RecordingFile(join(HERE, `${name}.ktop`));
  const [monitor = ''] = scenario.record.split(' ');
  const pictures = [...snapshotsOf(file, monitor)].length;
  file.close();
  if (pictures < seconds / 2)
    throw new Error(
      `${name}.ktop has ${pictures} pictures of ${seconds} s; make it anew on a machine with less to do`,
    );
}

function save({ name, made, notice }: Pick<Scenario, 'name' | 'made' | 'notice'>, bytes: Buffer): void {
  if (bytes.length > MOST_BYTES) throw new Error(`${name}.ktop has ${bytes.length} bytes; shorten it`);
  mkdirSync(HERE, { recursive: true });
  writeFileSync(join(HERE, `${name}.ktop`), bytes);
  writeFileSync(join(HERE, `${name}.md`), `${made}\n\nNotice: ${notice}\n`);
  process.stderr.write(`${name}: ${bytes.length} bytes\n`);
}

/** A core of the lab, looked at in a terminal: every tab once. */
async function makeCoreSession(): Promise<void> {
  const chosen = CRASHES.filter(({ name }) => name === CORE_DEMO.crash);
  const [core] = await makeCores(chosen, { guests: 1 });
  if (core === undefined) throw new Error(`the lab has no crash ${CORE_DEMO.crash}`);
  const work = mkdtempSync(join(tmpdir(), 'ktop-demo-'));
  try {
    // What is recorded says where the file was: nothing of this machine.
    const file = Object.values(core.truth.files)[0] as string;
    copyFileSync(join(core.directory, file), join(work, 'vmcore'));
    const ktop = fileURLToPath(new URL('../../dist/ktop.mjs', import.meta.url));
    const args = [ktop, 'vmcore', 'vmcore', '--record', 'session.ktop'];
    const pty = spawn(process.execPath, args, { cols: 120, rows: 40, cwd: work });
    await pty.waitFor(/What happened/, 30_000);
    for (let tab = 0; tab <= CORE_DEMO.tabs; tab += 1) {
      await sleep(700);
      pty.send('\t');
    }
    pty.send('q');
    await pty.exit;
    save(CORE_DEMO, readFileSync(join(work, 'session.ktop')));
  } finally {
    rmSync(work, { recursive: true });
  }
}

const wanted = process.argv.slice(2);
for (const scenario of SCENARIOS) {
  if (wanted.length === 0 || wanted.includes(scenario.name)) await make(scenario);
}
if (wanted.length === 0 || wanted.includes(CORE_DEMO.name)) await makeCoreSession();
// What the terminal library keeps open.
process.exit(0);
