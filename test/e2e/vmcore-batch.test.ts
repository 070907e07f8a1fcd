import { once } from 'node:events';
import {
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { paths } from '../helpers/paths.ts';
import { ended, ktop, start } from './run-cli.ts';

let work = '';
beforeEach(() => {
  work = mkdtempSync(join(tmpdir(), 'ktop-batch-'));
});
afterEach(() => rmSync(work, { recursive: true, force: true }));

const at = (...names: string[]): string => join(work, ...names);
const JUNK = Buffer.alloc(20_000, 0x5a);

/** What a core may begin with, and nothing sensible behind it. */
const BAD: Readonly<Record<string, Buffer>> = {
  kdump: Buffer.concat([Buffer.from('KDUMP   '), JUNK]),
  flattened: Buffer.concat([Buffer.from('makedumpfile\0'), JUNK]),
  zeroes: Buffer.concat([Buffer.from('KDUMP   '), Buffer.alloc(20_000)]),
  elf: elfCore(16 * 4096).subarray(0, 8192),
};

/** An ELF core with one piece of memory; of its file only the headers. */
function elfCore(bytes: number): Buffer {
  const elf = Buffer.alloc(4096);
  elf.write('\x7fELF\x02\x01\x01', 'latin1');
  elf.writeUInt16LE(4, 16);
  elf.writeUInt16LE(62, 18);
  elf.writeUInt32LE(1, 20);
  elf.writeBigUInt64LE(64n, 32);
  elf.writeUInt16LE(64, 52);
  elf.writeUInt16LE(56, 54);
  elf.writeUInt16LE(1, 56);
  elf.writeUInt32LE(1, 64);
  elf.writeBigUInt64LE(4096n, 72);
  elf.writeBigUInt64LE(BigInt(bytes), 96);
  elf.writeBigUInt64LE(BigInt(bytes), 104);
  return elf;
}

/** Memory without any kernel in it: to be searched until the reader's patience is over. */
function emptyMemory(path: string, bytes: number): void {
  const file = openSync(path, 'w');
  writeSync(file, elfCore(bytes));
  truncateSync(path, bytes + 4096);
}

const batch = (...args: string[]) => ktop(['vmcore', '-d', work, '-o', at('out'), ...args]);
const records = (): { readonly path: string; readonly status: string; readonly failure?: string }[] =>
  readFileSync(at('out/ktop-vmcores.ndjson'), 'utf8')
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line));

describe('bad usage: one line, the exit code of the contract', () => {
  test.each([
    [['vmcore'], 2, 'vmcore needs a core; '],
    [['vmcore', '-d'], 2, 'needs a value; '],
    [['vmcore', '-d', '/nowhere/at/all'], 1, 'cannot read /nowhere/at/all (no such file or directory); '],
    [['vmcore', '-d', '/etc/passwd'], 1, '/etc/passwd is not a directory; '],
    [['vmcore', '-d', '/tmp', 'extra'], 2, 'unexpected argument "extra"; '],
    [['vmcore', '-d', '/tmp', '-j', '0'], 2, 'is out of range; '],
    [['vmcore', '-d', '/tmp', '--timeout', 'x'], 2, 'is not a duration '],
    [['vmcore', '-d', '/tmp', '--merge', 'C1'], 2, 'are not two clusters; '],
    [['vmcore', '-d', '/tmp', '--clusters', '--diff', 'a,b'], 2, 'exclude each other; '],
    [['vmcore', '-d', '/tmp', '--clusters', '-j', '2'], 2, 'is of no use where no core is read; '],
    [['vmcore', '-j', '2', '/etc/passwd'], 2, '-j/--jobs is of no use without -d DIR; '],
    [['vmcore', '-d', '/proc/self/fdinfo', '--clusters'], 3, 'no index in '],
    [['vmcore', '/etc/passwd', 'cpuino'], 2, 'did you mean cpuinfo?'],
    [['vmcore', '/etc/passwd', 'cpuinfo'], 1, 'is no vmcore'],
    [['vmcore', '/etc/passwd', '--command', '/nowhere.ts'], 3, 'cannot read /nowhere.ts '],
  ])('ktop %j', async (args, code, text) => {
    const result = await ktop(args);
    expect(result).toMatchObject({ code, stdout: '' });
    expect(result.stderr).toMatch(/^ktop: [^\n]*; [^\n]*\n$/);
    expect(result.stderr).toContain(text);
  });

  test('--help', async () => {
    const { code, stdout } = await ktop(['vmcore', '--help']);
    expect(code).toBe(0);
    for (const option of ['-d, --directory DIR', '-o, --out DIR', '-j, --jobs N', '--similar CORE'])
      expect(stdout).toContain(option);
  });
});

