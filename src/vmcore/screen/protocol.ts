/** Messages between the dashboard and the thread that reads a vmcore. Everything here survives a structured clone. */
import type { Report } from '../report.ts';

export interface CoreThreadData {
  readonly path: string;
  /** A vmlinux or System.map given by the user. */
  readonly vmlinux?: string;
  /** Directory of the build-id cache; absent = the default. */
  readonly cache?: string;
}

export type ToCore =
  /** A line for crash, as the user typed it. */
  | { readonly type: 'command'; readonly id: number; readonly text: string }
  /** The command that crash is at. */
  | { readonly type: 'interrupt' }
  | { readonly type: 'close' };

export type FromCore =
  /** Grows until `done`; `pending` says what may still come then. */
  | { readonly type: 'report'; readonly report: Report; readonly done: boolean; readonly pending?: string }
  | { readonly type: 'answer'; readonly id: number; readonly text: string }
  | { readonly type: 'closed' };
