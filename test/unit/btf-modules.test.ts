/** Types of a module, which go on where those of the kernel end. */
import { expect, test } from 'vitest';
import { Btf, joinBtf } from '../../src/vmcore/kernel/btf.ts';

const INT = 1;
const POINTER = 2;
const STRUCT = 4;
const FUNC = 12;
const PROTO = 13;

/** `before`: bytes of strings that others have. */
class Writer {
  readonly #words: number[] = [];
  #strings: string;
  readonly #before: number;

  constructor(before = 0) {
    this.#before = before;
    this.#strings = before === 0 ? '\0' : '';
  }

  name(text: string): number {
    const at = this.#before + this.#strings.length;
    this.#strings += `${text}\0`;
    return at;
  }

  type(name: number, kind: number, count: number, sizeOrType: number, ...more: number[]): void {
    this.#words.push(name, (kind << 24) | count, sizeOrType, ...more);
  }

  bytes(): Buffer {
    const types = Buffer.alloc(this.#words.length * 4);
    for (const [i, word] of this.#words.entries()) types.writeUInt32LE(word >>> 0, i * 4);
    const strings = Buffer.from(this.#strings);
    const head = Buffer.alloc(24);
    head.writeUInt16LE(0xeb9f, 0);
    head[2] = 1;
    for (const [i, value] of [24, 0, types.length, types.length, strings.length].entries())
      head.writeUInt32LE(value, 4 + 4 * i);
    return Buffer.concat([head, types, strings]);
  }

  get strings(): number {
    return this.#before + this.#strings.length;
  }
}

/** int, struct base { int first, second }, base *, int shared(struct base *from). */
function kernelTypes(): { bytes: Buffer; strings: number } {
  const to = new Writer();
  to.type(to.name('int'), INT, 0, 4, (1 << 24) | 32);
  to.type(to.name('base'), STRUCT, 2, 8, to.name('first'), 1, 0, to.name('second'), 1, 32);
  to.type(0, POINTER, 0, 2);
  to.type(0, PROTO, 1, 1, to.name('from'), 3);
  to.type(to.name('shared'), FUNC, 1, 4);
  return { bytes: to.bytes(), strings: to.strings };
}

test('a function of a module, through a struct of its own into one of the kernel', () => {
  const kernel = kernelTypes();
  const to = new Writer(kernel.strings);
  // 6: struct own { int number; struct base *base }, 7: own *, 8: void (own *it), 9: the function; 10, 11: of the same name.
  to.type(to.name('own'), STRUCT, 2, 16, to.name('number'), 1, 0, to.name('base'), 3, 64);
  to.type(0, POINTER, 0, 6);
  to.type(0, PROTO, 1, 0, to.name('it'), 7);
  to.type(to.name('own_work'), FUNC, 0, 8);
  const types = new Btf(joinBtf(kernel.bytes, to.bytes()));
  expect(types.complete).toBe(true);
  const work = types.prototype('own_work');
  expect(work?.returns).toBeUndefined();
  expect(work?.parameters).toMatchObject([{ name: 'it', value: { kind: 'pointer', type: 'own' } }]);
  expect(types.member('own', 'base')).toMatchObject({ offset: 8, kind: 'pointer', type: 'base' });
  expect(types.member('base', 'second')).toMatchObject({ offset: 4, size: 4, signed: true });
  expect(types.prototype('shared')?.parameters[0]?.name).toBe('from');
});

test('what is no BTF, or is cut off, is refused', () => {
  const { bytes } = kernelTypes();
  expect(() => joinBtf(bytes, Buffer.from('nothing of the kind, though long enough'))).toThrow();
  expect(() => joinBtf(bytes, bytes.subarray(0, bytes.length - 9))).toThrow();
});
