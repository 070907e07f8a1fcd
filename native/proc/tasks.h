// Which process a thread belongs to, its name and owner: from /proc once, then from the fork/exec/exit side band.
#pragma once
#include <array>
#include <cstdint>
#include <deque>
#include <functional>
#include <string>
#include <unordered_map>
#include <vector>

#include "engine/strings.h"
#include "perf/record.h"

namespace ktop {

struct Task {
  uint32_t pid = 0;  // thread group
  uint32_t ppid = 0;
  uint32_t uid = UINT32_MAX;  // real uid; UINT32_MAX = not known
  uint32_t comm = 0;          // Strings id
  bool read = false;          // the above were read from /proc (or inherited at fork)
  bool verified = false;      // uid and ppid were read for this task itself
  Nanos gone = 0;             // when it exited, 0 = lives
  // Whether it makes 32-bit system calls. kAfterExec: the return of exec will tell.
  enum Abi : uint8_t { kUnknown, kNative, kCompat, kAfterExec } abi = kUnknown;
  // Whether it is one of those that are followed; what it starts is, too.
  enum Follow : uint8_t { kUnasked, kNot, kFollowed } follow = kUnasked;
};

class Tasks {
 public:
  // `here`: they are tasks of this host, so /proc knows them. Otherwise only what the side band tells.
  explicit Tasks(Strings& strings, bool here = true) : strings_(strings), here_(here) {}
  // Thread → process of everything alive, and names while there are not too many. Call when the side band already
  // flows. `visit(tid, state letter, CPU it was on last)` is told of every thread whose state was read.
  void scan(const std::function<void(uint32_t, char, uint32_t)>& visit, bool states);
  void on_task(const TaskRecord& record);
  // Never fails: what cannot be known is pid = tid, comm "?".
  const Task& get(uint32_t tid) {
    const Hot& hot = hot_[tid % hot_.size()];
    // UINT32_MAX is a tid as well: perf's for a task that has given up its ids on its way out.
    return hot.tid == tid && hot.task ? *hot.task : look_up(tid);
  }
  uint32_t pid(uint32_t tid) { return get(tid).pid; }
  // 1 when it makes 32-bit system calls, as far as is known.
  bool compat(uint32_t tid) {
    const Task& task = get(tid);
    return task.abi == Task::kNative ? false : task.abi == Task::kCompat || read_abi(tid);
  }
  // The thread runs a new program, and nobody has said yet which calls it makes.
  bool after_exec(uint32_t tid) { return get(tid).abi == Task::kAfterExec; }
  // From now on only these processes, and what they start from now on, are followed. Without this all are.
  void follow_only(const std::vector<int64_t>& pids);
  void follow(uint32_t tid) { tasks_[tid].follow = Task::kFollowed; }
  bool followed(uint32_t tid) {
    if (!follow_some_) return true;
    const Task::Follow follow = get(tid).follow;
    return follow == Task::kUnasked ? decide(tid) : follow == Task::kFollowed;
  }
  void exec_returned(uint32_t tid, bool compat) { tasks_[tid].abi = compat ? Task::kCompat : Task::kNative; }
  // For a row on the screen: reads uid and parent of a live task that only inherited them.
  const Task& verify(uint32_t tid);
  // Forgets tasks that ended before `before`.
  void forget(Nanos before);
  Strings& strings() { return strings_; }

 private:
  // The map's nodes stay where they are, so the hot ones are remembered by tid: one look instead of a hash walk.
  struct Hot {
    uint32_t tid = UINT32_MAX;
    const Task* task = nullptr;
  };
  const Task& look_up(uint32_t tid);
  void read(uint32_t tid, Task& task);
  bool read_abi(uint32_t tid);
  bool decide(uint32_t tid);
  Strings& strings_;
  const bool here_;
  std::unordered_map<uint32_t, Task> tasks_;
  std::array<Hot, 1024> hot_;
  // Those that have exited, in that order: to forget them no other task is looked at.
  struct Ended {
    Nanos time;
    uint32_t tid;
  };
  std::deque<Ended> ended_;
  bool follow_some_ = false;
  std::vector<int64_t> following_;
};

// Every entry of a directory whose name is a number.
void numbers_in(const char* path, const std::function<void(uint32_t)>& visit);
// Every thread of this host: process, thread.
void each_thread(const std::function<void(uint32_t, uint32_t)>& visit);

}  // namespace ktop
