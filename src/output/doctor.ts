/** `ktop doctor`: what this kernel can do, and what to do where it cannot. */
import { sanitise } from '../panels/sanitise.ts';
import type { Finding, Source } from '../sources/source.ts';
import { align } from './align.ts';
import { complain } from './writer.ts';

/** Asks the source; notices go to stderr. Rejects when the source cannot answer. */
export function askFindings(source: Source): Promise<readonly Finding[]> {
  return new Promise((resolve, reject) => {
    const unsubscribe = source.subscribe((message) => {
      if (message.type === 'notice') complain(message.text);
      if (message.type === 'failed') reject(new Error(message.failure.text));
      if (message.type !== 'findings') return;
      unsubscribe();
      resolve(message.findings);
    });
    source.examine?.();
  });
}

/** One JSON object on one line: `{"ktop":1,"kernel","capabilities":[{name,state,why,affects,remedy}]}`. */
export function doctorJson(kernel: string, findings: readonly Finding[]): string {
  return `${JSON.stringify({ ktop: 1, kernel, capabilities: findings })}\n`;
}

/** A row each: name, state, why; below those that are not `yes`, which monitors lose something, and the remedy. */
export function doctorText(findings: readonly Finding[]): string {
  const rows = findings.flatMap(({ name, state, why, affects, remedy }) => [
    [name, state, why],
    ...(state === 'yes' || affects.length === 0 ? [] : [['', '', `affects: ${affects.join(', ')}`]]),
    ...(remedy === '' ? [] : [['', '', `remedy: ${remedy}`]]),
  ]);
  const lines = align(
    [['CAPABILITY', 'STATE', 'WHY, MONITORS AFFECTED, REMEDY'], ...rows],
    [false, false, false],
  );
  return `${lines.map((line) => sanitise(line).trimEnd()).join('\n')}\n`;
}
