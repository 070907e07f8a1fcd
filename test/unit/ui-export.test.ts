import { mkdtempSync, readFileSync, rmSync, statSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { exportFile } from '../../src/ui/export-file.ts';

const NOW = Date.UTC(2025, 0, 2, 3, 4, 5);
const home = process.cwd();
let directory = '';

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'ktop-export-'));
  process.chdir(directory);
});

afterEach(() => {
  process.chdir(home);
  rmSync(directory, { recursive: true });
});

test('for the owner only, and where it says', () => {
  expect(exportFile('profile', 'folded', 'a;b 1\n', NOW)).toBe(
    'written to ./ktop-profile-20250102-030405.folded',
  );
  const path = 'ktop-profile-20250102-030405.folded';
  expect(readFileSync(path, 'utf8')).toBe('a;b 1\n');
  expect(statSync(path).mode & 0o777).toBe(0o600);
});

test('nothing is overwritten, no link followed', () => {
  exportFile('p', 'folded', 'one', NOW);
  symlinkSync('target', 'ktop-p-20250102-030405-2.folded');
  expect(exportFile('p', 'folded', 'two', NOW)).toBe('written to ./ktop-p-20250102-030405-3.folded');
  expect(readFileSync('ktop-p-20250102-030405.folded', 'utf8')).toBe('one');
});

test('what cannot be written is said', () => {
  rmSync(directory, { recursive: true });
  expect(exportFile('p', 'folded', 'one', NOW)).toMatch(/^cannot write \.\/ktop-p-\S+: ENOENT/);
  directory = mkdtempSync(join(tmpdir(), 'ktop-export-'));
});
