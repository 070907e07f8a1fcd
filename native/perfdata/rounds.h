// Puts the records of a file in the order of their times. perf writes in rounds, one pass over the rings of all CPUs
// each. What was written in the round before the last should not be preceded by anything that is still to come, and
// that is how long perf script waits; now and then a CPU is slower than that, so one round more is waited for here.
#pragma once
#include <cstdint>
#include <vector>

#include "perf/record.h"
#include "stream.h"

namespace ktop {

class Rounds {
 public:
  struct Entry {
    Nanos time;
    const uint8_t* at;  // its header
    uint32_t chunk;
    int event;  // index in the file's list
  };

  void add(const Entry& entry);
  // The end of a round: what the second round before it brought, and all that is older, becomes ready.
  void finish_round();
  // Everything becomes ready: nothing more will come.
  void finish();
  // The older half becomes ready although older ones may still come: there is no more room.
  void halve();

  // The next in order, null when none is ready.
  const Entry* front() const { return at_ < ready_ ? &sorted_[at_] : nullptr; }
  void pop();
  bool empty() const { return at_ == sorted_.size() && fresh_.empty(); }

 private:
  void sort();
  void make_ready(Nanos limit);

  std::vector<Entry> fresh_;   // in the order of the file
  std::vector<Entry> sorted_;  // in the order of time; of equal times in the order of the file
  std::vector<Entry> merged_;
  std::vector<size_t> runs_;
  size_t at_ = 0, ready_ = 0;
  Nanos newest_ = 0, limits_[2] = {};  // of the last two rounds, the older first
};

}  // namespace ktop