describe('files that are no cores, and cores that are no good', () => {
  test('no core at all', async () => {
    writeFileSync(at('notes.txt'), 'x'.repeat(10_000));
    const result = await batch('--json');
    expect(result.code).toBe(1);
    expect(result.stderr).toContain(`ktop: no vmcore below ${work}; `);
    expect(JSON.parse(result.stdout)).toMatchObject({
      vmcores: { files: 1, not_cores: 1, cores: 0 },
      clusters: [],
      failed: [],
    });
  });

  test('each bad one is said with its reason, none stops the others, and none is read twice', async () => {
    mkdirSync(at('deep/er'), { recursive: true });
    for (const [name, bytes] of Object.entries(BAD)) writeFileSync(at('deep', `vmcore-${name}`), bytes);
    writeFileSync(at('deep/er/program'), readFileSync('/bin/true'));
    const first = await batch('--json', '-j', '2');
    const summary = JSON.parse(first.stdout);
    expect(summary).toMatchObject({ vmcores: { cores: 4, known: 0, not_cores: 1, stopped: false } });
    expect(summary.failed.length).toBe(summary.vmcores.failed);
    expect(summary.failed.length).toBeGreaterThanOrEqual(3);
    for (const { why } of summary.failed) expect(why.length).toBeGreaterThan(10);
    expect(first.stderr.split('\n').filter((line) => /^\d\/4 /.test(line))).toHaveLength(4);
    expect(records()).toHaveLength(4);
    const second = await batch('--json');
    expect(JSON.parse(second.stdout)).toMatchObject({ vmcores: { cores: 4, known: 4, read: 0 } });
    // A file that has changed is another core.
    writeFileSync(at('deep/vmcore-kdump'), Buffer.concat([BAD.kdump as Buffer, JUNK]));
    expect(JSON.parse((await batch('--json')).stdout)).toMatchObject({ vmcores: { known: 3, failed: 1 } });
    expect(JSON.parse((await batch('--json', '--again')).stdout)).toMatchObject({ vmcores: { known: 0 } });
    expect(readdirSync(at('out')).filter((name) => /lock|new$/.test(name))).toEqual([]);
  });

  test('one that takes too long is given up', async () => {
    emptyMemory(at('vmcore'), 2 ** 31);
    const result = await batch('--json', '--timeout', '1ms');
    expect(JSON.parse(result.stdout).failed).toEqual([
      { path: at('vmcore'), why: 'not read within 0.001 s; give more time with --timeout' },
    ]);
  });

  test('results that cannot be written', async () => {
    writeFileSync(at('vmcore'), BAD.kdump as Buffer);
    writeFileSync(at('file'), '');
    const result = await ktop(['vmcore', '-d', work, '-o', at('file/out')]);
    expect(result).toMatchObject({ code: 1, stdout: '' });
    expect(result.stderr).toMatch(
      /^ktop: cannot make .*file\/out \(not a directory\); give another directory with -o\n$/,
    );
  });

  test('two at once do not write into each other', async () => {
    mkdirSync(at('out'));
    writeFileSync(at('out/ktop-batch.lock'), `${process.pid}\n`);
    const result = await batch();
    expect(result.code).toBe(1);
    expect(result.stderr).toMatch(/^ktop: process \d+ is writing to .*out already; .*\n$/);
  });
});

test('SIGINT stops it in order; the same command goes on', async () => {
  for (let i = 0; i < 12; i += 1) emptyMemory(at(`vmcore-${i}`), 2 ** 31);
  const child = start(paths.node(), [paths.ktop, 'vmcore', '-d', work, '-o', at('out'), '-j', '1', '--json']);
  const result = ended(child);
  for (let said = ''; !said.includes('1/12 '); ) {
    const [chunk] = await once(child.stderr as NodeJS.ReadableStream, 'data');
    said += chunk;
  }
  child.kill('SIGINT');
  const { code, signal, stdout, stderr } = await result;
  expect({ code, signal }).toEqual({ code: 1, signal: null });
  expect(stderr).toContain('ktop: stopped before the end; the same command goes on from here\n');
  const { vmcores } = JSON.parse(stdout);
  expect(vmcores).toMatchObject({ cores: 12, stopped: true });
  const done = vmcores.read + vmcores.failed;
  expect(done).toBeGreaterThan(0);
  expect(done).toBeLessThan(12);
  expect(records()).toHaveLength(done);
  expect(readdirSync(at('out')).filter((name) => /lock|new$/.test(name))).toEqual([]);
  for (let i = 2; i < 12; i += 1) rmSync(at(`vmcore-${i}`), { force: true });
  const again = JSON.parse((await batch('--json')).stdout);
  expect(again.vmcores.known).toBeGreaterThan(0);
  expect(again.vmcores.stopped).toBe(false);
}, 90_000);

test('killed without warning, nothing that was done is lost', async () => {
  for (let i = 0; i < 6; i += 1) emptyMemory(at(`vmcore-${i}`), 2 ** 31);
  const child = start(paths.node(), [paths.ktop, 'vmcore', '-d', work, '-o', at('out'), '-j', '1']);
  const result = ended(child);
  for (let said = ''; !said.includes('1/6 '); ) {
    const [chunk] = await once(child.stderr as NodeJS.ReadableStream, 'data');
    said += chunk;
  }
  child.kill('SIGKILL');
  await result;
  const before = records().length;
  expect(before).toBeGreaterThan(0);
  for (let i = 0; i < 6; i += 1)
    if (!records().some(({ path }) => path === at(`vmcore-${i}`))) rmSync(at(`vmcore-${i}`));
  // Its lock is that of nobody now.
  expect(JSON.parse((await batch('--json')).stdout).vmcores).toMatchObject({
    known: before,
    read: 0,
    failed: 0,
  });
}, 90_000);
