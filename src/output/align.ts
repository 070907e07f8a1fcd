/** Text in columns. */

/**
 * One line per row, columns two spaces apart, each as wide as its widest cell; `right[n]`: column n is numbers.
 * Lines have no blanks at their end.
 */
export function align(rows: readonly (readonly string[])[], right: readonly boolean[]): string[] {
  const widths = right.map((_, column) =>
    rows.reduce((widest, row) => Math.max(widest, width(row[column] ?? '')), 0),
  );
  return rows.map((row) =>
    widths
      .map((widest, column) => {
        const cell = row[column] ?? '';
        const blank = ' '.repeat(widest - width(cell));
        return right[column] === true ? blank + cell : cell + blank;
      })
      .join('  ')
      .trimEnd(),
  );
}

/** Code points; good enough where a terminal's own idea of width is not known. */
function width(text: string): number {
  return /^[\x20-\x7e]*$/.test(text) ? text.length : [...text].length;
}
