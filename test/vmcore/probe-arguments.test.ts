/** Arguments by name, from the types of guest kernels, against what perf finds in their debug information. */
import { closeSync, openSync, readSync } from 'node:fs';
import { beforeAll, describe, expect, test } from 'vitest';
import { resolveArguments } from '../../src/probes/btf-args.ts';
import { parseArgument } from '../../src/probes/parse.ts';
import { Btf } from '../../src/vmcore/kernel/btf.ts';
import { command } from '../helpers/command.ts';
import { findKernels } from '../lab/kernels.ts';
import { debugVmlinux } from '../lab/vmlinux.ts';

/** Definitions as perf takes them. Names for texts that are no members: perf would call them `filename_string`. */
const DEFINITIONS = [
  'vfs_read file->f_path.dentry->d_name.name:string count buf pos',
  'do_sys_openat2 dfd filename=filename:string how->flags how->mode',
  'tcp_sendmsg sk->__sk_common.skc_num sk->__sk_common.skc_dport size sk->sk_rcvbuf',
  'netif_receive_skb skb->len skb->protocol skb->dev->name:string skb->dev->ifindex',
];

/** The bytes of a section of an ELF file. */
function section(path: string, name: string): Buffer {
  const line = command('readelf', ['-SW', path])
    .split('\n')
    .find((each) => each.includes(`] ${name} `));
  const match = /\] \S+ +\S+ +[0-9a-f]+ +([0-9a-f]+) +([0-9a-f]+)/.exec(line ?? '');
  if (match === null) throw new Error(`${path} has no ${name}`);
  const [offset, size] = [Number.parseInt(match[1] ?? '', 16), Number.parseInt(match[2] ?? '', 16)];
  const bytes = Buffer.alloc(size);
  const file = openSync(path, 'r');
  readSync(file, bytes, 0, size, offset);
  closeSync(file);
  return bytes;
}

/** The one whose debug information other tests of this stage need too. */
const KERNELS = findKernels().filter(({ series }) => series === '6.1');

describe.each(KERNELS)('arguments by name on $release', (kernel) => {
  let vmlinux: string;
  let types: Btf;

  beforeAll(() => {
    vmlinux = debugVmlinux(kernel);
    types = new Btf(section(vmlinux, '.BTF'));
  }, 600_000);

  test.each(DEFINITIONS)('%s is what perf makes of it', (definition) => {
    const [symbol = '', ...words] = definition.split(' ');
    const { texts } = resolveArguments(symbol, words.map(parseArgument), types, false, 'x64');
    const said = command('perf', ['probe', '-k', vmlinux, '-D', definition]).trim();
    expect(`p:probe/${symbol} ${symbol}+0 ${texts.join(' ')}`).toBe(said);
  });
});
