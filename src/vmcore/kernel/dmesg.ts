/**
 * The kernel's log, from memory: the printk ring buffer (5.10 and later) and the log_buf of older kernels.
 * Its layout comes from VMCOREINFO: neither symbols nor types are needed.
 */
import type { DmesgEntry } from '../report.ts';
import type { Mem } from './mem.ts';
import type { VmcoreInfo } from './vmcoreinfo.ts';

export interface KernelLog {
  readonly entries: readonly DmesgEntry[];
  /** Why there is less than there should be. */
  readonly warnings: readonly string[];
}

const MOST_BITS = 24;
const CPU_CALLER = 0x80000000;
const ID_BITS = 62n;
const COMMITTED = 1n;
const FINALIZED = 2n;

export function readLog(mem: Mem, info: VmcoreInfo): KernelLog {
  if (info.symbol('prb') !== undefined) return readRing(mem, info);
  if (info.symbol('log_buf') !== undefined) return readOldBuffer(mem, info);
  return { entries: [], warnings: ['VMCOREINFO does not say where the log is'] };
}

function readRing(mem: Mem, info: VmcoreInfo): KernelLog {
  const missing = new Set<string>();
  const offset = (name: string): bigint => {
    const value = info.offset(name);
    if (value === undefined) missing.add(name);
    return BigInt(value ?? 0);
  };
  const size = (name: string): number => {
    const value = info.size(name);
    if (value === undefined) missing.add(name);
    return value ?? 0;
  };
  const pointer = info.symbol('prb');
  const ring = pointer === undefined ? undefined : mem.u64(pointer);
  if (ring === undefined || ring === 0n) return { entries: [], warnings: ['the log is not in the file'] };
  const counter = offset('atomic_long_t.counter');
  const descriptors = ring + offset('printk_ringbuffer.desc_ring');
  const texts = ring + offset('printk_ringbuffer.text_data_ring');
  const countBits = mem.u32(descriptors + offset('prb_desc_ring.count_bits'));
  const descs = mem.u64(descriptors + offset('prb_desc_ring.descs'));
  const infos = mem.u64(descriptors + offset('prb_desc_ring.infos'));
  const head = mem.u64(descriptors + offset('prb_desc_ring.head_id') + counter);
  const tail = mem.u64(descriptors + offset('prb_desc_ring.tail_id') + counter);
  const sizeBits = mem.u32(texts + offset('prb_data_ring.size_bits'));
  const data = mem.u64(texts + offset('prb_data_ring.data'));
  const descSize = size('prb_desc');
  const infoSize = size('printk_info');
  const at = {
    state: Number(offset('prb_desc.state_var') + counter),
    begin: Number(offset('prb_desc.text_blk_lpos') + offset('prb_data_blk_lpos.begin')),
    next: Number(offset('prb_desc.text_blk_lpos') + offset('prb_data_blk_lpos.next')),
    time: Number(offset('printk_info.ts_nsec')),
    length: Number(offset('printk_info.text_len')),
    caller: Number(offset('printk_info.caller_id')),
  };
  if (missing.size > 0)
    return { entries: [], warnings: [`VMCOREINFO lacks ${[...missing].join(', ')}: the log cannot be read`] };
  if (
    countBits === undefined ||
    sizeBits === undefined ||
    descs === undefined ||
    infos === undefined ||
    data === undefined ||
    head === undefined ||
    tail === undefined ||
    countBits > MOST_BITS ||
    sizeBits > MOST_BITS + 6 ||
    Math.max(at.state, at.begin, at.next) + 8 > descSize ||
    Math.max(at.time, at.length, at.caller) + 8 > infoSize
  )
    return { entries: [], warnings: ['the head of the log is damaged or not in the file'] };

  const count = 2 ** countBits;
  const bytes = 2 ** sizeBits;
  const used = Math.min(count, Number(BigInt.asUintN(Number(ID_BITS), head - tail)) + 1);
  const entries: DmesgEntry[] = [];
  let unreadable = 0;
  for (let i = 0; i < used; i++) {
    const id = BigInt.asUintN(Number(ID_BITS), tail + BigInt(i));
    const slot = BigInt(Number(id & BigInt(count - 1)));
    const desc = mem.view(descs + slot * BigInt(descSize), descSize);
    const meta = mem.view(infos + slot * BigInt(infoSize), infoSize);
    if (desc === undefined || meta === undefined) {
      unreadable += 1;
      continue;
    }
    const state = desc.readBigUInt64LE(at.state);
    const kind = state >> ID_BITS;
    if (BigInt.asUintN(Number(ID_BITS), state) !== id || (kind !== COMMITTED && kind !== FINALIZED)) continue;
    const begin = desc.readBigUInt64LE(at.begin);
    const next = desc.readBigUInt64LE(at.next);
    // Odd: a record without text.
    if ((begin & 1n) === 1n) continue;
    const mask = BigInt(bytes - 1);
    // A block that would cross the end of the ring begins at its start.
    const wrapped = begin >> BigInt(sizeBits) !== next >> BigInt(sizeBits) && (next & mask) !== 0n;
    const start = wrapped ? 0 : Number(begin & mask);
    const end = (next & mask) === 0n && !wrapped ? bytes : Number(next & mask);
    const length = Math.min(meta.readUInt16LE(at.length), end - start - 8);
    const text = length < 0 ? undefined : mem.view(data + BigInt(start + 8), length);
    if (text === undefined) {
      unreadable += 1;
      continue;
    }
    // facility, then flags (5 bits) and level (3 bits), behind the length.
    const [facility, level] = [meta[at.length + 2] as number, (meta[at.length + 3] as number) >> 5];
    const time = Number(meta.readBigUInt64LE(at.time));
    push(entries, text, { time, facility, level, caller: meta.readUInt32LE(at.caller) });
  }
  return {
    entries,
    warnings: unreadable > 0 ? [`${unreadable} of ${used} records of the log are not in the file`] : [],
  };
}

