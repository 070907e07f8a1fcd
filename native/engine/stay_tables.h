// Stays of tasks on a CPU, or on their way to one: tables by CPU and task, and the histogram of their lengths.
#pragma once
#include <map>
#include <vector>

#include "engine/rollup.h"

namespace ktop {

struct Stay {
  uint32_t cpu = 0, tid = 0;
  uint64_t within = 0;  // ns of it in the window
  bool begun = false;   // in the window
  bool moved = false;   // and it was on another CPU before
  bool ended = false;
  bool exact = false;  // its length is known
  uint64_t took = 0;   // ns, so far
};

class StayTables {
 public:
  // Tables are by the columns cpu and tid. Throws Failure(kInternal).
  explicit StayTables(const OperatorSpec& spec);
  void add(const Stay& stay);
  // Whether this CPU is among those asked for.
  bool wants(uint32_t cpu) const { return cpus_.empty() || (cpu < cpus_.size() && cpus_[cpu]); }
  // Beside the columns of a Rollup: begun, moved, within_ns, window_ns, open, now_ns (the oldest open one).
  // Histogram of those that ended, by CPU when asked to. Clears it all.
  void write(SnapshotData& out, uint64_t window, Engine& engine);

 private:
  enum Counter { kBegun, kMoved, kWithin, kWindow, kOpen, kNow };
  const std::string name_;
  const bool percpu_;
  std::vector<bool> cpus_;  // empty: all
  std::vector<Rollup> tables_;
  std::map<uint32_t, Log2Histogram> histograms_;
};

}  // namespace ktop
