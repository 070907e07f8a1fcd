/** What a recording may hold. The writer keeps to it; the reader refuses what does not. */

/** Written now; a reader takes this and anything older. */
export const FORMAT = 1;

/** A chunk is sealed when it is this old … */
export const CHUNK_MS = 30_000;
/** … or holds this much text, or this many times its keyframe if that is more. */
export const CHUNK_BYTES = 1 << 20;
export const KEY_SHARE = 4;
/** A line waits at most this long for its way to the file, so that a second covers compressing and writing too. */
export const FLUSH_MS = 250;

/** Text of what was seen last at most, at the beginning of a chunk. */
export const MOST_KEY = 8 << 20;

/** Longest line. A snapshot that needs more is not recorded, which a notice says. */
export const MOST_LINE = 8 << 20;
/** Most text in a chunk; it is full at half of that, so that another line fits. */
export const MOST_TEXT = 48 << 20;
/** Most bytes of a chunk in the file: text that does not compress, and zstd's own. */
export const MOST_PACKED = MOST_TEXT + (1 << 20);
/** Most text of an index, most bytes of what a seal says of its chunk. A file with more chunks goes without an index. */
export const MOST_INDEX = 16 << 20;
export const MOST_SEAL = 1 << 16;
/** Lines of a chunk; it is full at half of that. */
export const MOST_LINES = 1 << 16;
/** Chunks of a file: three months at CHUNK_MS. */
export const MOST_CHUNKS = 1 << 18;
/** Chunks without an end that are looked into: one is the rule, more is damage. */
export const MOST_UNSEALED = 64;
/** Monitors of a recording. */
export const MOST_MONITORS = 64;
/** Marks kept of a chunk, and of a whole recording; past that one of each chunk. */
export const CHUNK_MARKS = 64;
export const MOST_MARKS = 20_000;
/** log2 of the largest window that a frame may ask for. */
export const WINDOW_LOG = 23;

/** Of one snapshot: tables, histograms, logs; columns of a table; rows of a table, entries of a log; buckets. */
export const MOST_NAMES = 64;
export const MOST_COLUMNS = 256;
export const MOST_ROWS = 1 << 17;
export const MOST_BUCKETS = 1 << 12;
