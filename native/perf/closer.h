// Closes event fds and rings off the caller's path: the last close of a tracepoint waits 33 ms for the kernel, and
// whoever opens one meanwhile waits with it. So the closing starts late and steps aside for openings.
#pragma once
#include <cstddef>
#include <functional>
#include <utility>
#include <vector>

namespace ktop {

struct ClosingWork {
  std::vector<int> fds = {};
  std::vector<std::pair<void*, size_t>> mappings = {};
  std::function<void()> then = nullptr;  // after these
};

void close_later(ClosingWork work);

// While one of these lives, the closer rests.
class OpeningNow {
 public:
  OpeningNow();
  ~OpeningNow();
  OpeningNow(const OpeningNow&) = delete;
  OpeningNow& operator=(const OpeningNow&) = delete;
};

}  // namespace ktop
