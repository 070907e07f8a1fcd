/** Values of filters: numbers with units, names of errors and signals. */

/** What a number measures. `bytes` are counted in K of 1024, plain numbers in k of 1000. */
export type Dimension = 'time' | 'bytes' | 'percent' | 'plain';

/** What a field's numbers are: how many ns, bytes or percent one is. */
export interface Unit {
  readonly dimension: Dimension;
  readonly size: number;
}

export const PLAIN_UNIT: Unit = { dimension: 'plain', size: 1 };

const TIMES: Readonly<Record<string, number>> = {
  ns: 1,
  us: 1e3,
  µs: 1e3,
  ms: 1e6,
  s: 1e9,
  min: 6e10,
  h: 3.6e12,
};
const BYTES: Readonly<Record<string, number>> = {
  B: 1,
  kB: 1e3,
  KB: 1024,
  KiB: 1024,
  MB: 1e6,
  MiB: 2 ** 20,
  GB: 1e9,
  GiB: 2 ** 30,
  TB: 1e12,
  TiB: 2 ** 40,
};
const PREFIXES = ['k', 'M', 'G', 'T'];

/** A word that is a unit. */
export const UNIT = /^(?:ns|us|µs|ms|s|min|h|B|[kKMGT]i?B?|%)$/;
const NUMBER = /^([+-]?(?:0[xX][0-9a-fA-F]+|\d+(?:\.\d*)?(?:[eE][+-]?\d+)?|\.\d+))\s*([A-Za-zµ%]*)$/;

/** Where a number cannot be told, why: "10 ms is a time, and count has no unit of time". */
export interface Trouble {
  readonly trouble: string;
}

export interface Quantity {
  readonly value: number;
  /** Exact, where it is whole. */
  readonly whole?: bigint;
}

/** The number that a text means for a field, in the field's own unit; undefined when it is no number. */
export function quantity(text: string, name: string, unit: Unit): Quantity | Trouble | undefined {
  const [, digits, suffix = ''] = NUMBER.exec(text) ?? [];
  if (digits === undefined) return undefined;
  const hex = /^([+-]?)0[xX]/.exec(digits);
  const number =
    hex === null ? Number(digits) : Number(digits.replace(/^[+-]/, '')) * (hex[1] === '-' ? -1 : 1);
  if (suffix === '') {
    const whole = hex === null ? (/^[+-]?\d+$/.test(digits) ? BigInt(digits) : undefined) : hexOf(digits);
    return whole === undefined ? { value: number } : { value: number, whole };
  }
  const factor = factorOf(suffix, unit);
  if (factor === undefined) return undefined;
  if (typeof factor === 'string')
    return { trouble: `${text} is ${factor}, and ${name} is not; leave the unit out` };
  return exact((number * factor) / unit.size);
}

function exact(value: number): Quantity {
  return Number.isSafeInteger(value) ? { value, whole: BigInt(value) } : { value };
}

function hexOf(digits: string): bigint {
  const magnitude = BigInt(digits.replace(/^[+-]/, ''));
  return digits.startsWith('-') ? -magnitude : magnitude;
}

/** What a suffix multiplies by; a word on what it measures when the field does not; undefined: no suffix at all. */
function factorOf(suffix: string, { dimension }: Unit): number | string | undefined {
  const time = TIMES[suffix];
  if (time !== undefined) return dimension === 'time' ? time : 'a time';
  if (suffix === '%') return dimension === 'percent' ? 1 : 'a share in percent';
  const prefix = PREFIXES.indexOf(suffix === 'K' ? 'k' : suffix) + 1;
  if (prefix > 0)
    return dimension === 'bytes' ? 1024 ** prefix : dimension === 'time' ? 'no time' : 1000 ** prefix;
  const bytes = BYTES[suffix];
  if (bytes !== undefined) return dimension === 'bytes' ? bytes : 'a number of bytes';
  return undefined;
}

/** Unit of a column or field by the end of its name, such as `_ms`; undefined when it tells none. */
export function unitOfName(name: string): Unit | undefined {
  const suffix = /_(ns|us|ms|s|kb|mb|gb|bytes|pct)$/i.exec(name)?.[1]?.toLowerCase();
  if (suffix === undefined) return /bytes/i.test(name) ? { dimension: 'bytes', size: 1 } : undefined;
  const time = TIMES[suffix];
  if (time !== undefined) return { dimension: 'time', size: time };
  if (suffix === 'pct') return { dimension: 'percent', size: 1 };
  const power = ['bytes', 'kb', 'mb', 'gb'].indexOf(suffix);
  return { dimension: 'bytes', size: 1024 ** power };
}

