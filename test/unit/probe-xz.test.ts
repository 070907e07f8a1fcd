/** Symbol tables that are packed inside programs: whole, cut off, and damaged in every place. */
import { expect, test } from 'vitest';
import { NotXz, unpackXz } from '../../src/probes/xz.ts';

const TEXT =
  'ktop reads symbol tables. ktop reads symbol tables. ktop reads symbol tables that are packed.\n';
/** xz -9e -C crc32 of the text. */
const PACKED = Buffer.from(
  '/Td6WFoAAAFpIt42AgAhARwAAAAQz1jM4ABdADFdADWdCiKxQCM+teKNxwAGl1UMTShIUTU22S2Jlzrmgrf7ocX0RO8bGlz3vBaDtpGjHgAAAAAAF1ac9QABSV6UPe6NkEKZDQEAAAAAAVla',
  'base64',
);

test('whole', () => {
  expect(unpackXz(PACKED, 1000).toString()).toBe(TEXT);
});

test('more than is allowed, cut off, or of another kind', () => {
  expect(() => unpackXz(PACKED, 50)).toThrow(NotXz);
  for (let length = 0; length < 70; length += 1)
    expect(() => unpackXz(PACKED.subarray(0, length), 1000), String(length)).toThrow(NotXz);
  expect(() => unpackXz(Buffer.from('no xz at all, but long enough to be one'), 1000)).toThrow(NotXz);
});

test('damaged anywhere it ends, and never with more than is allowed', () => {
  for (let at = 0; at < PACKED.length; at += 1)
    for (const bit of [1, 16, 128]) {
      const damaged = Buffer.from(PACKED);
      damaged[at] = (damaged[at] as number) ^ bit;
      let length = 0;
      try {
        ({ length } = unpackXz(damaged, 1000));
      } catch (error) {
        expect(error).toBeInstanceOf(NotXz);
      }
      expect(length).toBeLessThanOrEqual(1000);
    }
});
