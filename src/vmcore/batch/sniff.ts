/** Whether a file can be a vmcore, by its first bytes: a few microseconds for what is not. */
import { closeSync, openSync, readSync } from 'node:fs';

const KDUMP = ['KDUMP   ', 'DISKDUMP'];
const FLATTENED = 'makedumpfile\0';
const ET_CORE = 4;
const PT_NOTE = 4;
/** Notes that only the dump of a user's process has. */
const NT_AUXV = 6;
const NT_FILE = 0x46494c45;
/** Of the notes of an ELF file this much is looked at. */
const NOTE_BYTES = 64 * 1024;

/** True for kdump, flattened and ELF cores of a kernel; throws when the file cannot be read. */
export function mayBeCore(path: string): boolean {
  const file = openSync(path, 'r');
  try {
    const head = bytesAt(file, 0, 64);
    const text = head.toString('latin1');
    if (KDUMP.some((magic) => text.startsWith(magic)) || text.startsWith(FLATTENED)) return true;
    return text.startsWith('\x7fELF') && isKernelElf(file, head);
  } finally {
    closeSync(file);
  }
}

/** An ELF core that is no user process: those carry their auxiliary vector and the files they had mapped. */
function isKernelElf(file: number, head: Buffer): boolean {
  const wide = head[4] === 2;
  if (head.length < 64 || head[5] !== 1 || head.readUInt16LE(16) !== ET_CORE) return false;
  if (!wide) return false;
  const table = Number(head.readBigUInt64LE(32));
  const [size, count] = [head.readUInt16LE(54), head.readUInt16LE(56)];
  if (size < 56) return false;
  const headers = bytesAt(file, table, Math.min(count, 64) * size);
  for (let at = 0; at + 56 <= headers.length; at += size) {
    if (headers.readUInt32LE(at) !== PT_NOTE) continue;
    const offset = Number(headers.readBigUInt64LE(at + 8));
    const length = Math.min(Number(headers.readBigUInt64LE(at + 32)), NOTE_BYTES);
    if (hasUserNote(bytesAt(file, offset, length))) return false;
  }
  return true;
}

function hasUserNote(notes: Buffer): boolean {
  for (let at = 0; at + 12 <= notes.length; ) {
    const [name, bytes, type] = [
      notes.readUInt32LE(at),
      notes.readUInt32LE(at + 4),
      notes.readUInt32LE(at + 8),
    ];
    if (notes.toString('latin1', at + 12, at + 16) === 'CORE' && (type === NT_AUXV || type === NT_FILE))
      return true;
    at += 12 + align(name) + align(bytes);
  }
  return false;
}

const align = (bytes: number): number => Math.ceil(bytes / 4) * 4;

function bytesAt(file: number, position: number, length: number): Buffer {
  if (!Number.isSafeInteger(position) || position < 0 || length <= 0) return Buffer.alloc(0);
  const buffer = Buffer.alloc(length);
  return buffer.subarray(0, readSync(file, buffer, 0, length, position));
}
