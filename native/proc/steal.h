// Time the hypervisor took from each CPU, as a short history: how much of it fell into a given gap.
#pragma once
#include <cstdint>
#include <deque>
#include <vector>

namespace ktop {

class StealHistory {
 public:
  // Takes a reading when the last one is older than `every` ns. /proc/stat counts in steps of 10 ms.
  void sample(uint64_t now, uint64_t every = 50'000'000);
  // Upper bound of the ns stolen from the CPU between two times: the readings around them, nothing finer is known.
  uint64_t between(uint32_t cpu, uint64_t from, uint64_t to) const;

 private:
  struct Reading {
    uint64_t time;
    std::vector<uint64_t> stolen;  // ns by CPU
  };
  std::deque<Reading> readings_;
};

}  // namespace ktop
