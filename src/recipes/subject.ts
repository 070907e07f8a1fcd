/** What is asked about, and what comes of it. */
import type { Btf } from '../vmcore/kernel/btf.ts';
import type { Image } from './image.ts';
import type { RecipeArgument, RecipeKind, RecipePlace } from './recipe.ts';

/** Whose functions are asked about. */
export interface Subject {
  /** For the eye: `vmlinux-6.1.0`, `loop.ko`, `/usr/bin/bash`. */
  readonly label: string;
  /** What perf is told before the question. */
  readonly options: readonly string[];
  /** Of a kernel or module; undefined of a program. */
  readonly image: Image | undefined;
  /** Of a program. */
  readonly path: string;
  /** Of members, where the kernel carries them. */
  readonly types: Btf | undefined;
  /** What brings its debug information, when that is missing. */
  readonly remedy: string;
}

export interface Found {
  readonly event: string;
  readonly kind: RecipeKind;
  readonly places: readonly RecipePlace[];
  readonly args: readonly RecipeArgument[];
  readonly maxactive: number | null;
  readonly notes: readonly string[];
}

/** A function of the file that a place lies in. */
export interface Host {
  readonly symbol: string;
  /** Into the function. */
  readonly offset: number;
  readonly size: number;
}
