// How the transports deal with the host: its users, its limits, its faults, and dying on it. Needs root.
#include <signal.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <algorithm>
#include <atomic>
#include <sstream>

#include "engine/pacer.h"
#include "live.h"
#include "perf/cpus.h"

using namespace ktop_test;

namespace {

// Idle time so far of the busiest CPU, in ticks of 10 ms.
uint64_t least_idle_ticks() {
  std::istringstream stat(read_file("/proc/stat"));
  uint64_t least = UINT64_MAX;
  for (std::string line; std::getline(stat, line);) {
    std::istringstream words(line);
    std::string name;
    uint64_t user, nice, system, idle;
    if (words >> name >> user >> nice >> system >> idle && name.rfind("cpu", 0) == 0 && name != "cpu")
      least = std::min(least, idle);
  }
  return least;
}

// What `work` returns, run in a process of its own.
template <typename Work>
std::string in_child(Work work) {
  int ends[2];
  if (pipe(ends) != 0) return "no pipe";
  finish_closing();  // no thread, no lock held at the fork
  const pid_t child = fork();
  if (child == 0) {
    const std::string text = work();
    (void)!write(ends[1], text.data(), text.size());
    _exit(0);
  }
  close(ends[1]);
  std::string text;
  char buffer[4096];
  for (ssize_t n; (n = read(ends[0], buffer, sizeof buffer)) > 0;) text.append(buffer, static_cast<size_t>(n));
  close(ends[0]);
  waitpid(child, nullptr, 0);
  return text;
}

}  // namespace

TEST(pacer_beats_until_it_is_gone) {
  const std::shared_ptr<std::atomic<int>> beats(new std::atomic<int>{0});
  {
    Pacer pacer(5, [beats] { (*beats)++; });
    if (online_cpus().size() < 2) return;
    for (int tries = 0; tries < 1000 && *beats < 10; tries++) usleep(5000);
    CHECK(*beats >= 10);
  }
  finish_closing();
  const int last = *beats;
  CHECK_EQ(beats.use_count(), 1L);
  usleep(30000);
  CHECK_EQ(beats->load(), last);
}

TEST(live_ordinary_users_are_told_what_to_do) {
  if (!is_root()) return;
  const TransportSpec spec = [] {
    TransportSpec s;
    s.events = {request("sched", "sched_switch")};
    return s;
  }();
  const std::string mount = tracefs();
  const std::string told = in_child([&] {
    if (setgid(65534) != 0 || setuid(65534) != 0) return std::string("cannot become nobody");
    std::string text = failure_of(open_perf_transport, spec) + "\n" + failure_of(open_trace_transport, spec) + "\n";
    try {
      load_format(mount, "sched", "sched_switch");
    } catch (const Failure& failure) {
      text += std::to_string(failure.kind) + " " + failure.what();
    }
    const PerfProbe probe = probe_perf(mount);
    return text + "\n" + (probe.tracepoints || probe.loses_idle ? "?" : probe.why);
  });
  CHECK_HAS(told,
            "1 the kernel refuses to trace task events on CPU 0 (Permission denied, kernel.perf_event_paranoid = ");
  CHECK_HAS(told, "); run ktop as root, or grant it CAP_PERFMON\n1 cannot create a trace instance in ");
  CHECK_HAS(told, ": Permission denied; run ktop as root\n1 cannot read ");
  CHECK(told.find('?') == std::string::npos);
}

