/** Every way the process may be told to end, as one callback. */

/** Exit status of each signal, as a shell reports it. */
const SIGNALS: Readonly<Partial<Record<NodeJS.Signals, number>>> = {
  SIGHUP: 129,
  SIGINT: 130,
  SIGQUIT: 131,
  SIGTERM: 143,
};

/**
 * Calls `leave` with the exit status and, for an error nobody caught, the error. `always` runs when the process
 * exits by itself. Returns a function that undoes it.
 */
export function watchWaysOut(
  leave: (status: number, error: Error | undefined) => void,
  always: () => void,
): () => void {
  const bySignal = (signal: NodeJS.Signals) => leave(SIGNALS[signal] ?? 1, undefined);
  const byError = (error: unknown) => {
    // Whoever writes to a terminal that is gone learns it this way.
    const code = error instanceof Error && 'code' in error ? error.code : '';
    if (code === 'EIO' || code === 'EPIPE') leave(129, undefined);
    else leave(1, error instanceof Error ? error : new Error(String(error)));
  };
  for (const signal of Object.keys(SIGNALS) as NodeJS.Signals[]) process.on(signal, bySignal);
  process.on('uncaughtException', byError);
  process.on('unhandledRejection', byError);
  process.on('exit', always);
  return () => {
    for (const signal of Object.keys(SIGNALS) as NodeJS.Signals[]) process.off(signal, bySignal);
    process.off('uncaughtException', byError);
    process.off('unhandledRejection', byError);
    process.off('exit', always);
  };
}
