/** One crash in several formats is one report. */
import { join } from 'node:path';
import { beforeAll, expect, test } from 'vitest';
import { openCore } from '../../src/vmcore/open.ts';
import type { FileFacts, Report } from '../../src/vmcore/report.ts';
import type { Core } from './lab/cores.ts';
import type { CoreFormat } from './lab/crashes.ts';
import { labCores, MAKE_MS } from './read.ts';

let cores: readonly Core[] = [];
beforeAll(async () => {
  cores = await labCores();
}, MAKE_MS);

const FACTS: Readonly<Record<CoreFormat, Pick<FileFacts, 'format' | 'shape' | 'compression'>>> = {
  flat: { format: 'flattened kdump', shape: 'qemu', compression: 'zlib' },
  kdump: { format: 'kdump', shape: 'qemu', compression: 'zlib' },
  elf: { format: 'elf', shape: 'qemu', compression: 'none' },
  proc: { format: 'elf', shape: 'proc-vmcore', compression: 'none' },
  zlib: { format: 'kdump', shape: 'proc-vmcore', compression: 'zlib' },
  lzo: { format: 'kdump', shape: 'proc-vmcore', compression: 'lzo' },
  'flat-lzo': { format: 'flattened kdump', shape: 'proc-vmcore', compression: 'lzo' },
  zstd: { format: 'kdump', shape: 'proc-vmcore', compression: 'zstd' },
  snappy: { format: 'kdump', shape: 'proc-vmcore', compression: 'snappy' },
};

async function reportOf(file: string): Promise<Report> {
  const core = openCore(file, { cache: '' });
  try {
    return await core.report();
  } finally {
    core.close();
  }
}

/** Without what is of the file, and without times. */
function essence({ kernel, crash, findings, sections, failures }: Report): unknown {
  const timeless = Object.entries(sections).map(([name, { ms: _, ...section }]) => [name, section]);
  return { kernel, crash, findings, failures, sections: Object.fromEntries(timeless) };
}

test('every format is in the lab', () => {
  const made = new Set(cores.flatMap(({ truth }) => Object.keys(truth.files)));
  expect([...made].sort()).toEqual(Object.keys(FACTS).sort());
});

test('what a file is', async () => {
  for (const { truth, directory } of cores)
    for (const [format, name] of Object.entries(truth.files)) {
      const core = openCore(join(directory, name), { cache: '' });
      expect(core.head().file, `${truth.name} ${format}`).toMatchObject({
        ...FACTS[format as CoreFormat],
        truncated: false,
      });
      core.close();
    }
}, 120_000);

test('the same crash, the same report', async () => {
  const several = cores.filter(({ truth }) => Object.keys(truth.files).length > 1);
  expect(several.length).toBeGreaterThanOrEqual(6);
  for (const { truth, directory } of several) {
    const [first, ...others] = Object.entries(truth.files);
    const wanted = essence(await reportOf(join(directory, first?.[1] ?? '')));
    for (const [format, name] of others)
      expect(
        essence(await reportOf(join(directory, name))),
        `${truth.name} ${format} and ${first?.[0]}`,
      ).toEqual(wanted);
  }
}, 240_000);

test('without VMCOREINFO among the notes', () => {
  const without = cores.filter(({ truth }) => !truth.note);
  expect(without.length).toBeGreaterThanOrEqual(2);
  // That they are read like all others is in reports.test.ts.
  for (const { truth, directory } of without) {
    const core = openCore(join(directory, truth.files.flat ?? ''), { cache: '' });
    expect(core.head().kernel.release).toBe(truth.release);
    core.close();
  }
});
