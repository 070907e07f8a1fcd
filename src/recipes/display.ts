/** How a value is to be read, from its type in C, its name, and how it is fetched. */
import type { MemberInfo } from '../vmcore/core.ts';
import type { Btf } from '../vmcore/kernel/btf.ts';
import type { Display } from './recipe.ts';

/** Numbers that are no amounts: their bits mean something. */
const BITS = /flag|mode|mask|addr|hash|cookie|ptr|bits|magic|csum/i;
/** In network order, as sockets and packets have them. */
const ADDRESS = /(?:^|_)(?:[sd]addr|s_addr)$/;
const PORT = /(?:^|_)(?:[sd]port|sin_port)$/;
const BYTES = /(?:^|_)(?:len|size|bytes|length|nbytes)(?:$|_)|^size_t$/;

/** `typed`: what was asked for behind the colon; it goes first. */
export function displayOf(name: string, ctype: string, type: string, typed = ''): Display {
  if (/^u?string$|^char\[/.test(type) || typed.includes('string')) return 'string';
  if (/^x/.test(typed) || /^sym/.test(type)) return 'hex';
  if (/^[us]\d/.test(typed)) return 'dec';
  // Types that a kernel carries itself have lost their other names: those of members must do.
  if (ctype === '__be32' || (ctype === 'unsigned int' && ADDRESS.test(name))) return 'ip';
  if (ctype === '__be16' || (ctype === 'short unsigned int' && PORT.test(name))) return 'port';
  if (ctype.endsWith('*')) return 'hex';
  if (BYTES.test(name) || ctype === 'size_t' || ctype === 'ssize_t') return 'bytes';
  if (type.startsWith('s')) return 'dec';
  if (BITS.test(name)) return 'hex';
  // Nothing is known of it but that it is fetched as hexadecimal.
  return ctype === '' && (type === '' || type.startsWith('x')) ? 'hex' : 'dec';
}

/** `skb->len` with `struct sk_buff *` and the types of its kernel → `unsigned int`; `''` = not known. */
export function memberType(value: string, root: string, types: Btf | undefined): string {
  let name = /^(?:const )?struct (\w+) ?\*?$/.exec(root)?.[1];
  let info: MemberInfo | undefined;
  for (const [, member = ''] of value.matchAll(/(?:->|\.)([A-Za-z_]\w*(?:\[\d+\])*)/g)) {
    if (types === undefined || name === undefined) return '';
    info = types.member(name, member);
    if (info === undefined) return '';
    name = info.kind === 'pointer' || info.kind === 'struct' ? info.type : undefined;
  }
  return info === undefined ? '' : typeName(info);
}

export function typeName({ kind, type, size, signed }: MemberInfo): string {
  const name = type.startsWith('#') ? 'struct' : type;
  if (kind === 'pointer')
    return `${name === '' ? 'void' : /^(?:char|void|unsigned char)$/.test(name) ? name : `struct ${name}`} *`;
  if (kind === 'struct') return `struct ${name}`;
  if (kind === 'array') return `${name}[]`;
  return name === '' ? `${signed ? 's' : 'u'}${size * 8}` : name;
}
