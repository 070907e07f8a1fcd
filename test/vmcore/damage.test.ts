/** Cores that are cut off, damaged, or none at all: a report that says so, never a throw, never a false fact. */
import { spawnSync } from 'node:child_process';
import {
  closeSync,
  copyFileSync,
  ftruncateSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  readSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openCore } from '../../src/vmcore/open.ts';
import type { Report } from '../../src/vmcore/report.ts';
import { ktop } from '../e2e/run-cli.ts';
import { command } from '../helpers/command.ts';
import { paths } from '../helpers/paths.ts';
import type { Core } from './lab/cores.ts';
import type { CoreFormat } from './lab/crashes.ts';
import type { Truth } from './lab/truth.ts';
import { labCores, MAKE_MS, rowsOf } from './read.ts';

const MB = 1024 * 1024;

let cores: readonly Core[] = [];
let work = '';
beforeAll(async () => {
  cores = await labCores();
  mkdirSync(paths.lab, { recursive: true });
  work = mkdtempSync(join(paths.lab, 'damage-'));
}, MAKE_MS);
afterAll(() => rmSync(work, { recursive: true, force: true }));

function coreOf(name: string): Core {
  const core = cores.find(({ truth }) => truth.name === name);
  if (core === undefined) throw new Error(`the lab has no ${name}`);
  return core;
}

/** A copy to be damaged. */
function copyOf(name: string, format: CoreFormat): { readonly file: string; readonly truth: Truth } {
  const { truth, directory } = coreOf(name);
  const file = join(work, `${name}.${format}`);
  command('cp', ['--sparse=always', join(directory, truth.files[format] ?? ''), file]);
  command('chmod', ['600', file]);
  return { file, truth };
}

async function read(file: string): Promise<Report> {
  const core = openCore(file, { cache: '' });
  try {
    const report = await core.report();
    // It can be stored.
    JSON.stringify(report, (_, value) => (typeof value === 'bigint' ? String(value) : value));
    return report;
  } finally {
    core.close();
  }
}

/** What is told of a core that is not whole may be little, but it is so. */
function isTrue(report: Report, truth: Truth, label: string): void {
  const { kernel, crash } = report;
  if (kernel.release !== undefined) expect(kernel.release, label).toBe(truth.release);
  if (kernel.cpus !== undefined) expect(kernel.cpus, label).toBe(truth.cpus);
  if (crash.panic_string !== undefined) expect(crash.panic_string.trim(), label).toBe(truth.message.trim());
  if (crash.panic_cpu !== undefined) expect(crash.panic_cpu, label).toBe(truth.panic.cpu);
  if (crash.panic_task !== undefined) expect(crash.panic_task.pid, label).toBe(truth.panic.pid);
  if (kernel.tasks !== undefined) expect(kernel.tasks, label).toBeLessThanOrEqual(truth.task_count);
}

describe('cut off', () => {
  test.each<readonly [string, CoreFormat, number]>([
    ['sysrq-a', 'flat', MB],
    ['sysrq-a', 'kdump', MB],
    ['abba-d', 'lzo', MB],
    ['abba-c', 'zstd', MB],
    ['abba-c', 'snappy', MB],
    ['sysrq-b', 'elf', 16 * MB],
    ['abba-c', 'proc', 16 * MB],
  ])(
    '%s as %s, every %i bytes',
    async (name, format, step) => {
      const { file, truth } = copyOf(name, format);
      const whole = statSync(file).size;
      const open = openSync(file, 'r+');
      for (let size = Math.floor((whole - 1) / step) * step; size >= 0; size -= step) {
        ftruncateSync(open, size);
        const label = `${name} ${format} of ${size} bytes`;
        const report = await read(file);
        isTrue(report, truth, label);
        expect(report.file.truncated || report.status === 'none', label).toBe(true);
        if (report.status === 'none') expect(report.failures.length, label).toBe(1);
      }
      closeSync(open);
    },
    240_000,
  );

  test('half of a flattened dump still tells its kernel', async () => {
    const { file, truth } = copyOf('null-a', 'flat');
    command('truncate', ['-s', String(10 * MB), file]);
    const { kernel, status } = await read(file);
    expect(status).not.toBe('none');
    expect(kernel).toMatchObject({ release: truth.release, cpus: truth.cpus });
  });
});

