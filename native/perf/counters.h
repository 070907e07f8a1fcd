// Counting without samples: per CPU, how often each of a list of events happened. No ring, nothing to lose.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

namespace ktop {

// Raw perf config of the split-lock (bus-lock) counter for the processor of this /proc/cpuinfo; 0 = none is known.
uint64_t split_lock_config(const std::string& cpuinfo);

// One of a list of events to count. With `filter` or `grouped` a tracepoint only.
struct CountedEvent {
  std::string name;
  std::string filter;  // the kernel's, "" = none
};

class Counters {
 public:
  // Events are "sys:name" or "sw:context-switches|cpu-migrations|minor-faults|major-faults" or
  // "pmu:split-lock", "pmu:split-lock-guest" (guests of this host only), or "pmu:cycles-user|cycles-kernel" (reference
  // cycles of this host in that mode; also absent where they are not permitted). One that this kernel does
  // not have is remembered as absent. Throws Failure(kHost) when counting is not permitted at all.
  Counters(const std::vector<std::string>& events, const std::vector<int>& cpus, const std::string& tracefs);
  // As one group per CPU, which begins to count at one moment: what several of them should count is counted by all or
  // by none. Every event must be there: Failure(kHost) otherwise, kUsage for a filter that the kernel rejects.
  Counters(const std::vector<CountedEvent>& group, const std::vector<int>& cpus, const std::string& tracefs);
  ~Counters();
  Counters(const Counters&) = delete;
  Counters& operator=(const Counters&) = delete;

  const std::vector<int>& cpus() const { return cpus_; }
  // Why an event is absent, for the user; "" when it is present or simply not in this kernel.
  const std::string& why_absent(size_t event) const { return why_[event]; }
  bool present(size_t event) const { return present_[event]; }
  // Totals since the start, [cpu][event]; 0 for absent ones.
  std::vector<std::vector<uint64_t>> read() const;

 private:
  void release();
  [[noreturn]] void abandon(int error, const std::string& what);

  std::vector<int> cpus_;
  std::vector<bool> present_;
  std::vector<std::string> why_;
  std::vector<std::vector<int>> fds_;  // [cpu][event], -1 = none
  std::vector<int> leaders_;           // [cpu], of a group
};

}  // namespace ktop
