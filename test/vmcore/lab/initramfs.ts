/** The first root of a guest that is to crash: busybox, some modules, init.sh and the crime. Nothing else. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { command, libraries } from '../../helpers/command.ts';
import { paths } from '../../helpers/paths.ts';
import { copyModule, type Kernel } from '../../lab/kernels.ts';
import { buildModule } from '../../lab/module.ts';
import { directory, type Entry, file, link, pack, program } from './archive.ts';

const BUSYBOX = '/bin/busybox';
const KEXEC = '/sbin/kexec';
export const INIT = fileURLToPath(new URL('init.sh', import.meta.url));
export const KDUMP_INIT = fileURLToPath(new URL('kdump-init.sh', import.meta.url));
export const CULPRIT = { sources: fileURLToPath(new URL('culprit', import.meta.url)), name: 'culprit' };
/** Tells QEMU where VMCOREINFO is. */
export const TELLER = 'qemu_fw_cfg';

/** Directories above an absolute path, without the leading slash. */
const ancestors = (path: string) => {
  const parts = dirname(path).split('/').slice(1);
  return parts.map((_, index) => parts.slice(0, index + 1).join('/'));
};

/** The module without its debug information, which the guest has no use for. */
function stripped(module: string): Buffer {
  const copy = `${module}.stripped`;
  command('strip', ['-g', '-o', copy, module]);
  return readFileSync(copy);
}

function kernelModule(kernel: Kernel, name: string): Entry[] {
  const root = mkdtempSync(join(paths.lab, 'module-'));
  try {
    copyModule(kernel, name, root);
    const tree = join(root, 'lib/modules', kernel.release);
    const order = readFileSync(join(tree, `${name}.order`), 'utf8')
      .trim()
      .split('\n');
    return order.map((each) => program(`modules/${each}`, readFileSync(join(tree, each))));
  } finally {
    rmSync(root, { recursive: true, force: true });
  }
}

function busybox(): Entry[] {
  const applets = command(BUSYBOX, ['--list']).trim().split('\n');
  return [
    directory('bin'),
    program('bin/busybox', readFileSync(BUSYBOX)),
    ...applets.filter((name) => name !== 'busybox').map((name) => link(`bin/${name}`, 'busybox')),
  ];
}

/** What all guests of a kernel have. */
export function baseEntries(kernel: Kernel): Entry[] {
  return [
    ...busybox(),
    ...['proc', 'sys', 'dev', 'tmp', 'mnt', 'modules'].map(directory),
    program('init', readFileSync(INIT)),
    program('modules/culprit.ko', stripped(buildModule(kernel, CULPRIT))),
    ...kernelModule(kernel, TELLER),
  ];
}

/** What a guest with kdump has besides: the same kernel once more, to take over after the crash, and its first root. */
export function kdumpEntries(kernel: Kernel): Entry[] {
  const parts = [KEXEC, ...libraries(KEXEC)];
  const directories = new Set(parts.flatMap(ancestors));
  const second = pack([
    ...busybox(),
    ...['proc', 'dev'].map(directory),
    program('init', readFileSync(KDUMP_INIT)),
  ]);
  return [
    ...[...directories].sort().map(directory),
    ...parts.map((path) => program(path.slice(1), readFileSync(path))),
    directory('kdump'),
    file('kdump/vmlinuz', readFileSync(kernel.image)),
    file('kdump/initramfs', second),
  ];
}

/** `modules` are loaded in that order. */
export function initramfs(base: readonly Entry[], crime: string, modules: readonly string[]): Buffer {
  return pack([...base, file('modules/order', `${modules.join('\n')}\n`), file('crime', crime)]);
}
