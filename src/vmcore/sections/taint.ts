/** What taints a kernel or module, by the bits of `tainted`. Documentation/admin-guide/tainted-kernels.rst */
const FLAGS: readonly (readonly [string, string])[] = [
  ['P', 'proprietary module'],
  ['F', 'module forced to load'],
  ['S', 'out of specification'],
  ['R', 'module forced to unload'],
  ['M', 'machine check'],
  ['B', 'bad page'],
  ['U', 'by user space'],
  ['D', 'died before'],
  ['A', 'ACPI table overridden'],
  ['W', 'warned before'],
  ['C', 'staging driver'],
  ['I', 'firmware workaround'],
  ['O', 'module from out of tree'],
  ['E', 'unsigned module'],
  ['L', 'soft lockup before'],
  ['K', 'live patch'],
  ['X', "distribution's own"],
  ['T', 'randomised structs'],
  ['N', 'test'],
  ['J', 'fwctl'],
];

const set = (mask: number) => FLAGS.filter((_, bit) => Math.floor(mask / 2 ** bit) % 2 === 1);

export const taintLetters = (mask: number): string =>
  mask > 0
    ? set(mask)
        .map(([letter]) => letter)
        .join('')
    : '';

export const taintTexts = (mask: number): string[] => (mask > 0 ? set(mask).map(([, text]) => text) : []);
