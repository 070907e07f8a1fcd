/**
 * The rocket: a recipe is made here, of the debug information of a guest's kernel, and used in that guest, which has none. The
 * same recipe on another kernel is refused.
 */
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Recipe } from '../../src/recipes/recipe.ts';
import { type Ended, ktop } from '../e2e/run-cli.ts';
import { command } from '../helpers/command.ts';
import { number, type Picture, type Row } from '../helpers/ktop.ts';
import type { Outcome } from './guest.ts';
import { fileOf, picturesOf, runKtopGuest } from './guest-ktop.ts';
import { findKernels, type Kernel } from './kernels.ts';
import { buildModule, OBJECTS } from './module.ts';
import { debugVmlinux } from './vmlinux.ts';

const SIZES = [100, 200, 300, 400, 500];
/** perf takes a second for each question, more beside other tests. */
const MAKE_MS = 150_000;
const KERNELS = findKernels();
const kernelOf = (series: string): Kernel => {
  const found = KERNELS.find((one) => one.series === series);
  if (found === undefined) throw new Error(`no kernel ${series}`);
  return found;
};
const OLD = kernelOf('6.1');
const NEW = kernelOf('6.12');

const work = mkdtempSync(join(tmpdir(), 'recipe-'));
const rocket = join(work, 'rocket.ktprobe');
const module = join(work, 'module.ktprobe');
afterAll(() => rmSync(work, { recursive: true }));

/** Five sends, each of its own size and with a pause behind it, so that nothing is put together. */
const SENDS = `
const net = require('node:net');
const server = net.createServer((peer) => peer.resume()).listen(0, '127.0.0.1', async () => {
  const socket = net.connect(server.address().port, '127.0.0.1');
  await new Promise((resolve) => socket.on('connect', resolve));
  socket.setNoDelay(true);
  for (const size of [${SIZES.join(', ')}]) {
    socket.write(Buffer.alloc(size));
    await new Promise((resolve) => setTimeout(resolve, 300));
  }
  process.exit(0);
});
`;

const IN_OLD = `
say() { echo "$(cut -d' ' -f1 /proc/uptime) $*" >&2; }
ktop() { node /job/dist/ktop.mjs "$@"; }
say sizes
start sizes recipe use /job/rocket.ktprobe --only cork --list -i 500
node /job/sends.cjs
finish
say line
echo hello >/tmp/first-name; echo hello >/tmp/second-name
start line recipe use /job/rocket.ktprobe --only opened -i 500 -y
for i in 1 2 3 4 5; do for file in first second; do dd if=/tmp/$file-name of=/dev/null 2>/dev/null; done; done
finish
say rocket
start rocket recipe use /job/rocket.ktprobe --only cork,tcp_mark_push -i 500
node /job/sends.cjs
finish
say weak
# Its build-id cannot be read: the layout of its functions must do.
touch /tmp/nothing
mount -o bind /tmp/nothing /sys/kernel/notes
ktop recipe show /job/rocket.ktprobe >/out/weak 2>&1
ktop recipe use /job/changed.ktprobe --json -n 1 >/out/changed 2>&1
echo $? >/out/changed.code
umount /sys/kernel/notes
say module
start module recipe use /job/module.ktprobe -i 500
insmod /job/objects.ko
more 3
echo keep 3 >/proc/objects
finish
ktop recipe use /job/other.ktprobe --json -n 1 >/out/other 2>&1
echo $? >/out/other.code
say types
ktop recipe make -o /tmp/types.ktprobe --test 1 'vfs_read file->f_path.dentry->d_name.name:string count' 'hrtimer_nanosleep%return' >/out/types 2>&1 &
while kill -0 $! 2>/dev/null; do sleep 0.1; done
cp /tmp/types.ktprobe /out/types.ktprobe
cat /sys/kernel/tracing/kprobe_events >/out/left
say end
`;

const IN_NEW = `
node /job/dist/ktop.mjs recipe use /job/rocket.ktprobe --json -n 1 >/out/refused 2>&1
echo $? >/out/refused.code
node /job/dist/ktop.mjs recipe show /job/rocket.ktprobe --json >/out/shown
cat /sys/kernel/tracing/kprobe_events /sys/kernel/tracing/dynamic_events >/out/left
`;

