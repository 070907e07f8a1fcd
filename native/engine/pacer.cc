#include "pacer.h"

#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <atomic>
#include <cstdint>
#include <system_error>
#include <thread>
#include <vector>

#include "perf/closer.h"

namespace ktop {
namespace {

// The first CPU we may run on, and one far from it.
std::vector<int> two_cpus() {
  cpu_set_t set;
  CPU_ZERO(&set);
  std::vector<int> cpus;
  if (sched_getaffinity(0, sizeof set, &set) != 0) return cpus;
  for (int cpu = 0; cpu < CPU_SETSIZE; cpu++)
    if (CPU_ISSET(cpu, &set)) cpus.push_back(cpu);
  if (cpus.size() < 2) return {};
  return {cpus.front(), cpus[cpus.size() / 2]};
}

}  // namespace

struct Pacer::Threads {
  std::function<void()> beat;
  int stop = -1;  // readable when it is over
  std::vector<std::thread> all;

  void start(int cpu, int period_ms) {
    all.emplace_back([this, cpu, period_ms] {
      pthread_setname_np(pthread_self(), "ktop/pacer");
      cpu_set_t own;
      CPU_ZERO(&own);
      CPU_SET(cpu, &own);
      if (pthread_setaffinity_np(pthread_self(), sizeof own, &own) != 0) return;
      sched_param priority{};
      priority.sched_priority = 1;
      pthread_setschedparam(pthread_self(), SCHED_FIFO, &priority);
      pollfd over = {stop, POLLIN, 0};
      while (poll(&over, 1, period_ms) == 0) beat();
    });
  }

  void end() {
    const uint64_t one = 1;
    (void)!write(stop, &one, sizeof one);
  }

  ~Threads() {
    for (std::thread& each : all) each.join();
    if (stop >= 0) close(stop);
  }
};

Pacer::Pacer(int period_ms, std::function<void()> beat) : threads_(std::make_shared<Threads>()) {
  threads_->beat = std::move(beat);
  threads_->stop = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (threads_->stop < 0) return;
  try {
    for (int cpu : two_cpus()) threads_->start(cpu, period_ms);
  } catch (const std::system_error&) {  // no more threads: fewer beats
  }
}

Pacer::~Pacer() {
  threads_->end();
  ClosingWork work;
  work.then = [threads = std::move(threads_)]() mutable { threads.reset(); };
  close_later(std::move(work));
}

}  // namespace ktop
