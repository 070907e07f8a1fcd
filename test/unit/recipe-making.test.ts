/** What recipes are made of: queries, and the words of perf and its kin. */
import { describe, expect, test } from 'vitest';
import { parseRecipeCommand } from '../../src/cli/recipe.ts';
import { UsageError } from '../../src/cli/usage-error.ts';
import { refuseComputed } from '../../src/recipes/arguments.ts';
import { buildIdOfNotes, fingerprintOf } from '../../src/recipes/build-ids.ts';
import { osRelease, packageFor } from '../../src/recipes/debuginfo.ts';
import {
  parseDefinition,
  parseDefinitions,
  parseLines,
  parseVariables,
} from '../../src/recipes/definitions.ts';
import { displayOf } from '../../src/recipes/display.ts';
import { forPerf, isReturn, lineOf, parseQuery } from '../../src/recipes/query.ts';
import { framesOf } from '../../src/recipes/source-lines.ts';
import { versionOf } from '../../src/recipes/subjects.ts';

describe('queries', () => {
  test.each([
    [
      'tcp_should_autocork size_goal skb->len',
      { symbol: 'tcp_should_autocork', where: '', args: ['size_goal', 'skb->len'] },
    ],
    ['vfs_read:14 ret', { symbol: 'vfs_read', where: ':14', args: ['ret'] }],
    ['myopen=do_sys_openat2%return $retval', { name: 'myopen', where: '%return' }],
    ['loop:do_req_filebacked:3 rq->__sector', { owner: 'loop', symbol: 'do_req_filebacked', where: ':3' }],
    ['/usr/bin/bash:readline', { owner: '/usr/bin/bash', symbol: 'readline', where: '' }],
    ['fs/read_write.c:468', { symbol: '', where: 'fs/read_write.c:468' }],
    ['vfs_read count if count > 4096', { args: ['count'], filter: 'count > 4096' }],
    ['f+0x10 a', { symbol: 'f', where: '+0x10' }],
  ])('%s', (text, parts) => {
    expect(parseQuery(text)).toMatchObject({ text, ...parts });
  });

  test.each(['', ':3', '-k /etc/passwd', 'f%back', '/a b:f', '/a/../b:f', '$x', 'f:g:h:i'])(
    '"%s" is none',
    (text) => {
      expect(() => parseQuery(text)).toThrow(/is no place; write|is no path that a probe can hold/);
    },
  );

  test('as perf takes them', () => {
    const query = parseQuery('mine=loop:do_req_filebacked:3 lo->lo_number rq->__sector');
    expect(forPerf(query)).toBe('mine=do_req_filebacked:3 lo->lo_number rq->__sector');
    expect(forPerf(query, false)).toBe('do_req_filebacked:3');
    expect([lineOf(query), isReturn(query)]).toEqual([3, false]);
  });
});

