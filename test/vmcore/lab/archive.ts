/** cpio archives ("newc"), as the kernel unpacks them into its first root. */

export interface Entry {
  /** Without a leading slash. */
  readonly path: string;
  readonly content: Buffer;
  /** Type and permissions. */
  readonly mode: number;
}

const DIRECTORY = 0o040755;
const FILE = 0o100644;
const PROGRAM = 0o100755;
const LINK = 0o120777;

export const directory = (path: string): Entry => ({ path, content: Buffer.alloc(0), mode: DIRECTORY });
export const file = (path: string, content: Buffer | string): Entry => ({
  path,
  content: Buffer.from(content),
  mode: FILE,
});
export const program = (path: string, content: Buffer | string): Entry => ({
  path,
  content: Buffer.from(content),
  mode: PROGRAM,
});
export const link = (path: string, target: string): Entry => ({
  path,
  content: Buffer.from(target),
  mode: LINK,
});

const padding = (bytes: number) => Buffer.alloc(-bytes & 3);

/** Directories must come before what is in them. */
export function pack(entries: readonly Entry[]): Buffer {
  const parts: Buffer[] = [];
  [...entries, file('TRAILER!!!', '')].forEach(({ path, content, mode }, index) => {
    const name = Buffer.from(`${path}\0`);
    // inode, mode, uid, gid, links, mtime, size, device ×2, of a device ×2, length of the name, checksum
    const fields = [index + 1, mode, 0, 0, 1, 0, content.length, 0, 0, 0, 0, name.length, 0];
    const head = `070701${fields.map((field) => field.toString(16).padStart(8, '0')).join('')}`;
    parts.push(Buffer.from(head), name, padding(head.length + name.length), content, padding(content.length));
  });
  return Buffer.concat(parts);
}
