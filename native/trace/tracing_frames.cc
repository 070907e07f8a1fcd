#include "tracing_frames.h"

#include <string>

#include "symbols/kallsyms.h"
#include "text.h"

namespace ktop {
namespace {

constexpr size_t kMostKnown = 4096;

}  // namespace

bool TracingFrames::is_tracing(uint64_t address) {
  const auto found = known_.find(address);
  if (found != known_.end()) return found->second;
  const std::string name = (symbols_ ? *symbols_ : Kallsyms::get()).name(address, false);
  bool tracing = false;
  for (const char* prefix : {"trace_event_raw_event_", "__traceiter_", "trace_event_buffer_", "__ftrace_trace_stack",
                             "ftrace_trace_stack", "ftrace_syscall_", "perf_trace_", "perf_syscall_"})
    tracing |= starts_with(name, prefix);
  if (known_.size() < kMostKnown) known_.emplace(address, tracing);
  return tracing;
}

uint32_t TracingFrames::count(const uint64_t* frames, uint32_t n) {
  uint32_t i = 0;
  while (i < n && is_tracing(frames[i])) i++;
  return i;
}

}  // namespace ktop
