/** A kernel symbol table made up for tests, in the form of scripts/kallsyms.c. */

export interface KallsymsBytes {
  readonly names: Buffer;
  readonly tokenTable: Buffer;
  readonly tokenIndex: Buffer;
  readonly offsets: Buffer;
  readonly count: number;
}

export interface MadeSymbol {
  readonly name: string;
  /** A letter as nm has it. */
  readonly type?: string;
  readonly address: bigint;
  /** A per-CPU symbol: its address is a value. */
  readonly absolute?: boolean;
}

/** Tokens: a byte stands for itself, those above 127 for pairs of letters that are frequent in names. */
const PAIRS = ['Tin', 'Dpe', 'it', 'er', '__', 'st', 're', '_a', 'on', 'Tk', 'task', 'lock'];

const tokens: readonly string[] = Array.from({ length: 256 }, (_, byte) =>
  byte < 128 ? String.fromCharCode(byte) : (PAIRS[byte - 128] ?? ''),
);

/** With `plain` offsets are distances from `base` (no CONFIG_KALLSYMS_ABSOLUTE_PERCPU). Sorted by address. */
export function makeKallsyms(symbols: readonly MadeSymbol[], base: bigint, plain = false): KallsymsBytes {
  const rank = ({ absolute, address }: MadeSymbol): bigint => (absolute ? address : address + (1n << 64n));
  const sorted = [...symbols].sort((a, b) => (rank(a) < rank(b) ? -1 : rank(a) > rank(b) ? 1 : 0));
  const offsets = Buffer.alloc(sorted.length * 4);
  for (const [i, { address, absolute }] of sorted.entries()) {
    const distance = Number(address - base);
    if (absolute) offsets.writeInt32LE(Number(address), i * 4);
    else if (plain) offsets.writeUInt32LE(distance, i * 4);
    else offsets.writeInt32LE(-1 - distance, i * 4);
  }
  const table = Buffer.from(tokens.map((token) => `${token}\0`).join(''), 'latin1');
  const index = Buffer.alloc(512);
  let at = 0;
  for (const [i, token] of tokens.entries()) {
    index.writeUInt16LE(at, i * 2);
    at += token.length + 1;
  }
  return {
    names: Buffer.concat(sorted.map(({ name, type = 'T' }) => compress(`${type}${name}`))),
    tokenTable: table,
    tokenIndex: index,
    offsets,
    count: sorted.length,
  };
}

function compress(text: string): Buffer {
  const bytes: number[] = [];
  for (let at = 0; at < text.length; ) {
    const pair = PAIRS.findIndex((token) => text.startsWith(token, at));
    bytes.push(pair < 0 ? text.charCodeAt(at) : 128 + pair);
    at += pair < 0 ? 1 : (PAIRS[pair] ?? '').length;
  }
  const length = bytes.length < 128 ? [bytes.length] : [0x80 | (bytes.length & 0x7f), bytes.length >> 7];
  return Buffer.from([...length, ...bytes]);
}