/** Always the same numbers: a failure can be had again. */
function random(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

/** What pointers and counts may be when they are wrong. */
const WRONG = [0n, 1n, 8n, 0xffffn, 0x7fffffffn, 0xdead000000000100n, 0xffff888000000000n, 2n ** 64n - 1n];

describe('corrupted at random', () => {
  const HEAD = 64 * 1024;
  const ROUNDS = 20;
  const DOUBLINGS = 15;

  test.each<readonly [string, CoreFormat]>([
    ['sysrq-a', 'flat'],
    ['abba-c', 'zlib'],
    ['abba-c', 'lzo'],
    ['abba-c', 'zstd'],
    ['abba-c', 'snappy'],
    // As it lies in memory: pages that the reader follows pointers in.
    ['sysrq-b', 'elf'],
  ])(
    '%s as %s: a little, a lot, and in its headers',
    async (name, format) => {
      const { file } = copyOf(name, format);
      const size = statSync(file).size;
      const open = openSync(file, 'r+');
      const next = random(size);
      const seen = new Set<Report['status']>();
      for (let round = 0; round < ROUNDS; round++) {
        const kept: (readonly [number, Buffer])[] = [];
        const damage = (at: number, bytes: number) => {
          const old = Buffer.alloc(bytes);
          readSync(open, old, 0, bytes, at);
          kept.push([at, old]);
          const wrong = Buffer.alloc(8);
          if (next(2) === 0) wrong.writeBigUInt64LE(WRONG[next(WRONG.length)] ?? 0n);
          else for (let i = 0; i < 8; i++) wrong[i] = next(256);
          writeSync(open, wrong, 0, bytes, at);
        };
        for (let i = 0; i < 2 ** Math.floor(((round / 2) * DOUBLINGS) / (ROUNDS / 2)); i++)
          damage(HEAD + next(Math.floor((size - HEAD) / 8)) * 8, 8);
        if (round % 2 === 1)
          for (let i = 0; i <= round % 8; i++) damage(next(round % 4 === 1 ? 4096 : HEAD), 1);
        const report = await read(file);
        if (report.status !== 'full') expect(report.failures.length, `round ${round}`).toBeGreaterThan(0);
        for (const { text } of report.failures) expect(text, `round ${round}`).not.toMatch(/internal error/);
        seen.add(report.status);
        for (const [at, old] of kept.reverse()) writeSync(open, old, 0, old.length, at);
      }
      // It was not all refused at the door; and whole again it is read.
      expect(seen.size).toBeGreaterThan(1);
      expect((await read(file)).status).toBe('full');
      closeSync(open);
    },
    240_000,
  );

  test('headers of a flattened dump: the others are found, and the cause with them', async () => {
    const { file, truth } = copyOf('null-a', 'flat');
    const bytes = readFileSync(file);
    const headers: number[] = [];
    for (let at = 4096; bytes.readBigInt64BE(at) >= 0n; at += 16 + Number(bytes.readBigInt64BE(at + 8)))
      headers.push(at);
    const next = random(7);
    const HITS = 3;
    let found = 0;
    for (let round = 0; round < ROUNDS; round++) {
      const damaged = Buffer.from(bytes);
      // Behind the bitmaps and the first descriptors, without which nothing is known.
      for (let hit = 0; hit < HITS; hit++)
        damaged[(headers[70 + next(headers.length - 70)] ?? 0) + next(16)] = next(256);
      writeFileSync(file, damaged);
      const report = await read(file);
      if (report.kernel.release !== undefined) expect(report.kernel.release).toBe(truth.release);
      for (const { text } of report.failures) expect(text).not.toMatch(/internal error/);
      if (report.crash.blame?.function === truth.blame[0]) found += 1;
    }
    // Tables of the kernel's own are in some of the records.
    expect(found).toBeGreaterThan(ROUNDS / 3);
  }, 120_000);

  test('noise in place of all pages', async () => {
    const { file } = copyOf('sysrq-a', 'kdump');
    const bytes = readFileSync(file);
    const next = random(1);
    // The headers stay, and promise pages.
    for (let at = MB; at < bytes.length; at++) bytes[at] = next(256);
    writeFileSync(file, bytes);
    const report = await read(file);
    expect(report.status).not.toBe('full');
    expect(report.failures.length).toBeGreaterThan(0);
  }, 60_000);
});

test('pages that makedumpfile wrongly left out are missed, and that is said', async () => {
  // Debian's makedumpfile takes pages of kernels newer than itself for pages of users.
  const { truth, directory } = coreOf('abba-d');
  const file = join(work, 'less');
  command('makedumpfile', ['-l', '-d', '31', join(directory, truth.files.proc ?? ''), file]);
  const report = await read(file);
  isTrue(report, truth, 'less');
  const warnings = Object.values(report.sections).flatMap((section) => section.warnings);
  if (report.kernel.tasks !== truth.task_count) expect(warnings.join('\n')).toMatch(/list of tasks/);
  // Which pages it takes for pages of users depends on where they happen to be: a lock may be among them.
  const locks = rowsOf(report, 'locks').length;
  expect(locks).toBeLessThanOrEqual(truth.locks.length);
  if (locks < truth.locks.length) expect([...warnings, ...report.failures]).not.toEqual([]);
}, 60_000);

describe('no core', () => {
  const make = (): Readonly<Record<string, RegExp>> => {
    writeFileSync(join(work, 'empty'), '');
    writeFileSync(
      join(work, 'random'),
      Buffer.from(Array.from({ length: 3 * MB }, random(2).bind(null, 256))),
    );
    writeFileSync(join(work, 'text'), 'KDUMP is not what this is\n'.repeat(1000));
    writeFileSync(join(work, 'magic'), 'KDUMP   ');
    copyFileSync(paths.node(), join(work, 'program'));
    mkdirSync(join(work, 'directory'));
    symlinkSync('nowhere', join(work, 'dangling'));
    spawnSync('mkfifo', [join(work, 'pipe')]);
    return {
      empty: /is empty; /,
      random: /is no vmcore: /,
      text: /is no vmcore: /,
      magic: /ends within the header/,
      program: /an ELF file, but no core; /,
      directory: /is no regular file; /,
      dangling: /there is no such file$/,
      pipe: /is no regular file; /,
      missing: /there is no such file$/,
    };
  };

  test('a report and one reason', async () => {
    for (const [name, reason] of Object.entries(make())) {
      const file = join(work, name);
      for (const format of ['--json', '--plain']) {
        const { code, stdout, stderr } = await ktop(['vmcore', file, format]);
        expect(stderr, name).toMatch(/^ktop: .*\n$/);
        expect(stderr.trim(), name).toMatch(reason);
        expect(code, name).toBe(1);
        if (format === '--json')
          expect(JSON.parse(stdout), name).toMatchObject({ status: 'none', failures: [{ stage: 'file' }] });
      }
    }
  }, 120_000);

  test('a file that may not be read', async () => {
    // Root may read everything; somebody else is asked.
    const file = join(work, 'secret');
    writeFileSync(file, 'KDUMP   ', { mode: 0o600 });
    const script = `import { openCore } from ${JSON.stringify(join(paths.project, 'src/vmcore/open.ts'))};
process.setgid(65534); process.setuid(65534);
console.log(JSON.stringify((await openCore(${JSON.stringify(file)}, { cache: '' }).report()).failures));`;
    const { stdout, stderr } = spawnSync(paths.node(), ['--input-type=module', '-e', script], {
      encoding: 'utf8',
    });
    expect(stderr).toBe('');
    expect(JSON.parse(stdout)).toEqual([{ stage: 'file', text: `cannot read ${file}: permission denied` }]);
  });
});
