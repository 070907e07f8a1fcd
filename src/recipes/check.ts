/**
 * What may stand in a recipe, letter by letter. A recipe comes from somewhere: nothing of it reaches the kernel that could be
 * another definition, another line, or a read at an address of the file's choice.
 */

export const isIdentifier = (text: string): boolean => /^[A-Za-z_]\w{0,59}$/.test(text);
/** Compiler clones have dots in their names. */
export const isSymbol = (text: string): boolean => /^[A-Za-z_][\w.]{0,254}$/.test(text);
export const isModule = (text: string): boolean => /^[A-Za-z0-9_][\w-]{0,54}$/.test(text);
export const isBuildId = (text: string): boolean => /^(?:[0-9a-f]{2}){4,64}$/.test(text);

/** An absolute path without detours that fits into a definition: no blanks, nothing that does not print. */
export function isPath(text: string): boolean {
  if (!/^\/[\x21-\x7e\u00a1-\u1fff\u2c00-\ud7ff]{1,1000}$/u.test(text) || /[\s"'`\\;#]/.test(text))
    return false;
  return text
    .split('/')
    .every((part, index) => (part !== '' || index === 0) && part !== '.' && part !== '..');
}

/** Printable, on one line. */
export function isLine(text: string, most: number): boolean {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
  return text.length <= most && !/[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]/.test(text);
}

const DEEPEST = 12;

/**
 * A value as tracefs fetches it: a register, `$retval`, `$comm`, `$stack`, an immediate number, a symbol, or what lies at an
 * offset from one of these. No absolute address: it would mean nothing on another boot.
 */
export function isFetch(text: string): boolean {
  if (text.length > 200) return false;
  let rest = text;
  for (let depth = 0; depth <= DEEPEST; depth += 1) {
    const step = /^[+-]u?\d{1,9}\((.*)\)$/.exec(rest);
    if (step === null) break;
    rest = step[1] ?? '';
  }
  return (
    /^%[a-z][a-z0-9]{0,7}$/.test(rest) ||
    /^\$(?:retval|comm|stack\d{0,3}|arg\d{1,2})$/.test(rest) ||
    /^\\-?(?:\d{1,20}|0x[0-9a-f]{1,16})$/.test(rest) ||
    /^@[A-Za-z_][\w.]{0,254}(?:[+-]\d{1,9})?$/.test(rest)
  );
}

export function isType(text: string): boolean {
  return /^(?:[usx](?:8|16|32|64)|char|b\d{1,2}@\d{1,2}\/(?:8|16|32|64)|u?string|symbol|symstr)?(?:\[\d{1,2}\])?$/.test(
    text,
  );
}

/**
 * `[NAME=][MODULE:]FUNC[%return] [NAME=]VALUE[:TYPE] …`: values are names of arguments and their members, `$retval`, `$params`:
 * what the types of a kernel tell.
 */
export function isTypesQuery(text: string): boolean {
  const [head = '', ...words] = text.split(' ');
  // What tracefs or a marker would be begins otherwise.
  if (/^[prfte]\d*(?::|$)|^sdt$/.test(head)) return false;
  return (
    /^(?:[A-Za-z_]\w{0,59}=)?(?:[A-Za-z0-9_][\w-]{0,54}:)?[A-Za-z_][\w.]{0,254}(?:%return)?$/.test(head) &&
    words.every((word) =>
      /^(?:[A-Za-z_]\w{0,30}=)?(?:\$retval|\$params|\$vars|[A-Za-z_]\w*(?:(?:->|\.)[A-Za-z_]\w*(?:\[\d{1,9}\])*)*)(?::[a-z]\w{0,11}(?:@\d{1,2}\/\d{1,2})?(?:\[\d{1,2}\])?)?$/.test(
        word,
      ),
    )
  );
}
