/** Runs in a guest: what becomes of each definition, and of the functions asked for. One process, for a start takes seconds. */
import { readFileSync, writeFileSync } from 'node:fs';
import { Kernel } from '../../src/probes/kernel.ts';
import { NoProbe, type ReadyProbe } from '../../src/probes/probe.ts';
import { KEPT, resolveProbe } from '../../src/probes/resolve.ts';
import { arm, keptNames, removeKept, tryProbe } from '../../src/probes/tracefs.ts';
import { parametersText } from '../../src/probes/variables.ts';

export interface Asked {
  readonly tried: readonly (readonly [definition: string, filter: string])[];
  /** Armed to stay, one after the other, then removed. */
  readonly kept: readonly string[];
  readonly parameters: readonly string[];
}

export interface Told {
  readonly text: string;
  readonly lines: readonly string[];
  readonly ready?: ReadyProbe;
}

export interface Answers {
  readonly tried: readonly Told[];
  readonly kept: readonly Told[];
  /** Names that stayed while they did, and after. */
  readonly names: readonly (readonly string[])[];
  readonly events: string;
  readonly parameters: readonly unknown[];
}

const [question = '', answer = ''] = process.argv.slice(2);
const asked = JSON.parse(readFileSync(question, 'utf8')) as Asked;
const kernel = new Kernel();
const settings = { path: '', returns: false };

async function told(use: () => Promise<ReadyProbe> | ReadyProbe): Promise<Told> {
  try {
    return { text: '', lines: [], ready: await use() };
  } catch (error) {
    if (error instanceof NoProbe) return { text: error.message, lines: error.lines };
    throw error;
  }
}

const tried: Told[] = [];
for (const [definition, filter] of asked.tried)
  tried.push(
    await told(async () => {
      const ready = resolveProbe(definition, kernel, settings);
      await tryProbe(kernel.tracefs, ready, filter, 0);
      return ready;
    }),
  );
const kept: Told[] = [];
for (const definition of asked.kept)
  kept.push(
    await told(() => {
      const ready = resolveProbe(definition, kernel, settings);
      arm(kernel.tracefs, KEPT, ready);
      return ready;
    }),
  );
const events = readFileSync(`${kernel.tracefs}/kprobe_events`, 'utf8');
const before = keptNames(kernel.tracefs, KEPT);
for (const name of before) removeKept(kernel.tracefs, KEPT, name);
const parameters = asked.parameters.map((name) => parametersText(name, kernel));
const names = [before, keptNames(kernel.tracefs, KEPT)];
writeFileSync(answer, JSON.stringify({ tried, kept, names, events, parameters } satisfies Answers));