/** The first line of a function at which these variables can be had: versions of the kernel number them otherwise. */
function lineWith(vmlinux: string, symbol: string, variables: string): number {
  for (let line = 5; line < 40; line += 1) {
    try {
      command('perf', ['probe', '-k', vmlinux, '-D', `${symbol}:${line} ${variables}`]);
      return line;
    } catch {
      // The next, then.
    }
  }
  throw new Error(`${symbol} has no line with ${variables}`);
}

describe('a recipe of the debug information of a kernel', () => {
  let vmlinux = '';
  let buildId = '';
  let made: Ended;
  let recipe: Recipe;

  const make = (name: string, ...queries: readonly string[]): Promise<Ended> =>
    ktop(['recipe', 'make', '--vmlinux', vmlinux, '-o', join(work, name), ...queries], {}, MAKE_MS);

  beforeAll(async () => {
    vmlinux = debugVmlinux(OLD);
    buildId = /Build ID: ([0-9a-f]+)/.exec(command('readelf', ['-n', vmlinux]))?.[1] ?? '';
    made = await make(
      'rocket.ktprobe',
      '--hist',
      'len',
      'cork=tcp_should_autocork size_goal skb->len sk->__sk_common.skc_num',
      '--by',
      'name',
      'tcp_mark_push',
      `opened=do_sys_openat2:${lineWith(vmlinux, 'do_sys_openat2', 'fd tmp->name:string')} fd name=tmp->name:string if name ~ "/tmp/*-name"`,
    );
    recipe = JSON.parse(readFileSync(rocket, 'utf8')) as Recipe;
  }, 600_000);

  test('an inlined function: the place in the function around it, its variables, its line', () => {
    expect(made.stderr).toBe('');
    expect(recipe.kernel).toMatchObject({ release: OLD.release, build_id: buildId });
    const [cork] = recipe.probes;
    const [said = ''] = command('perf', [
      ...['probe', '-k', vmlinux, '-D'],
      'cork=tcp_should_autocork size_goal skb->len sk->__sk_common.skc_num',
    ]).split('\n');
    const [place] = cork?.places ?? [];
    expect(place).toMatchObject({
      symbol: 'tcp_push',
      inlined_function: 'tcp_should_autocork',
      file: 'net/ipv4/tcp.c',
    });
    const args = cork?.args.map(({ name, fetch, type }) => `${name}=${fetch}:${type}`).join(' ');
    expect(`p:probe/cork tcp_push+${place?.offset} ${args}`).toBe(said);
    expect(cork?.args.map(({ ctype }) => ctype)).toEqual(['int', 'unsigned int', 'short unsigned int']);
    expect(cork?.view).toEqual({ mode: 'hist', key: 'len' });
  });

  test('a function that is inlined in several places is one probe with all of them', () => {
    const all = command('perf', ['probe', '-k', vmlinux, '-D', 'tcp_mark_push']).trim().split('\n');
    const [, mark] = recipe.probes;
    expect(all.length).toBeGreaterThan(1);
    expect(mark?.places.map(({ symbol, offset }) => `p:probe/tcp_mark_push ${symbol}+${offset}`)).toEqual(
      all,
    );
  });

  test.each([
    // Where perf goes on into the next function.
    ['vfs_read:34', /line 34 of vfs_read is past its end: perf resolves it to vfs_write\+\d+/],
    [
      'tcp_should_autocork%return',
      /is inlined into tcp_push\+\d+: its return cannot be probed; its entry and its lines can/,
    ],
    [
      'tcp_should_autocork nosuch',
      /nosuch cannot be had at tcp_should_autocork: .*there are size_goal, skb, sk/,
    ],
    ['vfs_read:3', /line 3 of vfs_read has no code of its own: .*take vfs_read:\d+/],
    ['type_show', /\d+ functions of \S+ are called type_show: the name alone is ambiguous/],
    ['exc_int3', /exc_int3 must not be probed: it is on the kernel's blacklist of kprobes/],
    ['vfs_raed', /has no function vfs_raed, neither as such nor inlined/],
    ['skb_put', /skb_put is in \d+ places, more than 6; .*--yes/],
  ])('%s is rejected where it is made', async (query, said) => {
    const { code, stderr, stdout } = await make('rejected.ktprobe', query);
    expect(stderr).toMatch(said);
    expect(stderr.trim().split('\n')).toHaveLength(1);
    expect({ code, stdout }).toEqual({ code: 3, stdout: '' });
  });

  test('it is tested on its own kernel, or not at all', async () => {
    const { code, stderr, stdout } = await make('untested.ktprobe', '--test', '1', 'vfs_read');
    expect({ code, stdout }).toEqual({ code: 3, stdout: '' });
    expect(stderr).toMatch(
      new RegExp(`^ktop: recipe is for ${OLD.release} build ${buildId.slice(0, 8)}, this is `),
    );
    expect(existsSync(join(work, 'untested.ktprobe'))).toBe(false);
  });

  test('lines and variables, stored to be looked up', async () => {
    const file = join(work, 'tcp.db');
    const stored = await ktop(
      ['recipe', 'db', 'tcp_push', '--vars', '--vmlinux', vmlinux, '-o', file],
      {},
      MAKE_MS,
    );
    expect(stored).toMatchObject({ code: 0, stderr: '' });
    const { stdout } = await ktop(['recipe', 'db', file, 'tcp_push']);
    for (const name of ['int size_goal', 'struct sock * sk', 'int mss_now']) expect(stdout).toContain(name);
    expect((await ktop(['probe', 'vars', 'tcp_push', '--db', file])).stdout).toBe(stdout);
  });

  describe(`on ${OLD.release}, without debug information`, () => {
    let outcome: Outcome;

    beforeAll(async () => {
      const sends = join(work, 'sends.cjs');
      const [changed, other] = [join(work, 'changed.ktprobe'), join(work, 'other.ktprobe')];
      writeFileSync(sends, SENDS);
      const object = buildModule(OLD, OBJECTS);
      const { code, stderr } = await make(
        'module.ktprobe',
        '--module-debug',
        object,
        'objects_alloc',
        'objects_write size',
      );
      expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
      writeFileSync(
        changed,
        JSON.stringify({
          ...recipe,
          kernel: {
            ...recipe.kernel,
            fingerprint: { ...recipe.kernel?.fingerprint, symbols: '0'.repeat(64) },
          },
        }),
      );
      const ofModule = JSON.parse(readFileSync(module, 'utf8')) as Recipe;
      writeFileSync(
        other,
        JSON.stringify({ ...ofModule, modules: { objects: { build_id: '0'.repeat(40) } } }),
      );
      const files = {
        'rocket.ktprobe': rocket,
        'module.ktprobe': module,
        'sends.cjs': sends,
        'changed.ktprobe': changed,
        'other.ktprobe': other,
        'objects.ko': object,
      };
      outcome = await runKtopGuest({ kernel: OLD, files, script: IN_OLD, timeout_ms: 280_000 });
    }, 420_000);

    const last = (name: string): Picture => {
      const picture = picturesOf(outcome, name).at(-1);
      if (picture === undefined) throw new Error(`no picture of ${name}`);
      return picture;
    };

    test('the sizes of five sends come by, and their histogram (A7)', () => {
      const texts = picturesOf(outcome, 'sizes').flatMap(({ log = [] }) =>
        log.map(({ text }) => String(text)),
      );
      const sizes = texts.map((text) =>
        Number(/^probe:cork: \(tcp_push\+0x\w+\S*\) size_goal=\d+ len=(\d+) skc_num=\d+$/.exec(text)?.[1]),
      );
      expect(sizes).toEqual(SIZES);
      const row = last('rocket').rows.find(({ name }) => name === 'cork');
      expect(row).toMatchObject({
        name: 'cork',
        kind: 'kprobe',
        place: expect.stringMatching(/^tcp_push\+\d+ \(tcp_should_autocork\)$/),
        hits: SIZES.length,
        missed: 0,
        state: 'armed',
        source: 'recipe',
      });
      expect(last('rocket').histogram?.filter(({ count }) => count > 0)).toEqual([
        { low: 64, high: 127, count: 1 },
        { low: 128, high: 255, count: 1 },
        { low: 256, high: 511, count: 3 },
      ]);
    });

    test('a local variable at a line of the source: names of files that are opened, counted', () => {
      const counts = last('line').counts as readonly Row[];
      expect(Object.fromEntries(counts.map(({ value, count }) => [value, count]))).toEqual({
        '/tmp/first-name': 5,
        '/tmp/second-name': 5,
      });
      expect(last('line').rows.map(({ name, kind }) => `${name} ${kind}`)).toEqual(['opened kprobe']);
    });

    test('where the build-id cannot be read the layout of the kernel tells, and it is said', () => {
      expect(fileOf(outcome, 'weak')).toContain('It fits here.');
      expect(fileOf(outcome, 'weak')).toContain('weak match');
      expect(fileOf(outcome, 'changed')).toMatch(
        /recipe is for .* build [0-9a-f]{8}, this is .* build unknown/,
      );
      expect(fileOf(outcome, 'changed.code').trim()).toBe('3');
    });

    test('a module is waited for, and armed once it is loaded and of the right build', () => {
      const pictures = picturesOf(outcome, 'module');
      const states = pictures.map(({ rows }) => rows.find(({ name }) => name === 'objects_write')?.state);
      expect(states[0]).toBe('waiting');
      expect(states.at(-1)).toBe('armed');
      expect(fileOf(outcome, 'module.err')).toContain('its probes are armed');
      const row = last('module').rows.find(({ name }) => name === 'objects_write') as Row;
      expect(number(row, 'hits')).toBe(1);
      const texts = pictures.flatMap(({ log = [] }) => log.map(({ text }) => String(text)));
      // "keep 3" and its line feed.
      expect(texts.some((text) => /^probe:objects_write: .* size=7$/.test(text))).toBe(true);
    });

    test('a module of another build is refused, with both ids', () => {
      expect(fileOf(outcome, 'other')).toMatch(
        /recipe is for module objects build 00000000, the one that is loaded is build [0-9a-f]{8}; register and offset data would be wrong/,
      );
      expect(fileOf(outcome, 'other.code').trim()).toBe('3');
    });

    test('without debug information: from the types, tested where it is made', () => {
      expect(fileOf(outcome, 'types')).toContain('/tmp/types.ktprobe: 2 probes');
      const types = JSON.parse(fileOf(outcome, 'types.ktprobe')) as Recipe;
      const [read, sleep] = types.probes;
      expect(types.kernel?.build_id).toBe(buildId);
      // The types say what the debug information says, to the byte.
      expect(types.kernel?.fingerprint).toEqual(recipe.kernel?.fingerprint);
      const args = read?.args.map(({ name, fetch, type }) => `${name}=${fetch}:${type}`).join(' ');
      expect(args).toBe(
        command('perf', [
          ...['probe', '-k', vmlinux, '-D'],
          'vfs_read file->f_path.dentry->d_name.name:string count',
        ])
          .trim()
          .replace(/^\S+ \S+ /, '')
          .replace('name_string=', 'name='),
      );
      expect(read?.mode).toBe('btf');
      expect(read?.tested?.hits).toBeGreaterThan(0);
      // The script sleeps all the while.
      expect(sleep).toMatchObject({ kind: 'kretprobe', mode: 'btf' });
      expect(sleep?.tested?.hits).toBeGreaterThan(0);
    });

    test('nothing of ours is left', () => {
      expect(fileOf(outcome, 'left')).not.toContain('ktop_');
    });
  });

  test(`on ${NEW.release} it is refused, with both build-ids (A7)`, async () => {
    const outcome = await runKtopGuest({ kernel: NEW, files: { 'rocket.ktprobe': rocket }, script: IN_NEW });
    const said = fileOf(outcome, 'refused').trim();
    const shown = JSON.parse(fileOf(outcome, 'shown')) as {
      readonly here: { readonly build_id: string };
      readonly fits: readonly { readonly state: string; readonly why: string }[];
    };
    const ids = [buildId, shown.here.build_id].map((id) => id.slice(0, 8));
    expect(shown.here.build_id).not.toBe(buildId);
    expect(said).toBe(
      `ktop: recipe is for ${OLD.release} build ${ids[0]}, this is ${NEW.release} build ${ids[1]}; register and offset data would be wrong: re-make it with ktop recipe make on a matching reference machine`,
    );
    expect(fileOf(outcome, 'refused.code').trim()).toBe('3');
    expect(shown.fits.map(({ state }) => state)).toEqual(['no', 'no', 'no']);
    expect(fileOf(outcome, 'left')).not.toContain('ktop_');
  }, 200_000);
});
