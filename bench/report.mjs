/** The tables of docs/performance.md, from the figures of the last runs. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT } from './lib.mjs';

const PAGE = join(ROOT, 'docs/performance.md');
const BEGIN = '<!-- measured, by npm run bench -- --report -->';
const END = '<!-- end of what was measured -->';

/** Puts the tables of what has been measured into the page. */
export function report(results) {
  const page = readFileSync(PAGE, 'utf8');
  const [start, end] = [page.indexOf(BEGIN), page.indexOf(END)];
  if (start < 0 || end < start) throw new Error(`${PAGE} has lost its marks`);
  const parts = [
    host(results),
    ...Object.entries(WRITERS).map(([name, write]) => results[name] && write(results[name])),
  ];
  const text = parts.filter(Boolean).join('\n\n');
  writeFileSync(PAGE, `${page.slice(0, start)}${BEGIN}\n\n${text}\n\n${page.slice(end)}`);
}

const host = ({ host: { kernel, cpus, date } }) =>
  `Linux ${kernel}, ${cpus} CPUs, a virtual machine; ${date}.`;

const WRITERS = {
  slowdown: ({ missing, ...of }) => {
    const names = [...new Set(Object.values(of).flatMap(({ observers }) => Object.keys(observers)))];
    const others = names.filter((name) => !['ktop', 'perf record', 'bpftrace'].includes(name));
    const rows = Object.entries(of).map(([load, { bare_ns, observers }]) => {
      const { ktop, 'perf record': perf, bpftrace } = observers;
      const rest = others.flatMap((name) =>
        observers[name] === undefined ? [] : [`${name} ${times(observers[name].slowdown)}`],
      );
      return [
        load,
        figure(bare_ns),
        times(ktop.slowdown),
        times(perf?.slowdown),
        times(bpftrace?.slowdown),
        rest.join(', '),
        figure(perf?.ktop_ratio),
        figure(bpftrace?.ktop_ratio),
        figure(ktop.own_ns_per_event),
        `${ktop.lost} / ${perf?.lost ?? '-'}`,
      ];
    });
    return section(
      'Slow-down of what is observed',
      [
        'load',
        'bare ns/op',
        'ktop',
        'perf record',
        'bpftrace',
        'others',
        'added by ktop / perf record',
        '/ bpftrace',
        "ktop's own ns/event",
        'lost: ktop / perf record',
      ],
      rows,
      `A ratio is missing where both drown in the noise. ${(missing ?? []).map((line) => `${line}.`).join(' ')}`,
    );
  },
  strace: (of) =>
    section(
      'System calls of a command',
      ['command', 'tracer', 'ns/call', 'slow-down', 'added by ktop strace / it', 'by ktop syscalls / it'],
      Object.entries(of).flatMap(([command, { bare_ns, tracers }]) => [
        [command, 'none', figure(bare_ns), times(1), '', ''],
        ...Object.entries(tracers).map(([name, one]) => [
          '',
          name,
          figure(one.ns),
          times(one.slowdown),
          figure(one.strace_ratio),
          figure(one.syscalls_ratio),
        ]),
      ]),
    ),
  saturation: ({ bare, runs }) =>
    section(
      'All CPUs full of scheduler events',
      [
        'observer',
        'seconds',
        'round trips/s',
        'events/s',
        'lost',
        'late',
        'own CPU %',
        'ns/event of its reader',
      ],
      [
        ['none', '', figure(bare), '', '', '', '', ''],
        ...runs.map((run) => [
          run.name,
          String(run.seconds),
          figure(run.rate),
          figure((run.events + run.lost) / run.seconds),
          String(run.lost),
          run.late === undefined ? '-' : String(run.late),
          figure(run.cpu_ms / (10 * run.seconds)),
          figure(((run.reader_ms ?? run.cpu_ms) * 1e6) / run.events),
        ]),
      ],
    ),
  native: ({ count, ms, ktop }) =>
    section(
      `Reading the same ${count} scheduler events from a file of perf record, whole programs`,
      ['program', 'ms', 'ns/event', 'ktop / it'],
      Object.entries(ms).map(([name, each]) => [
        name,
        figure(each),
        figure((each * 1e6) / count),
        figure(ms['ktop --input'] / each),
      ]),
      `In memory:\n\n\`\`\`\n${(ktop ?? []).join('\n')}\n\`\`\``,
    ),
  screen: ({ rest, first }) =>
    [
      section(
        'At rest in a terminal of 120x40',
        ['program', 'refreshes/s', 'CPU %', 'ms/refresh', 'bytes/refresh', 'RSS MB', 'PSS MB'],
        Object.entries(rest).map(([name, one]) => [
          name.replace(/ \d Hz$/, ''),
          figure(one.hz),
          ...['cpu_pct', 'ms_per_refresh', 'bytes_per_refresh', 'rss', 'pss'].map((key) => figure(one[key])),
        ]),
      ),
      section(
        'First picture after exec',
        ['program', 'ms', 'ktop / it'],
        Object.entries(first).map(([name, ms]) => [name, figure(ms), figure(first.ktop / ms)]),
      ),
    ].join('\n\n'),
  frames: (of) =>
    section(
      'Bytes for the same frames, 120x40',
      ['scene', 'frames', 'ktop, mean', 'ncurses, mean', 'ktop / ncurses'],
      Object.entries(of).map(([name, one]) => [
        name,
        String(one.frames),
        figure(one.ktop),
        figure(one.ncurses),
        figure(one.ratio),
      ]),
    ),
  terminal: ({ paused, stall, memory }) =>
    [
      section(
        'A terminal that has stalled, 10 frames/s at 200x60: event loop of the main thread held up',
        ['terminal', 'p99 ms', 'longest ms'],
        ['flowing', 'stalled'].map((name) => [name, figure(stall[name].p99_ms), figure(stall[name].max_ms)]),
        `Paused: ${paused.bytes} bytes in ${paused.seconds} s.`,
      ),
      section(
        'Memory, 10 frames/s at 200x60',
        ['frames', 'RSS MB', 'PSS MB'],
        memory.map(({ frames, rss, pss }) => [String(frames), figure(rss), figure(pss)]),
      ),
    ].join('\n\n'),
};

function section(title, head, rows, below = '') {
  const line = (cells) => `| ${cells.join(' | ')} |`;
  const table = [line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n');
  return `### ${title}\n\n${table}${below.trim() === '' ? '' : `\n\n${below.trim()}`}`;
}

const times = (value) => (Number.isFinite(value) ? `${figure(value)}×` : '-');

function figure(value) {
  // JSON has no NaN: what has no ratio is null.
  if (!Number.isFinite(value)) return '-';
  if (Math.abs(value) >= 100) return value.toFixed(0);
  return value.toFixed(Math.abs(value) >= 10 ? 1 : 2);
}
