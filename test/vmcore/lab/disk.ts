/** A small ext4 disk for guests, as QEMU's `-drive` takes it. */
import { existsSync, mkdirSync, renameSync } from 'node:fs';
import { join } from 'node:path';
import { command } from '../../helpers/command.ts';
import { paths } from '../../helpers/paths.ts';

const SIZE_KB = 16 * 1024;

/** Written to by nobody: every guest has its own changes, which end with it. */
export function emptyDisk(): string {
  const image = join(paths.vmcores, 'empty.ext4');
  if (!existsSync(image)) {
    mkdirSync(paths.vmcores, { recursive: true });
    command('mke2fs', ['-q', '-F', '-t', 'ext4', `${image}.partial`, `${SIZE_KB}k`]);
    renameSync(`${image}.partial`, image);
  }
  return `${image},snapshot=on`;
}
