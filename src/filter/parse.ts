/** The one parser of filters. */
import { allOf, type Expression, FilterError, KEYWORD, type Operator, type Value } from './expression.ts';
import { UNIT } from './values.ts';

/** Parentheses and `not` inside each other. */
const DEEPEST = 50;
const OPERATORS = /(?:==?~?|!=|!~|<=|>=|<|>|~)/y;
const SPACE = /\s*/y;
/** A name or a word: up to a blank, a parenthesis, a quote or an operator. */
const WORD = /(?:(?!&&|\|\|)[^\s()=<>!~"'])+/y;
/** A value without quotes: up to a blank; a parenthesis belongs to it when it was opened in it. */
const BARE = /(?:(?!&&|\|\|)[^\s()"'])+/y;
const BARE_IN_LIST = /(?:(?!&&|\|\|)[^\s()"',])+/y;

/**
 * Parses a filter. Throws a FilterError with the place. `lenient`: what is only half typed is left out, so that rows can
 * follow while it is typed; undefined when nothing is left.
 */
export function parseFilter(text: string, lenient = false): Expression | undefined {
  return new Parser(text, lenient).parse();
}

class Parser {
  readonly #text: string;
  readonly #lenient: boolean;
  #at = 0;
  #depth = 0;

  constructor(text: string, lenient: boolean) {
    this.#text = text;
    this.#lenient = lenient;
  }

  parse(): Expression | undefined {
    this.#space();
    if (this.#ended) return undefined;
    const found = this.#either();
    this.#space();
    if (!this.#ended) throw new FilterError(`"${this.#text[this.#at]}" is not expected`, this.#at);
    return found;
  }

  get #ended(): boolean {
    return this.#at >= this.#text.length;
  }

  #space(): void {
    this.#match(SPACE);
  }

  #match(pattern: RegExp): string | undefined {
    pattern.lastIndex = this.#at;
    const found = pattern.exec(this.#text)?.[0];
    if (found !== undefined) this.#at += found.length;
    return found;
  }

  #take(token: string): boolean {
    this.#space();
    if (!this.#text.startsWith(token, this.#at)) return false;
    this.#at += token.length;
    return true;
  }

  /** A keyword, which ends where a word does. */
  #keyword(word: string): boolean {
    this.#space();
    const end = this.#at + word.length;
    if (this.#text.slice(this.#at, end).toLowerCase() !== word) return false;
    if (!/^(?:$|[\s()"'!])/.test(this.#text.slice(end, end + 1))) return false;
    // `and=3` is a comparison of a field.
    if (/^\s*(?:=|!=|<|>|~)/.test(this.#text.slice(end))) return false;
    this.#at = end;
    return true;
  }

  #missing(what: string): undefined {
    if (this.#lenient && this.#ended) return undefined;
    const here = this.#ended ? 'the end' : `"${this.#text.slice(this.#at, this.#at + 12)}"`;
    throw new FilterError(`${what} is missing at ${here}`, this.#at, this.#ended);
  }

  #either(): Expression | undefined {
    return this.#join(
      'or',
      () => this.#both(),
      () => this.#keyword('or') || this.#take('||'),
    );
  }

  #both(): Expression | undefined {
    return this.#join(
      'and',
      () => this.#negated(),
      () => {
        if (this.#keyword('and') || this.#take('&&')) return true;
        // Terms beside each other must both hold.
        this.#space();
        if (this.#ended || this.#text[this.#at] === ')' || this.#text.startsWith('||', this.#at))
          return false;
        const before = this.#at;
        const or = this.#keyword('or');
        this.#at = before;
        return !or;
      },
    );
  }

  #join(kind: 'and' | 'or', one: () => Expression | undefined, more: () => boolean): Expression | undefined {
    const parts: Expression[] = [];
    do {
      const part = one();
      if (part !== undefined) parts.push(part);
    } while (more());
    if (parts.length < 2) return parts[0];
    return kind === 'and' ? allOf(parts) : { kind: 'or', parts };
  }

  #negated(): Expression | undefined {
    this.#depth += 1;
    if (this.#depth > DEEPEST) throw new FilterError('it is nested too deeply', this.#at);
    try {
      if (this.#keyword('not') || (!this.#text.startsWith('!=', this.#at) && this.#take('!'))) {
        const part = this.#negated();
        return part === undefined ? undefined : { kind: 'not', part };
      }
      return this.#take('(') ? this.#inside() : this.#term();
    } finally {
      this.#depth -= 1;
    }
  }

  #inside(): Expression | undefined {
    this.#space();
    if (this.#ended) return this.#missing('a condition');
    const found = this.#either();
    if (!this.#take(')')) this.#missing('a ")"');
    return found;
  }

  #term(): Expression | undefined {
    this.#space();
    const at = this.#at;
    if (this.#text[at] === '"' || this.#text[at] === "'") {
      const { text } = this.#quoted();
      return { kind: 'word', text, at };
    }
    const name = this.#match(WORD);
    if (name === undefined) return this.#missing('a condition such as comm=nginx');
    if (KEYWORD.test(name) && !this.#before(OPERATORS)) {
      this.#at = at;
      return this.#missing('a condition');
    }
    this.#space();
    const operatorAt = this.#at;
    const operator = this.#match(OPERATORS);
    if (operator !== undefined) return this.#comparison(name, at, operator);
    if (this.#keyword('exists')) return { kind: 'exists', name, at };
    if (this.#keyword('contains')) return this.#comparison(name, at, 'contains');
    if (this.#keyword('in')) {
      if (this.#take('(')) return this.#list(name, at);
      this.#at = operatorAt;
    }
    return { kind: 'word', text: name, at };
  }

  #before(pattern: RegExp): boolean {
    const from = this.#at;
    this.#space();
    const found = this.#match(pattern) !== undefined;
    this.#at = from;
    return found;
  }

  #comparison(name: string, at: number, typed: string): Expression | undefined {
    const value = this.#value(BARE);
    if (value === undefined) return this.#missing(`a value for ${name}`);
    if (typed === '!~') return { kind: 'not', part: { kind: 'compare', name, at, operator: '~', value } };
    const operator = (typed === '==' ? '=' : typed === '==~' ? '=~' : typed) as Operator;
    return { kind: 'compare', name, at, operator, value };
  }

  #list(name: string, at: number): Expression | undefined {
    const values: Value[] = [];
    do {
      const value = this.#value(BARE_IN_LIST);
      if (value === undefined) {
        this.#missing(`a value for ${name}`);
        break;
      }
      values.push(value);
    } while (this.#take(','));
    if (!this.#take(')')) this.#missing('a ")"');
    return values.length === 0 ? undefined : { kind: 'in', name, at, values };
  }

  #value(bare: RegExp): Value | undefined {
    this.#space();
    const at = this.#at;
    const first = this.#text[at];
    if (first === '"' || first === "'") return this.#quoted();
    let text = this.#match(bare) ?? '';
    // foo(bar) is one value.
    while (this.#text[this.#at] === '(' && text !== '') {
      const close = this.#text.indexOf(')', this.#at);
      if (close < 0) break;
      this.#at = close + 1;
      this.#match(bare);
      text = this.#text.slice(at, this.#at);
    }
    if (text === '') return undefined;
    // 10 ms is 10ms.
    if (/^-?\d+(?:\.\d*)?$/.test(text)) {
      const unit = /^ +([A-Za-zµ%]+)(?=$|[\s),])/.exec(this.#text.slice(this.#at));
      if (unit?.[1] !== undefined && UNIT.test(unit[1])) {
        this.#at += unit[0].length;
        text += unit[1];
      }
    }
    return { text, quoted: false, at };
  }

  #quoted(): Value {
    const at = this.#at;
    const quote = this.#text[at];
    let text = '';
    for (this.#at += 1; !this.#ended; this.#at += 1) {
      const char = this.#text[this.#at] as string;
      if (char === quote) {
        this.#at += 1;
        return { text, quoted: true, at };
      }
      const next = this.#text[this.#at + 1];
      if (char === '\\' && (next === quote || next === '\\')) {
        this.#at += 1;
        text += next;
      } else text += char;
    }
    this.#missing(`a closing ${quote}`);
    return { text, quoted: true, at };
  }
}
