// Stacks may begin inside the tracing code: those of trace instances always, those of perf when a tracepoint has more
// than one user. This finds the frames to leave out.
#pragma once
#include <cstdint>
#include <unordered_map>

#include "symbols/symbols.h"

namespace ktop {

class TracingFrames {
 public:
  // `symbols`: of the kernel the stacks are from; null: this host's.
  explicit TracingFrames(const Symbols* symbols = nullptr) : symbols_(symbols) {}
  // How many frames at the front (the innermost) are tracing code.
  uint32_t count(const uint64_t* frames, uint32_t n);

 private:
  bool is_tracing(uint64_t address);
  const Symbols* const symbols_;
  std::unordered_map<uint64_t, bool> known_;  // few: one or two addresses for each event
};

}  // namespace ktop
