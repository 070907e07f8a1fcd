/** Run a command to its end and say plainly what went wrong when it fails. */
import { execFileSync } from 'node:child_process';

export interface CommandOptions {
  readonly cwd?: string;
  readonly input?: string;
}

/** stdout of the command; throws with its stderr when it fails. */
export function command(file: string, args: readonly string[], options: CommandOptions = {}): string {
  try {
    return execFileSync(file, args, {
      encoding: 'utf8',
      stdio: ['pipe', 'pipe', 'pipe'],
      maxBuffer: 512 * 1024 * 1024,
      ...options,
    });
  } catch (error) {
    const { code, stderr, stdout, status } = error as {
      code?: string;
      stderr?: string;
      stdout?: string;
      status?: number;
    };
    if (code === 'ENOENT') {
      throw new Error(`${file} is missing; install the packages of test/lab/packages.txt`);
    }
    throw new Error(`${file} ${args.join(' ')} failed (${status ?? code}): ${stderr || stdout}`);
  }
}

/** Paths of the shared libraries (and the loader) a dynamic executable needs. */
export function libraries(executable: string): string[] {
  return [...command('ldd', [executable]).matchAll(/(\/\S+) \(0x/g)].map((match) => match[1] ?? '');
}
