/** The last minutes in memory, compressed, and the chunk being written. */
import { Chunk, ChunkCache } from './chunk.ts';
import type { Kept } from './growing.ts';
import type { Recorder } from './recorder.ts';
import type { Span, Timeline } from './timeline.ts';
import { unpack } from './zstd.ts';

const MOST_BYTES = 16 << 20;

export class History implements Timeline {
  readonly damage = [];
  #first = 0;
  #kept: Kept[] = [];
  #recorder: Recorder | undefined;
  readonly #most: number;
  readonly #cache = new ChunkCache();
  /** The chunk being written, as it was when it was asked for last. */
  #latest: { readonly number: number; readonly chunk: Chunk } | undefined;

  /** `most`: compressed bytes kept. */
  constructor(most = MOST_BYTES) {
    this.#most = most;
  }

  /** The chunk being written is the last one. */
  follow(recorder: Recorder): void {
    this.#recorder = recorder;
  }

  keep(chunk: Kept): void {
    this.#kept.push(chunk);
    const size = ({ content }: Kept) => ('frame' in content ? content.frame.length : content.text.length / 8);
    let bytes = this.#kept.reduce((sum, kept) => sum + size(kept), 0);
    while (bytes > this.#most && this.#kept.length > 1) {
      bytes -= size(this.#kept[0] as Kept);
      this.#kept.shift();
      this.#first += 1;
    }
  }

  get first(): number {
    return this.#first;
  }

  get end(): number {
    return this.#first + this.#kept.length + (this.#recorder?.growing === undefined ? 0 : 1);
  }

  span(number: number): Span {
    const kept = this.#kept[number - this.#first];
    if (kept !== undefined) return kept;
    const growing = this.#recorder?.growing;
    if (growing === undefined) throw new RangeError(`no chunk ${number}`);
    return growing;
  }

  chunk(number: number): Chunk | undefined {
    const content = this.#kept[number - this.#first]?.content;
    if (content === undefined) return this.#growing(number);
    return this.#cache.get(
      number,
      () => new Chunk('frame' in content ? unpack(content.frame, content.text, content.text) : content.text),
    );
  }

  #growing(number: number): Chunk | undefined {
    const growing = this.#recorder?.growing;
    if (growing === undefined || number !== this.end - 1) return undefined;
    const text = growing.text();
    const known = this.#latest?.number === number ? this.#latest.chunk : undefined;
    if (known?.bytes === text.length) return known;
    const chunk = new Chunk(text, known);
    this.#latest = { number, chunk };
    return chunk;
  }
}
