/** What a probe is, between what somebody has typed and what a kernel takes. */
import type { ProbeSpec } from '../monitors/monitor.ts';

export type ProbeKind = ProbeSpec['kind'];

/** One argument as it was typed. */
export interface TypedArgument {
  /** `''`: not said, it is named after what is fetched. */
  readonly name: string;
  /** `file->f_path.dentry->d_name.name`, `+0(%si)`, `$retval`, `$params`. */
  readonly value: string;
  /** `string`, `x64`, `u8[4]`; `''`: that of the value. */
  readonly type: string;
}

/** A definition, parsed; nothing of it has been looked up. */
export type Typed =
  | {
      /** A tracefs definition, taken as it is. */
      readonly form: 'tracefs';
      readonly letter: 'p' | 'r' | 'f' | 't' | 'e';
      /** Slots of a return probe; 0 = not said. */
      readonly slots: number;
      readonly group: string;
      readonly name: string;
      readonly place: string;
      readonly arguments: string;
    }
  | {
      /** A function of the kernel or of a program. */
      readonly form: 'function';
      readonly name: string;
      /** `''`: the kernel's. */
      readonly path: string;
      readonly module: string;
      readonly symbol: string;
      /** Into the function; of a `path` without a symbol, into the file. */
      readonly offset: number;
      readonly returns: boolean;
      readonly arguments: readonly TypedArgument[];
    }
  | {
      /** A marker in a program. */
      readonly form: 'usdt';
      readonly name: string;
      /** `''`: in what `-x` names. */
      readonly path: string;
      readonly provider: string;
      readonly marker: string;
    }
  | {
      /** An event that there is. */
      readonly form: 'event';
      readonly event: string;
    };

/** Something ready to be armed, or an event that there is already. */
export interface ReadyProbe {
  /** A C identifier: the event's name. */
  readonly name: string;
  /** Absent with `event`. */
  readonly probe?: ProbeSpec;
  /** `sys:name` of an event that is there already. */
  readonly event?: string;
  /** Where, for the eye. */
  readonly place: string;
  /** Names of its arguments. */
  readonly fields: readonly string[];
  readonly source: 'manual' | 'btf' | 'usdt' | 'kept' | 'event' | 'recipe';
  /** What the user must know: a name that was replaced, a module that is waited for. */
  readonly notes: readonly string[];
  /** Its module is not loaded. */
  readonly waits?: string;
  /** Arguments that are shown as addresses or ports. */
  readonly display?: Readonly<Record<string, 'ip' | 'port'>>;
  /** As it was typed, where it was by names: it can be looked up anew elsewhere. */
  readonly query?: string;
  /** The fields that its event must have, and their types. */
  readonly expects?: readonly { readonly name: string; readonly type: string }[];
}

/** A definition that cannot be: cause; remedy. `lines` show the place in it. */
export class NoProbe extends Error {
  readonly kind: 'usage' | 'host';
  readonly lines: readonly string[];
  constructor(kind: 'usage' | 'host', text: string, lines: readonly string[] = []) {
    super(text);
    this.name = 'NoProbe';
    this.kind = kind;
    this.lines = lines;
  }
}
