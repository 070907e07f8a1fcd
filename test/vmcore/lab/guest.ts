/**
 * A QEMU guest that boots from memory, crashes, and is dumped from outside. Emulated (TCG), as the guests of test/lab.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { EMULATION } from '../../lab/guest.ts';
import type { Kernel } from '../../lab/kernels.ts';
import { Qmp } from './qmp.ts';

export interface Boot {
  readonly kernel: Kernel;
  /** Of the first root: see initramfs.ts. */
  readonly archive: Buffer;
  readonly cpus: number;
  readonly memory_mb: number;
  /** A model of `qemu -cpu help`. */
  readonly cpu: string;
  readonly commandLine: string;
  /** More for QEMU's command line. */
  readonly devices?: readonly string[];
  /** An interrupt that cannot be masked, once the guest says that it is ready for it. */
  readonly nmi?: boolean;
  /** Directory for the console's text and the archive. */
  readonly work: string;
}

export type DumpFormat = 'elf' | 'kdump-zlib';

const BOOT_MS = 120_000;
const POLL_MS = 50;
/** The timer is not checked at boot: on a busy host it may seem not to work. */
const COMMAND_LINE =
  'console=ttyS0 rdinit=/init quiet panic=0 oops=panic mitigations=off printk.devkmsg=on no_timer_check';

/** Said by the guest when it wants its interrupt, and by the kernel when there is nothing more to come. */
const READY = /^truth: ready/m;
const OVER = /---\[ end Kernel panic/;

const running = new Set<ChildProcess>();
process.on('exit', () => {
  for (const guest of running) guest.kill('SIGKILL');
});

export class CrashGuest {
  readonly #qemu: ChildProcess;
  readonly #qmp: Qmp;
  readonly #consoleFile: string;
  readonly #nmi: boolean;
  #complaint = '';
  #ended: string | undefined;

  constructor(boot: Boot) {
    this.#consoleFile = join(boot.work, 'console.log');
    this.#nmi = boot.nmi ?? false;
    const archive = join(boot.work, 'initramfs.cpio');
    writeFileSync(archive, boot.archive);
    this.#qemu = spawn(
      'qemu-system-x86_64',
      [
        ...EMULATION,
        ...['-cpu', boot.cpu, '-smp', String(boot.cpus), '-m', String(boot.memory_mb)],
        ...['-display', 'none', '-vga', 'none', '-qmp', 'stdio', '-serial', `file:${this.#consoleFile}`],
        // The guest tells QEMU where its VMCOREINFO is, which then becomes a note of the dump.
        ...['-device', 'vmcoreinfo'],
        ...['-kernel', boot.kernel.image, '-initrd', archive],
        ...['-append', `${COMMAND_LINE} ${boot.commandLine}`],
        ...(boot.devices ?? []),
      ],
      { stdio: ['pipe', 'pipe', 'pipe'] },
    );
    running.add(this.#qemu);
    this.#qemu.stderr?.setEncoding('utf8').on('data', (text) => {
      this.#complaint += text;
    });
    this.#qemu.on('error', (error) => {
      this.#ended = `QEMU (package qemu-system-x86): ${error.message}`;
    });
    this.#qemu.on('close', (status, signal) => {
      running.delete(this.#qemu);
      this.#ended ??= `QEMU ended (${signal ?? status}) ${this.#complaint}`;
    });
    this.#qmp = new Qmp(this.#qemu);
  }

  /** All that came over the serial port so far; bytes as Latin-1, they need not be UTF-8. */
  console(): string {
    return existsSync(this.#consoleFile) ? readFileSync(this.#consoleFile, 'latin1') : '';
  }

  /** Until the kernel has said its last word; then the guest stands still. */
  async crash(): Promise<void> {
    await this.#qmp.run('qmp_capabilities');
    if (this.#nmi) {
      await this.#until(READY);
      await this.#qmp.run('inject-nmi');
    }
    await this.#until(OVER);
    await this.#qmp.run('stop');
  }

  /** Until the guest ends by itself. */
  async end(): Promise<void> {
    await this.#qmp.run('qmp_capabilities');
    await this.#wait(() => this.#ended !== undefined, 'does not end');
  }

  async dump(file: string, format: DumpFormat): Promise<void> {
    await this.#qmp.run('dump-guest-memory', { paging: false, protocol: `file:${file}`, format });
  }

  async kill(): Promise<void> {
    if (this.#ended !== undefined) return;
    this.#qemu.kill('SIGKILL');
    await this.#wait(() => this.#ended !== undefined, 'cannot be killed');
  }

  #until(said: RegExp): Promise<void> {
    return this.#wait(() => {
      if (said.test(this.console())) return true;
      if (this.#ended !== undefined) throw new Error(this.#ended);
      return false;
    }, `does not say ${said}`);
  }

  async #wait(done: () => boolean, complaint: string): Promise<void> {
    const latest = Date.now() + BOOT_MS;
    while (!done()) {
      if (Date.now() > latest) throw new Error(`the guest ${complaint} within ${BOOT_MS} ms`);
      await sleep(POLL_MS);
    }
  }
}
