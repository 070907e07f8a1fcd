#include "closer.h"

#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#include <chrono>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <system_error>
#include <thread>

#include "transport.h"

namespace ktop {
namespace {

using std::chrono::milliseconds;
using Lock = std::unique_lock<std::mutex>;

constexpr milliseconds kDelay{250};      // the next monitor opens right after the last one stopped
constexpr milliseconds kPatience{2000};  // with an opening that does not end

// Never destroyed: a thread may still be at work when the process ends without finish_closing().
struct Closer {
  std::mutex mutex;
  std::condition_variable changed;
  std::deque<ClosingWork> queue;
  std::thread thread;
  bool running = false;  // the thread will look at the queue once more
  int openings = 0;
  int finishing = 0;

  void step_aside(Lock& lock) {
    changed.wait_for(lock, kPatience, [this] { return openings == 0 || finishing; });
  }

  void close_all(ClosingWork work, Lock& lock) {
    for (int fd : work.fds) {
      step_aside(lock);
      lock.unlock();
      close(fd);
      lock.lock();
    }
    step_aside(lock);
    lock.unlock();
    for (const auto& [address, size] : work.mappings) munmap(address, size);
    if (work.then) work.then();
    work = {};
    lock.lock();
  }

  void loop() {
    pthread_setname_np(pthread_self(), "ktop/close");
    Lock lock(mutex);
    changed.wait_for(lock, kDelay, [this] { return finishing != 0; });
    while (!queue.empty()) {
      ClosingWork work = std::move(queue.front());
      queue.pop_front();
      close_all(std::move(work), lock);
    }
    running = false;
    changed.notify_all();
  }
};

Closer& closer() {
  static Closer* const instance = new Closer;
  return *instance;
}

}  // namespace

void close_later(ClosingWork work) {
  if (work.fds.empty() && work.mappings.empty() && !work.then) return;
  Closer& c = closer();
  Lock lock(c.mutex);
  c.queue.push_back(std::move(work));
  if (c.running) return;
  if (c.thread.joinable()) c.thread.join();  // it has left its loop
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);  // signals are for the main thread
  try {
    c.thread = std::thread([&c] { c.loop(); });
    c.running = true;
  } catch (const std::system_error&) {  // no more threads: slow, but closed
    c.finishing++;
    while (!c.queue.empty()) {
      ClosingWork now = std::move(c.queue.front());
      c.queue.pop_front();
      c.close_all(std::move(now), lock);
    }
    c.finishing--;
  }
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

void finish_closing() {
  Closer& c = closer();
  Lock lock(c.mutex);
  c.finishing++;
  c.changed.notify_all();
  c.changed.wait(lock, [&c] { return !c.running; });
  if (c.thread.joinable()) c.thread.join();
  c.finishing--;
}

OpeningNow::OpeningNow() {
  std::lock_guard<std::mutex> lock(closer().mutex);
  closer().openings++;
}

OpeningNow::~OpeningNow() {
  std::lock_guard<std::mutex> lock(closer().mutex);
  closer().openings--;
  closer().changed.notify_all();
}

}  // namespace ktop
