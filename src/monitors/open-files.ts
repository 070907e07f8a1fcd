/** What the monitors of files have in common: the calls that are about files, and who makes them. */
import { CALL_EFFECTS, DESCRIPTOR_NUMBERS, WORK_NUMBERS } from './call-effects.ts';
import { argumentsOf, CALL_NAMES, COMPAT, ERROR_NAMES } from './calls.ts';
import type { EventSpec, OperatorSpec, Options, Plan } from './monitor.ts';

const ARGS = 6;
/** Number of a call, told apart by the kind of program. */
export const CALL = `($compat ? id | ${COMPAT} : id)`;
/** execve, execveat, and execve of 32-bit programs: their return tells which kind a program is. */
export const EXEC_NUMBERS = [59, 11, 322, 358];

/** What calls do and are given, by number. */
export const CALL_TABLES: NonNullable<Plan['names']> = {
  call: CALL_NAMES,
  error: ERROR_NAMES,
  arguments: Object.fromEntries(
    Object.entries(CALL_NAMES).map(([number, name]) => [number, argumentsOf(name)]),
  ),
  effect: CALL_EFFECTS,
};

/** Texts that the kernel copies at the call: of these calls, or of all. 32-bit programs have other numbers, and none. */
export const callTexts = (numbers?: readonly number[]): EventSpec => ({
  id: 'text',
  names: [],
  texts: Object.fromEntries(
    Object.entries(CALL_NAMES)
      .filter(([number]) => Number(number) < COMPAT && (numbers?.includes(Number(number)) ?? true))
      .map(([number, name]) => [number, argumentsOf(name)])
      .filter(([, letters]) => letters?.includes('s')),
  ),
  optional: 'texts are read from the memory of the caller, late, and marked with a ?',
});

/** Clauses of `descriptors`: of which calls, and which of them are shown as lines. */
export const descriptorClauses = (where: string | undefined, shown?: string): OperatorSpec['on'] => [
  {
    event: 'text',
    as: 'seen',
    where: '!$compat',
    add: { call: 'call', index: 'index', late: 'late', text: 'text' },
  },
  { event: 'exit', as: 'end', add: { result: 'ret' } },
  {
    event: 'enter',
    as: 'start',
    where,
    add: {
      call: CALL,
      ...Object.fromEntries(Array.from({ length: ARGS }, (_, index) => [`arg${index}`, `args[${index}]`])),
      ...(shown === undefined ? {} : { shown }),
    },
  },
];

export const ABI: OperatorSpec = {
  op: 'abi',
  name: 'abi',
  on: [{ event: 'exit', add: { compat: 'id == 11' } }],
};

/** -p: these processes and all they start; one that ktop has started, from its exec on. */
export function followed({ pids, launched = false }: Options): readonly OperatorSpec[] {
  if (pids === undefined) return [];
  const on = launched ? [{ event: 'enter', where: 'oneof(id, 59, 322)' }] : [];
  return [{ op: 'follow', name: 'follow', pids, on }];
}

/** The kernel's filter for calls of these numbers. */
export const idFilter = (numbers: Iterable<number>): string =>
  [...new Set(numbers)].map((id) => `id==${id}`).join('||');

/** A plan for open files: `tables` says which the operator makes. */
export function filePlan(options: Options, tables: Partial<OperatorSpec>): Plan {
  const numbers = [...DESCRIPTOR_NUMBERS, ...WORK_NUMBERS];
  const filter = idFilter([...numbers, ...EXEC_NUMBERS]);
  return {
    mmap_pages: options.mmap_pages,
    backend: options.backend,
    complete: true,
    // Which file a descriptor is follows from all that was done with it.
    shed: { last: 'off' },
    names: CALL_TABLES,
    events: [
      { id: 'enter', names: ['raw_syscalls:sys_enter'], filter },
      { id: 'exit', names: ['raw_syscalls:sys_exit'], filter },
      callTexts(numbers),
    ],
    operators: [
      ABI,
      ...followed(options),
      {
        op: 'descriptors',
        name: 'files',
        on: descriptorClauses(options.pids === undefined ? undefined : '$followed'),
        pids: options.pids,
        comm: options.filter,
        others: options.pids === undefined,
        ...tables,
      },
    ],
  };
}
