/** Opens a core and makes its report, step by step; whatever fails is said, and the rest is made. */
import { statSync } from 'node:fs';
import { findBlame } from './blame.ts';
import type { Ctx, OpenCore, OpenOptions } from './core.ts';
import { findByBuildId, isDirectory } from './crash/vmlinux.ts';
import { type LogVerdict, readVerdict } from './crash-log.ts';
import { bootFacts, headerFacts, kernelFacts } from './facts.ts';
import { CoreError } from './file/bytes.ts';
import { CoreFile } from './file/core-file.ts';
import { findingsOf } from './findings/findings.ts';
import { type Booted, bootMemory } from './kernel/boot.ts';
import { defaultCache } from './kernel/cache.ts';
import { type KernelLog, readLog } from './kernel/dmesg.ts';
import { Kernel } from './kernel/kernel.ts';
import { type OutsideKernel, placeOutside, readOutside } from './kernel/vmlinux.ts';
import {
  type CrashFacts,
  type Failure,
  type FileFacts,
  type Finding,
  type KernelFacts,
  REPORT_SCHEMA,
  type Report,
  type Section,
  type SectionName,
} from './report.ts';
import { cpuinfo, cpus, current, runqueues, tlb } from './sections/cpus.ts';
import { cfsRunqueues, cgroups } from './sections/groups.ts';
import { locks } from './sections/locks.ts';
import { memory, slab } from './sections/memory.ts';
import { Scene } from './sections/scene.ts';
import { modules, mounts } from './sections/system.ts';
import { type Made, toTable } from './sections/table.ts';
import { backtraces, tasks } from './sections/tasks.ts';

type Maker = (scene: Scene) => Made;

/** In the order in which they are made: what is looked at first comes first. */
const MAKERS: readonly (readonly [SectionName, Maker])[] = [
  ['cpus', cpus],
  ['current', current],
  ['runqueues', runqueues],
  ['locks', locks],
  ['tasks', tasks],
  ['cfs_rq', cfsRunqueues],
  ['cgroups', cgroups],
  ['memory', memory],
  ['slab', slab],
  ['modules', modules],
  ['mounts', mounts],
  ['cpuinfo', cpuinfo],
  ['tlb', tlb],
  ['backtraces', backtraces],
];

/** What tells rows of a table apart. */
const KEYS: Readonly<Record<string, readonly string[]>> = {
  cfs_rq: ['address'],
  tasks: ['task'],
  backtraces: ['task'],
  locks: ['address'],
  waits: ['task'],
  cgroups: ['path'],
  memory: ['what'],
  zones: ['node', 'zone'],
  slab: ['address'],
  modules: ['module'],
  mounts: ['address'],
};

/** Stages that fail where a core has no symbols or types of its own. */
const LACKING = new Set(['vmcoreinfo', 'symbols', 'types']);

/** Never throws: a file that cannot be read gives a report that says why. */
export function openCore(path: string, options: OpenOptions = {}): OpenCore {
  return new Core(path, options);
}

class Core implements OpenCore {
  readonly #path: string;
  readonly #vmlinux: string | undefined;
  readonly #debug: string | undefined;
  readonly #cache: string;
  readonly #started = performance.now();
  readonly #failures: Failure[] = [];
  readonly #timings: Record<string, number> = {};
  readonly #sections: Partial<Record<SectionName, Section>> = {};
  #file: CoreFile | undefined;
  #booted: Booted | undefined;
  #log: KernelLog = { entries: [], warnings: [] };
  #verdict: LogVerdict | undefined;
  #kernel: Kernel | undefined;
  #scene: Scene | undefined;
  #runCrash: ((command: string) => Promise<string>) | undefined;
  #facts: KernelFacts = { page_size: 4096, taint_flags: [] };
  #crash: CrashFacts = { class: 'unknown', panic_line: '', panic_stack: [] };
  #findings: readonly Finding[] = [];
  #headDone = false;
  #kernelTried = false;
  #complete = false;