describe('what perf says', () => {
  test('definitions', () => {
    expect(
      parseDefinition('p:probe/vfs_read vfs_read+0 name=+0(+40(+24(%di))):string count=%dx:x64'),
    ).toEqual({
      returns: false,
      maxactive: 0,
      event: 'vfs_read',
      module: '',
      path: '',
      symbol: 'vfs_read',
      offset: 0,
      semaphore: 0,
      args: [
        { name: 'name', fetch: '+0(+40(+24(%di)))', type: 'string' },
        { name: 'count', fetch: '%dx', type: 'x64' },
      ],
    });
    expect(parseDefinition('p:probe/x xen_netfront:xennet_start_xmit+147 len=+112(%r15):x32')).toMatchObject({
      module: 'xen_netfront',
      symbol: 'xennet_start_xmit',
      offset: 147,
    });
    expect(parseDefinition('r10:probe_p/handle__return /opt/p:0x11f0 $retval')).toMatchObject({
      returns: true,
      maxactive: 10,
      path: '/opt/p',
      offset: 0x11f0,
      args: [{ name: 'ret', fetch: '$retval', type: '' }],
    });
    expect(parseDefinition('p:sdt_x/y /opt/p:0x11f0(0x4010) arg1=-4(%bp):s32')).toMatchObject({
      semaphore: 0x4010,
    });
    expect(parseDefinitions('p:a/b f+1\n\np:a/b g+2\n').map(({ symbol }) => symbol)).toEqual(['f', 'g']);
    for (const bad of ['p:a/b', 'e:a/b f+1', 'p:a/b f+ x=%di', 'hello', 'p:a/b  f'])
      expect(() => parseDefinition(bad)).toThrow(/is no (?:definition|place)/);
  });

  test('variables, of several places and questions', () => {
    const text =
      'Available variables at account\n\t@<other+23>\n\t\tint\tbudget\n\t\tstruct packet*\tp\n\t@<handle+0>\n\t\t(No matched variables)\nAvailable variables at account:3\n\t@<handle+6>\n\t\tint\tsize_goal\n';
    expect(parseVariables(text)).toEqual([
      {
        of: 'account',
        place: 'other+23',
        variables: [
          { name: 'budget', type: 'int' },
          { name: 'p', type: 'struct packet *' },
        ],
      },
      { of: 'account', place: 'handle+0', variables: [] },
      { of: 'account:3', place: 'handle+6', variables: [{ name: 'size_goal', type: 'int' }] },
    ]);
  });

  test('lines, up to the end of the function', () => {
    const text =
      '<handle@/src/p.c:0>\n      0  int handle(int n)\n         {\n      2  \treturn n;\n         }\n         int other(void)\n';
    expect(parseLines(text)).toEqual({
      file: '/src/p.c',
      lines: [
        { line: 0, text: 'int handle(int n)', probed: true },
        { line: 1, text: '{', probed: false },
        { line: 2, text: '\treturn n;', probed: true },
        { line: 3, text: '}', probed: false },
      ],
    });
  });

  test('what addr2line says of inlined functions, the innermost first', () => {
    expect(
      framesOf(
        'tcp_should_autocork\ndebian/build/build_amd64/net/ipv4/tcp.c:702 (discriminator 2)\ntcp_push\n/build/linux-6.1/net/ipv4/tcp.c:738\n??\n??:0\n',
      ),
    ).toEqual([
      { name: 'tcp_should_autocork', file: 'net/ipv4/tcp.c', line: 702 },
      { name: 'tcp_push', file: 'net/ipv4/tcp.c', line: 738 },
    ]);
    expect(framesOf('main\n/home/me/p.c:7\n')).toEqual([{ name: 'main', file: '/home/me/p.c', line: 7 }]);
  });

  test('a value that is computed is not read from memory', () => {
    const at = { symbol: 'f', where: '' };
    const refused =
      (value: string, fetch: string, type = '') =>
      () =>
        refuseComputed(/^\w+/.exec(value)?.[0] ?? '', value, type, fetch, at);
    for (const [value, fetch] of [
      ['n', '-1(%di)'],
      ['n', '+1(%bp)'],
      ['p->len', '+4(+8(%bx))'],
    ] as const)
      expect(refused(value, fetch)).toThrow(/is not stored at f but computed from register/);
    for (const [value, fetch, type] of [
      ['n', '%di'],
      ['n', '+8(%sp)'],
      ['n', '-20(%bp)'],
      ['p->len', '+4(%di)'],
      ['lo->lo_number', '+0(+0(%sp))'],
      ['file->f_path.dentry->d_name.name', '+0(+40(+24(%di)))', 'string'],
      ['jiffies', '@jiffies+0'],
    ] as const)
      expect(refused(value, fetch, type), `${value} ${fetch}`).not.toThrow();
  });
});

test('how values are shown', () => {
  expect(displayOf('size_goal', 'int', 's32')).toBe('bytes');
  expect(displayOf('len', 'unsigned int', 'x32')).toBe('bytes');
  expect(displayOf('fd', 'int', 's32')).toBe('dec');
  expect(displayOf('flags', 'unsigned int', 'x32')).toBe('hex');
  expect(displayOf('skb', 'struct sk_buff *', 'x64')).toBe('hex');
  expect(displayOf('skc_daddr', '__be32', 'x32')).toBe('ip');
  expect(displayOf('skc_dport', '__be16', 'x16')).toBe('port');
  expect(displayOf('skc_rcv_saddr', 'unsigned int', 'x32')).toBe('ip');
  expect(displayOf('skc_dport', 'short unsigned int', 'x16')).toBe('port');
  expect(displayOf('skc_num', 'short unsigned int', 'x16')).toBe('dec');
  expect(displayOf('len', 'unsigned int', 'x32', 'x32')).toBe('hex');
  expect(displayOf('name', 'char *', 'string', 'string')).toBe('string');
  expect(displayOf('ret', '', '')).toBe('hex');
});

test('the package with the debug information, by distribution', () => {
  const of = (text: string) => packageFor('6.1.0-57-cloud-amd64', osRelease(text));
  expect(of('ID=debian\n')).toContain('linux-image-6.1.0-57-cloud-amd64-dbg');
  expect(of('ID="rocky"\nID_LIKE="rhel centos fedora"\n')).toContain('kernel-debuginfo-6.1.0-57-cloud-amd64');
  expect(of('ID=ubuntu\nID_LIKE=debian\n')).toContain(
    'linux-image-6.1.0-57-cloud-amd64-dbgsym from ddebs.ubuntu.com',
  );
  expect(of('ID=other\n')).toContain('install the package with the debug information');
});

test('the version that lines are numbered by', () => {
  const debian =
    'Linux version 6.1.0-57-cloud-amd64 (d@d.org) (gcc-12 (Debian 12.2.0-14) 12.2.0) #1 SMP Debian 6.1.192-3 (2026-11-26)';
  expect(versionOf(debian)).toBe('6.1.192');
  expect(versionOf('Linux version 6.18.44-fc-v857 (a@b) #1 SMP')).toBe('6.18.44');
  expect(versionOf('6.12.117+deb12-cloud-amd64')).toBe('6.12.117');
  expect(versionOf('')).toBe('');
});

