/** What the user wrote cannot be done; the message is one line: cause; remedy. */
export class UsageError extends Error {
  /** 2 = bad usage, 3 = not possible on this host. */
  readonly code: 2 | 3;

  constructor(message: string, code: 2 | 3 = 2) {
    super(message);
    this.name = 'UsageError';
    this.code = code;
  }
}
