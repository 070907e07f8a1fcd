// Makes real split locks, to see that they are found: an atomic addition on a word that straddles two cache lines.
#include <pthread.h>

#include <atomic>
#include <chrono>
#include <memory>
#include <new>
#include <thread>

#include "poll.h"

namespace ktop {
namespace {

// Few on purpose: each one stops the memory of every CPU, and many kernels delay the offender by 10 ms.
constexpr int kPerSecond = 20;

class SplitLockTest final : public Poll {
 public:
  SplitLockTest() {
    thread_ = std::thread([this] {
      pthread_setname_np(pthread_self(), "ktop/splitlock");
#if defined(__x86_64__)
      alignas(64) static unsigned char lines[128];
#endif
      while (!stop_) {
#if defined(__x86_64__)
        unsigned char* word = lines + 60;  // 8 bytes, 4 in each line
        asm volatile("lock; addq $1, %0" : "+m"(*reinterpret_cast<uint64_t(*)[1]>(word)) : : "cc", "memory");
#endif
        made_++;
        std::this_thread::sleep_for(std::chrono::milliseconds(1000 / kPerSecond));
      }
    });
  }
  ~SplitLockTest() override {
    stop_ = true;
    thread_.join();
  }
  void read(const std::string&, SnapshotData& out, Tasks&) override {
#if defined(__x86_64__)
    out.notes.push_back("--test: " + std::to_string(made_.exchange(0)) +
                        " split locks made by ktop itself in this interval");
#else
    out.notes.push_back("--test: this processor has no split locks");
#endif
  }

 private:
  std::atomic<bool> stop_{false};
  std::atomic<uint64_t> made_{0};
  std::thread thread_;
};

}  // namespace

std::unique_ptr<Poll> make_split_lock_test() { return std::make_unique<SplitLockTest>(); }

}  // namespace ktop
