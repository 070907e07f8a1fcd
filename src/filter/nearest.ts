/** Which known word was probably meant. */

/** The candidate with the fewest typing errors, or undefined when none is close. */
export function nearest(word: string, candidates: Iterable<string>): string | undefined {
  let best: string | undefined;
  let least = Math.max(1, Math.floor(word.length / 3)) + 1;
  for (const candidate of candidates) {
    const distance = typingErrors(word.toLowerCase(), candidate.toLowerCase());
    if (distance < least) {
      least = distance;
      best = candidate;
    }
  }
  // A beginning is a good guess however much is missing.
  if (best === undefined && word.length >= 2) {
    for (const candidate of candidates) if (candidate.startsWith(word.toLowerCase())) return candidate;
  }
  return best;
}

/** "; did you mean X?" or nothing. */
export function suggestion(word: string, candidates: Iterable<string>): string {
  const found = nearest(word, [...candidates]);
  return found === undefined ? '' : `; did you mean ${found}?`;
}

/** Insertions, deletions, replacements and swapped neighbours between two words. */
export function typingErrors(a: string, b: string): number {
  // Long words are not typing errors, and must not cost quadratic time.
  if (Math.abs(a.length - b.length) > 8 || a.length > 64) return Number.POSITIVE_INFINITY;
  let older: number[] = [];
  let old = Array.from({ length: b.length + 1 }, (_, column) => column);
  for (let i = 1; i <= a.length; i += 1) {
    const row = [i];
    for (let j = 1; j <= b.length; j += 1) {
      const same = a[i - 1] === b[j - 1];
      let cost = Math.min((row[j - 1] ?? 0) + 1, (old[j] ?? 0) + 1, (old[j - 1] ?? 0) + (same ? 0 : 1));
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) {
        cost = Math.min(cost, (older[j - 2] ?? 0) + 1);
      }
      row.push(cost);
    }
    older = old;
    old = row;
  }
  return old[b.length] ?? 0;
}
