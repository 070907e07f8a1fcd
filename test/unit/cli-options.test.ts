/** Options that only some monitors use: their values, good and bad. */
import { describe, expect, test } from 'vitest';
import { helpText } from '../../src/cli/help.ts';
import { parseCommand } from '../../src/cli/parse.ts';
import { UsageError } from '../../src/cli/usage-error.ts';
import type { Monitor, OptionName } from '../../src/monitors/monitor.ts';
import { first } from './fixtures/monitors.ts';

const OPTIONS: readonly OptionName[] = [
  ...([
    'alloc',
    'event',
    'exclude-guest',
    'exclude-kernel',
    'exclude-user',
    'filter',
    'free',
    'guest',
  ] as const),
  ...(['key', 'latency', 'precise', 'syscalls', 'test', 'than', 'trigger'] as const),
];
const shares: Monitor = {
  ...first,
  name: 'shares',
  options: OPTIONS,
  than_unit: 'percent',
  kernel_filter: true,
};
const monitors = [first, shares];

function options(...argv: string[]) {
  const command = parseCommand(['shares', ...argv], monitors, false);
  if (command.kind !== 'stream') throw new Error(`not a stream: ${command.kind}`);
  const { interval_ms: _, ...rest } = command.options;
  return rest;
}

test.each([
  [['-L', '500'], { latency_us: 500 }],
  [['--latency', '20ms'], { latency_us: 20_000 }],
  [['--latency=1.5'], { latency_us: 1.5 }],
  [['--precise'], { precise: true }],
  [['--exclude-user'], { exclude_user: true }],
  [['--exclude-kernel', '--exclude-guest'], { exclude_kernel: true, exclude_guest: true }],
  [['-G'], { guest: true }],
  [['--guest'], { guest: true }],
  [['-T', '1000'], { trigger: 1000 }],
  [['--trigger=0'], { trigger: 0 }],
  [['--test', '--syscalls'], { test: true, syscalls: true }],
  [['--key', 'dev'], { key: 'dev' }],
  [['--key=$tid'], { key: '$tid' }],
  [['--than', '30'], { than_pct: 30 }],
  [['--than', '0.5%'], { than_pct: 0.5 }],
  [['--filter', 'prev_pid == 1 || comm ~ "a*"'], { filter: 'prev_pid == 1 || comm ~ "a*"' }],
  [['--filter', 'x'.repeat(4095)], { filter: 'x'.repeat(4095) }],
  [
    ['--alloc', '9p:a,kmem:b', '--free', 'c:d'],
    { alloc: [{ name: '9p:a' }, { name: 'kmem:b' }], free: [{ name: 'c:d' }] },
  ],
  [
    ['--alloc', 'kmem:mm_page_alloc/ptr=pfn,size=4096 << order/,kmem:b/bytes>1, c/', '--free', 'x:y//ptr=p/'],
    {
      alloc: [
        { name: 'kmem:mm_page_alloc', ptr: 'pfn', size: '4096 << order' },
        { name: 'kmem:b', filter: 'bytes>1, c' },
      ],
      free: [{ name: 'x:y', ptr: 'p' }],
    },
  ],
  [
    ['--alloc', 'kmem:a/order==0 && ptr==1/size=len / 2, ptr=pfn/'],
    { alloc: [{ name: 'kmem:a', filter: 'order==0 && ptr==1', ptr: 'pfn', size: 'len / 2' }] },
  ],
])('good value %#', (argv, wanted) => {
  expect(options(...argv)).toEqual(wanted);
});

describe('-e', () => {
  const events = (...argv: string[]) => options(...argv.flatMap((text) => ['-e', text])).events;

  test('one, several, and several times, in order', () => {
    expect(events('sched:sched_switch')).toEqual([{ name: 'sched:sched_switch' }]);
    const three = [{ name: 'a:b' }, { name: 'c:d' }, { name: '9p:e' }];
    expect(events('a:b, c:d,9p:e')).toEqual(three);
    expect(events('a:b', 'c:d,9p:e')).toEqual(three);
    expect(options('--event', 'a:b,a:b').events).toEqual([{ name: 'a:b' }, { name: 'a:b' }]);
  });

  test('each with a filter of its own, commas and slashes included', () => {
    expect(events('a:b/pid==1/')).toEqual([{ name: 'a:b', filter: 'pid==1' }]);
    expect(events('a:b/x == 1, y/,c:d')).toEqual([{ name: 'a:b', filter: 'x == 1, y' }, { name: 'c:d' }]);
    expect(events('a:b,c:d/f ~ "*/tmp/*"/ , e:f/g/')).toEqual([
      { name: 'a:b' },
      { name: 'c:d', filter: 'f ~ "*/tmp/*"' },
      { name: 'e:f', filter: 'g' },
    ]);
  });
});

