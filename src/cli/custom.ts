/** Monitors that the command line asks for in its own words. */
import type { EventFormat } from '../filter/event-format.ts';
import { FilterError } from '../filter/expression.ts';
import type { CustomSpec } from '../watch/custom.ts';
import { declare, Undeclarable } from '../watch/declare.ts';
import { lookUp, lookUpAndTry } from '../watch/source.ts';
import { eventFormat, NoEvent } from '../watch/tracefs.ts';
import { parseHist } from './hist.ts';
import { UsageError } from './usage-error.ts';
import { quote } from './values.ts';
import { parseWatch } from './watch.ts';

/** What is asked for, and the rest of the command line. */
export interface Custom {
  readonly custom: CustomSpec;
  readonly argv: readonly string[];
}

/** Undefined when it is nothing of that kind. `self`: ktop's own process. Throws a UsageError. */
export async function parseCustom(argv: readonly string[], self: number): Promise<Custom | undefined> {
  const [command, ...rest] = argv;
  if (rest.includes('--help') || rest.includes('-h')) return undefined;
  try {
    if (command === 'hist') return histOf(rest, self);
    if (command !== 'watch') return undefined;
    const { declaration, argv: left, yes } = parseWatch(rest);
    const source = yes ? (words: readonly string[]) => lookUp(words) : lookUpAndTry;
    return { custom: await declare(declaration, source, eventFormat, self), argv: left };
  } catch (error) {
    if (error instanceof NoEvent) throw new UsageError(error.message, error.kind === 'host' ? 3 : 2);
    if (error instanceof Undeclarable) throw new UsageError(error.message);
    if (error instanceof FilterError)
      throw new UsageError(`the filter of ${quote(rest.join(' '))}: ${error.message}`);
    throw error;
  }
}

function histOf(argv: readonly string[], self: number): Custom | undefined {
  const asked = parseHist(argv, (event): EventFormat => eventFormat(event));
  if (asked === undefined) return undefined;
  return { custom: { kind: 'hist', spec: { ...asked.spec, self } }, argv: asked.argv };
}

/** The fields of an event; undefined where it is not known, which whoever opens it explains better. */
export function knownFormat(event: string): EventFormat | undefined {
  try {
    return eventFormat(event);
  } catch {
    return undefined;
  }
}
