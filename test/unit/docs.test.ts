import { existsSync, readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { pageOf, renewed, renewedVmcore, VMCORE_PAGE } from '../../scripts/docs.ts';
import { monitors } from '../../src/monitors/index.ts';
import { CHECKS } from '../../src/worker/doctor/doctor.ts';

const HEADINGS = ['Purpose', 'Events', 'Algorithm', 'Columns', 'Options', 'Limits', 'Fallbacks'];
const README = readFileSync(new URL('../../README.md', import.meta.url), 'utf8');

test.each(monitors.map((monitor) => [monitor.name, monitor] as const))('the page of %s', (_, monitor) => {
  const path = pageOf(monitor);
  expect(existsSync(path), `docs/${monitor.name}.md is missing; npm run docs begins it`).toBe(true);
  const page = readFileSync(path, 'utf8');
  for (const heading of HEADINGS) expect(page).toContain(`\n## ${heading}\n`);
  expect(page, 'still to be written').not.toContain('To be written');
  expect(page, 'columns or options have changed; run npm run docs').toBe(renewed(page, monitor));
  for (const panel of monitor.panels)
    for (const { id, hidden } of panel.kind === 'table' ? panel.columns : [])
      if (hidden !== 'both') expect(page).toContain(`| \`${id}\` |`);
  for (const { names } of monitor.plan({ interval_ms: 1000 }).events)
    for (const event of names) expect(page).toContain(`\`${event}\``);
  expect(README, 'README.md links to every page').toContain(`docs/${monitor.name}.md`);
});

test('the page of the post-mortem', () => {
  const page = readFileSync(VMCORE_PAGE, 'utf8');
  expect(page, 'columns have changed; run npm run docs').toBe(renewedVmcore(page));
  expect(README).toContain('docs/vmcore.md');
});

test('the page of the doctor names every capability', () => {
  const page = readFileSync(new URL('../../docs/doctor.md', import.meta.url), 'utf8');
  for (const { name } of CHECKS) expect(page).toContain(`\`${name}\``);
  expect(README).toContain('docs/doctor.md');
});
