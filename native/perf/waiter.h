// Waits for any of several fds, a wake-up from another thread, or a timeout.
#pragma once
#include <vector>

namespace ktop {

class Waiter {
 public:
  Waiter();  // throws Failure
  ~Waiter();
  Waiter(const Waiter&) = delete;
  Waiter& operator=(const Waiter&) = delete;
  void add(int fd);
  void remove(int fd);
  void wait(int timeout_ms);
  bool wait_for_wake(int timeout_ms);  // for wake() alone; true: it came
  void wake();                         // from any thread

 private:
  int epoll_ = -1, event_ = -1;
};

}  // namespace ktop