function readOldBuffer(mem: Mem, info: VmcoreInfo): KernelLog {
  const word = (name: string) => {
    const address = info.symbol(name);
    return address === undefined ? undefined : mem.u32(address);
  };
  const pointer = info.symbol('log_buf');
  const buffer = pointer === undefined ? undefined : mem.u64(pointer);
  const [length, first, next] = [word('log_buf_len'), word('log_first_idx'), word('log_next_idx')];
  const at = {
    time: info.offset('printk_log.ts_nsec'),
    length: info.offset('printk_log.len'),
    text: info.offset('printk_log.text_len'),
  };
  const header = info.size('printk_log');
  if (
    buffer === undefined ||
    length === undefined ||
    first === undefined ||
    next === undefined ||
    at.time === undefined ||
    at.length === undefined ||
    at.text === undefined ||
    header === undefined ||
    header < 16 ||
    length > 2 ** (MOST_BITS + 6)
  )
    return { entries: [], warnings: ['the head of the log is damaged or not in the file'] };
  const entries: DmesgEntry[] = [];
  let place = first;
  let wrapped = false;
  while (place !== next) {
    const head = mem.view(buffer + BigInt(place), header);
    if (head === undefined) return { entries, warnings: ['part of the log is not in the file'] };
    const size = head.readUInt16LE(at.length);
    // 0: what follows is at the start of the buffer.
    if (size === 0) {
      if (place === 0 || wrapped) break;
      place = 0;
      wrapped = true;
      continue;
    }
    const text = mem.view(buffer + BigInt(place + header), head.readUInt16LE(at.text));
    const [facility, level] = [head[header - 2] as number, (head[header - 1] as number) >> 5];
    const time = Number(head.readBigUInt64LE(at.time));
    if (text !== undefined) push(entries, text, { time, facility, level, caller: 0 });
    place += size;
    if (place >= length) break;
  }
  return { entries, warnings: [] };
}

interface Meta {
  /** ns since boot */
  readonly time: number;
  /** Of syslog; 0 = the kernel itself, which no program can claim to be. */
  readonly facility: number;
  readonly level: number;
  readonly caller: number;
}

/** One entry a line. */
function push(entries: DmesgEntry[], text: Buffer, { time, facility, level, caller }: Meta): void {
  const cpu = caller >= CPU_CALLER ? caller - CPU_CALLER : -1;
  const tid = caller >= CPU_CALLER ? 0 : caller;
  const from = { at_ms: time / 1e6, cpu, pid: tid, tid, comm: '' };
  const foreign = facility === 0 ? {} : { foreign: true as const };
  for (const line of text.toString('utf8').split('\n'))
    entries.push({ ...from, text: line, level, ...foreign });
}
