/** While the screen is ours nobody else may print on it. */

/**
 * Sends what libraries, workers and the runtime print to stdout and stderr to `take`, a line at a time.
 * Returns a function that undoes it.
 */
export function capturePrints(take: (line: string) => void): () => void {
  const undo = [process.stdout, process.stderr].map((stream) => {
    const original = stream.write;
    stream.write = ((chunk: unknown, ...rest: unknown[]) => {
      const text = chunk instanceof Uint8Array ? Buffer.from(chunk).toString() : String(chunk);
      for (const line of text.split('\n')) if (line.trim() !== '') take(line);
      const done = rest.findLast((argument) => typeof argument === 'function');
      if (typeof done === 'function') done();
      return true;
    }) as typeof stream.write;
    return () => {
      stream.write = original;
    };
  });
  return () => {
    for (const restore of undo) restore();
  };
}
