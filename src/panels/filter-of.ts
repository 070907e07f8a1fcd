/** What the user types after `/`, as a test: plain text is searched for, anything else is a filter. */
import { FilterError } from '../filter/expression.ts';
import { parseFilter } from '../filter/parse.ts';
import { compileRows, type Fields, type RowTest } from '../filter/row-test.ts';

/** A filter that cannot be applied lets nothing through, and says why. */
export interface Compiled {
  /** Undefined: all rows pass. */
  readonly test: RowTest | undefined;
  /** One sentence, or ''. */
  readonly problem: string;
}

/** What makes a text more than words to search for. */
const OPERATOR = /[=<>~]/;
const WORD_OPERATOR = /(\S+)\s+(?:contains\s|exists(?:\s|$)|in\s*\()/gi;

/** Compiles what has been typed. What is only half typed holds for all rows. */
export function compileTyped(filter: string, fields: Fields): Compiled {
  if (filter.trim() === '') return { test: undefined, problem: '' };
  if (!isExpression(filter, fields)) {
    const words = filter.trim().split(/\s+/);
    const tests = words.map((word) => fields.word(word));
    return { test: (row) => tests.every((test) => test(row)), problem: '' };
  }
  try {
    const expression = parseFilter(filter, true);
    return {
      test: expression === undefined ? undefined : compileRows(expression, fields),
      problem: unfinished(filter),
    };
  } catch (error) {
    if (error instanceof FilterError) return { test: () => false, problem: error.message };
    throw error;
  }
}

/** Words alone are searched for, `and` among them too. */
function isExpression(filter: string, fields: Fields): boolean {
  if (OPERATOR.test(filter)) return true;
  return [...filter.matchAll(WORD_OPERATOR)].some(([, name = '']) => fields.find(name) !== undefined);
}

/** What is missing of it yet, or ''. */
function unfinished(filter: string): string {
  try {
    parseFilter(filter);
    return '';
  } catch (error) {
    if (error instanceof FilterError) return error.message;
    throw error;
  }
}

/** Whether a text, typed where it may be something else, is meant as a filter. */
export const looksLikeFilter = (text: string): boolean =>
  OPERATOR.test(text) || /\s(?:contains\s|exists\s*$|in\s*\()/i.test(text);

/** Said in place of rows that a filter keeps away. */
export const nothingText = (what: 'row' | 'entry', filter: string, problem: string): string =>
  problem === ''
    ? `No ${what} matches "${filter}".`
    : `The filter "${filter}" cannot be applied: ${problem}.`;
