/** Whose functions queries are about, and what tells of them. */
import { readFileSync } from 'node:fs';
import { release as runningRelease } from 'node:os';
import { withElf } from '../probes/elf.ts';
import { Kernel } from '../probes/kernel.ts';
import { NoProbe } from '../probes/probe.ts';
import { findProgram } from '../probes/programs.ts';
import { programBuildId, runningFingerprint, runningKernel } from './build-ids.ts';
import { isPath } from './check.ts';
import { fetchVmlinux, findModule, findVmlinux, packageFor, programPackage } from './debuginfo.ts';
import type { DwarfMaker } from './dwarf.ts';
import { Image } from './image.ts';
import type { Query } from './query.ts';
import type { KernelId } from './recipe.ts';
import type { Subject } from './subject.ts';

/** Where debug information is. */
export interface Sources {
  readonly vmlinux: string | undefined;
  /** Debug files of modules. */
  readonly modules: readonly string[];
  /** Where the sources are; `''` = where they were built. */
  readonly source: string;
  /** Paths or names of programs that queries without an owner are about. */
  readonly programs: readonly string[];
  /** By the types of this kernel, though there be debug information. */
  readonly types_only: boolean;
  /** Ask servers of debug information. */
  readonly debuginfod: boolean;
}

export class Subjects {
  readonly kernel = new Kernel();
  readonly #wanted: Sources;
  readonly #images = new Map<string, Image>();
  #vmlinux: Promise<string | undefined> | undefined;
  #running: KernelId | undefined;

  constructor(wanted: Sources) {
    this.#wanted = wanted;
  }

  /** The kernel that runs here. */
  get running(): KernelId {
    const { release, version_string, build_id } = runningKernel();
    if (build_id === '')
      throw new NoProbe(
        'host',
        'the build-id of this kernel cannot be read (/sys/kernel/notes); run ktop as root',
      );
    this.#running ??= { release, version_string, build_id, fingerprint: runningFingerprint() };
    return this.#running;
  }

  /** How to get the debug information of the kernel that runs here. */
  get remedy(): string {
    return `${packageFor(runningRelease())}, or give --vmlinux FILE`;
  }

  /** Of a kernel its own; of a module that of the kernel it is for. */
  kernelOf(image: Image): KernelId {
    if (image.module === '') return image.kernel;
    const vmlinux = [...this.#images.values()].find(({ module }) => module === '');
    if (vmlinux !== undefined) {
      if (image.release !== '' && vmlinux.release !== '' && image.release !== vmlinux.release)
        throw new NoProbe(
          'usage',
          `${image.path} is of kernel ${image.release}, and ${vmlinux.path} is ${vmlinux.release}; give files of one kernel`,
        );
      return vmlinux.kernel;
    }
    if (image.release === this.running.release) return this.running;
    throw new NoProbe(
      'usage',
      `${image.path} is of kernel ${image.release}, whose build is not known; give its --vmlinux too`,
    );
  }

  /** Undefined: the types of this kernel must do. */
  async of(query: Query, maker: DwarfMaker): Promise<Subject | undefined> {
    const { owner, symbol } = query;
    if (owner.startsWith('/')) return this.#program(owner);
    if (owner === '' && this.#wanted.programs.length > 0) {
      const all = this.#wanted.programs.map((name) => this.#program(name));
      const [first] = all;
      if (all.length === 1 || symbol === '') return first;
      for (const one of all) if (await maker.knows(one, symbol)) return one;
      throw new NoProbe(
        'host',
        `none of ${all.map(({ label }) => label).join(', ')} has a function ${symbol}; check its name`,
      );
    }
    if (this.#wanted.types_only) return undefined;
    const vmlinux = await this.#kernelFile();
    if (owner !== '' && owner !== 'vmlinux' && owner !== 'kernel') return this.#module(owner, vmlinux);
    const kernel = vmlinux === undefined ? undefined : this.#kernelSubject(vmlinux);
    if (kernel?.image !== undefined && kernel.image.functions(symbol).length > 0) return kernel;
    for (const path of this.#wanted.modules) {
      const module = this.#moduleSubject(path, vmlinux);
      if (await maker.knows(module, symbol)) return module;
    }
    return kernel;
  }

  /** A sentence where the sources are not those of the kernel: their lines may be numbered otherwise. `''` = they may be. */
  sourceNote({ image }: Subject): string {
    const { source } = this.#wanted;
    if (source === '' || image === undefined) return '';
    const kernel = versionOf(image.version_string === '' ? image.release : image.version_string);
    const own = sourceVersion(`${source}/Makefile`);
    if (own === '' || kernel === '' || own === kernel) return '';
    return `the sources in ${source} are of ${own}, the kernel is ${kernel}: lines may differ`;
  }

  /** For what has no name of a function yet. Throws a NoProbe where there is no debug information. */
  async all(owner: string): Promise<Subject> {
    const [program] = this.#wanted.programs;
    const [module] = this.#wanted.modules;
    if (owner.startsWith('/')) return this.#program(owner);
    if (program !== undefined) return this.#program(program);
    const vmlinux = await this.#kernelFile();
    const found =
      owner !== ''
        ? this.#module(owner, vmlinux)
        : module !== undefined
          ? this.#moduleSubject(module, vmlinux)
          : vmlinux === undefined
            ? undefined
            : this.#kernelSubject(vmlinux);
    if (found === undefined)
      throw new NoProbe(
        'host',
        `there is no debug information of ${owner === '' ? 'this kernel' : `module ${owner}`} here; ${this.remedy}`,
      );
    return found;
  }

  #kernelFile(): Promise<string | undefined> {
    const { vmlinux, debuginfod } = this.#wanted;
    const { release, build_id } = runningKernel();
    this.#vmlinux ??=
      vmlinux !== undefined
        ? Promise.resolve(vmlinux)
        : Promise.resolve(findVmlinux(release, build_id)).then((found) =>
            found === undefined && debuginfod ? fetchVmlinux(build_id) : found,
          );
    return this.#vmlinux;
  }

  #image(path: string): Image {
    let image = this.#images.get(path);
    if (image === undefined) {
      image = Image.open(path);
      this.#images.set(path, image);
    }
    return image;
  }

