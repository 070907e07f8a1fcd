import { execFileSync } from 'node:child_process';
import {
  linkSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type Outcome, runPool } from '../../src/vmcore/batch/pool.ts';
import { type CoreRecord, coreKey, parseRecord, recordOf } from '../../src/vmcore/batch/record.ts';
import { mayBeCore } from '../../src/vmcore/batch/sniff.ts';
import { isOwnFile, Store } from '../../src/vmcore/batch/store.ts';
import { type Candidate, type WalkCounts, walk } from '../../src/vmcore/batch/walk.ts';
import type { Report } from '../../src/vmcore/report.ts';
import { fleet } from '../helpers/cluster/generate.ts';

let work = '';
beforeEach(() => {
  work = mkdtempSync(join(tmpdir(), 'ktop-batch-'));
});
afterEach(() => rmSync(work, { recursive: true, force: true }));

const PAGE = Buffer.alloc(8192);
const at = (...names: string[]): string => join(work, ...names);

async function walked(
  options: Parameters<typeof walk>[2] = {},
): Promise<{ names: string[]; counts: WalkCounts }> {
  const counts: WalkCounts = { files: 0, links: 0, unreadable: [] };
  const names: string[] = [];
  for await (const { path } of walk(work, counts, options)) names.push(path.slice(work.length + 1));
  return { names, counts };
}

describe('walk', () => {
  test('every file once, in order, whatever links there are', async () => {
    mkdirSync(at('a/deep'), { recursive: true });
    mkdirSync(at('b'));
    for (const name of ['a/deep/2', 'a/1', 'b/3']) writeFileSync(at(name), PAGE);
    writeFileSync(at('b/small'), 'x');
    symlinkSync('..', at('a/loop'));
    symlinkSync(work, at('b/root'));
    symlinkSync('nowhere', at('b/dangling'));
    symlinkSync('self', at('b/self'));
    symlinkSync('../a/1', at('b/again'));
    linkSync(at('b/3'), at('b/hard'));
    execFileSync('mkfifo', [at('a/fifo')]);
    const { names, counts } = await walked();
    expect(names).toEqual(['a/1', 'a/deep/2', 'b/3']);
    expect(counts).toEqual({ files: 4, links: 2, unreadable: [] });
  });

  test('leaves out what is ours and where results go', async () => {
    mkdirSync(at('out'));
    for (const name of ['vmcore', 'vmcore.crash', 'vmcore.crash.json', 'ktop-vmcores.ndjson', 'out/vmcore'])
      writeFileSync(at(name), PAGE);
    const { names, counts } = await walked({ own: isOwnFile, except: [at('out')] });
    expect(names).toEqual(['vmcore']);
    expect(counts.files).toBe(1);
  });

  test('goes on after a directory that is gone, and ends when told to', async () => {
    for (const name of ['1', '2', '3']) writeFileSync(at(name), PAGE);
    const stop = new AbortController();
    const counts: WalkCounts = { files: 0, links: 0, unreadable: [] };
    let seen = 0;
    for await (const _ of walk(work, counts, { signal: stop.signal })) {
      seen += 1;
      stop.abort();
    }
    expect(seen).toBe(1);
  });
});