describe('bad values are one line with cause and remedy', () => {
  test.each([
    [['-L', 'soon'], /-L\/--latency: "soon" is not a duration above 0; give a number .*default us/],
    [['-L', '-5'], /"-5" is not a duration above 0/],
    [['-L', '0'], /"0" is not a duration above 0/],
    [['-L'], /-L\/--latency needs a value/],
    [['--latency='], /needs a value/],
    [['-T', 'many'], /-T\/--trigger: "many" is not a whole number; give 0 to/],
    [['-T', '-1'], /-1 is out of range; give 0 to/],
    [['-T', '1e99'], /"1e99" is not a whole number/],
    [['--than', '50ms'], /"50ms" is not a share in percent; give more than 0, up to 100/],
    [['--than', '-3'], /"-3" is not a share/],
    [['--than', '0'], /"0" is not a share/],
    [['--than', '101'], /"101" is not a share/],
    [['--key', 'a b'], /--key: "a b" is not the name of a field/],
    [['--key', '-1'], /"-1" is not the name of a field/],
    [['--key', ''], /--key needs a value/],
    [['-e', ''], /-e\/--event needs a value; write -e\/--event LIST/],
    [['-e', ','], /-e\/--event: "" is not an event; write system:name, such as sched:sched_switch/],
    [['-e', 'a:b,'], /"" is not an event/],
    [['-e', 'a:b,,c:d'], /"" is not an event/],
    [['-e', 'sched_switch'], /"sched_switch" is not an event/],
    [['-e', 'sched:'], /"sched:" is not an event/],
    [['-e', 'sched:*'], /"sched:\*" is not an event/],
    [['-e', '../a:b'], /"\.\." is not an event/],
    [['-e', 'a:b c'], /"a:b c" is not an event/],
    [['-e', 'a:b/pid==1'], /the filter in "a:b\/pid==1" has no end; write it like/],
    [['-e', 'a:b/pid==1/,nope'], /the filter in .* has no end/],
    [['-e', 'a:b//'], /-e\/--event: the filter is empty; leave it out/],
    [['-e', `a:b/${'x'.repeat(4096)}/`], /the filter has 4096 bytes; the kernel takes 4095 at most/],
    [['--filter', 'x'.repeat(4096)], /--filter: the filter has 4096 bytes; the kernel takes 4095 at most/],
    [['--filter', 'é'.repeat(2048)], /4096 bytes/],
    [['--filter', ' '], /the filter is empty/],
    [['--alloc', 'kmalloc'], /"kmalloc" is not an event/],
    [['--alloc', 'a:b/field=pfn/'], /"field" is not known; give ptr=FIELD/],
    [['--alloc', 'a:b/ptr=/'], /ptr= is empty; name one field, as in a:b\/ptr=FIELD\//],
    [['--free', 'a:b/ptr=x,ptr=y/'], /ptr= is given twice/],
    [['--free', 'a:b/ptr=x'], /has no end/],
    [['--free', ''], /needs a value/],
    [['--precise=1'], /--precise takes no value/],
    [['-G', '--exclude-guest'], /leave nothing; give one of them/],
    [['--exclude-user', '--exclude-kernel'], /leave nothing; give one of them/],
  ])('%#', (argv, message) => {
    expect(() => options(...argv)).toThrow(UsageError);
    expect(() => options(...argv)).toThrow(message);
    expect(() => options(...argv)).not.toThrow(/\n/);
  });

  test('a monitor that does not use them says who does', () => {
    for (const option of ['-L5', '-ea:b', '-G', '-T5', '--test', '--syscalls', '--precise', '--key=a'])
      expect(() => parseCommand(['first', option], monitors, false)).toThrow(/monitors that do: shares/);
  });
});

test('the help says what an option means to whom', () => {
  const text = helpText(monitors);
  for (const words of [
    '-e, --event LIST',
    '-L, --latency TIME',
    '-G, --guest',
    '% for shares',
    'for shares: on',
  ])
    expect(text.replace(/\s+/g, ' ')).toContain(words);
  expect(Math.max(...text.split('\n').map((line) => line.length))).toBeLessThanOrEqual(100);
});

describe('--input', () => {
  const parse = (...argv: string[]) => parseCommand(argv, monitors, false);

  test('a file instead of this kernel; the monitor may be left to the file', () => {
    expect(parse('first', '--input', 'perf.data')).toMatchObject({
      kind: 'stream',
      input: { path: 'perf.data', any: false },
    });
    expect(parse('--input=perf.data')).toMatchObject({ input: { path: 'perf.data', any: true } });
    expect(parse('first')).toMatchObject({ input: undefined });
    expect(parse('list', '--input', 'perf.data')).toMatchObject({ kind: 'list', input: 'perf.data' });
    const { options } = parse('first', '--input', 'perf.data') as { options: object };
    expect(options).not.toHaveProperty('input');
  });

  test('CPUs are those of the file', () => {
    expect(parse('first', '--input', 'f', '-C', '500-501')).toMatchObject({ options: { cpus: [500, 501] } });
    expect(() => parse('first', '-C', '50000')).toThrow(/no CPU 50000 is online here/);
  });

  test.each(['--backend=perf', '-T5', '--test', '--record=x'])('%s is for a live kernel', (option) => {
    expect(() => parse('shares', '--input', 'f', option)).toThrow(/leave one of them out$/);
  });
});
