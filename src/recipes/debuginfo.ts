/** Where debug information lies, and what to install where it does not. */
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { basename, join } from 'node:path';
import { withElf } from '../probes/elf.ts';
import { NoProbe } from '../probes/probe.ts';
import { ask } from './perf.ts';

/** The vmlinux of the running kernel: of this build, where the build is known. Undefined: none. */
export function findVmlinux(release: string, build_id: string): string | undefined {
  const places = [
    `/usr/lib/debug/boot/vmlinux-${release}`,
    `/usr/lib/debug/lib/modules/${release}/vmlinux`,
    ...(build_id === ''
      ? []
      : [`/usr/lib/debug/.build-id/${build_id.slice(0, 2)}/${build_id.slice(2)}.debug`]),
    `/lib/modules/${release}/build/vmlinux`,
  ];
  return places.find((path) => {
    if (statSync(path, { throwIfNoEntry: false })?.isFile() !== true) return false;
    try {
      return withElf(path, (elf) => build_id === '' || elf.buildId === build_id);
    } catch {
      return false;
    }
  });
}

/** From a server of debug information, which only comes into play when somebody asks for it. Throws a NoProbe (host). */
export async function fetchVmlinux(build_id: string): Promise<string> {
  const servers = process.env.DEBUGINFOD_URLS ?? '';
  if (servers === '')
    throw new NoProbe(
      'host',
      'DEBUGINFOD_URLS names no server; set it as in DEBUGINFOD_URLS=https://debuginfod.debian.net',
    );
  if (build_id === '')
    throw new NoProbe(
      'host',
      'the build-id of this kernel cannot be read (/sys/kernel/notes); give --vmlinux',
    );
  const said = await ask('debuginfod-find', ['debuginfo', build_id], {
    ms: 1_800_000,
    env: {
      DEBUGINFOD_URLS: servers,
      // It keeps what it has brought where the user's own is.
      ...Object.fromEntries(
        ['HOME', 'XDG_CACHE_HOME', 'DEBUGINFOD_CACHE_PATH', 'https_proxy', 'http_proxy', 'no_proxy'].flatMap(
          (name) => {
            const value = process.env[name];
            return value === undefined ? [] : [[name, value]];
          },
        ),
      ),
    },
  });
  if (said === undefined)
    throw new NoProbe(
      'host',
      'debuginfod-find is not there; install it: debuginfod on Debian, elfutils-debuginfod-client on Fedora and RHEL',
    );
  const path = said.stdout.trim();
  if (said.code !== 0 || !existsSync(path))
    throw new NoProbe(
      'host',
      `the servers have no debug information of build ${build_id}: ${said.why || 'they do not say why'}; install the package instead`,
    );
  const found = withElf(path, (elf) => elf.buildId);
  if (found !== build_id)
    throw new NoProbe(
      'host',
      `the servers have sent build ${found} for ${build_id}; ask others, or give --vmlinux`,
    );
  return path;
}

/** The debug file of a module of a release; undefined: there is none. */
export function findModule(release: string, module: string): string | undefined {
  const wanted = module.replace(/-/g, '_');
  const roots = [`/usr/lib/debug/lib/modules/${release}`, `/usr/lib/debug/usr/lib/modules/${release}`];
  for (const root of roots) {
    const found = filesBelow(
      root,
      (name) => name.replace(/\.ko(?:\.debug)?$/, '').replace(/-/g, '_') === wanted,
    );
    if (found !== undefined) return found;
  }
  return undefined;
}

function filesBelow(root: string, test: (name: string) => boolean): string | undefined {
  if (!existsSync(root)) return undefined;
  const found = readdirSync(root, { recursive: true, encoding: 'utf8' }).find(
    (path) => /\.ko(?:\.debug)?$/.test(path) && test(basename(path)),
  );
  return found === undefined ? undefined : join(root, found);
}

/** Which package brings it, in this distribution's words. */
export function packageFor(release: string, os = readOs()): string {
  const kin = [os.get('ID') ?? '', ...(os.get('ID_LIKE') ?? '').split(' ')];
  if (kin.includes('ubuntu'))
    return `install linux-image-${release}-dbgsym from ddebs.ubuntu.com (or linux-image-unsigned-${release}-dbgsym)`;
  if (kin.includes('debian'))
    return `install linux-image-${release}-dbg (apt-get install linux-image-${release}-dbg)`;
  if (kin.includes('fedora') || kin.includes('rhel'))
    return `install kernel-debuginfo-${release} (dnf debuginfo-install kernel-${release})`;
  if (kin.includes('suse')) return `install kernel-default-debuginfo of ${release}`;
  return `install the package with the debug information of ${release} (Debian linux-image-${release}-dbg, RHEL kernel-debuginfo-${release})`;
}

/** The package with the debug information of a program. */
export function programPackage(path: string, os = readOs()): string {
  const kin = [os.get('ID') ?? '', ...(os.get('ID_LIKE') ?? '').split(' ')];
  if (kin.includes('debian') || kin.includes('ubuntu'))
    return `build it with -g, or install the -dbgsym package of ${basename(path)}`;
  if (kin.includes('fedora') || kin.includes('rhel'))
    return `build it with -g, or dnf debuginfo-install what ${basename(path)} is of`;
  return 'build it with -g, or install the debug information of its package';
}

function readOs(): ReadonlyMap<string, string> {
  try {
    return osRelease(readFileSync('/etc/os-release', 'utf8'));
  } catch {
    return new Map();
  }
}

/** `ID="debian"` and the like. */
export function osRelease(text: string): ReadonlyMap<string, string> {
  return new Map(
    [...text.matchAll(/^([A-Z_]+)=["']?([^"'\n]*)["']?$/gm)].map(([, key = '', value = '']) => [key, value]),
  );
}