describe('what may be a core', () => {
  const elf = (type: number, notes: readonly (readonly [string, number])[] = []): Buffer => {
    const bytes = Buffer.alloc(8192);
    bytes.write('\x7fELF\x02\x01\x01', 'latin1');
    bytes.writeUInt16LE(type, 16);
    bytes.writeBigUInt64LE(64n, 32);
    bytes.writeUInt16LE(56, 54);
    bytes.writeUInt16LE(1, 56);
    bytes.writeUInt32LE(4, 64);
    bytes.writeBigUInt64LE(256n, 64 + 8);
    let end = 256;
    for (const [name, kind] of notes) {
      bytes.writeUInt32LE(name.length + 1, end);
      bytes.writeUInt32LE(5, end + 4);
      bytes.writeUInt32LE(kind, end + 8);
      bytes.write(name, end + 12, 'latin1');
      end += 12 + Math.ceil((name.length + 1) / 4) * 4 + 8;
    }
    bytes.writeBigUInt64LE(BigInt(end - 256), 64 + 32);
    return bytes;
  };
  test.each<[string, Buffer, boolean]>([
    ['kdump', Buffer.concat([Buffer.from('KDUMP   '), PAGE]), true],
    ['diskdump', Buffer.concat([Buffer.from('DISKDUMP'), PAGE]), true],
    ['flattened', Buffer.concat([Buffer.from('makedumpfile\0'), PAGE]), true],
    [
      'ELF of a kernel',
      elf(4, [
        ['CORE', 1],
        ['CORE', 1],
        ['VMCOREINFO', 0],
      ]),
      true,
    ],
    ['ELF without notes', elf(4), true],
    [
      'ELF of a process',
      elf(4, [
        ['CORE', 1],
        ['CORE', 6],
      ]),
      false,
    ],
    [
      'ELF of a process with its files',
      elf(4, [
        ['CORE', 1],
        ['CORE', 0x46494c45],
      ]),
      false,
    ],
    ['a program', elf(2), false],
    ['zeroes', PAGE, false],
    ['text', Buffer.from('Linux version 6.1\n'.repeat(500)), false],
    ['short', Buffer.from('\x7fELF', 'latin1'), false],
    ['empty', Buffer.alloc(0), false],
  ])('%s', (_, bytes, expected) => {
    writeFileSync(at('file'), bytes);
    expect(mayBeCore(at('file'))).toBe(expected);
  });

  test('headers that point nowhere are read within bounds', () => {
    const bytes = elf(4, [['CORE', 1]]);
    bytes.writeBigUInt64LE(2n ** 63n, 32);
    writeFileSync(at('file'), bytes);
    expect(mayBeCore(at('file'))).toBe(true);
    bytes.writeBigUInt64LE(64n, 32);
    bytes.writeUInt16LE(0xffff, 56);
    bytes.writeUInt32LE(0xfffffff0, 256);
    writeFileSync(at('file'), bytes);
    expect(mayBeCore(at('file'))).toBe(true);
  });
});

const candidate = (n: number): Candidate => ({
  path: `/cores/${n}/vmcore`,
  device: '1',
  inode: String(n),
  size: 40_000_000 + n,
  mtime: 1_700_000_000_000 + n,
});

const REPORT = {
  schema: 1,
  status: 'full',
  kernel: {
    release: '6.1.0',
    build_id: 'abcd',
    crash_time: 1_700_000_000_000,
    hostname: 'web1',
    page_size: 4096,
    taint_flags: [],
    uptime_s: 100,
  },
  crash: {
    class: 'null-deref',
    panic_line: 'BUG: kernel NULL pointer dereference, address: 0000000000000010',
    panic_cpu: 1,
    rip: 'probe+0x12/0x40 [drv]',
    blame: {
      function: 'probe',
      module: 'drv',
      reason: 'faulting function',
      from: 'below the exception',
      stack: [
        { ip: '0x1', function: 'probe', module: 'drv', kind: 'normal' },
        { ip: '0x2', function: 'sys_write', kind: 'normal' },
        { ip: '0x3', function: 'main', kind: 'user' },
      ],
      task: { task: '0x5', pid: 7, comm: 'tester' },
    },
    panic_stack: [],
  },
  findings: [{ id: 'poison', severity: 'alarm', text: '', evidence: [] }],
  sections: {},
  failures: [],
  ms: 81.4,
  timings: {},
} as unknown as Report;

