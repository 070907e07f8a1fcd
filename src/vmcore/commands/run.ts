/** Runs an own command on an open core. */
import type { Table } from '../../sources/snapshot.ts';
import type { Ctx, OwnCommand } from '../core.ts';
import { firstLine } from './load.ts';
import { CommandUsage } from './own-command.ts';
import { faultOfTable, type Row, tableOfRows } from './rows.ts';

export type CommandResult =
  | {
      readonly kind: 'table';
      readonly table: Table;
      readonly warnings: readonly string[];
      readonly ms: number;
    }
  /** One sentence. `usage`: the arguments are wrong; else the command itself failed. */
  | {
      readonly kind: 'failed';
      readonly usage: boolean;
      readonly text: string;
      readonly warnings: readonly string[];
    };

/** Warnings kept: a command that warns in a loop is to be read all the same. */
const MOST_WARNINGS = 100;

/** Never rejects. */
export async function runCommand(
  command: OwnCommand,
  ctx: Ctx,
  args: readonly string[],
): Promise<CommandResult> {
  const began = performance.now();
  const warnings: string[] = [];
  const watched = new Proxy(ctx, {
    get: (target, name) => {
      if (name === 'warn')
        return (text: unknown) => warnings.length < MOST_WARNINGS && warnings.push(String(text));
      const value: unknown = Reflect.get(target, name, target);
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
  try {
    const found: unknown = await command.run(watched, args);
    const table = Array.isArray(found) ? tableOfRows(found as Row[]) : found;
    const fault = faultOfTable(table);
    if (fault !== undefined)
      return {
        kind: 'failed',
        usage: false,
        text: `${command.name} failed: ${fault}; correct the command`,
        warnings,
      };
    return { kind: 'table', table: table as Table, warnings, ms: performance.now() - began };
  } catch (error) {
    if (error instanceof CommandUsage) return { kind: 'failed', usage: true, text: error.message, warnings };
    const cause = firstLine(error);
    // What comes from ktop itself says what to do.
    const remedy = cause.includes('; ') ? '' : '; correct the command';
    return { kind: 'failed', usage: false, text: `${command.name} failed: ${cause}${remedy}`, warnings };
  }
}
