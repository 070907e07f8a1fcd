/**
 * Text from the kernel is written by whoever names a task, a module or a file: it may hold anything.
 * Nothing reaches a terminal or a pipe without passing here.
 */

/** Stands for a character that may not be drawn. One column wide. */
export const REPLACEMENT = '\u{fffd}';

const PLAIN = /^[\x20-\x7e]*$/;
/*
 * Controls (C0, DEL, C1), format characters (bidi marks and overrides, zero width joiners, soft hyphen),
 * lone surrogates, private use, unassigned, line and paragraph separators, default ignorables,
 * and combining marks left over after composing: they would stack on a neighbour's cell.
 */
const FORBIDDEN = /[\p{Cc}\p{Cf}\p{Cs}\p{Co}\p{Cn}\p{Zl}\p{Zp}\p{M}\p{Default_Ignorable_Code_Point}]/gu;
const SPACES = /\p{Zs}/gu;
const NOT_ASCII = /[^\x20-\x7e]/gu;

/**
 * The text on one line with every character that is not plainly visible replaced: one replacement per
 * code point, so that nothing vanishes unseen. With `ascii` all that is not printable ASCII becomes `?`.
 */
export function sanitise(text: string, ascii = false): string {
  if (PLAIN.test(text)) return text;
  const composed = text.normalize('NFC');
  if (ascii) return composed.replace(SPACES, ' ').replace(NOT_ASCII, '?');
  return composed.replace(FORBIDDEN, REPLACEMENT).replace(SPACES, ' ');
}
