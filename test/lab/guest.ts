/**
 * A QEMU guest for one job: boot, run a script, bring its output back, power off. About 5 s, most of it booting.
 * Emulated (TCG): it needs no KVM on this machine and offers nested SVM to the guest.
 */
import { spawn } from 'node:child_process';
import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { command } from '../helpers/command.ts';
import { paths } from '../helpers/paths.ts';
import { ROOT_PARTITION, rootDisk } from './image.ts';
import { findKernels, type Kernel } from './kernels.ts';

export interface Job {
  readonly kernel: Kernel;
  /** Shell script; runs in /job, leaves its files in /out. */
  readonly script: string;
  /** Name in /job → file or directory on this machine. */
  readonly files?: Readonly<Record<string, string>>;
  /** Kernel modules to load first. */
  readonly modules?: readonly string[];
  /** Default 400 s: a busy machine emulates slowly. */
  readonly timeout_ms?: number;
}

export interface Outcome {
  /** Exit status of the script. */
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
  /** Other files of /out, by name, as text … */
  readonly files: ReadonlyMap<string, string>;
  /** … and as they are. */
  readonly bytes: ReadonlyMap<string, Buffer>;
}

const MEMORY_MB = 2048;
const OUT_BYTES = 256 * 1024 * 1024;
// no_timer_check: on a busy machine the emulated timer is late, and the kernel would take it for broken and panic.
const COMMAND_LINE = `console=ttyS0 root=PARTUUID=${ROOT_PARTITION} rw init=/init rootwait quiet panic=-1 mitigations=off no_timer_check`;

/** How all guests are run: processors emulated, no network, a restart is an end. */
export const EMULATION = [
  // Not thread=multi: it now and then runs an int3 of the kernel's own code patching (static keys) too late.
  ...['-accel', 'tcg,thread=single', '-nic', 'none', '-no-reboot'],
];

/** A controller of its own for each disk: the serial number tells which it is, the order of probing does not. */
export const drive = (file: string, serial: string) => [
  ...['-drive', `file=${file},if=none,id=${serial},format=raw`],
  ...['-device', `nvme,drive=${serial},serial=${serial}`],
];

/** Runs QEMU to its end; resolves with what the guest's console said. */
function boot(args: readonly string[], timeout_ms: number): Promise<string> {
  return new Promise((resolve, reject) => {
    const qemu = spawn('qemu-system-x86_64', args, { stdio: ['ignore', 'pipe', 'pipe'] });
    let console = '';
    qemu.stdout.setEncoding('utf8').on('data', (text) => (console += text));
    qemu.stderr.setEncoding('utf8').on('data', (text) => (console += text));
    const timer = setTimeout(() => qemu.kill('SIGKILL'), timeout_ms);
    qemu.on('error', (error) => reject(new Error(`QEMU (package qemu-system-x86): ${error.message}`)));
    qemu.on('close', (status, signal) => {
      clearTimeout(timer);
      if (status === 0) resolve(console);
      else
        reject(
          new Error(`guest ended by ${signal ?? status} within ${timeout_ms} ms; its console:\n${console}`),
        );
    });
  });
}

function jobArchive(job: Job, work: string): string {
  const stage = join(work, 'job');
  mkdirSync(stage);
  for (const [name, file] of Object.entries(job.files ?? {})) {
    cpSync(file, join(stage, name), { recursive: true, dereference: true });
  }
  writeFileSync(join(stage, 'script'), job.script);
  writeFileSync(join(stage, 'modules'), (job.modules ?? []).map((name) => `load ${name}\n`).join(''));
  const archive = join(work, 'job.tar');
  command('tar', ['cf', archive, '-C', stage, '.']);
  return archive;
}

function readOutcome(directory: string, console: string): Outcome {
  const files = new Map<string, string>();
  const bytes = new Map<string, Buffer>();
  for (const name of readdirSync(directory)) {
    if (name === 'lost+found') continue;
    const content = readFileSync(join(directory, name));
    bytes.set(name, content);
    files.set(name, content.toString());
  }
  const status = files.get('status');
  if (status === undefined) throw new Error(`the guest left no status; its console:\n${console}`);
  const { stdout = '', stderr = '' } = { stdout: files.get('stdout'), stderr: files.get('stderr') };
  return { status: Number(status), stdout, stderr, files, bytes };
}

export async function runGuest(job: Job): Promise<Outcome> {
  const disk = rootDisk(findKernels());
  const work = mkdtempSync(join(paths.lab, 'run-'));
  try {
    const archive = jobArchive(job, work);
    const out = join(work, 'out.raw');
    writeFileSync(out, '');
    truncateSync(out, OUT_BYTES);
    const text = await boot(
      [
        ...EMULATION,
        ...['-cpu', 'max', '-smp', '2', '-m', String(MEMORY_MB), '-nographic'],
        ...['-kernel', job.kernel.image, '-append', COMMAND_LINE],
        ...drive(`${disk},snapshot=on`, 'root'),
        ...drive(`${archive},readonly=on`, 'job'),
        ...drive(out, 'out'),
      ],
      job.timeout_ms ?? 400_000,
    );
    mkdirSync(join(work, 'out'));
    command('tar', ['xf', out, '-C', join(work, 'out')]);
    return readOutcome(join(work, 'out'), text);
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}
