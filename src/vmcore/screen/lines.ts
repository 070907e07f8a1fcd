/** Output of crash as lines to be drawn: with spaces in place of tabs, which no cell can hold. */

const TAB = 8;

export const linesOf = (text: string): string[] => text.split('\n').map(expandTabs);

function expandTabs(line: string): string {
  if (!line.includes('\t')) return line;
  let expanded = '';
  for (const [i, part] of line.split('\t').entries()) {
    if (i > 0) expanded += ' '.repeat(TAB - (expanded.length % TAB));
    expanded += part;
  }
  return expanded;
}
