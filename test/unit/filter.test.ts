import { expect, test } from 'vitest';
import { kernelFilter, withKernelFilters } from '../../src/cli/kernel-filter.ts';
import { parseEventFormat } from '../../src/filter/event-format.ts';
import { FilterError, filterText } from '../../src/filter/expression.ts';
import { splitFilter, whereItRuns } from '../../src/filter/kernel.ts';
import { parseFilter } from '../../src/filter/parse.ts';
import { compileRows, type Field, type Fields } from '../../src/filter/row-test.ts';
import { globTest } from '../../src/filter/text-match.ts';
import { errorName, errorNumber, signalNumber } from '../../src/filter/values.ts';

const ROWS = [
  { comm: 'nginx', path: '/var/www/a', lat: 12.5, bytes: 4096, errno: 0, pid: 1 },
  { comm: 'nginx', path: '/etc/hosts', lat: 9, bytes: 10, errno: 2, pid: 7 },
  { comm: 'sshd: x', path: '', lat: Number.NaN, bytes: 2 ** 20, errno: 13, pid: 8 },
];

const UNITS = {
  lat: { dimension: 'time', size: 1e6 },
  bytes: { dimension: 'bytes', size: 1 },
} as const;

const FIELDS: Fields = {
  called: 'column',
  names: Object.keys(ROWS[0] as object),
  find: (name): Field | undefined => {
    if (name === 'comm' || name === 'path')
      return { kind: 'text', test: (passes) => (row) => passes(ROWS[row]?.[name] ?? '') };
    if (name === 'lat' || name === 'bytes' || name === 'errno' || name === 'pid')
      return {
        kind: 'number',
        value: (row) => ROWS[row]?.[name] ?? Number.NaN,
        unit: name === 'lat' || name === 'bytes' ? UNITS[name] : { dimension: 'plain', size: 1 },
      };
    return undefined;
  },
  word: (word) => (row) => JSON.stringify(ROWS[row]).includes(word),
};

const rows = (filter: string): number[] => {
  const expression = parseFilter(filter);
  const passes = expression === undefined ? () => true : compileRows(expression, FIELDS);
  return ROWS.flatMap((_, row) => (passes(row) ? [row] : []));
};

test.each([
  ['comm=nginx and lat>10ms and (path~"/var/www/*" or errno=ENOENT) and not pid=1', []],
  ['comm=nginx and lat>8ms and (path~"/var/www/*" or errno=ENOENT)', [0, 1]],
  ['comm=nginx and lat>8ms and (path~/var/www/* or errno=ENOENT) and not pid=1', [1]],
  ['lat>10', [0]],
  ['lat > 10 ms', [0]],
  ['lat>=9000us', [0, 1]],
  ['lat<0.01s', [1]],
  ['bytes>=4KiB', [0, 2]],
  ['bytes>4K', [2]],
  ['bytes=0x1000', [0]],
  ['bytes>4kB', [0, 2]],
  ['comm="sshd: x"', [2]],
  ["comm='sshd: x'", [2]],
  ['comm==nginx && pid!=1', [1]],
  ['comm!=nginx || pid=7', [1, 2]],
  ['!comm=nginx', [2]],
  ['not not comm=nginx', [0, 1]],
  ['comm !~ ng*', [2]],
  ['path exists', [0, 1]],
  ['not lat exists', [2]],
  ['comm contains SHD', [2]],
  ['comm=~^s.hd', [2]],
  ['pid in (1, 8)', [0, 2]],
  ['comm in (nginx, "sshd: x") pid>1', [1, 2]],
  ['errno in (ENOENT,EACCES)', [1, 2]],
  ['pid=1 or pid=7 and comm=x', [0]],
  ['(pid=1 or pid=7) and comm=nginx', [0, 1]],
  ['nginx and not hosts', [0]],
  ['', [0, 1, 2]],
  ['   ', [0, 1, 2]],
])('%s', (filter, expected) => {
  expect(rows(filter)).toEqual(expected);
});

test.each([
  ['comm=', 'a value for comm is missing at the end (at 6)'],
  ['comm=a and', 'a condition such as comm=nginx is missing at the end (at 11)'],
  ['(comm=a', 'a ")" is missing at the end (at 8)'],
  ['comm=a)', '")" is not expected (at 7)'],
  ['coom=a', 'there is no column "coom"; did you mean comm? (at 1)'],
  ['pid=1 and zzzzzz>2', 'there is no column "zzzzzz"; there are comm, path, lat, bytes, errno, pid (at 11)'],
  ['lat>10KiB', '10KiB is a number of bytes, and lat is not; leave the unit out (at 5)'],
  ['pid>10ms', '10ms is a time, and pid is not; leave the unit out (at 5)'],
  ['pid>abc', 'pid is a number, and "abc" is none; write it like pid>10 (at 5)'],
  ['comm>3', 'comm is text; compare it with =, !=, ~, =~, contains or in (at 6)'],
  ['comm=~"("', 'is no regular expression'],
  ['comm=~"(a+)+b"', 'may take for ever'],
  ['comm="a', 'a closing " is missing at the end (at 8)'],
  ['pid in (1,', 'a value for pid is missing at the end (at 11)'],
  ['or pid=1', 'a condition is missing at "or pid=1" (at 1)'],
  [`${'('.repeat(60)}pid=1`, 'it is nested too deeply (at 51)'],
  ['= 3', 'a condition such as comm=nginx is missing at "= 3" (at 1)'],
])('refused: %s', (filter, why) => {
  expect(() => rows(filter)).toThrow(FilterError);
  expect(() => rows(filter)).toThrow(why);
});