describe('records', () => {
  test('what is kept of a report', () => {
    const record = recordOf(candidate(1), REPORT);
    expect(record).toMatchObject({
      v: 1,
      path: '/cores/1/vmcore',
      status: 'full',
      class: 'null-deref',
      stack: ['probe [drv]', 'sys_write'],
      traits: {
        blame: 'probe',
        module: 'drv',
        comm: 'tester',
        rip: 'probe+0x12 [drv]',
        release: '6.1.0',
        uptime: '<1h',
      },
      hostname: 'web1',
      findings: ['poison'],
      ms: 81,
    });
    expect(parseRecord(JSON.stringify(record))).toEqual(record);
  });

  test('the key is that of the crash, not of the file; a core that does not say when it crashed goes by its file', () => {
    const copy = { ...candidate(2), path: '/elsewhere' };
    expect(coreKey(copy, REPORT)).toBe(coreKey(candidate(1), REPORT));
    const later = { ...REPORT, kernel: { ...REPORT.kernel, crash_time: 1_700_000_000_001 } };
    expect(coreKey(copy, later)).not.toBe(coreKey(copy, REPORT));
    const timeless = { ...REPORT, kernel: { page_size: 4096, taint_flags: [] } } as Report;
    expect(coreKey(copy, timeless)).not.toBe(coreKey(candidate(1), timeless));
  });

  test.each(['', '{', 'null', '[]', '{"v":1}', '{"v":2}', '{"v":1,"path":3}', '"x"'])(
    'damaged line %j',
    (line) => expect(parseRecord(line)).toBeUndefined(),
  );
});

/** Records of a made-up fleet, one minute apart. */
function recordsOf(n: number): CoreRecord[] {
  return fleet(n, { seed: 2, bugs: 20 }).cores.map(({ key, ...features }, i) => ({
    ...recordOf(candidate(i), REPORT),
    ...features,
    key,
    crash_time: 1_700_000_000_000 + i * 60_000,
  }));
}

describe('store', () => {
  const groups = (store: Store): string =>
    JSON.stringify(
      store
        .clusters()
        .ids()
        .map((id) => store.clusters().membersOf(id)),
    );

  test('an index that grows line by line, and clusters that do not depend on who was read first', () => {
    const records = recordsOf(60);
    const [forth, back] = [new Store(at('forth')), new Store(at('back'))];
    for (const store of [forth, back]) expect(store.lock()).toBeUndefined();
    for (const record of records) forth.append(record);
    for (const record of [...records].reverse()) back.append(record);
    expect(groups(forth)).toBe(groups(back));
    // Before any end of the run everything is in the file.
    expect(readFileSync(at('forth/ktop-vmcores.ndjson'), 'utf8').split('\n')).toHaveLength(61);
    forth.saveClusters(forth.clusters());
    const clusters = forth.clusters();
    forth.close();
    back.close();
    expect(readFileSync(at('forth/ktop-vmcores.ndjson'), 'utf8')).toBe(
      readFileSync(at('back/ktop-vmcores.ndjson'), 'utf8'),
    );
    const again = new Store(at('forth'));
    expect(again.records.size).toBe(60);
    for (const { key } of records)
      expect(again.clusters().member(key)?.cluster).toBe(clusters.member(key)?.cluster);
    expect(readdirSync(at('forth')).sort()).toEqual(['ktop-clusters.json', 'ktop-vmcores.ndjson']);
  });

  test('a torn last line costs that line only, and what is appended next is whole', () => {
    const records = recordsOf(3);
    const first = new Store(work);
    for (const record of records.slice(0, 2)) first.append(record);
    const path = at('ktop-vmcores.ndjson');
    truncateSync(path, readFileSync(path).length - 40);
    const second = new Store(work);
    expect([second.records.size, second.damaged]).toEqual([1, 1]);
    second.append(records[2] as CoreRecord);
    const third = new Store(work);
    expect([...third.records.keys()]).toEqual(['/cores/0/vmcore', '/cores/2/vmcore']);
  });

  test('decisions outlive clusters that are lost or damaged', () => {
    const store = new Store(work);
    for (const record of recordsOf(30)) store.append(record);
    const clusters = store.clusters();
    const [first, second] = clusters.ids() as [number, number];
    const [a, b] = [clusters.membersOf(first)[0] as string, clusters.membersOf(second)[0] as string];
    clusters.merge(first, second);
    store.saveClusters(clusters);
    for (const damage of ['', '{"v":1', '{"v":1,"settings":{},"next":1,"members":{"x":[]}}']) {
      writeFileSync(at('ktop-clusters.json'), damage);
      const anew = new Store(work).clusters();
      expect(anew.size).toBe(30);
      expect(anew.member(a)?.cluster).toBe(anew.member(b)?.cluster);
    }
    writeFileSync(at('ktop-decisions.json'), '{"together":[["a"]],"apart":[]}');
    expect(new Store(work).clusters().pins.empty).toBe(true);
  });

  test('one writer at a time; a lock whose holder is gone is none', () => {
    const store = new Store(work);
    expect(store.lock()).toBeUndefined();
    expect(new Store(work).lock()).toMatch(/^process \d+ is writing to .* already; /);
    store.close();
    writeFileSync(at('ktop-batch.lock'), '4194399\n');
    const next = new Store(work);
    expect(next.lock()).toBeUndefined();
    next.close();
    writeFileSync(at('file'), '');
    expect(new Store(at('file/x')).lock()).toMatch(/^cannot make .*; give another directory with -o$/);
  });

  test('a core that cannot be read is in no cluster', () => {
    const store = new Store(work);
    store.append({ ...(recordsOf(1)[0] as CoreRecord), status: 'failed' });
    expect(store.clusters().size).toBe(0);
  });
});

