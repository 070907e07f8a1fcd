// Keeps time for a thread that a CPU with interrupts off could otherwise leave asleep: timers fire on the CPU where
// they were set. Two CPUs beat, of which such a one can silence but one.
#pragma once
#include <functional>
#include <memory>

namespace ktop {

class Pacer {
 public:
  // `beat` is called about every `period_ms` by each of two threads; it must be safe to call from both, and not block.
  // With one CPU there is no beat.
  Pacer(int period_ms, std::function<void()> beat);
  // The threads end later, in the closing thread: one of them may be stuck right now.
  ~Pacer();
  Pacer(const Pacer&) = delete;
  Pacer& operator=(const Pacer&) = delete;

 private:
  struct Threads;
  std::shared_ptr<Threads> threads_;
};

}  // namespace ktop
