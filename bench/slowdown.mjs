/**
 * How much slower the observed load becomes, under ktop, perf record and bpftrace: all in the same run, the
 * bare load before and after each of them, several rounds. The figure is the time added to one operation.
 */
import { background, eventsOf, KTOP, load, median, NODE, sleep, table, title } from './lib.mjs';

const LOADS = [
  {
    load: 'pipe',
    monitor: 'task-state',
    bpf: `tracepoint:sched:sched_switch { @since[args->prev_pid] = nsecs; @off[args->next_pid] = sum(nsecs - @since[args->next_pid]); }
      tracepoint:sched:sched_wakeup { @woken[args->pid] = count(); }`,
  },
  {
    load: 'kmalloc',
    monitor: 'kmemleak',
    bpf: `tracepoint:kmem:kmalloc, tracepoint:kmem:kmem_cache_alloc { @[args->ptr] = args->bytes_alloc; }
      tracepoint:kmem:kfree, tracepoint:kmem:kmem_cache_free { delete(@[args->ptr]); }`,
  },
  {
    load: 'kmalloc',
    title: 'kmalloc, stacks',
    monitor: 'kmemleak',
    options: ['-g'],
    stacks: /alloc$/,
    bpf: `tracepoint:kmem:kmalloc, tracepoint:kmem:kmem_cache_alloc { @[args->ptr] = kstack; }
      tracepoint:kmem:kfree, tracepoint:kmem:kmem_cache_free { delete(@[args->ptr]); }`,
  },
  {
    load: 'udp',
    monitor: 'nettop',
    bpf: `tracepoint:net:net_dev_queue { @tx[pid] = sum(args->len); } tracepoint:net:netif_receive_skb { @rx[pid] = sum(args->len); }
      tracepoint:sock:sock_send_length { @sent[pid] = sum(args->ret); } tracepoint:sock:sock_recv_length { @read[pid] = sum(args->ret); }`,
  },
  { load: 'getppid', monitor: 'cpu-util', bpf: 'profile:hz:99 { @[cpu] = count(); }' },
];

/** Share of the bare cost below which an added cost is noise. */
const NOISE = 0.02;

/** Programs that observe; each returns once it does. */
function observers({ monitor, options = [], stacks, bpf }) {
  const events = eventsOf(monitor);
  const spell = (name) => (stacks?.test(name) ? `${name}/call-graph=fp/` : name);
  const record =
    events.length > 0 ? events.flatMap((name) => ['-e', spell(name)]) : ['-e', 'cpu-clock', '-F', '99'];
  const list = {
    ktop: async () => {
      const ktop = background(NODE, [KTOP, monitor, ...options, '--json', '-i', '500']);
      await ktop.until(/\n/);
      return ktop;
    },
    'perf record': async () => {
      const perf = background('perf', ['record', '-a', '-o', '/dev/null', ...record]);
      await sleep(1000);
      return perf;
    },
    bpftrace: async () => {
      const trace = background('bpftrace', ['-e', `BEGIN { printf("ready\\n"); } ${bpf}`]);
      await trace.until(/ready/);
      return trace;
    },
  };
  if (monitor === 'cpu-util') {
    list['perf trace -s'] = async () => {
      const perf = background('perf', ['trace', '-a', '-s']);
      await sleep(1500);
      return perf;
    };
  }
  return list;
}

/** ns per operation: bare (a list) and what each observer added (a list per name), bare load before and after each. */
async function measure(spec, { rounds, seconds }) {
  const cost = async () => 1e9 / (await load('storm', spec.load, seconds)).ops_per_s;
  const names = Object.entries(observers(spec));
  const added = Object.fromEntries(names.map(([name]) => [name, []]));
  const bare = [await cost()];
  for (let round = 0; round < rounds; round++) {
    for (const [name, start] of names) {
      const before = bare.at(-1);
      const observer = await start();
      const during = await cost();
      await observer.stop();
      bare.push(await cost());
      added[name].push(during - (before + bare.at(-1)) / 2);
    }
  }
  return { bare, added };
}

export async function slowdown({ quick }) {
  const extent = quick ? { rounds: 1, seconds: 0.3 } : { rounds: 3, seconds: 1 };
  const results = {};
  title(
    `Slow-down of the observed load (${extent.rounds} × ${extent.seconds} s; ratio < 1: ktop is cheaper)`,
  );
  const rows = [['load', 'bare ns/op', 'observer', '+ ns/op', 'slow-down', 'ktop / it']];
  for (const spec of LOADS) {
    const name = spec.title ?? spec.load;
    const { bare, added } = await measure(spec, extent);
    const base = median(bare);
    const ktop = median(added.ktop);
    const result = { bare_ns: base };
    for (const [observer, values] of Object.entries(added)) {
      const ns = median(values);
      // Two costs that drown in the noise of the bare load have no ratio.
      const ratio = Math.max(ktop, ns) > NOISE * base && ns > 0 ? ktop / ns : Number.NaN;
      result[observer] = { added_ns: ns, slowdown: ns / base, ratio };
      const label = observer === 'ktop' ? name : '';
      rows.push([label, base, observer, ns, `${((100 * ns) / base).toFixed(1)} %`, ratio]);
    }
    results[name] = result;
  }
  table(rows);
  return results;
}