  #kernelSubject(path: string): Subject {
    const image = this.#image(path);
    const remedy = image.release === '' ? 'give one with debug information' : packageFor(image.release);
    if (image.version_string === '')
      throw new NoProbe(
        'usage',
        `${path} is no vmlinux: it has no banner of a kernel; give the unstripped kernel, and modules with --module-debug`,
      );
    if (!image.hasDebugInfo) throw new NoProbe('host', `${path} has no debug information; ${remedy}`);
    if (image.build_id === '')
      throw new NoProbe(
        'host',
        `${path} has no build-id, so that nothing tells which kernel it is; build it with one`,
      );
    return {
      label: path,
      options: [...this.#sources, '-k', path],
      image,
      path: '',
      types: image.types,
      remedy,
    };
  }

  #module(name: string, vmlinux: string | undefined): Subject | undefined {
    const wanted = name.replace(/-/g, '_');
    const given = this.#wanted.modules.find((path) => this.#image(path).module === wanted);
    const release = vmlinux === undefined ? runningRelease() : this.#image(vmlinux).release;
    const path = given ?? findModule(release, name);
    if (path !== undefined) return this.#moduleSubject(path, vmlinux);
    // Of a module that is loaded here, the types may tell enough.
    if (this.#wanted.vmlinux === undefined) return undefined;
    throw new NoProbe(
      'host',
      `there is no debug information of module ${name}; ${packageFor(release)}, or give --module-debug FILE`,
    );
  }

  #moduleSubject(path: string, vmlinux: string | undefined): Subject {
    const image = this.#image(path);
    if (vmlinux !== undefined) this.#kernelSubject(vmlinux);
    const remedy = packageFor(image.release === '' ? runningRelease() : image.release);
    if (image.module === '')
      throw new NoProbe('usage', `${path} is a kernel, no module; give it with --vmlinux`);
    if (!image.hasDebugInfo) throw new NoProbe('host', `${path} has no debug information; ${remedy}`);
    if (image.build_id === '')
      throw new NoProbe('host', `${path} has no build-id; build the module with one`);
    const kernel = vmlinux === undefined ? [] : ['-k', vmlinux];
    const types = vmlinux === undefined ? undefined : this.#image(vmlinux).types;
    return {
      label: path,
      options: [...this.#sources, ...kernel, '-m', path],
      image,
      path: '',
      types,
      remedy,
    };
  }

  #program(name: string): Subject {
    const path = findProgram(name);
    if (!isPath(path))
      throw new NoProbe(
        'usage',
        `${path} has blanks or signs in its name that no recipe takes; give a link without`,
      );
    programBuildId(path);
    const remedy = programPackage(path);
    if (!withElf(path, (elf) => elf.hasDebugInfo()))
      throw new NoProbe('host', `${path} has no debug information; ${remedy}`);
    return {
      label: path,
      options: [...this.#sources, '-x', path],
      image: undefined,
      path,
      types: undefined,
      remedy,
    };
  }

  get #sources(): string[] {
    return this.#wanted.source === '' ? [] : ['-s', this.#wanted.source];
  }
}

/** `6.1.192`, as the distribution tells it in the banner, or as the release does; `''` = not known. */
export function versionOf(banner: string): string {
  const packaged = /#.*\b(?:Debian|Ubuntu) (\d+\.\d+\.\d+)/.exec(banner)?.[1];
  return packaged ?? /(?:^|Linux version )(\d+\.\d+\.\d+)/.exec(banner)?.[1] ?? '';
}

/** Of a kernel's Makefile. */
function sourceVersion(path: string): string {
  try {
    const text = readFileSync(path, 'utf8').slice(0, 2000);
    const part = (name: string) => new RegExp(`^${name} = (\\d+)$`, 'm').exec(text)?.[1];
    const parts = [part('VERSION'), part('PATCHLEVEL'), part('SUBLEVEL')];
    return parts.includes(undefined) ? '' : parts.join('.');
  } catch {
    return '';
  }
}
