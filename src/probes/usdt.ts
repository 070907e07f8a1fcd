/** What the arguments of a USDT marker look like to the compiler's assembler, as the kernel fetches them (x86-64, arm64). */

/** Registers by their names of any width → the name the kernel has. */
const REGISTERS = new Map<string, string>();
for (const name of ['ax', 'bx', 'cx', 'dx'])
  for (const spelled of [`r${name}`, `e${name}`, name, `${name[0]}l`, `${name[0]}h`])
    REGISTERS.set(spelled, name);
for (const name of ['si', 'di', 'bp', 'sp'])
  for (const spelled of [`r${name}`, `e${name}`, name, `${name}l`]) REGISTERS.set(spelled, name);
for (let i = 8; i <= 15; i++)
  for (const suffix of ['', 'd', 'w', 'b']) REGISTERS.set(`r${i}${suffix}`, `r${i}`);
REGISTERS.set('rip', 'ip');
for (let i = 0; i <= 31; i++) for (const letter of ['x', 'w']) REGISTERS.set(`${letter}${i}`, `x${i}`);

/** `arg1=%bx:u64 arg2=+112(%sp):s32`; those that the kernel cannot fetch are left out and named. */
export function usdtArguments(text: string): { readonly fetch: string; readonly left: readonly string[] } {
  const left: string[] = [];
  const fetched: string[] = [];
  // Blanks stand between arguments and nowhere else.
  for (const [index, word] of text.split(/\s+/).filter(Boolean).entries()) {
    const one = usdtArgument(word);
    if (one === undefined) left.push(`arg${index + 1} (${word})`);
    else fetched.push(`arg${index + 1}=${one}`);
  }
  return { fetch: fetched.join(' '), left };
}

/** `8@%rbx` → `%bx:u64`, `-4@112(%rsp)` → `+112(%sp):s32`, `8@$5` → `\5:u64`. */
export function usdtArgument(word: string): string | undefined {
  const match = /^(-?[1248])f?@(.+)$/.exec(word);
  if (match === null) return undefined;
  const size = Number(match[1]);
  const type = `${size < 0 ? 's' : 'u'}${Math.abs(size) * 8}`;
  const operand = match[2] ?? '';
  const immediate = /^[$#]?(-?(?:0x[0-9a-fA-F]+|\d+))$/.exec(operand);
  if (immediate !== null) return `\\${immediate[1]}:${type}`;
  const register = /^%?([a-z]\w*)$/.exec(operand)?.[1];
  if (register !== undefined) {
    const name = REGISTERS.get(register);
    return name === undefined ? undefined : `%${name}:${type}`;
  }
  const memory = /^(-?(?:0x[0-9a-fA-F]+|\d+))?\(%([a-z]\w*)\)$/.exec(operand);
  const arm = /^\[([a-z]\w*)(?:, *#?(-?\d+))?\]$/.exec(operand);
  const [offset, base] = memory !== null ? [memory[1], memory[2]] : arm !== null ? [arm[2], arm[1]] : [];
  const name = base === undefined ? undefined : base === 'sp' ? 'sp' : REGISTERS.get(base);
  if (name === undefined) return undefined;
  const by = Number(offset ?? 0);
  return `${by < 0 ? '-' : '+'}${Math.abs(by)}(%${name}):${type}`;
}
