/**
 * Modules of the tests, built for a guest's kernel. The headers are unpacked into the cache, like the
 * kernels, and never installed.
 */
import { createHash } from 'node:crypto';
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { command } from '../helpers/command.ts';
import { paths } from '../helpers/paths.ts';
import type { Kernel } from './kernels.ts';

/** A module of the tests: its sources with a Makefile, and the name that makes. */
export interface ModuleSource {
  readonly sources: string;
  readonly name: string;
}

const sources = fileURLToPath(new URL('module', import.meta.url));
const IRQ_OFF: ModuleSource = { sources, name: 'irqoff' };
export const OBJECTS: ModuleSource = { sources, name: 'objects' };

function unpack(name: string, tree: string): void {
  const work = `${tree}.deb`;
  rmSync(work, { recursive: true, force: true });
  mkdirSync(work, { recursive: true });
  command('apt-get', ['-q', '-o', 'APT::Sandbox::User=root', 'download', name], { cwd: work });
  const archive = readdirSync(work).find((file) => file.endsWith('.deb'));
  if (archive === undefined) throw new Error(`apt-get download ${name} brought no package`);
  command('dpkg', ['-x', join(work, archive), tree]);
  rmSync(work, { recursive: true });
}

/** The build directory of this kernel's headers; downloaded on first use. */
export function headers({ release }: Kernel): string {
  const tree = join(paths.lab, 'headers', release);
  const build = join(tree, 'usr/src', `linux-headers-${release}`);
  if (existsSync(tree)) return build;
  const partial = `${tree}.partial`;
  rmSync(partial, { recursive: true, force: true });
  const fresh = join(partial, 'usr/src', `linux-headers-${release}`);
  unpack(`linux-headers-${release}`, partial);
  unpack(`linux-headers-${release.replace(/-cloud-amd64$/, '-common')}`, partial);
  const kbuild = /(linux-kbuild-[^/]+)\/scripts$/.exec(readlinkSync(join(fresh, 'scripts')))?.[1];
  if (kbuild === undefined) throw new Error(`the headers of ${release} name no linux-kbuild package`);
  unpack(kbuild, partial);
  const makefile = join(fresh, 'Makefile');
  writeFileSync(makefile, readFileSync(makefile, 'utf8').replaceAll('/usr/src/', `${tree}/usr/src/`));
  // With it the build wants pahole, for type information that nobody needs here.
  rmSync(join(fresh, 'vmlinux'), { force: true });
  renameSync(partial, tree);
  return build;
}

/** Path of the built module, to be loaded with insmod. Built when its sources have changed, not by two at a time. */
export function buildModule(kernel: Kernel, { sources, name }: ModuleSource = IRQ_OFF): string {
  const work = join(paths.lab, 'modules', name, kernel.release);
  const built = join(work, `${name}.ko`);
  const hash = createHash('sha256');
  for (const file of readdirSync(sources)) hash.update(file).update(readFileSync(join(sources, file)));
  const key = hash.digest('hex');
  const keyFile = join(work, `${name}.key`);
  if (existsSync(built) && existsSync(keyFile) && readFileSync(keyFile, 'utf8') === key) return built;
  mkdirSync(work, { recursive: true });
  for (const file of readdirSync(sources)) copyFileSync(join(sources, file), join(work, file));
  command('make', ['-s', '-C', headers(kernel), `M=${work}`, 'modules']);
  writeFileSync(keyFile, key);
  return built;
}
