/** From a core to a session of crash on it: what can be known to be missing is said before anything is started. */
import { resolve } from 'node:path';
import type { KernelFacts } from '../report.ts';
import { findIndexed, type IndexOptions, makeIndexed } from './gdb-index.ts';
import { planLaunch } from './launch.ts';
import { CrashSession, type CrashSetup } from './session.ts';
import { findVmlinux, type Vmlinux } from './vmlinux.ts';

export interface OpenCrash {
  readonly core: string;
  /** What the native reader knows of it, if only the header. */
  readonly kernel: Pick<KernelFacts, 'release' | 'build_id'>;
  /** A vmlinux, or a directory with some, named by the user. */
  readonly vmlinux?: string;
  /** Default: crash, in PATH. */
  readonly program?: string;
  readonly index?: IndexOptions;
  /** Once this session is ready, make the index that the next one on this kernel will start with. */
  readonly indexForNext?: boolean;
  readonly onState?: CrashSetup['onState'];
}

export interface OpenedCrash {
  readonly session: CrashSession;
  readonly vmlinux: Vmlinux;
  /** What the user must know of it, a sentence each. */
  readonly notes: readonly string[];
  /** Ends the session, and what is being made for the next one. */
  readonly close: () => Promise<void>;
}

/** Nothing is started yet. Throws a CrashError with one sentence, within milliseconds. */
export function openCrash(options: OpenCrash): OpenedCrash {
  const { kernel, index = {} } = options;
  // crash runs elsewhere.
  const core = resolve(options.core);
  const launch = planLaunch(options.program ?? 'crash', core);
  const found = findVmlinux({
    ...(kernel.release === undefined ? {} : { release: kernel.release }),
    ...(kernel.build_id === undefined ? {} : { build_id: kernel.build_id }),
    ...(options.vmlinux === undefined ? {} : { given: resolve(options.vmlinux) }),
  });
  const vmlinux = findIndexed(found, index) ?? found;
  const notes: string[] = [];
  if (kernel.build_id === undefined)
    notes.push(`the core tells no build-id; that ${found.path} is its kernel is a guess`);
  if (!launch.readOnly)
    notes.push('crash has the core open for writing, as it cannot be kept from it here; only wr is refused');
  const stop = new AbortController();
  let indexing: Promise<unknown> | undefined;
  const session = new CrashSession({
    launch,
    vmlinux: vmlinux.path,
    core,
    ...(kernel.release === undefined ? {} : { release: kernel.release }),
    onState: (state) => {
      if (options.indexForNext === true && state.status === 'ready' && !vmlinux.indexed)
        indexing ??= makeIndexed(vmlinux, { ...index, signal: stop.signal });
      options.onState?.(state);
    },
  });
  return {
    session,
    vmlinux,
    notes,
    close: async () => {
      stop.abort();
      await session.close();
      await indexing;
    },
  };
}
