/** Fields of an event, as its format file in tracefs tells them: what filters and columns of events are made of. */

export interface EventField {
  readonly name: string;
  /** `pointer`: to text, which a filter may follow; `other`: an array or a structure, which no filter takes. */
  readonly kind: 'number' | 'text' | 'pointer' | 'other';
  readonly signed: boolean;
  /** Bytes. */
  readonly size: number;
}

export interface EventFormat {
  /** `sys:name`. */
  readonly event: string;
  readonly fields: readonly EventField[];
  /** Made of another event by an event probe: nothing counts or delivers it but tracefs. */
  readonly derived?: boolean;
}

const FIELD = /^\tfield:(.*);\toffset:\d+;\tsize:(\d+);\tsigned:([01]);/gm;

/** The fields of a format file, without those that all events have. */
export function parseEventFormat(event: string, text: string): EventFormat {
  const fields = [...text.matchAll(FIELD)].flatMap(
    ([, declaration = '', size = '0', signed]): EventField[] => {
      const name = /(\w+)(?:\[[^\]]*\])?$/.exec(declaration.trim())?.[1];
      if (name === undefined || name.startsWith('common_')) return [];
      return [{ name, kind: kindOf(declaration, Number(size)), signed: signed === '1', size: Number(size) }];
    },
  );
  return { event, fields };
}

function kindOf(declaration: string, size: number): EventField['kind'] {
  const dynamic = /^__(?:data|rel)_loc\s/.test(declaration);
  const array = /\[[^\]]*\]/.test(declaration);
  const chars = /\b(?:unsigned )?(?:char|u8)\b(?!\s*\*)/.test(declaration) && !/\bu8\b/.test(declaration);
  if (array && chars) return 'text';
  if (dynamic || array) return 'other';
  if (/\bchar\s*\*\s*\w+$/.test(declaration)) return 'pointer';
  return [1, 2, 4, 8].includes(size) ? 'number' : 'other';
}

/** What every event can be asked for beside its own fields: of the task that it happened in, and of the CPU. */
export const TASK_NAMES = ['comm', 'pid', 'tid', 'cpu'] as const;
