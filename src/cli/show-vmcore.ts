/** A vmcore on the screen. */

import { accessSync, constants, statSync } from 'node:fs';
import { basename } from 'node:path';
import { complain } from '../output/writer.ts';
import { openCoreSource } from '../sources/core.ts';
import type { Source } from '../sources/source.ts';
import { tapSource } from '../sources/tapped.ts';
import { SECTIONS } from '../vmcore/layout.ts';
import { coreTabs, OVERVIEW } from '../vmcore/screen/tabs.ts';
import { quote } from './values.ts';
import { VERSION } from './version.ts';
import type { VmcoreCommand } from './vmcore.ts';

type Screen = Extract<VmcoreCommand, { kind: 'vmcore-screen' }>;

/** The dashboard on a core; resolves to the exit code. `entry`: module of the thread that reads it. */
export async function vmcoreOnScreen(command: Screen, entry: URL): Promise<number> {
  const { file, vmlinux, record, look } = command;
  const problem = problemOf(file);
  if (problem !== '') {
    complain(problem);
    return 1;
  }
  const sections = SECTIONS.map(({ name }) => name);
  const settings = { entry, path: file, sections, ...(vmlinux === undefined ? {} : { vmlinux }) };
  const opening = openCoreSource(settings);
  // Loading what draws takes as long as reading what is drawn first: side by side.
  const drawing = import('../ui/dashboard.tsx');
  const core = await opening;
  const source = tapSource(core, { monitors: coreTabs, version: VERSION, history: false });
  try {
    if (record !== undefined) source.recording.start(record);
  } catch (error) {
    await source.close();
    complain((error as Error).message);
    return 1;
  }
  const { runDashboard } = await drawing;
  const options = () => ({ interval_ms: 1000 });
  const view = { source: source as Source, monitors: coreTabs, initial: OVERVIEW, options, ...look };
  try {
    return await runDashboard({ ...view, file: basename(file) });
  } finally {
    await source.close();
  }
}

/** A file that is not there is no reason to touch the terminal: one sentence, or ''. */
function problemOf(path: string): string {
  try {
    accessSync(path, constants.R_OK);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    return `cannot read ${quote(path)} (${code}); give a vmcore that you may read`;
  }
  return statSync(path).isFile() ? '' : `${quote(path)} is no file; give a vmcore, or a directory with -d`;
}