test('what is written out is read the same', () => {
  for (const text of [
    'a=1 and (b~"x y*" or not c in (1, "q\\"")) and d exists',
    'not (a=1 or b=2) "two words"',
  ]) {
    const once = filterText(parseFilter(text) as never);
    expect(filterText(parseFilter(once) as never)).toBe(once);
  }
});

test('globs as the kernel has them', () => {
  expect(globTest('*.conf')('a.conf')).toBe(true);
  expect(globTest('a?c')('abc')).toBe(true);
  expect(globTest('[a-c]x')('bx')).toBe(true);
  expect(globTest('[!a-c]x')('bx')).toBe(false);
  expect(globTest('[]x]y')(']y')).toBe(true);
  expect(globTest('[z-a]')('m')).toBe(false);
  expect(globTest('[ab')('[ab')).toBe(true);
  expect(globTest('a\\*')('a*')).toBe(true);
  expect(globTest('a\\*')('ab')).toBe(false);
  expect(globTest('**')('')).toBe(true);
});

test('names of errors and signals', () => {
  expect(
    ['EPERM', 'ENOENT', 'EDEADLK', 'ENOSYS', 'ENOMSG', 'ETIMEDOUT', 'EHWPOISON', 'ERESTARTSYS', 'EAGAIN'].map(
      errorNumber,
    ),
  ).toEqual([1, 2, 35, 38, 42, 110, 133, 512, 11]);
  expect([2, 41, 133, 512, 9999].map(errorName)).toEqual([
    'ENOENT',
    undefined,
    'EHWPOISON',
    'ERESTARTSYS',
    undefined,
  ]);
  expect(['SIGHUP', 'SIGKILL', 'SIGSEGV', 'SIGSYS', 'SIGFOO', 'KILL'].map(signalNumber)).toEqual([
    1,
    9,
    11,
    31,
    undefined,
    undefined,
  ]);
});

const FORMAT = parseEventFormat(
  'syscalls:sys_enter_openat',
  [
    '\tfield:unsigned short common_type;\toffset:0;\tsize:2;\tsigned:0;',
    '\tfield:int __syscall_nr;\toffset:8;\tsize:4;\tsigned:1;',
    '\tfield:int dfd;\toffset:16;\tsize:8;\tsigned:0;',
    '\tfield:const char * filename;\toffset:24;\tsize:8;\tsigned:0;',
    '\tfield:long ret;\toffset:32;\tsize:8;\tsigned:1;',
    '\tfield:char prev_comm[16];\toffset:40;\tsize:16;\tsigned:0;',
    '\tfield:__data_loc char[] name;\toffset:56;\tsize:4;\tsigned:0;',
    '\tfield:unsigned long args[6];\toffset:60;\tsize:48;\tsigned:0;',
    '\tfield:u64 delay_ns;\toffset:108;\tsize:8;\tsigned:0;',
    '\tfield:__u8 daddr[4];\toffset:116;\tsize:4;\tsigned:0;',
  ].join('\n'),
);

test('fields of a format', () => {
  expect(FORMAT.fields.map(({ name, kind, signed }) => `${name} ${kind}${signed ? ' signed' : ''}`)).toEqual([
    '__syscall_nr number signed',
    'dfd number',
    'filename pointer',
    'ret number signed',
    'prev_comm text',
    'name text',
    'args other',
    'delay_ns number',
    'daddr other',
  ]);
});

test.each([
  ['ret<0', 'ret < 0', undefined],
  ['ret=ENOENT', 'ret == -2', undefined],
  ['ret in (1,2)', 'ret == 1 || ret == 2', undefined],
  ['filename~"/var/*"', 'filename.ustring ~ "/var/*"', undefined],
  ['filename.ustring = /a', 'filename.ustring == "/a"', undefined],
  ['prev_comm=a and not name contains "b*"', '(prev_comm == "a") && (!(name ~ "*b\\**"))', undefined],
  ['comm=cat and tid=7 and cpu=1', '(comm == "cat") && (common_pid == 7) && (cpu == 1)', undefined],
  ['comm=cat and pid=7', 'comm == "cat"', '$pid == 7'],
  ['comm=cat or pid=7', undefined, '($comm == "cat") || ($pid == 7)'],
  ['delay_ns>10ms', 'delay_ns > 10000000', undefined],
  ['delay_ns>0x10', 'delay_ns > 16', undefined],
  ['ret>=9223372036854775807', 'ret >= 9223372036854775807', undefined],
  ['not (ret=0 or ret=1)', '!((ret == 0) || (ret == 1))', undefined],
  ['name exists', 'name != ""', undefined],
  ["name='a\"b'", "name == 'a\"b'", undefined],
])('for the kernel: %s', (filter, kernel, perEvent) => {
  const split = splitFilter(parseFilter(filter), FORMAT);
  expect(split.kernel).toBe(kernel);
  expect(split.perEvent).toBe(perEvent);
});

