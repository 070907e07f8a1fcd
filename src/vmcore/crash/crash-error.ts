/** What crash cannot do for us: one sentence with its cause, and what to do about it. */
export class CrashError extends Error {
  override readonly name = 'CrashError';
}
