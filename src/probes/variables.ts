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

/** Of `FUNCTION` or `MODULE:FUNCTION`. Throws a NoProbe (host) where the types do not know the function. */
export function parametersText(place: string, kernel: Kernel): Parameters {
  const [, module = '', symbol = place] = /^([\w-]+):(.+)$/.exec(place) ?? [];
  const { symbol: name } = module === '' ? advised(symbol, kernel.symbols) : { symbol };
  const types = kernel.typesOf(module === '' ? (kernel.symbols.functions(name)[0]?.module ?? '') : module);
  const { texts } = resolveArguments(
    name,
    [{ name: '', value: '$params', type: '' }],
    types,
    false,
    kernel.machine,
  );
  const prototype = types?.prototype(name);
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
