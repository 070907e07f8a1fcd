// The priority of a reader thread: ahead of all ordinary ones, but never for long in one go.
#pragma once
#include <time.h>

#include <atomic>

#include "perf/record.h"

namespace ktop {

// SCHED_FIFO 1 where that is allowed, for the thread that makes it. A timer on the thread's own CPU clock takes it away
// from inside a turn that does not end, so that a reader gone wild cannot hold a CPU; so does using most of a CPU. It
// comes back when the thread has been moderate for a while. (RLIMIT_RTTIME would be handed down to watched programs.)
class Priority {
 public:
  static constexpr Nanos kMostAtOnce = 200'000'000;      // CPU time of one turn
  static constexpr double kMost = 0.5, kModerate = 0.2;  // of a CPU
  static constexpr int kModerateTicks = 10;

  Priority();
  ~Priority();  // in the same thread
  Priority(const Priority&) = delete;
  Priority& operator=(const Priority&) = delete;

  // A turn begins.
  void turn();
  // Once per tick: what the thread used in it, of a CPU.
  void tick(double used);
  bool raised() const { return raised_ && !demoted_; }
  // It was first, and is not any more.
  bool lowered() const { return allowed_ && !raised(); }

 private:
  bool raise();
  void lower();

  timer_t timer_{};
  bool has_timer_ = false, allowed_ = false, raised_ = false;
  std::atomic<bool> demoted_{false};  // by the timer's signal
  int moderate_ = 0;
};

// CPU time of the calling thread, ns.
Nanos thread_cpu_ns();

}  // namespace ktop
