/** Sections on what was loaded and mounted. */
import type { Struct } from '../core.ts';
import { hex } from '../kernel/unwind.ts';
import type { Scene } from './scene.ts';
import type { Made, Row } from './table.ts';
import { taintLetters } from './taint.ts';

const MOST_MOUNTS = 20_000;
/** Parts of a path, through all mounts it leads over. */
const DEEPEST_PATH = 512;
const READ_ONLY = 1;
const FROZEN = ['', 'write', 'page fault', 'fs', 'complete'];
const BACKING_MINOR_BITS = 20;

export function modules(scene: Scene): Made {
  const { kernel } = scene;
  const users = new Map<string, string[]>();
  const rows = kernel.modules.map((module): Row => {
    const { struct } = module;
    const sources = struct.addressOf('source_list');
    const usedBy =
      sources === undefined
        ? []
        : [...kernel.list(sources, 'module_use', 'source_list', 4096)].map(
            (use) => use.deref('source', 'module')?.text('name') ?? '',
          );
    users.set(module.name, usedBy);
    return {
      module: module.name,
      state: module.state,
      size: module.size,
      // The count begins at one, which is the module itself.
      refs: Math.max(0, struct.num('refcnt.counter') - 1),
      taints: taintLetters(struct.num('taints')),
      version: struct.text('version'),
      used_by: usedBy.join(' '),
      address: hex(module.ranges[0]?.base ?? struct.addr),
    };
  });
  const warnings = kernel.modulesDamaged ? ['the list of modules is damaged: some may be missing'] : [];
  return { tables: { modules: rows }, warnings };
}

export interface Filesystem {
  readonly struct: Struct;
  readonly type: string;
  readonly device: string;
  readonly id: string;
  readonly mounted: string;
  /** 0 = not frozen, to 4 = wholly. */
  readonly frozen: number;
  readonly read_only: boolean;
}

export function filesystems({ kernel }: Scene): Filesystem[] {
  const head = kernel.sym('super_blocks');
  if (head === undefined) return [];
  return [...kernel.list(head, 'super_block', 's_list', MOST_MOUNTS)].map((struct) => {
    const device = struct.num('s_dev');
    const mounts = struct.addressOf('s_mounts');
    const paths =
      mounts === undefined ? [] : [...kernel.list(mounts, 'mount', 'mnt_instance', 64)].map(mountPath);
    return {
      struct,
      type: struct.deref('s_type', 'file_system_type')?.text('name') ?? '',
      device: `${Math.floor(device / 2 ** BACKING_MINOR_BITS)}:${device % 2 ** BACKING_MINOR_BITS}`,
      id: struct.text('s_id'),
      // The root of another namespace says less than a place below the root of this one.
      mounted: paths.find((path) => path.length > 1) ?? paths.find((path) => path !== '') ?? '',
      frozen: struct.num('s_writers.frozen'),
      read_only: struct.num('s_flags') % 2 === READ_ONLY,
    };
  });
}

/** From the mount up to the root, through the mounts it is in; `''` for those of the kernel itself. */
function mountPath(mount: Struct): string {
  const names: string[] = [];
  let at: Struct | undefined = mount;
  let left = DEEPEST_PATH;
  while (at !== undefined && left-- > 0) {
    const parent = at.deref('mnt_parent', 'mount');
    if (parent === undefined || parent.addr === at.addr) {
      // A mount of its own that no namespace shows.
      const space = at.ptr('mnt_ns');
      if (names.length === 0 && (space === undefined || space === 0n || space > 0xfffffffffffff000n))
        return '';
      break;
    }
    let dentry = at.deref('mnt_mountpoint', 'dentry');
    const top = parent.ptr('mnt.mnt_root');
    while (dentry !== undefined && dentry.addr !== top && left-- > 0) {
      const above: Struct | undefined = dentry.deref('d_parent', 'dentry');
      if (above === undefined || above.addr === dentry.addr) break;
      names.unshift(dentryName(dentry));
      dentry = above;
    }
    at = parent;
  }
  return `/${names.join('/')}`;
}

const dentryName = (dentry: Struct): string =>
  dentry.text(dentry.has('d_name.name') ? 'd_name.name' : '__d_name.name');

export function mounts(scene: Scene): Made {
  // Those that are mounted somewhere first: the others are the kernel's own.
  const rank = ({ mounted }: Filesystem) => (mounted === '' ? 1 : 0);
  const found = filesystems(scene).sort(
    (a, b) => rank(a) - rank(b) || (a.mounted < b.mounted ? -1 : a.mounted > b.mounted ? 1 : 0),
  );
  const rows = found.map(
    (fs): Row => ({
      device: `${fs.device} ${fs.id}`,
      type: fs.type,
      mounted: fs.mounted,
      read_only: fs.read_only ? 'yes' : '',
      frozen: FROZEN[fs.frozen] ?? String(fs.frozen),
      waiters: fs.frozen > 0 ? thawWaiters(scene, fs) : undefined,
      address: hex(fs.struct.addr),
    }),
  );
  return { tables: { mounts: rows } };
}

/** Tasks that wait for a lock inside the superblock: those are its freeze levels. */
function thawWaiters(scene: Scene, { struct }: Filesystem): number {
  const size = BigInt(scene.kernel.sizeOf('super_block') ?? 0);
  return scene.locks.locks
    .filter(({ address }) => address >= struct.addr && address < struct.addr + size)
    .reduce((sum, { waits }) => sum + waits.length, 0);
}