TEST(live_rings_shrink_to_the_memory_limit) {
  if (!is_root()) return;
  const std::string told = in_child([] {
    const rlimit limit = {65536, 65536};
    setrlimit(RLIMIT_MEMLOCK, &limit);
    struct {
      uint32_t version;
      int pid;
    } header = {0x20080522, 0};
    uint32_t sets[6];
    if (syscall(SYS_capget, &header, sets) != 0) return std::string("no capget");
    constexpr uint32_t kIpcLock = 1u << 14;
    sets[0] &= ~kIpcLock, sets[1] &= ~kIpcLock;
    if (syscall(SYS_capset, &header, sets) != 0) return std::string("no capset");
    TransportSpec spec;
    spec.events = {request("sched", "sched_switch")};
    try {
      auto transport = open_perf_transport(spec, tracefs());
      transport->start();
      nap(20000);
      CollectSink sink;
      transport->stop();
      transport->drain(sink, true);
      return (sink.all.empty() ? "empty " : "") + (transport->notes().empty() ? "no note" : transport->notes()[0]);
    } catch (const Failure& failure) {
      return std::string(failure.what());
    }
  });
  // Other users of perf may leave us no page of the limit at all: then the remedy must be told.
  if (told.find("cannot map a ring of") == 0)
    CHECK_HAS(told, "raise RLIMIT_MEMLOCK");
  else
    CHECK_HAS(told, " pages per CPU instead of 512: memory lock limit");
  CHECK(told.find("empty") == std::string::npos);
}

TEST(live_guardian_cleans_up_after_kill) {
  if (!is_root()) return;
  int ready[2];
  CHECK_EQ(pipe(ready), 0);
  finish_closing();
  const pid_t child = fork();
  if (child == 0) {
    setpgid(0, 0);
    TransportSpec spec;
    spec.events = {request("sched", "sched_switch"), request("sched", "sched_wakeup", "", true)};
    auto transport = open_trace_transport(spec, tracefs());
    transport->start();
    (void)!write(ready[1], "x", 1);
    for (;;) pause();
  }
  char byte;
  CHECK_EQ(read(ready[0], &byte, 1), 1);
  close(ready[0]);
  close(ready[1]);
  const std::string first = tracefs() + "/instances/ktop_" + std::to_string(child);
  const auto left = [&] {
    return system(("ls " + tracefs() + "/instances | grep -q '^ktop_" + std::to_string(child) + "'").c_str()) == 0;
  };
  CHECK(left());
  kill(-child, SIGINT);  // what a terminal sends; the guardian stands apart
  kill(-child, SIGKILL);
  waitpid(child, nullptr, 0);
  const Nanos start = monotonic_now();
  while (left() && monotonic_now() - start < 3000000000) nap(10000);
  CHECK(!left());
  CHECK(monotonic_now() - start < 1000000000);
}

TEST(live_sweep_spares_the_living) {
  if (!is_root()) return;
  const std::string root = tracefs() + "/instances/";
  const std::string dead = root + "ktop_4194303", own = root + "ktop_" + std::to_string(getpid()) + "_77",
                    other = root + "ktop_test";
  for (const std::string& path : {dead, own, other}) mkdir(path.c_str(), 0750);
  sweep_instances(tracefs());
  CHECK(!exists(dead));
  CHECK(exists(own));
  CHECK(exists(other));
  for (const std::string& path : {own, other}) rmdir(path.c_str());
}

TEST(live_probe) {
  if (!is_root()) return;
  const Nanos start = monotonic_now();
  const PerfProbe probe = probe_perf(tracefs());
  CHECK(monotonic_now() - start < 300000000);  // 60 ms without sanitizers and neighbours
  CHECK(probe.tracepoints);
  CHECK(probe.clock);
  CHECK_EQ(probe.why, "");
  // Whatever the probe says of idle samples must be what a longer look shows.
  TransportSpec spec;
  spec.events = {request("sched", "sched_wakeup")};
  CollectSink sink;
  const auto transport = observe(open_perf_transport, spec, &sink, [] {
    for (int cpu : online_cpus()) {
      pin(cpu);
      for (int i = 0; i < 40; i++) nap(1000);
    }
  });
  // A CPU that is never idle while the probe looks tells it nothing.
  const uint64_t before = least_idle_ticks();
  bool loses_idle = probe.loses_idle;
  for (int i = 0; i < 20 && !loses_idle; i++) loses_idle = probe_perf(tracefs()).loses_idle;
  if (transport->counts()[0].unseen > 0 && least_idle_ticks() > before + 10) CHECK(loses_idle);
}
