"""Stacks of all sleeping tasks as drgn unwinds them with DWARF, one JSON line each: pid, addresses, functions."""
import json
import sys

import drgn
from drgn.helpers.linux.pid import for_each_task

core, *symbols = sys.argv[1:]
program = drgn.Program()
program.set_core_dump(core)
try:
    program.load_debug_info(symbols)
except drgn.MissingDebugInfoError:
    # This drgn does not find the modules of newer kernels; vmlinux it has.
    pass
for task in for_each_task(program):
    if task.on_cpu:
        continue
    try:
        # Inlined frames are of the compiler's making: the stack has one address for them all.
        frames = [frame for frame in program.stack_trace(task) if not frame.is_inline]
        stack = {"ips": [hex(frame.pc) for frame in frames], "names": [frame.name for frame in frames]}
    except (ValueError, LookupError, drgn.FaultError) as error:
        stack = {"error": str(error)}
    print(json.dumps({"pid": task.pid.value_(), "task": hex(task.value_()), **stack}))
