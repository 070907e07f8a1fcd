/** Downloads and builds what several test files need, as they run beside each other: each thing is made once. */
import { command } from '../helpers/command.ts';
import { paths } from '../helpers/paths.ts';
import { rootDisk } from './image.ts';
import { findKernels } from './kernels.ts';
import { buildModule, OBJECTS } from './module.ts';
import { debugVmlinux } from './vmlinux.ts';

const kernels = findKernels();
rootDisk(kernels);
command('make', ['-s', '-C', paths.workloadSources]);
for (const kernel of kernels) {
  buildModule(kernel);
  buildModule(kernel, OBJECTS);
}
if (process.argv.includes('vmlinux')) for (const kernel of kernels.slice(0, 1)) debugVmlinux(kernel);
