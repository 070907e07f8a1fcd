/** One question to a host: what it is called, who needs it, and how it is found out: by doing it, and undoing it. */
import type { Finding } from '../../sources/source.ts';
import type { Addon } from '../addon.ts';
import type { Files } from './files.ts';

/** What a check may use. */
export interface Host {
  readonly addon: Pick<Addon, 'probe' | 'facts' | 'open' | 'close'>;
  readonly files: Files;
  /** `''`: not mounted, or closed to us. */
  readonly tracefs: string;
  readonly release: string;
}

export type Verdict = Pick<Finding, 'state' | 'why'> & {
  /** Instead of the check's own. */
  readonly remedy?: string;
};

export interface Check {
  readonly name: string;
  /** Monitors and commands that lose something without it. */
  readonly affects: readonly string[];
  /** What to do where it is not there; `''`: nothing can be done. */
  readonly remedy: string;
  /** Tried there: not where it is not mounted, or closed to us. */
  readonly in_tracefs?: boolean;
  /** May throw: that is a `no` with the reason. */
  readonly run: (host: Host) => Verdict;
}

export const yes = (why = ''): Verdict => ({ state: 'yes', why });
export const no = (why: string, remedy?: string): Verdict => verdict('no', why, remedy);
export const degraded = (why: string, remedy?: string): Verdict => verdict('degraded', why, remedy);
export const restricted = (why: string, remedy?: string): Verdict => verdict('restricted', why, remedy);

function verdict(state: Finding['state'], why: string, remedy: string | undefined): Verdict {
  return remedy === undefined ? { state, why } : { state, why, remedy };
}

/** What was refused for want of rights is there, but restricted; anything else is not there. `error`: code of the errno. */
export function refused(what: string, error: string, remedy?: string): Verdict {
  const why = `${what}: ${error}`;
  return error === 'EPERM' || error === 'EACCES' ? restricted(why, remedy) : no(why, remedy);
}
