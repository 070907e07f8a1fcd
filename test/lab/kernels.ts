/**
 * Guest kernels: of every series (6.1, 6.12, …) the newest Debian cloud kernel that apt knows.
 * Unpacked into the cache, never installed: nothing under /boot or /lib/modules changes.
 */
import { existsSync, mkdirSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { command } from '../helpers/command.ts';
import { paths } from '../helpers/paths.ts';

export interface Kernel {
  /** As `uname -r` says it. */
  readonly release: string;
  /** `6.1` */
  readonly series: string;
  readonly image: string;
  /** The `lib/modules/<release>` directory. */
  readonly modules: string;
}

/** Tests are worth something on both: with one of them missing they do not begin. */
const SERIES = ['6.1', '6.12'];
const PACKAGE = /^linux-image-(\d+\.\d+)\S*-cloud-amd64-unsigned$/;

const numbers = (name: string) => (name.match(/\d+/g) ?? []).map(Number);

/** Negative when `a` is the older: numbers in the names compared one by one. */
function compareVersions(a: string, b: string): number {
  const [left, right] = [numbers(a), numbers(b)];
  for (let i = 0; i < Math.max(left.length, right.length); i++) {
    const difference = (left[i] ?? -1) - (right[i] ?? -1);
    if (difference !== 0) return difference;
  }
  return 0;
}

/** The newest package of each series, from the lines of `apt-cache search --names-only`. */
export function newestPackages(search: string): Map<string, string> {
  const newest = new Map<string, string>();
  for (const line of search.split('\n')) {
    const name = line.split(' ')[0] ?? '';
    const series = PACKAGE.exec(name)?.[1];
    if (series === undefined) continue;
    const best = newest.get(series);
    if (best === undefined || compareVersions(name, best) > 0) newest.set(series, name);
  }
  return newest;
}

function searchPackages(): Map<string, string> {
  const pattern = '^linux-image-.*-cloud-amd64-unsigned$';
  return newestPackages(command('apt-cache', ['search', '--names-only', pattern]));
}

function unpack(name: string, into: string): void {
  const work = `${into}.partial`;
  rmSync(work, { recursive: true, force: true });
  mkdirSync(work, { recursive: true });
  command('apt-get', ['-q', '-o', 'APT::Sandbox::User=root', 'download', name], { cwd: work });
  const archive = readdirSync(work).find((file) => file.endsWith('.deb'));
  if (archive === undefined) throw new Error(`apt-get download ${name} brought no package`);
  command('dpkg', ['-x', join(work, archive), join(work, 'tree')]);
  const modules = join(work, 'tree/lib/modules');
  command('depmod', ['-b', join(work, 'tree'), readdirSync(modules)[0] ?? '']);
  renameSync(join(work, 'tree'), into);
  rmSync(work, { recursive: true });
}

function readTree(series: string, tree: string): Kernel {
  const release = readdirSync(join(tree, 'lib/modules'))[0];
  if (release === undefined) throw new Error(`no modules in ${tree}`);
  return {
    release,
    series,
    image: join(tree, 'boot', `vmlinuz-${release}`),
    modules: join(tree, 'lib/modules', release),
  };
}

/** One kernel per series, oldest first; downloaded on first use. */
export function findKernels(): Kernel[] {
  const cache = join(paths.lab, 'kernels');
  mkdirSync(cache, { recursive: true });
  const missing = (known: ReadonlyMap<string, string>) => SERIES.filter((series) => !known.has(series));
  let packages = searchPackages();
  if (missing(packages).length > 0) {
    // The lists of a fresh machine may lack an archive: newer series come with the security updates.
    command('apt-get', ['-q', 'update']);
    packages = searchPackages();
  }
  const [none] = missing(packages);
  if (none !== undefined) throw new Error(`apt has no linux-image-${none}*-cloud-amd64-unsigned package`);
  const kernels: Kernel[] = [];
  for (const [series, name] of packages) {
    const tree = join(cache, name);
    if (!existsSync(tree)) unpack(name, tree);
    kernels.push(readTree(series, tree));
  }
  return kernels.sort((a, b) => compareVersions(a.release, b.release));
}

/**
 * Copy a module and all it needs, decompressed, to `<root>/lib/modules/<release>`
 * and leave `<name>.order` there: the files to insmod, dependencies first.
 */
export function copyModule(kernel: Kernel, name: string, root: string): void {
  const target = join(root, 'lib/modules', kernel.release);
  mkdirSync(target, { recursive: true });
  const line = command('cat', [join(kernel.modules, 'modules.dep')])
    .split('\n')
    .find((entry) => basename(entry.split(':')[0] ?? '').replace(/\.ko.*/, '') === name);
  if (line === undefined) throw new Error(`${kernel.release} has no module ${name}`);
  const [self = '', rest = ''] = line.split(':');
  const files = [...rest.trim().split(' ').filter(Boolean).reverse(), self];
  for (const file of files) {
    const plain = join(target, basename(file).replace(/\.ko\..*/, '.ko'));
    command('cp', [join(kernel.modules, file), join(target, basename(file))]);
    if (file.endsWith('.xz')) command('xz', ['-df', join(target, basename(file))]);
    if (!existsSync(plain)) throw new Error(`cannot decompress ${file} of ${dirname(kernel.modules)}`);
  }
  const order = files.map((file) => basename(file).replace(/\.ko\..*/, '.ko'));
  writeFileSync(join(target, `${name}.order`), `${order.join('\n')}\n`);
}
