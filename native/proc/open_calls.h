// The system calls that tasks of this host are in right now, as records of raw_syscalls:sys_enter.
#pragma once
#include <functional>

#include "perf/record.h"
#include "trace/format.h"

namespace ktop {

// Calls `visit` for every sleeping thread that is in a call; none for other events than that one. What runs right now
// is not known. `time` and `slot` are left to the caller; the record is valid during the call only.
void open_calls(const EventFormat& format, const std::function<void(Record&)>& visit);

}  // namespace ktop
