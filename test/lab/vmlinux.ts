/**
 * The unstripped kernel of a guest, from Debian's -dbg package, which holds debug information of all its modules too:
 * only vmlinux is taken out of it.
 */
import { existsSync, mkdirSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { command } from '../helpers/command.ts';
import { paths } from '../helpers/paths.ts';
import type { Kernel } from './kernels.ts';

/** Path of the vmlinux with DWARF, about 600 MB; downloaded on first use. */
export function debugVmlinux({ release }: Kernel): string {
  const cache = join(paths.lab, 'vmlinux');
  const vmlinux = join(cache, `vmlinux-${release}`);
  if (existsSync(vmlinux)) return vmlinux;
  const work = join(cache, `${release}.partial`);
  rmSync(work, { recursive: true, force: true });
  mkdirSync(work, { recursive: true });
  const name = `linux-image-${release}-dbg`;
  command('apt-get', ['-q', '-o', 'APT::Sandbox::User=root', 'download', name], { cwd: work });
  const archive = readdirSync(work).find((file) => file.endsWith('.deb'));
  if (archive === undefined) throw new Error(`apt-get download ${name} brought no package`);
  // It comes early in the archive: tar ends when it has it, which dpkg-deb takes for a failure.
  const member = `./usr/lib/debug/boot/vmlinux-${release}`;
  const take =
    'dpkg-deb --fsys-tarfile "$1" 2>pipe.err | tar -x --occurrence=1 -O "$2" >vmlinux; test -s vmlinux';
  command('sh', ['-c', take, 'sh', archive, member], { cwd: work });
  renameSync(join(work, 'vmlinux'), vmlinux);
  rmSync(work, { recursive: true });
  return vmlinux;
}
