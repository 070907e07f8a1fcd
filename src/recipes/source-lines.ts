/** Where code is in the sources, as far as addr2line is there to say; it tells inlined functions too. */
import { sanitise } from '../panels/sanitise.ts';
import { withElf } from '../probes/elf.ts';
import type { Definition } from './definitions.ts';
import { ask } from './perf.ts';
import type { Host, Subject } from './subject.ts';

export interface Line {
  readonly file: string;
  readonly line: number;
}

/** A function with a line of it. */
export interface Frame extends Line {
  readonly name: string;
}

/** Pairs of lines: function, file:line; the innermost first. */
export function framesOf(text: string): Frame[] {
  const lines = text.split('\n');
  const frames: Frame[] = [];
  for (let at = 0; at + 1 < lines.length; at += 2) {
    const place = /^(.*):(\d+)(?: \(discriminator \d+\))?$/.exec(lines[at + 1] ?? '');
    const name = lines[at] ?? '';
    if (name === '' || name === '??' || place === null) continue;
    frames.push({ name: sanitise(name), file: shortFile(sanitise(place[1] ?? '')), line: Number(place[2]) });
  }
  return frames;
}

/** Without the directory it was built in: `net/ipv4/tcp.c`. */
function shortFile(path: string): string {
  const inKernel =
    /(?:^|\/)((?:arch|block|certs|crypto|drivers|fs|include|init|io_uring|ipc|kernel|lib|mm|net|security|sound|virt)\/.*)$/.exec(
      path.replace(/\/\.\//g, '/'),
    );
  return (/(?:^|\/)(?:linux|build)[^/]*\//.test(path) ? inKernel?.[1] : undefined) ?? path;
}

/** The functions that a place is in, the innermost first; empty where nothing tells. */
export async function chainAt(
  one: Definition,
  host: Host,
  { image, path }: Subject,
  signal: AbortSignal | undefined,
): Promise<Frame[]> {
  let args: string[];
  if (image === undefined) {
    const address = withElf(path, (elf) => elf.addressAt(one.offset));
    if (address === undefined) return [];
    args = ['-e', path, `0x${address.toString(16)}`];
  } else {
    const [found] = image.functions(host.symbol);
    if (found === undefined) return [];
    const section = image.module === '' ? [] : ['-j', found.section];
    args = ['-e', image.path, ...section, `0x${(found.address + BigInt(host.offset)).toString(16)}`];
  }
  const said = await ask('addr2line', ['-f', '-i', ...args], { ms: 60_000, signal: signal });
  return said === undefined || said.code !== 0 ? [] : framesOf(said.stdout);
}