test('notes: the build-id among others', () => {
  const note = (name: string, type: number, bytes: Buffer) => {
    const head = Buffer.alloc(12);
    head.writeUInt32LE(name.length + 1, 0);
    head.writeUInt32LE(bytes.length, 4);
    head.writeUInt32LE(type, 8);
    const pad = (one: Buffer) => Buffer.concat([one, Buffer.alloc(-one.length & 3)]);
    return Buffer.concat([head, pad(Buffer.from(`${name}\0`)), pad(bytes)]);
  };
  const id = Buffer.from('01d2640d3a13145ee314eb05b155f141b7b7058b', 'hex');
  const all = Buffer.concat([
    note('Xen', 3, Buffer.from('xyz')),
    note('Linux', 257, Buffer.from([1])),
    note('GNU', 3, id),
  ]);
  expect(buildIdOfNotes(all)).toBe(id.toString('hex'));
  for (let length = 0; length < all.length; length += 1)
    expect(buildIdOfNotes(all.subarray(0, length))).toBe('');
  expect(buildIdOfNotes(Buffer.alloc(64, 255))).toBe('');
});

test('the layout of a kernel: names and distances, wherever it was loaded', () => {
  const functions = (base: bigint, shift = 0n) =>
    Array.from({ length: 5000 }, (_, i) => ({
      name: `f${i}`,
      address: base + BigInt(i) * 64n + (i === 4990 ? shift : 0n),
    }));
  const one = fingerprintOf('Linux version 6.1', functions(0xffffffff81000000n));
  expect(one).not.toBeNull();
  expect(fingerprintOf('Linux version 6.1\n', functions(0xffffffffa2000000n).reverse())).toEqual(one);
  expect(fingerprintOf('Linux version 6.2', functions(0xffffffff81000000n))?.symbols).toBe(one?.symbols);
  expect(fingerprintOf('Linux version 6.1', functions(0xffffffff81000000n, 16n))?.symbols).not.toBe(
    one?.symbols,
  );
});

describe('the command line', () => {
  const parse = (...argv: string[]) => parseRecipeCommand(argv, false);
  test('make', () => {
    expect(
      parse(
        'make',
        '-o',
        'F',
        '--vmlinux',
        'V',
        '--module-debug',
        'M',
        '--test',
        '5s',
        '--hist',
        'len',
        'f a',
        'g b',
      ),
    ).toMatchObject({
      kind: 'recipe-make',
      queries: ['f a', 'g b'],
      output: 'F',
      files: { vmlinux: 'V', modules: ['M'], source: '', programs: [], debuginfod: false },
      test_ms: 5000,
      histogram: 'len',
    });
    // Without quotes, what follows looks like arguments.
    expect(parse('make', '-o', 'F', 'f', 'skb->len', '$retval')).toMatchObject({
      queries: ['f skb->len $retval'],
    });
  });
  test('use, show and db', () => {
    expect(parse('use', 'F', '--only', 'a,b', '--only', 'c', '--json', '-n', '3')).toMatchObject({
      kind: 'recipe-use',
      format: 'json',
      wanted: { file: 'F', only: ['a', 'b', 'c'], times: 3, view: 'recipe' },
    });
    expect(parse('show', 'F', '--json')).toMatchObject({ kind: 'recipe-show', file: 'F', json: true });
    expect(parse('db', 'tcp_*', '--lines', '--vars', '-o', 'F')).toMatchObject({
      kind: 'recipe-db-make',
      lines: true,
      vars: true,
      most: 200,
    });
    expect(parse('db', 'F', 'tcp_push:3')).toMatchObject({
      kind: 'recipe-db',
      file: 'F',
      place: 'tcp_push:3',
    });
    expect(parse().kind).toBe('recipe-help');
  });
  test.each([
    [['make', 'f'], /give -o NAME\.ktprobe/],
    [['make', '-o', 'F'], /recipe make needs a query/],
    [['make', '-o', 'F', '--btf', '--vmlinux', 'V', 'f'], /--btf takes the types of this kernel/],
    [['use'], /recipe use needs a recipe file/],
    [['use', 'F', 'G'], /unexpected argument "G"/],
    [['use', 'F', '--vmlinux', 'V'], /--vmlinux is not for recipe use; it is for make, db/],
    [['use', 'F', '--list', '--hist', 'a'], /--list shows records/],
    [['use', 'F', '--by', 'a b'], /is no name of an argument/],
    [['mak'], /no recipe command "mak".*make/],
    [['db'], /recipe db needs/],
    [['db', 'f*', '-o', 'F'], /stores --lines, --vars, or both/],
    [['db', 'F', '--lines'], /--lines is for storing/],
  ])('%j', (argv, said) => {
    expect(() => parse(...argv)).toThrow(said);
    expect(() => parse(...argv)).toThrow(UsageError);
  });
});
