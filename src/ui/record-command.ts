/** Starting and stopping a recording of what is seen. */
import { dayOf, timeOfDay } from '../panels/wall-time.ts';
import type { Session } from './session.ts';

/** Starts a recording, or ends the one that runs; the footer says where it is, or why there is none. */
export function toggleRecording(session: Session, _key: string, now: number): void {
  const { recording, host } = session.source;
  if (recording === undefined) {
    session.say(session.place === 'file' ? 'this is a recording' : 'nothing can be recorded here', now);
    return;
  }
  const { path } = recording.state();
  if (path !== '') {
    session.say(`recorded to ${path}`, now);
    recording.stop().catch((error: unknown) => session.store.notice(reasonOf(error), now));
    return;
  }
  const wanted = recordingPath(host.host, now);
  try {
    recording.start(wanted);
    session.say(`recording to ${wanted}`, now);
  } catch (error) {
    session.say(reasonOf(error), now);
    session.store.notice(reasonOf(error), now);
  }
}

/** `./ktop-<host>-<date>-<time>.ktop`, in local time: what a person looks for afterwards. */
export function recordingPath(host: string, now: number): string {
  const name = host.replace(/[^\w.-]/g, '_').slice(0, 64) || 'host';
  return `./ktop-${name}-${dayOf(now).replaceAll('-', '')}-${timeOfDay(now).replaceAll(':', '')}.ktop`;
}

function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
