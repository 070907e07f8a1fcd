import { chmodSync, chownSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import {
  commandDirectory,
  distrust,
  findCommands,
  loadCommand,
  SHIPPED,
} from '../../src/vmcore/commands/load.ts';
import { bitsOf, listText } from '../../src/vmcore/commands/masks.ts';
import { CommandUsage } from '../../src/vmcore/commands/own-command.ts';
import { faultOfTable, panelOf, tableOfRows } from '../../src/vmcore/commands/rows.ts';
import { runCommand } from '../../src/vmcore/commands/run.ts';
import type { Ctx, OwnCommand } from '../../src/vmcore/core.ts';

let work = '';
beforeEach(() => {
  work = mkdtempSync(join(tmpdir(), 'ktop-own-'));
});
afterEach(() => rmSync(work, { recursive: true, force: true }));

const at = (name: string): string => join(work, name);
const COMMAND = "export default { name: 'mine', summary: 'what it does', run: () => [{ a: 1 }] };\n";

describe('which files may be run', () => {
  const file = (mode = 0o644): string => {
    writeFileSync(at('mine.mjs'), COMMAND);
    chmodSync(at('mine.mjs'), mode);
    return at('mine.mjs');
  };
  const uid = process.getuid?.() ?? 0;

  test.each([0o644, 0o600, 0o755, 0o444])('mode %o is fine', async (mode) => {
    expect(await distrust(file(mode))).toBeUndefined();
  });

  test.each([0o666, 0o664, 0o646, 0o622])('mode %o is refused', async (mode) => {
    expect(await distrust(file(mode))).toMatch(/can be changed by others; chmod go-w /);
  });

  test.runIf(uid === 0)('the file of another user is refused, that of root is not', async () => {
    const path = file();
    expect(await distrust(path, 4711)).toBeUndefined();
    chownSync(path, 4711, 0);
    expect(await distrust(path)).toMatch(
      /belongs to user 4711; ktop runs only files of your own or root's, /,
    );
    expect(await distrust(path, 4711)).toBeUndefined();
    chownSync(path, 0, 0);
    chownSync(work, 4711, 0);
    expect(await distrust(path)).toMatch(/ktop-own-\w+ belongs to user 4711; /);
  });

  test('a directory that others can write to is refused: the file could be another one tomorrow', async () => {
    const path = file();
    chmodSync(work, 0o777);
    expect(await distrust(path)).toMatch(/^.*ktop-own-\w+ can be changed by others; /);
    // As /tmp is: nobody can replace what is not his.
    chmodSync(work, 0o1777);
    expect(await distrust(path)).toBeUndefined();
  });

  test('so is any directory on the way: it could be renamed, and another one put there', async () => {
    mkdirSync(at('deep'));
    writeFileSync(at('deep/mine.mjs'), COMMAND);
    expect(await distrust(at('deep/mine.mjs'))).toBeUndefined();
    chmodSync(work, 0o777);
    expect(await distrust(at('deep/mine.mjs'))).toMatch(/ktop-own-\w+ can be changed by others; /);
  });

  test('a link counts for what it leads to', async () => {
    symlinkSync(file(0o666), at('link.mjs'));
    expect(await distrust(at('link.mjs'))).toMatch(/can be changed by others/);
  });

  test('no file, a directory', async () => {
    expect(await distrust(at('none.ts'))).toMatch(/^cannot read .*ENOENT.*; check /);
    mkdirSync(at('dir.ts'));
    expect(await distrust(at('dir.ts'))).toMatch(/ is no file; /);
  });
});

describe('loading', () => {
  test('TypeScript as it is, and what is wrong with a file in one sentence', async () => {
    const ts =
      "type N = number;\nexport default { name: 'typed', summary: 's', run(_: unknown, args: readonly string[]) { const n: N = args.length; return [{ n }]; } };\n";
    const files: Record<string, string> = {
      'good.ts': ts,
      'mine.mjs': COMMAND,
      'syntax.ts': 'export default {{{',
      'nothing.mjs': 'export const x = 1;',
      'badname.mjs': "export default { name: '../x', run() {} };",
      'throws.mjs': "throw new Error('at load\\nsecond line');",
      'types.d.ts': 'export {};',
      'readme.txt': 'no command',
    };
    for (const [name, text] of Object.entries(files)) writeFileSync(at(name), text);
    const { commands, refused } = await findCommands(work);
    expect(commands.map(({ name }) => name)).toEqual(['cpuinfo', 'lockinfo', 'cgroupinfo', 'typed', 'mine']);
    expect(refused).toHaveLength(4);
    for (const text of refused) expect(text).toMatch(/^[^\n;]+; [^\n]+$/);
    expect(refused.join('\n')).toMatch(/throws\.mjs cannot be loaded \(at load\)/);
    expect(await loadCommand(at('none.mjs'))).toMatch(/^cannot read /);
  });

  test("one of the user's own goes before a shipped one; no directory is no error", async () => {
    writeFileSync(at('cpu.mjs'), COMMAND.replace('mine', 'cpuinfo'));
    const { commands } = await findCommands(work);
    expect(commands.find(({ name }) => name === 'cpuinfo')?.summary).toBe('what it does');
    expect((await findCommands(at('nowhere'))).commands).toEqual(SHIPPED);
    expect(commandDirectory({ XDG_CONFIG_HOME: '/x' })).toBe('/x/ktop/vmcore');
    expect(commandDirectory({})).toMatch(/\/\.config\/ktop\/vmcore$/);
  });
});

describe('running', () => {
  const run = (of: OwnCommand['run'], args: readonly string[] = []) =>
    runCommand({ name: 'mine', summary: '', run: of }, { cpus: [0, 1] } as unknown as Ctx, args);

  test('a table, rows, and what it warns of', async () => {
    const result = await run(
      (ctx, args) => {
        ctx.warn('look out');
        return tableOfRows([{ cpus: ctx.cpus.length, first: args[0] }]);
      },
      ['x'],
    );
    expect(result).toMatchObject({ kind: 'table', warnings: ['look out'], table: { length: 1 } });
    expect(await run((() => [{ a: 1n }]) as never)).toMatchObject({ kind: 'table' });
  });

  test.each<[string, OwnCommand['run'], string]>([
    [
      'throws',
      () => {
        throw new Error('no such thing\nmore');
      },
      'mine failed: no such thing; correct the command',
    ],
    [
      'asks for what cannot be had',
      () => Promise.reject(new Error('no vmlinux; name one')),
      'mine failed: no vmlinux; name one',
    ],
    ['rejects', () => Promise.reject(new TypeError('bad')), 'mine failed: bad; correct the command'],
    ['returns nothing', (() => undefined) as never, 'mine failed: it returned no table; correct the command'],
    ['returns a text', (() => 'x') as never, 'mine failed: it returned no table; correct the command'],
    [
      'returns columns of unequal length',
      () => ({ length: 2, key: [], columns: { a: Float64Array.of(1) } }),
      'mine failed: its column a has 1 rows, not 2; correct the command',
    ],
    [
      'is called wrongly',
      () => {
        throw new CommandUsage('give a name; such as x');
      },
      'give a name; such as x',
    ],
  ])('one that %s', async (_, of, text) => {
    expect(await run(of)).toMatchObject({ kind: 'failed', text });
  });

  test('one that warns for ever is heard a hundred times', async () => {
    const result = await run((ctx) => {
      for (let i = 0; i < 1e5; i += 1) ctx.warn('again');
      return tableOfRows([]);
    });
    expect(result.warnings).toHaveLength(100);
  });
});

describe('rows', () => {
  test('numbers where all that is known are numbers; addresses in hexadecimal', () => {
    const table = tableOfRows(
      [
        { n: 1, mixed: 1, at: 0xffffffff81000000n, flag: true },
        { n: undefined, mixed: 'x', late: null },
      ],
      ['n'],
    );
    expect(table.columns.n).toEqual(Float64Array.of(1, Number.NaN));
    expect(table.columns.mixed).toMatchObject({ strings: ['1', 'x'] });
    expect(table.columns.at).toMatchObject({ strings: ['0xffffffff81000000', ''] });
    expect(table.columns.flag).toMatchObject({ strings: ['true', ''] });
    expect(faultOfTable(table)).toBeUndefined();
    expect(panelOf('mine', table).columns.map(({ id, title, format }) => [id, title, format])).toEqual([
      ['n', 'N', 'int'],
      ['mixed', 'MIXED', 'text'],
      ['at', 'AT', 'text'],
      ['flag', 'FLAG', 'text'],
      ['late', 'LATE', 'text'],
    ]);
    expect(tableOfRows([]).length).toBe(0);
  });

  test('masks', () => {
    expect(listText(bitsOf(Uint8Array.of(0b10001111, 0b1), 64))).toBe('0-3,7-8');
    expect(listText(bitsOf(Uint8Array.of(0xff), 3))).toBe('0-2');
    expect(listText([])).toBe('');
  });
});
