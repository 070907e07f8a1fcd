// Texts that system calls are given (paths, above all), as they were at the call: copied inside the kernel by two small
// BPF programs on raw_syscalls, so that nothing is read late and nothing is stopped. A text whose page is not in memory
// yet is copied at the end of the call, when the kernel has had to fetch it. Everything goes with the descriptors:
// nothing stays behind after a kill -9.
#pragma once
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace ktop {

class CallTexts {
 public:
  // common_type of the records, which no tracepoint has: their ids are given from 1 on.
  static constexpr uint16_t kType = 0xfff0;
  // As a format file would say it: call, index (of the argument), late (copied at the end), text.
  static const char* format();

  // Number of the call → a letter for each argument; 's' is a text. Throws Failure(kHost) where the kernel refuses.
  CallTexts(const std::string& tracefs, const std::vector<std::pair<int64_t, std::string>>& calls);
  ~CallTexts();
  CallTexts(const CallTexts&) = delete;
  CallTexts& operator=(const CallTexts&) = delete;

  // Sends what this CPU's calls are given to a PERF_COUNT_SW_BPF_OUTPUT event.
  void send_to(int cpu, int event_fd) const;
  // From now on.
  void attach();

 private:
  void fill(const std::vector<std::pair<int64_t, std::string>>& calls);
  const std::string tracefs_;
  int where_ = -1, scratch_ = -1, pending_ = -1, events_ = -1, enter_ = -1, exit_ = -1;
  std::vector<int> attached_;
};

}  // namespace ktop
