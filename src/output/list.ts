/** `ktop list`: what this host gives to each monitor. */
import type { Monitor } from '../monitors/monitor.ts';
import { sanitise } from '../panels/sanitise.ts';
import type { Capability, Source } from '../sources/source.ts';
import { align } from './align.ts';
import { complain } from './writer.ts';

/** Asks the source; notices go to stderr. Rejects when the source cannot answer. */
export function askCapabilities(source: Source): Promise<readonly Capability[]> {
  return new Promise((resolve, reject) => {
    const unsubscribe = source.subscribe((message) => {
      if (message.type === 'notice') complain(message.text);
      if (message.type === 'failed') reject(new Error(message.failure.text));
      if (message.type !== 'capabilities') return;
      unsubscribe();
      resolve(message.capabilities);
    });
    source.capabilities();
  });
}

/** One JSON object on one line: `{"ktop":1,"monitors":[{name,summary,state,backend,needs,why,remedy}]}`. */
export function listJson(monitors: readonly Monitor[], capabilities: readonly Capability[]): string {
  const entries = merge(monitors, capabilities);
  return `${JSON.stringify({ ktop: 1, monitors: entries })}\n`;
}

/** A table, then for each monitor what it needs and, where something is missing, why and what to do. */
export function listText(monitors: readonly Monitor[], capabilities: readonly Capability[]): string {
  const entries = merge(monitors, capabilities);
  const head = ['MONITOR', 'STATE', 'BACKEND', 'SUMMARY'];
  const rows = entries.map(({ name, state, backend, summary }) => [name, state, backend || '-', summary]);
  const lines = align([head, ...rows], [false, false, false, false]);
  const details = entries.flatMap(({ name, needs, why, remedy }) => [
    `${name} needs: ${needs.join(', ') || '-'}`,
    ...(why === '' ? [] : [`  why: ${why}`]),
    ...(remedy === '' ? [] : [`  remedy: ${remedy}`]),
  ]);
  return `${[...lines, '', ...details].map((line) => sanitise(line)).join('\n')}\n`;
}

function merge(monitors: readonly Monitor[], capabilities: readonly Capability[]) {
  return monitors.flatMap(({ name, summary }) => {
    const found = capabilities.find(({ monitor }) => monitor === name);
    if (found === undefined) return [];
    const { state, backend, needs, why, remedy } = found;
    return [{ name, summary, state, backend, needs, why, remedy }];
  });
}