  constructor(path: string, options: OpenOptions) {
    this.#path = path;
    this.#vmlinux = options.vmlinux;
    this.#debug = options.debug;
    this.#cache = options.cache ?? defaultCache();
  }

  head(): Report {
    if (!this.#headDone) {
      this.#headDone = true;
      this.#try('file', () => {
        this.#file = new CoreFile(this.#path);
        this.#facts = headerFacts(this.#file);
        // Whatever can be read of it, it is not all.
        if (this.#file.brokenAt !== undefined)
          this.#failures.push({ stage: 'file', text: this.#file.warnings[0] ?? 'the file is damaged' });
      });
      const file = this.#file;
      if (file !== undefined) {
        this.#try('memory', () => {
          this.#booted = bootMemory(file);
          this.#facts = bootFacts(file, this.#booted);
        });
        const booted = this.#booted as Booted | undefined;
        if (booted !== undefined) this.#try('log', () => this.#readLog(booted));
      }
    }
    return this.#report();
  }

  async report(onProgress?: (report: Report) => void, signal?: AbortSignal): Promise<Report> {
    this.head();
    onProgress?.(this.#report());
    if (this.#complete) return this.#report();
    const scene = this.#openKernel();
    if (scene === undefined) return this.#report();
    this.#try('facts', () => {
      this.#facts = kernelFacts(scene, this.#facts);
      scene.kernel.facts = this.#facts;
    });
    this.#try('crash', () => {
      const verdict = this.#verdict ?? readVerdict(this.#log.entries);
      this.#crash = { ...this.#crash, ...findBlame(scene, verdict) };
    });
    for (const [name, make] of MAKERS) {
      if (signal?.aborted === true) return this.#report();
      this.#makeSection(name, () => make(scene));
      onProgress?.(this.#report());
      await new Promise<void>((resolve) => setImmediate(resolve));
    }
    this.#try('findings', () => {
      this.#findings = findingsOf(this.#report());
    });
    this.#complete = true;
    scene.kernel.save();
    return this.#report();
  }

  ctx(): Ctx | undefined {
    this.head();
    this.#openKernel();
    return this.#kernel;
  }

  setCrash(run: (command: string) => Promise<string>): void {
    this.#runCrash = run;
    this.#kernel?.setCrash(run);
  }

  close(): void {
    this.#kernel?.save();
    this.#file?.close();
    this.#file = undefined;
    this.#kernel = undefined;
    this.#scene = undefined;
  }

  #readLog(booted: Booted): void {
    const start = performance.now();
    this.#log = readLog(booted.mem, booted.info);
    const verdict = readVerdict(this.#log.entries);
    this.#verdict = verdict;
    this.#crash = {
      class: verdict.class,
      panic_line: verdict.line,
      ...(verdict.panic_string === undefined ? {} : { panic_string: verdict.panic_string }),
      ...(verdict.index === undefined ? {} : { log_index: verdict.index }),
      ...(verdict.rip === undefined ? {} : { rip: verdict.rip }),
      ...(verdict.fault_address === undefined ? {} : { fault_address: verdict.fault_address }),
      panic_stack: [],
    };
    const warnings = [...(this.#file?.warnings ?? []), ...booted.warnings, ...this.#log.warnings];
    this.#sections.dmesg = {
      backend: 'native',
      ms: performance.now() - start,
      warnings,
      tables: {},
      logs: { dmesg: this.#log.entries },
    };
  }

  #openKernel(): Scene | undefined {
    const [file, booted] = [this.#file, this.#booted];
    if (!this.#kernelTried && file !== undefined && booted !== undefined) {
      this.#kernelTried = true;
      const given = this.#vmlinux;
      let outside: OutsideKernel | undefined;
      if (given !== undefined && !isDirectory(given))
        this.#try('vmlinux', () => {
          const found = readOutside(given);
          placeOutside(found, booted.info);
          outside = found;
        });
      this.#try('symbols', () => {
        const open = (beside: OutsideKernel | undefined) => {
          this.#kernel = new Kernel(file, booted, this.#facts, this.#cache, beside);
          if (this.#runCrash !== undefined) this.#kernel.setCrash(this.#runCrash);
          this.#scene = new Scene(this.#kernel, this.#log);
        };
        try {
          open(outside);
        } catch (error) {
          // A file was named, or the core itself is not to be read: no other file helps.
          const found =
            error instanceof CoreError && LACKING.has(error.stage) && outside === undefined
              ? this.#installed(booted.info.buildId)
              : undefined;
          if (found === undefined) throw error;
          open(readOutside(found));
          this.#note(`symbols and types come from ${found}`);
        }
      });
    }
    return this.#scene;
  }

  /** What the core lacks, by its build-id: in the directory that was given, else where debug packages are. */
  #installed(build_id: string | undefined): string | undefined {
    const given = this.#vmlinux;
    if (build_id === undefined || (given !== undefined && !isDirectory(given))) return undefined;
    const { release } = this.#facts;
    return findByBuildId({
      build_id,
      ...(release === undefined ? {} : { release }),
      ...(given === undefined ? {} : { given }),
      ...(this.#debug === undefined ? {} : { debug: this.#debug }),
    });
  }

  #note(text: string): void {
    const { dmesg } = this.#sections;
    if (dmesg !== undefined) this.#sections.dmesg = { ...dmesg, warnings: [...dmesg.warnings, text] };
  }

  #makeSection(name: SectionName, make: () => Made): void {
    const start = performance.now();
    this.#try(name, () => {
      const made = make();
      const tables = Object.fromEntries(
        Object.entries(made.tables ?? {}).map(([table, rows]) => [
          table,
          toTable(name, table, rows, KEYS[table] ?? ['cpu']),
        ]),
      );
      this.#sections[name] = {
        backend: 'native',
        ms: performance.now() - start,
        warnings: made.warnings ?? [],
        tables,
        logs: made.logs ?? {},
        ...(made.stacks === undefined ? {} : { stacks: made.stacks }),
      };
    });
  }

  /** Whatever goes wrong in it becomes a failure of that stage. */
  #try(stage: string, work: () => void): void {
    const start = performance.now();
    try {
      work();
    } catch (error) {
      const known = error instanceof CoreError;
      const text = error instanceof Error ? error.message : String(error);
      this.#failures.push({
        stage: known ? error.stage : stage,
        text: known ? text : `internal error in ${stage}: ${text}; the core may be damaged`,
      });
      if (!known && process.env.KTOP_DEBUG !== undefined && error instanceof Error)
        this.#failures.push({ stage, text: error.stack ?? '' });
    }
    this.#timings[stage] = performance.now() - start;
  }

  #report(): Report {
    return {
      schema: REPORT_SCHEMA,
      status: this.#status(),
      file: this.#file?.facts() ?? missingFile(this.#path),
      kernel: this.#facts,
      crash: this.#crash,
      findings: this.#findings,
      sections: { ...this.#sections },
      failures: [...this.#failures],
      ms: performance.now() - this.#started,
      timings: { ...this.#timings },
    };
  }

  #status(): Report['status'] {
    if (this.#file === undefined) return 'none';
    if (this.#booted === undefined) return 'header';
    if (this.#scene === undefined) return 'log';
    return this.#complete && this.#failures.length === 0 ? 'full' : 'partial';
  }
}

function missingFile(path: string): FileFacts {
  let [size, mtime, device, inode] = [0, 0, '', ''];
  try {
    const stat = statSync(path);
    [size, mtime, device, inode] = [stat.size, stat.mtimeMs, String(stat.dev), String(stat.ino)];
  } catch {
    // There is no such file: nothing is known of it.
  }
  return {
    path,
    size,
    mtime,
    device,
    inode,
    format: 'unknown',
    shape: 'unknown',
    compression: 'unknown',
    truncated: false,
  };
}
