/** VMCOREINFO: what the kernel tells its dumpers, lines of `KEY=value`. Addresses and the layout of the log. */

export class VmcoreInfo {
  readonly text: string;
  readonly #values = new Map<string, string>();

  constructor(text: string) {
    this.text = text;
    for (const line of text.split('\n')) {
      const at = line.indexOf('=');
      if (at > 0) this.#values.set(line.slice(0, at), line.slice(at + 1));
    }
  }

  get release(): string | undefined {
    return this.#values.get('OSRELEASE');
  }

  get buildId(): string | undefined {
    const id = this.#values.get('BUILD-ID')?.toLowerCase();
    return id !== undefined && /^[0-9a-f]{16,64}$/.test(id) ? id : undefined;
  }

  /** Seconds since the epoch; there only after a crash that ran through kexec or panic. */
  get crashTime(): number | undefined {
    return finite(this.#values.get('CRASHTIME'));
  }

  symbol(name: string): bigint | undefined {
    return hexadecimal(this.#values.get(`SYMBOL(${name})`));
  }

  offset(name: string): number | undefined {
    return finite(this.#values.get(`OFFSET(${name})`));
  }

  size(name: string): number | undefined {
    return finite(this.#values.get(`SIZE(${name})`));
  }

  length(name: string): number | undefined {
    return finite(this.#values.get(`LENGTH(${name})`));
  }

  number(name: string): number | undefined {
    return finite(this.#values.get(`NUMBER(${name})`));
  }

  /** Of KASLR; hexadecimal without `0x` in the text. */
  get kernelOffset(): bigint | undefined {
    return hexadecimal(this.#values.get('KERNELOFFSET'));
  }
}

function finite(text: string | undefined): number | undefined {
  if (text === undefined || !/^-?\d+$/.test(text)) return undefined;
  const value = Number(text);
  return Number.isSafeInteger(value) ? value : undefined;
}

function hexadecimal(text: string | undefined): bigint | undefined {
  return text !== undefined && /^[0-9a-f]{1,16}$/.test(text) ? BigInt(`0x${text}`) : undefined;
}