test('what is of rows stays with the rows, and it is said which part runs where', () => {
  const split = splitFilter(parseFilter('ret<0 and pid!=1 and count>100'), FORMAT, ['count']);
  expect(split.rows).toMatchObject({ name: 'count' });
  expect(whereItRuns(split)).toBe('filter in the kernel: ret<0; in ktop: pid!=1 and count>100');
  expect(whereItRuns(splitFilter(parseFilter('ret<0'), FORMAT))).toBe('filter, all in the kernel: ret<0');
  expect(whereItRuns(splitFilter(undefined, FORMAT))).toBe('');
});

test.each([
  ['retr=1', 'there is no field of syscalls:sys_enter_openat "retr"; did you mean ret? (at 1)'],
  ['ret>1.5', 'ret is whole, and 1.5 is not (at 5)'],
  ['dfd=-1', 'dfd is never below 0 (at 5)'],
  ['args=1', 'args is neither a number nor text; nothing can be compared with it (at 6)'],
  ['ret~"a*"', 'ret is a number; compare it with'],
  ['name>3', 'name is text; compare it with'],
  ['name=~"a.*"', 'can be decided neither by the kernel nor for each event'],
  ['cat', '"cat" stands alone; compare a field of'],
  ['ret=18446744073709551616', 'is past 64 bits (at 5)'],
  [`name=${'x'.repeat(300)}`, 'the text is longer than'],
])('not for the kernel: %s', (filter, why) => {
  expect(() => splitFilter(parseFilter(filter), FORMAT)).toThrow(FilterError);
  expect(() => splitFilter(parseFilter(filter), FORMAT)).toThrow(why);
});

/** The same numbers in each run. */
function numbers(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}

test('any text is parsed or refused, half typed or not, and what is parsed survives being written out', () => {
  const next = numbers(7);
  const pieces = [
    ...'comm pid lat path = == != < <= > >= ~ =~ !~ ( ) " \' \\ , and or not in contains exists && || ! 10ms 1.5 -3 0x1f * [a ] a(b) '.split(
      ' ',
    ),
    ' ',
    '  ',
    'ü',
    '\u0000',
    '𝒳',
  ];
  let parsed = 0;
  for (let round = 0; round < 20_000; round += 1) {
    const length = Math.floor(next() * 9);
    const text = Array.from({ length }, () => pieces[Math.floor(next() * pieces.length)])
      .join(next() < 0.5 ? ' ' : '')
      .slice(0, 80);
    for (const lenient of [false, true]) {
      try {
        const expression = parseFilter(text, lenient);
        if (expression === undefined) continue;
        parsed += 1;
        const written = filterText(expression);
        expect(filterText(parseFilter(written) as never)).toBe(written);
        for (const use of [() => compileRows(expression, FIELDS)(0), () => splitFilter(expression, FORMAT)]) {
          try {
            use();
          } catch (error) {
            expect(error).toBeInstanceOf(FilterError);
          }
        }
      } catch (error) {
        if (!(error instanceof FilterError)) throw new Error(`${JSON.stringify(text)}: ${String(error)}`);
        expect(error.at).toBeLessThanOrEqual(text.length);
      }
    }
  }
  expect(parsed).toBeGreaterThan(1000);
});

test('--filter and -e speak it too, and the kernel its own', () => {
  expect(kernelFilter('ret<0 and comm=cat', FORMAT)).toBe('(ret < 0) && (comm == "cat")');
  expect(kernelFilter('ret == -2 && dfd & 4', FORMAT)).toBe('ret == -2 && dfd & 4');
  expect(kernelFilter('nothing == 1', FORMAT)).toBe('nothing == 1');
  expect(() => kernelFilter('nothing=1', FORMAT)).toThrow(
    'there is no field of syscalls:sys_enter_openat "nothing"',
  );
  expect(() => kernelFilter('pid=1', FORMAT)).toThrow('the kernel cannot decide "pid=1"');
  const formatOf = (event: string) => (event === FORMAT.event ? FORMAT : undefined);
  expect(
    withKernelFilters(
      [
        { name: FORMAT.event, filter: 'ret<0' },
        { name: 'a:b', filter: 'x' },
      ],
      'cpu=1',
      formatOf,
    ),
  ).toEqual([
    { name: FORMAT.event, filter: '(ret < 0)&&(cpu == 1)' },
    { name: 'a:b', filter: '(x)&&(cpu=1)' },
  ]);
});
