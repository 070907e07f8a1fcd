// I/O of threads at their exit, from the kernel's taskstats netlink: what a poll of /proc would never see.
#pragma once
#include <cstdint>
#include <functional>
#include <string>

namespace ktop {

struct ExitRecord {
  uint32_t tid = 0, pid = 0, ppid = 0, uid = 0;
  std::string comm;
  uint64_t read_bytes = 0, write_bytes = 0, cancelled = 0, rchar = 0, wchar = 0;
};

class TaskstatsListener {
 public:
  // Opens and registers for all CPUs; ok() tells whether that worked, why() the reason if not.
  TaskstatsListener();
  ~TaskstatsListener();
  TaskstatsListener(const TaskstatsListener&) = delete;
  TaskstatsListener& operator=(const TaskstatsListener&) = delete;
  bool ok() const { return fd_ >= 0; }
  const std::string& why() const { return why_; }
  // All records that have arrived. Never blocks. Returns false when the socket overflowed: some were lost.
  bool read(const std::function<void(const ExitRecord&)>& each);

 private:
  std::string connect();  // the reason when it fails
  bool request(uint16_t type, uint8_t command, uint16_t attribute, const std::string& value);
  int fd_ = -1;
  uint16_t family_ = 0;
  std::string why_;
};

}  // namespace ktop
