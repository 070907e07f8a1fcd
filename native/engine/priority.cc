#include "engine/priority.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <mutex>

namespace ktop {
namespace {

int signal_number() { return SIGRTMIN + 3; }  // neither the C library's nor Node's

// In the thread itself; only what is allowed in a handler.
void on_signal(int, siginfo_t* info, void*) {
  if (info->si_code != SI_TIMER) return;
  const sched_param ordinary{};
  syscall(SYS_sched_setscheduler, 0, SCHED_OTHER, &ordinary);
  static_cast<std::atomic<bool>*>(info->si_value.sival_ptr)->store(true);
}

void install() {
  static std::once_flag once;
  std::call_once(once, [] {
    struct sigaction action {};
    action.sa_sigaction = on_signal;
    action.sa_flags = SA_SIGINFO | SA_RESTART;
    sigemptyset(&action.sa_mask);
    sigaction(signal_number(), &action, nullptr);
  });
}

}  // namespace

Nanos thread_cpu_ns() {
  timespec t{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
  return static_cast<Nanos>(t.tv_sec) * 1'000'000'000 + static_cast<Nanos>(t.tv_nsec);
}

Priority::Priority() {
  install();
  sigset_t own;
  sigemptyset(&own);
  sigaddset(&own, signal_number());
  pthread_sigmask(SIG_UNBLOCK, &own, nullptr);
  sigevent event{};
  event.sigev_notify = SIGEV_THREAD_ID;
  event.sigev_signo = signal_number();
  event.sigev_value.sival_ptr = &demoted_;
#ifdef sigev_notify_thread_id
  event.sigev_notify_thread_id = static_cast<pid_t>(syscall(SYS_gettid));
#else
  event._sigev_un._tid = static_cast<pid_t>(syscall(SYS_gettid));
#endif
  has_timer_ = timer_create(CLOCK_THREAD_CPUTIME_ID, &event, &timer_) == 0;
  allowed_ = raise();
}

Priority::~Priority() {
  if (has_timer_) timer_delete(timer_);
}

bool Priority::raise() {
  // Without the timer nothing would take it away again.
  if (!has_timer_) return false;
  sched_param first{};
  first.sched_priority = 1;
  raised_ = pthread_setschedparam(pthread_self(), SCHED_FIFO, &first) == 0;
  return raised_;
}

void Priority::lower() {
  const sched_param ordinary{};
  pthread_setschedparam(pthread_self(), SCHED_OTHER, &ordinary);
  raised_ = false;
}

void Priority::turn() {
  if (!raised()) return;
  itimerspec at{};
  at.it_value.tv_nsec = static_cast<long>(kMostAtOnce);
  timer_settime(timer_, 0, &at, nullptr);
}

void Priority::tick(double used) {
  if (!allowed_) return;
  if (demoted_.exchange(false)) {
    raised_ = false;
    moderate_ = 0;
  }
  if (raised_ && used > kMost) {
    lower();
    moderate_ = 0;
  }
  if (raised_) return;
  moderate_ = used < kModerate ? moderate_ + 1 : 0;
  if (moderate_ >= kModerateTicks) raise();
}

}  // namespace ktop
