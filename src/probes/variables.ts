/** What a kernel's own types tell of a function: its arguments at the entry, and what it returns. */
import type { MemberInfo } from '../vmcore/core.ts';
import { advised } from './advice.ts';
import { resolveArguments } from './btf-args.ts';
import type { Kernel } from './kernel.ts';
import { NoProbe } from './probe.ts';

export interface Parameters {
  readonly function: string;
  readonly variables: readonly { readonly name: string; readonly type: string; readonly fetch: string }[];
  /** `''`: nothing. */
  readonly returns: string;
}

/** Throws a NoProbe (host) where the types do not know the function. */
export function parametersText(symbol: string, kernel: Kernel): Parameters {
  const { symbol: name } = advised(symbol, kernel.symbols);
  const { texts } = resolveArguments(
    name,
    [{ name: '', value: '$params', type: '' }],
    kernel.types,
    false,
    kernel.machine,
  );
  const prototype = kernel.types?.prototype(name);
  if (prototype === undefined) throw new NoProbe('host', `the types of this kernel do not know ${name}`);
  const fetches = new Map(
    texts.map((text) => [text.slice(0, text.indexOf('=')), text.slice(text.indexOf('=') + 1)]),
  );
  return {
    function: name,
    variables: prototype.parameters.map((one) => ({
      name: one.name,
      type: typeName(one.value),
      fetch: fetches.get(one.name) ?? '-',
    })),
    returns: prototype.returns === undefined ? '' : typeName(prototype.returns),
  };
}

function typeName({ kind, type, size, signed }: MemberInfo): string {
  const name = type.startsWith('#') ? '(unnamed)' : type;
  if (kind === 'pointer') return `${name === '' ? 'void' : name} *`;
  if (kind === 'struct') return `struct ${name}`;
  return name === '' ? `${signed ? 's' : 'u'}${size * 8}` : name;
}
