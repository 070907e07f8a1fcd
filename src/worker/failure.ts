/** Errors of the addon as failures of a monitor. */
import type { Failure } from '../sources/source.ts';

/** Errors thrown by the addon carry `kind`; anything else is a fault of ktop's own. */
export function failureOf(monitor: string, error: unknown): Failure {
  const text = error instanceof Error ? error.message : String(error);
  const kind = (error as { kind?: unknown } | null)?.kind;
  return { monitor, kind: kind === 'usage' || kind === 'host' ? kind : 'internal', text };
}
