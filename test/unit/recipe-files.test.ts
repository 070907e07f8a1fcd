/** Recipe files are read as what they are: something that came from somewhere. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { definitionLines } from '../../src/probes/tracefs.ts';
import { isFetch, isPath, isTypesQuery } from '../../src/recipes/check.ts';
import { readDatabase } from '../../src/recipes/database.ts';
import { parseRecipe, readRecipe } from '../../src/recipes/read.ts';
import { BadRecipe, fetchText, placeText, type Recipe } from '../../src/recipes/recipe.ts';
import { writeRecipe } from '../../src/recipes/write.ts';

const work = mkdtempSync(join(tmpdir(), 'recipe-'));
afterAll(() => rmSync(work, { recursive: true }));

const place = {
  module: null,
  binary: null,
  symbol: 'tcp_push',
  offset: 86,
  symbol_size: 294,
  file_offset: null,
  semaphore: null,
  inlined_function: 'tcp_should_autocork',
  file: 'net/ipv4/tcp.c',
  line: 702,
  fetch: null,
} as const;
const RECIPE: Recipe = {
  format: 'ktop-probe-recipe',
  version: 1,
  arch: 'x86_64',
  made_by: 'ktop 0.1.0',
  made_at: '2026-11-30T12:00:00.000Z',
  kernel: {
    release: '6.1.0-57-cloud-amd64',
    version_string: 'Linux version 6.1.0-57-cloud-amd64 (debian-kernel@lists.debian.org) #1 SMP',
    build_id: '01d2640d3a13145ee314eb05b155f141b7b7058b',
    fingerprint: { version: 'a'.repeat(64), symbols: 'b'.repeat(64) },
  },
  modules: { loop: { build_id: '33bff5f9' } },
  binaries: { '/usr/bin/bash': { build_id: 'cafe0123', size: 1265648 } },
  probes: [
    {
      id: 'cork',
      kind: 'kprobe',
      query: 'cork=tcp_should_autocork size_goal skb->len',
      mode: 'dwarf',
      places: [
        place,
        { ...place, symbol: 'tcp_sendmsg_locked', offset: 12, symbol_size: 0, fetch: ['%bx', '+112(%r15)'] },
      ],
      args: [
        { name: 'size_goal', ctype: 'int', fetch: '%r8', type: 's32', display: 'dec' },
        { name: 'len', ctype: 'unsigned int', fetch: '+112(%dx)', type: 'x32', display: 'bytes' },
      ],
      filter: 'len > 100',
      maxactive: null,
      view: { mode: 'hist', key: 'len' },
      note: 'why are they small?',
      tested: { hits: 5, seconds: 5, when: '2026-11-30T12:00:05.000Z' },
    },
    {
      id: 'read',
      kind: 'kprobe',
      query: 'read=vfs_read file->f_path.dentry->d_name.name:string count',
      mode: 'btf',
      places: [{ ...place, symbol: 'vfs_read', offset: 0, symbol_size: 738, inlined_function: null }],
      args: [{ name: 'count', ctype: 'u64', fetch: '%dx', type: 'x64', display: 'dec' }],
      filter: null,
      maxactive: null,
      view: { mode: 'list', key: '' },
      note: '',
      tested: null,
    },
    {
      id: 'typed',
      kind: 'uretprobe',
      query: '/usr/bin/bash:readline%return',
      mode: 'dwarf',
      places: [
        {
          ...place,
          binary: '/usr/bin/bash',
          symbol: 'readline',
          offset: 0,
          file_offset: 0xc6c20,
          semaphore: 4096,
          inlined_function: null,
        },
      ],
      args: [{ name: 'line', ctype: 'char *', fetch: '+0($retval)', type: 'string', display: 'string' }],
      filter: null,
      maxactive: 100,
      view: { mode: 'count', key: 'comm' },
      note: '',
      tested: null,
    },
  ],
};

/** A recipe with one thing in it changed; `path`: `probes.0.args.1.fetch`. */
function changed(path: string, value: unknown): string {
  const copy = JSON.parse(JSON.stringify(RECIPE)) as Record<string, unknown>;
  const keys = path.split('.');
  let at: Record<string, unknown> = copy;
  for (const key of keys.slice(0, -1)) at = at[key] as Record<string, unknown>;
  const last = keys.at(-1) as string;
  if (value === undefined) delete at[last];
  else at[last] = value;
  return JSON.stringify(copy);
}