describe('pool', () => {
  interface Job {
    readonly what: string;
    readonly n: number;
  }
  interface Answer {
    readonly n: number;
    readonly jobs: number;
  }
  async function run(
    whats: readonly string[],
    {
      size = 1,
      timeout_ms = 10_000,
      heap_mb = 256,
      signal = new AbortController().signal,
      grace_ms = 100,
    } = {},
  ): Promise<[string, Outcome<Answer>][]> {
    const settled: [string, Outcome<Answer>][] = [];
    const jobs = whats.map((what, n) => ({ what, n }));
    const entry = new URL('./fixtures/pool-worker.mjs', import.meta.url);
    await runPool<Job, Answer>(
      jobs,
      { entry, size, timeout_ms, heap_mb, signal, grace_ms },
      (job, outcome) => {
        settled.push([job.what, outcome]);
      },
    );
    return settled;
  }

  test('one thread does many jobs; what goes wrong costs that job only', async () => {
    const outcomes = await run(['ok', 'ok', 'throw', 'ok', 'exit', 'print', 'die-later', 'ok']);
    expect(outcomes.map(([what, { kind }]) => `${what} ${kind}`)).toEqual([
      'ok done',
      'ok done',
      'throw failed',
      'ok done',
      'exit failed',
      'print done',
      'die-later done',
      'ok done',
    ]);
    expect(outcomes[1]?.[1]).toMatchObject({ result: { n: 1, jobs: 2 } });
    expect(outcomes[2]?.[1]).toMatchObject({ text: 'the reader failed: damaged beyond words' });
    // A fresh thread.
    expect(outcomes[3]?.[1]).toMatchObject({ result: { n: 3, jobs: 1 } });
    expect(outcomes[4]?.[1]).toMatchObject({ text: 'the reader ended without an answer' });
  });

  test('one that hangs is ended after its time', async () => {
    const outcomes = await run(['hang', 'ok'], { timeout_ms: 2000 });
    expect(outcomes[0]?.[1]).toMatchObject({
      kind: 'failed',
      text: 'not read within 2 s; give more time with --timeout',
    });
    expect(outcomes[1]?.[1].kind).toBe('done');
  });

  test('one that takes all memory ends alone', async () => {
    const outcomes = await run(['memory', 'ok'], { heap_mb: 32, timeout_ms: 60_000 });
    expect(outcomes[0]?.[1]).toMatchObject({ kind: 'failed', text: 'the reader ran out of memory' });
    expect(outcomes[1]?.[1].kind).toBe('done');
  }, 90_000);

  test('several at a time, each job once', async () => {
    const outcomes = await run(Array<string>(20).fill('slow'), { size: 4 });
    const numbers = outcomes.map(([, outcome]) => (outcome.kind === 'done' ? outcome.result.n : -1));
    expect(numbers.toSorted((a, b) => a - b)).toEqual([...Array(20).keys()]);
  });

  test('told to stop: no more jobs are begun, one that does not end in time is given up', async () => {
    const stop = new AbortController();
    const running = run(['hang', 'ok'], { signal: stop.signal });
    setTimeout(() => stop.abort(), 300);
    expect((await running).map(([what, { kind }]) => `${what} ${kind}`)).toEqual(['hang stopped']);
    expect(await run(['ok'], { signal: stop.signal })).toEqual([]);
  });
});