/** The name without its unit. */
export const withoutUnit = (name: string): string => name.replace(/_(?:ns|us|ms|s|kb|mb|gb|bytes|pct)$/i, '');

/** From 1 on; a gap is a number that has no name. The same on x86, ARM, RISC-V, s390 and PowerPC (but for EDEADLOCK). */
const ERRORS = (
  'EPERM ENOENT ESRCH EINTR EIO ENXIO E2BIG ENOEXEC EBADF ECHILD EAGAIN ENOMEM EACCES EFAULT ENOTBLK EBUSY EEXIST EXDEV ' +
  'ENODEV ENOTDIR EISDIR EINVAL ENFILE EMFILE ENOTTY ETXTBSY EFBIG ENOSPC ESPIPE EROFS EMLINK EPIPE EDOM ERANGE EDEADLK ' +
  'ENAMETOOLONG ENOLCK ENOSYS ENOTEMPTY ELOOP - ENOMSG EIDRM ECHRNG EL2NSYNC EL3HLT EL3RST ELNRNG EUNATCH ENOCSI EL2HLT ' +
  'EBADE EBADR EXFULL ENOANO EBADRQC EBADSLT - EBFONT ENOSTR ENODATA ETIME ENOSR ENONET ENOPKG EREMOTE ENOLINK EADV ' +
  'ESRMNT ECOMM EPROTO EMULTIHOP EDOTDOT EBADMSG EOVERFLOW ENOTUNIQ EBADFD EREMCHG ELIBACC ELIBBAD ELIBSCN ELIBMAX ' +
  'ELIBEXEC EILSEQ ERESTART ESTRPIPE EUSERS ENOTSOCK EDESTADDRREQ EMSGSIZE EPROTOTYPE ENOPROTOOPT EPROTONOSUPPORT ' +
  'ESOCKTNOSUPPORT EOPNOTSUPP EPFNOSUPPORT EAFNOSUPPORT EADDRINUSE EADDRNOTAVAIL ENETDOWN ENETUNREACH ENETRESET ' +
  'ECONNABORTED ECONNRESET ENOBUFS EISCONN ENOTCONN ESHUTDOWN ETOOMANYREFS ETIMEDOUT ECONNREFUSED EHOSTDOWN EHOSTUNREACH ' +
  'EALREADY EINPROGRESS ESTALE EUCLEAN ENOTNAM ENAVAIL EISNAM EREMOTEIO EDQUOT ENOMEDIUM EMEDIUMTYPE ECANCELED ENOKEY ' +
  'EKEYEXPIRED EKEYREVOKED EKEYREJECTED EOWNERDEAD ENOTRECOVERABLE ERFKILL EHWPOISON'
).split(' ');
const KERNEL_ERRORS: Readonly<Record<string, number>> = {
  EWOULDBLOCK: 11,
  EDEADLOCK: 35,
  ENOTSUP: 95,
  ERESTARTSYS: 512,
  ERESTARTNOINTR: 513,
  ERESTARTNOHAND: 514,
  ENOIOCTLCMD: 515,
  ERESTART_RESTARTBLOCK: 516,
  EPROBE_DEFER: 517,
};
const SIGNALS = (
  'HUP INT QUIT ILL TRAP ABRT BUS FPE KILL USR1 SEGV USR2 PIPE ALRM TERM STKFLT CHLD CONT STOP TSTP TTIN TTOU URG XCPU ' +
  'XFSZ VTALRM PROF WINCH IO PWR SYS'
).split(' ');

/** Number of an error such as ENOENT, above 0; undefined of any other word. */
export function errorNumber(name: string): number | undefined {
  const known = KERNEL_ERRORS[name];
  if (known !== undefined) return known;
  const at = name === '-' ? -1 : ERRORS.indexOf(name);
  return at < 0 ? undefined : at + 1;
}

/** Name of an error by its number, above 0; undefined when it has none. */
export function errorName(number: number): string | undefined {
  const name = ERRORS[number - 1];
  if (name !== undefined && name !== '-') return name;
  return Object.keys(KERNEL_ERRORS).find((each) => number > 500 && KERNEL_ERRORS[each] === number);
}

/** Number of a signal such as SIGKILL; undefined of any other word. */
export function signalNumber(name: string): number | undefined {
  if (!name.startsWith('SIG')) return undefined;
  const at = SIGNALS.indexOf(name.slice(3));
  return at < 0 ? undefined : at + 1;
}

/** Fields that hold an error as it is; others hold it negated, as the kernel returns it. */
export const holdsError = (name: string): boolean => /^errnos?$/i.test(name);
