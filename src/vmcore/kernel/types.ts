/** Types by name, remembered: each member is looked for once, and the answers are what the build-id cache keeps. */
import type { MemberInfo } from '../core.ts';
import type { Btf } from './btf.ts';

/** Answers by question; null = this kernel has no such thing. JSON can hold it. */
export interface TypeAnswers {
  readonly members: Record<string, MemberInfo | null>;
  readonly sizes: Record<string, number | null>;
  readonly constants: Record<string, number | null>;
  readonly enumerations: Record<string, readonly (readonly [string, number])[] | null>;
}

export class Types {
  readonly #load: () => Btf | undefined;
  #btf: Btf | undefined;
  #loaded = false;
  readonly #remembers: boolean;
  /** Something was asked that was not remembered. */
  changed = false;
  readonly #members: Map<string, Map<string, MemberInfo | null>> = new Map();
  readonly #sizes: Map<string, number | null>;
  readonly #constants: Map<string, number | null>;
  readonly #enumerations: Map<string, ReadonlyMap<string, number> | null>;

  constructor(load: () => Btf | undefined, known?: TypeAnswers) {
    this.#load = load;
    this.#remembers = known !== undefined;
    for (const [key, info] of Object.entries(known?.members ?? {})) {
      const at = key.indexOf(' ');
      this.#of(key.slice(0, at)).set(key.slice(at + 1), info);
    }
    this.#sizes = new Map(Object.entries(known?.sizes ?? {}));
    this.#constants = new Map(Object.entries(known?.constants ?? {}));
    this.#enumerations = new Map(
      Object.entries(known?.enumerations ?? {}).map(([name, pairs]) => [
        name,
        pairs === null ? null : new Map(pairs),
      ]),
    );
  }

  /** What was asked may be remembered: not when it comes from damaged types, or when there are none. */
  get isTrusty(): boolean {
    return !this.#loaded || this.#btf?.complete === true;
  }

  /** The types could be loaded, or enough is remembered. */
  get usable(): boolean {
    return this.sizeOf('task_struct') !== undefined;
  }

  member(type: string, path: string): MemberInfo | undefined {
    const known = this.#of(type);
    let info = known.get(path);
    if (info === undefined) {
      info = this.#types?.member(type, path) ?? null;
      known.set(path, info);
      this.changed = true;
    }
    return info ?? undefined;
  }

  offset(type: string, path: string): number | undefined {
    return this.member(type, path)?.offset;
  }

  sizeOf(type: string): number | undefined {
    return this.#ask(this.#sizes, type, (btf) => btf.sizeOf(type));
  }

  enumValue(name: string): number | undefined {
    return this.#ask(this.#constants, name, (btf) => btf.enumValue(name));
  }

  enumeration(type: string): ReadonlyMap<string, number> | undefined {
    return this.#ask(this.#enumerations, type, (btf) => btf.enumeration(type));
  }

  answers(): TypeAnswers {
    const members: Record<string, MemberInfo | null> = {};
    for (const [type, paths] of this.#members)
      for (const [path, info] of paths) members[`${type} ${path}`] = info;
    return {
      members,
      sizes: Object.fromEntries(this.#sizes),
      constants: Object.fromEntries(this.#constants),
      enumerations: Object.fromEntries(
        [...this.#enumerations].map(([name, values]) => [name, values === null ? null : [...values]]),
      ),
    };
  }

  get #types(): Btf | undefined {
    if (!this.#loaded) {
      this.#loaded = true;
      try {
        this.#btf = this.#load();
      } catch (error) {
        // With what is remembered most can be read all the same: a new question has no answer then.
        if (!this.#remembers) throw error;
      }
    }
    return this.#btf;
  }

  #of(type: string): Map<string, MemberInfo | null> {
    let paths = this.#members.get(type);
    if (paths === undefined) {
      paths = new Map();
      this.#members.set(type, paths);
    }
    return paths;
  }

  #ask<T>(known: Map<string, T | null>, name: string, find: (btf: Btf) => T | undefined): T | undefined {
    let value = known.get(name);
    if (value === undefined) {
      const btf = this.#types;
      value = btf === undefined ? null : (find(btf) ?? null);
      known.set(name, value);
      this.changed = true;
    }
    return value ?? undefined;
  }
}