test('written and read again it is the same, and nothing else is left behind', () => {
  const path = join(work, 'whole.ktprobe');
  writeRecipe(path, RECIPE);
  expect(readRecipe(path)).toEqual(RECIPE);
  expect(readdirSync(work)).toEqual(['whole.ktprobe']);
  expect(() => writeRecipe(path, RECIPE)).toThrow(/is there already; nothing is overwritten/);
  expect(() => writeRecipe(join(work, 'no/where.ktprobe'), RECIPE)).toThrow(/cannot be made \(ENOENT\)/);
  expect(readdirSync(work)).toEqual(['whole.ktprobe']);
  rmSync(path);
});

test('as tracefs takes it: amounts are decimal, each place has its own registers', () => {
  const [cork] = RECIPE.probes as [Recipe['probes'][0]];
  expect(cork.places.map((one) => `${placeText(one)}: ${fetchText(cork, one)}`)).toEqual([
    'tcp_push+86 (tcp_should_autocork): size_goal=%r8:s32 len=+112(%dx):u32',
    'tcp_sendmsg_locked+12 (tcp_should_autocork): size_goal=%bx:s32 len=+112(%r15):u32',
  ]);
  expect(
    definitionLines('ktop_1_0', 'x', { kind: 'kprobe', definition: 'a+0', also: ['b+4', 'c+8'] }),
  ).toEqual(['p:ktop_1_0/x a+0', 'p:ktop_1_0/x b+4', 'p:ktop_1_0/x c+8']);
  const [slots] = definitionLines('g', 'x', { kind: 'kretprobe', definition: 'a', slots: 4000 });
  expect(slots).toBe('r4000:g/x a');
});

