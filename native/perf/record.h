// What a transport hands to the engine: one event, one change of a task, one lost window.
#pragma once
#include <cstddef>
#include <cstdint>

namespace ktop {

using Nanos = uint64_t;  // CLOCK_MONOTONIC

// What lay on a task's user stack, from the stack pointer up.
struct UserStack {
  uint64_t pointer = 0;
  const uint8_t* bytes = nullptr;
  uint32_t size = 0;
  bool narrow = false;  // a 32-bit program
};

// One tracepoint record or one clock sample. All pointers are valid during the call only.
struct Record {
  Nanos time = 0;
  uint32_t cpu = 0;
  uint16_t slot = 0;                 // index of the event in the TransportSpec
  bool user = false;                 // clock samples: the CPU ran user code
  uint32_t tid = 0;                  // common_pid, or the sample's tid
  uint32_t size = 0;                 // bytes at `raw`, padding included
  const uint8_t* raw = nullptr;      // starts with common_type; null for clock samples
  const uint64_t* frames = nullptr;  // innermost first, PERF_CONTEXT_* markers removed, kernel frames only
  uint32_t frame_count = 0;
  UserStack user_stack = {};  // of events that ask for it, and only from perf
};

// The task was interrupted, and has nothing to do with it. Of common_flags hard irq 0x08, soft irq 0x10, NMI 0x40; 0x10
// alone with 0x80 (BH off) is still the task's own doing.
inline bool interrupted(const Record& record) {
  return record.raw != nullptr && record.size > 2 && (record.raw[2] & (0x08 | 0x10 | 0x40)) != 0;
}

// fork, exit, comm: from the perf side band (any transport).
struct TaskRecord {
  enum Kind : uint8_t { kFork, kExit, kComm } kind = kFork;
  bool exec = false;  // kComm: the name changed by exec
  Nanos time = 0;
  uint32_t pid = 0, tid = 0;    // the task (kFork: the child)
  uint32_t ppid = 0, ptid = 0;  // kFork, kExit: the parent
  const char* comm = nullptr;   // kComm: NUL-terminated, at most 15 bytes
};

// Between `from` and `to` events of this CPU are missing.
struct LostWindow {
  uint32_t cpu = 0;  // kEveryCpu
  Nanos from = 0, to = 0;
  uint64_t count = 0;      // 0 = unknown
  bool unwatched = false;  // nothing was lost: nobody looked (load shedding)
  static constexpr uint32_t kEveryCpu = UINT32_MAX;
};

// Receives everything in time order across CPUs.
class RecordSink {
 public:
  virtual ~RecordSink() = default;
  virtual void on_event(const Record& record) = 0;
  virtual void on_task(const TaskRecord& task) = 0;
  virtual void on_lost(const LostWindow& window) = 0;
};

}  // namespace ktop
