/** Clustering of real cores whose causes are known, beside what comparing the stacks of the panic comes to. */
import { beforeAll, describe, expect, test } from 'vitest';
import { SETTINGS } from '../../src/vmcore/cluster/clusters.ts';
import { bCubed, pairwise } from '../../src/vmcore/cluster/evaluate.ts';
import { explain, sentence } from '../../src/vmcore/cluster/explain.ts';
import { Vocabulary } from '../../src/vmcore/cluster/model.ts';
import { editDistanceClusters } from '../helpers/cluster/baseline.ts';
import {
  clustered,
  type Labelled,
  leaveOneCauseOut,
  overall,
  truthOf,
} from '../helpers/cluster/thresholds.ts';
import { MAKE_MS, type ReadCore, readLab } from './read.ts';

let read: readonly ReadCore[] = [];
let cores: readonly Labelled[] = [];
beforeAll(async () => {
  read = await readLab();
  cores = read.map(({ features, truth }) => ({ features, cause: truth.cause }));
}, MAKE_MS);

/** Cuts of the baseline: it gets the one that suits it best, we do not. */
const CUTS = [0.1, 0.2, 0.3, 0.4, 0.5];

describe('the same bug, by cause', () => {
  test('the lab is worth it', () => {
    expect(cores.length).toBeGreaterThanOrEqual(40);
    expect(new Set(cores.map(({ cause }) => cause)).size).toBeGreaterThanOrEqual(12);
  });

  test('B-cubed F of .95, each cause judged by a threshold chosen without it; .15 above edit distance of panic stacks', () => {
    const results = leaveOneCauseOut(cores);
    const ours = overall(cores, results);
    const wrong = results
      .filter(({ quality }) => quality.f < 0.9)
      .map(({ cause, quality }) => `${cause} ${quality.f.toFixed(2)}`);
    expect(ours.f, wrong.join(', ')).toBeGreaterThanOrEqual(0.95);
    const panics = new Map(read.map(({ truth, report }) => [truth.name, stackOfPanic(report)]));
    const theirs = CUTS.map((cut) => bCubed(truthOf(cores), editDistanceClusters(panics, cut)).f);
    expect(
      ours.f - Math.max(...theirs),
      `baseline ${theirs.map((f) => f.toFixed(3)).join(' ')}`,
    ).toBeGreaterThanOrEqual(0.15);
  });

  test('with the threshold that ships', () => {
    const found = clustered(cores, SETTINGS.threshold);
    expect(bCubed(truthOf(cores), found).f).toBeGreaterThanOrEqual(0.95);
    expect(pairwise(truthOf(cores), found).f).toBeGreaterThanOrEqual(0.9);
  });

  test('from the log alone, where no memory could be read: .9', () => {
    const bare = read.map(({ logFeatures, truth }) => ({ features: logFeatures, cause: truth.cause }));
    expect(bCubed(truthOf(bare), clustered(bare, SETTINGS.threshold)).f).toBeGreaterThanOrEqual(0.9);
  });

  test('in any order', () => {
    const backwards = clustered([...cores].reverse(), SETTINGS.threshold);
    expect(bCubed(truthOf(cores), backwards).f).toBeGreaterThanOrEqual(0.95);
  });
});

const stackOfPanic = ({ crash }: ReadCore['report']): string[] =>
  crash.panic_stack.map(({ function: name, module }) =>
    module === undefined ? name : `${name} [${module}]`,
  );

test('two ways to the same bug are explained', () => {
  const [one, other] = ['null-a', 'null-b'].map(
    (name) => read.find(({ truth }) => truth.name === name)?.features,
  );
  if (one === undefined || other === undefined) throw new Error('the lab has no null-a and null-b');
  const text = sentence(explain(new Vocabulary(), one, other));
  expect(text).toMatch(
    /^same because class null-deref, shared frames weigh_missing \[culprit\] ← culprit_null \[culprit\], /,
  );
  expect(text).toMatch(/; differs in frames \(culprit_write \[culprit\].* \/ by_thread \[culprit\]\), /);
});