describe('what is not right is refused, in one sentence that names it', () => {
  const HOSTILE: readonly (readonly [string, unknown])[] = [
    // Another line, another command, another argument.
    ['probes.0.places.0.symbol', 'tcp_push\np:evil do_exit'],
    ['probes.0.places.0.symbol', 'tcp_push+0 evil=%di'],
    ['probes.0.places.0.symbol', '-:ktop_keep/mine'],
    ['probes.0.places.0.symbol', ''],
    ['probes.0.places.0.module', 'loop\n'],
    ['probes.0.places.0.module', 'a:b'],
    ['probes.0.args.0.fetch', '%di\n-:kprobes/other'],
    ['probes.0.args.0.fetch', '%di evil=%si'],
    ['probes.0.args.0.fetch', '%di:string'],
    ['probes.0.args.0.fetch', '@0xffffffff81000000'],
    ['probes.0.args.0.fetch', '+0(@0xfee00000)'],
    ['probes.0.args.0.fetch', `${'+0('.repeat(40)}%di${')'.repeat(40)}`],
    ['probes.0.args.0.fetch', '\\"text"'],
    ['probes.0.args.0.fetch', 7],
    ['probes.0.args.0.type', 'string evil=%di'],
    ['probes.0.args.0.type', 'u128'],
    ['probes.0.args.0.name', 'a b'],
    ['probes.0.args.0.name', 'a=%di,b'],
    ['probes.0.args.0.name', 'len'],
    ['probes.0.args.0.display', 'roman'],
    ['probes.0.places.1.fetch', ['%bx', '%di\nr:x y']],
    ['probes.0.places.1.fetch', ['%bx']],
    ['probes.0.id', '../../x'],
    ['probes.0.id', 'read'],
    ['probes.0.id', 'x/y'],
    ['probes.0.kind', 'eprobe'],
    ['probes.0.kind', 'uprobe'],
    ['probes.0.kind', 'kretprobe'],
    ['probes.0.filter', 'len > 1\n0'],
    ['probes.0.filter', ''],
    ['probes.0.filter', 'x'.repeat(2000)],
    ['probes.0.note', 'ring\u0007'],
    ['probes.0.note', '\u001b[2J'],
    ['probes.0.view.key', 'nothing'],
    ['probes.0.view.mode', 'film'],
    ['probes.0.maxactive', 1e9],
    ['probes.0.tested', { hits: -1, seconds: 1, when: '' }],
    ['probes.0.places', []],
    ['probes.0.places', Array.from({ length: 200 }, () => place)],
    ['probes.0.places.0.offset', -1],
    ['probes.0.places.0.offset', 1.5],
    ['probes.0.places.0.offset', '86; rm'],
    ['probes.0.places.0.offset', 294],
    ['probes.0.places.0.binary', '/usr/bin/bash'],
    ['probes.0.places.0.evil', true],
    // Names of arguments are looked up, nothing else is.
    ['probes.1.query', 'p:x vfs_read y=@0xffffffff81000000'],
    ['probes.1.query', 'vfs_read y=%di'],
    ['probes.1.query', 'vfs_read count\np:evil do_exit'],
    ['probes.1.query', '/usr/bin/bash:readline'],
    ['probes.1.query', 'sched:sched_switch prev_pid=$stack'],
    ['probes.1.query', 'sdt /usr/bin/python3 python:gc__start'],
    // Programs.
    ['probes.2.places.0.binary', '/usr/bin/sh'],
    ['probes.2.places.0.binary', '/usr/bin/../bin/bash'],
    ['probes.2.places.0.file_offset', null],
    ['probes.2.places.0.semaphore', -8],
    ['binaries', { '/usr/bin/ba sh': { build_id: 'cafe0123', size: 1 } }],
    ['binaries', { '/usr/bin/bash\np:evil x': { build_id: 'cafe0123', size: 1 } }],
    ['binaries', { 'usr/bin/bash': { build_id: 'cafe0123', size: 1 } }],
    ['binaries', {}],
    // What it is bound to.
    ['kernel', null],
    ['kernel.build_id', ''],
    ['kernel.build_id', '01D2640D'],
    ['kernel.build_id', 'x'.repeat(40)],
    ['kernel.fingerprint.symbols', 'short'],
    ['arch', 'x86 64'],
    ['format', 'else'],
    ['version', 2],
    ['version', undefined],
    ['probes', []],
    ['probes', {}],
    ['probes', Array.from({ length: 100 }, (_, i) => ({ ...RECIPE.probes[0], id: `p${i}` }))],
    ['evil', 1],
  ];

  test.each(HOSTILE.map(([path, value]) => [path, JSON.stringify(value)?.slice(0, 60), value] as const))(
    '%s = %s',
    (path, _, value) => {
      let said = '';
      try {
        parseRecipe(changed(path, value), 'F.ktprobe');
      } catch (error) {
        expect(error).toBeInstanceOf(BadRecipe);
        said = (error as Error).message;
      }
      expect(said).toMatch(
        /^F\.ktprobe is (?:no probe recipe: .+; make it anew with ktop recipe make|a recipe of version 2, .+)$/,
      );
      // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what must not be there
      expect(said).not.toMatch(/[\x00-\x1f\x7f]/);
    },
  );

  test('__proto__ is a name like any other, and no right one', () => {
    const text = JSON.stringify(RECIPE).replace(
      '"modules":{',
      '"modules":{"__proto__":{"build_id":"33bff5f9"},',
    );
    expect(() => parseRecipe(text, 'F')).toThrow(BadRecipe);
    expect(() => parseRecipe(text.replace('{"format"', '{"__proto__":{"arch":"x"},"format"'), 'F')).toThrow(
      BadRecipe,
    );
  });

  test('cut off anywhere', () => {
    const text = JSON.stringify(RECIPE);
    for (let length = 0; length < text.length; length += 7)
      expect(() => parseRecipe(text.slice(0, length), 'F')).toThrow(
        /^F is no probe recipe: (?:it is empty|it is no JSON, or cut off);/,
      );
  });

  test('whatever one letter is made of it, what is taken is one line of letters that definitions have', () => {
    const text = JSON.stringify(RECIPE);
    let state = 7;
    const random = (n: number) => {
      state = (state * 1103515245 + 12345) % 2 ** 31;
      return state % n;
    };
    const letters = [
      '\\n',
      ' ',
      '\\u0000',
      ':',
      '-',
      '/',
      '@',
      '0',
      'x',
      '%',
      '(',
      ')',
      '"',
      '\\\\',
      'é',
      '\\u2028',
      '=',
      '$',
    ];
    let taken = 0;
    for (let i = 0; i < 4000; i += 1) {
      const at = random(text.length);
      const mutated = text.slice(0, at) + letters[random(letters.length)] + text.slice(at + random(3));
      let recipe: Recipe;
      try {
        recipe = parseRecipe(mutated, 'F');
      } catch (error) {
        expect(error).toBeInstanceOf(BadRecipe);
        continue;
      }
      taken += 1;
      for (const probe of recipe.probes)
        for (const one of probe.places) {
          if (probe.mode === 'btf') continue;
          const where =
            one.binary === null
              ? `${one.symbol}+${one.offset}`
              : `${one.binary}:0x${one.file_offset?.toString(16)}`;
          const lines = definitionLines('g', probe.id, {
            kind: probe.kind,
            definition: `${where} ${fetchText(probe, one)}`,
          });
          for (const line of lines) expect(line).toMatch(/^[pr]\d*:g\/\w+ [^\s"@]+(?: \w+=[^\s:@]+:\w+)+$/u);
        }
    }
    expect(taken).toBeGreaterThan(10);
  });

  test('files that are none', () => {
    const missing = join(work, 'missing.ktprobe');
    expect(() => readRecipe(missing)).toThrow(/is not there; give a recipe that ktop has made/);
    expect(() => readRecipe(work)).toThrow(/is no file/);
    const pipe = join(work, 'pipe');
    execFileSync('mkfifo', [pipe]);
    expect(() => readRecipe(pipe)).toThrow(/is no file/);
    const large = join(work, 'large');
    writeFileSync(large, Buffer.alloc(2 ** 20 + 1, 32));
    expect(() => readRecipe(large)).toThrow(/has 1048577 bytes, and a recipe has 1048576 at most/);
    writeFileSync(large, readFileSync(process.execPath).subarray(0, 5000));
    expect(() => readRecipe(large)).toThrow(/it is no JSON, or cut off/);
    expect(() => readDatabase(large)).toThrow(/is no probe database: it is no JSON, or cut off/);
    writeFileSync(large, '{"format":"ktop-probe-db","version":1,"functions":[{"name":"a b"}]}');
    expect(() => readDatabase(large)).toThrow(/a part of it is not what it should be/);
  });
});

test('values as tracefs fetches them', () => {
  for (const good of [
    '%r8',
    '+112(%dx)',
    '+0(+40(+24(%di)))',
    '-8(%bp)',
    '+u0(%si)',
    '$retval',
    '$stack3',
    '\\5',
    '\\-1',
    '@jiffies',
    '@init_task+16',
    '+0(@init_task+16)',
  ])
    expect(isFetch(good), good).toBe(true);
  for (const bad of [
    '',
    '%',
    'di',
    '+112(%dx',
    '+112(%dx))',
    '112(%dx)',
    '+x(%di)',
    '%di,%si',
    '$',
    '@',
    '\\',
    '+0(%di) ',
  ])
    expect(isFetch(bad), bad).toBe(false);
});

test('paths, and what the types of a kernel can tell', () => {
  expect(['/usr/bin/bash', '/opt/a-b_c.d/ü'].map(isPath)).toEqual([true, true]);
  expect(
    ['bash', '/a//b', '/a/./b', '/a/../b', '/a b', '/a\tb', '/', '/a"b', '/a#b'].map(isPath),
  ).not.toContain(true);
  for (const good of [
    'vfs_read',
    'x=vfs_read count',
    'ext4:ext4_sync_file%return $retval',
    'func a->b.c[2]->d:string',
    'func $params',
  ])
    expect(isTypesQuery(good), good).toBe(true);
  for (const bad of [
    '',
    'vfs_read:3',
    'vfs_read+3',
    'func %di',
    'func  a',
    'func a=$stack',
    'p:x f',
    'p f',
    '/a:f',
  ])
    expect(isTypesQuery(bad), bad).toBe(false);
});
