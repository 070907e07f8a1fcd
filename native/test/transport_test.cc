// Both transports on the kernel that runs. Needs root.
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>

#include <map>

#include "live.h"
#include "symbols/kallsyms.h"

using namespace ktop_test;

namespace {

Nanos thread_cpu_time() {
  timespec t;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
  return static_cast<Nanos>(t.tv_sec) * 1000000000 + static_cast<Nanos>(t.tv_nsec);
}

void check_exact(Transport& transport, const CollectSink& sink) {
  std::map<uint16_t, uint64_t> seen;
  uint64_t lost = 0, lost_in_windows = 0;
  for (const Seen& s : sink.all) {
    if (s.kind == Seen::kEvent) seen[s.slot]++;
    if (s.kind == Seen::kLost) lost_in_windows += s.lost.count;
  }
  const auto counts = transport.counts();
  for (size_t i = 0; i < counts.size(); i++) {
    CHECK_EQ(counts[i].received, seen[static_cast<uint16_t>(i)]);
    CHECK_EQ(counts[i].counted, counts[i].received + counts[i].lost + counts[i].unseen);
    lost += counts[i].lost;
  }
  // Windows also tell of lost side band records.
  CHECK(lost_in_windows >= lost);
  CHECK(sink.ordered());
}

}  // namespace

TEST(live_both_see_every_system_call) {
  if (!is_root()) return;
  for (Opener open : kOpeners) {
    TransportSpec spec;
    spec.events = {request("raw_syscalls", "sys_enter", "id == 39"), request("sched", "sched_switch")};
    CollectSink sink;
    uint32_t tid = 0;
    const auto transport = observe(open, spec, &sink, [&] {
      tid = static_cast<uint32_t>(syscall(SYS_gettid));
      for (int i = 0; i < 20000; i++) syscall(SYS_getpid);
      for (int i = 0; i < 50; i++) nap(200);
    });
    size_t calls = 0, switches = 0;
    const EventFormat format = load_format(tracefs(), "raw_syscalls", "sys_enter");
    for (const Seen& s : sink.all) {
      if (s.kind != Seen::kEvent || s.tid != tid) continue;
      calls += s.slot == 0;
      switches += s.slot == 1;
      if (s.slot == 0)
        CHECK_EQ(read_integer(*format.find("id"), s.raw.data(), static_cast<uint32_t>(s.raw.size())), 39);
    }
    CHECK_EQ(calls, 20000u);
    CHECK(switches >= 50);
    check_exact(*transport, sink);
    CHECK_EQ(transport->counts()[0].lost, 0u);
  }
}

TEST(live_loss_is_counted_exactly) {
  if (!is_root()) return;
  TransportSpec spec;
  spec.events = {request("raw_syscalls", "sys_enter"), request("raw_syscalls", "sys_exit")};
  spec.pages = 8;
  CollectSink sink;
  auto transport = open_perf_transport(spec, tracefs());
  transport->start();
  for (int round = 0; round < 3; round++) {
    for (int i = 0; i < 20000; i++) syscall(SYS_getppid);
    transport->drain(sink, round == 1);
  }
  for (int i = 0; i < 20000; i++) syscall(SYS_getppid);
  transport->stop();
  transport->drain(sink, true);
  check_exact(*transport, sink);
  const auto counts = transport->counts();
  CHECK(counts[0].lost + counts[1].lost > 100000);
  CHECK_EQ(counts[0].unseen, 0u);
  // Every loss is in a window, those of the side band apart.
  uint64_t in_windows = 0;
  for (const Seen& s : sink.all) {
    if (s.kind != Seen::kLost) continue;
    in_windows += s.lost.count;
    CHECK(s.lost.from <= s.lost.to);
  }
  CHECK(in_windows >= counts[0].lost + counts[1].lost);
  CHECK(in_windows <= counts[0].lost + counts[1].lost + 1000);
}

TEST(live_tracefs_loss_is_counted_exactly) {
  if (!is_root()) return;
  TransportSpec spec;
  spec.events = {request("raw_syscalls", "sys_enter", "id == 110")};
  CollectSink sink;
  auto transport = open_trace_transport(spec, tracefs());
  transport->start();
  constexpr uint64_t kCalls = 400000;  // some 30 MB for a buffer of 4
  for (uint64_t i = 0; i < kCalls; i++) syscall(SYS_getppid);
  transport->stop();
  transport->drain(sink, true);
  const EventCounts counts = transport->counts()[0];
  CHECK(counts.lost > 100000);
  CHECK(counts.counted >= kCalls);
  CHECK(counts.counted < kCalls + 1000);
  CHECK_EQ(counts.unseen, 0u);
  check_exact(*transport, sink);
}

// perf drops samples of an idle CPU on some hosts; this transport is there because it does not.
TEST(live_tracefs_sees_idle_cpus) {
  if (!is_root()) return;
  TransportSpec spec;
  spec.events = {request("sched", "sched_wakeup")};
  const EventFormat format = load_format(tracefs(), "sched", "sched_wakeup");
  CollectSink sink;
  int64_t tid = 0;
  const auto cpus = online_cpus();
  const auto transport = observe(open_trace_transport, spec, &sink, [&] {
    tid = syscall(SYS_gettid);
    for (int cpu : cpus) {
      pin(cpu);
      for (int i = 0; i < 100; i++) nap(1000);  // each ends with a wakeup, mostly from the idle task
    }
  });
  std::map<uint32_t, int> woken;
  for (const Seen& s : sink.all) {
    if (s.kind != Seen::kEvent) continue;
    woken[s.cpu] += read_integer(*format.find("pid"), s.raw.data(), static_cast<uint32_t>(s.raw.size())) == tid;
  }
  for (int cpu : cpus) CHECK(woken[static_cast<uint32_t>(cpu)] >= 100);
  check_exact(*transport, sink);
}

TEST(live_stacks_and_clock) {
  if (!is_root()) return;
  for (Opener open : kOpeners) {
    TransportSpec spec;
    spec.events = {request("raw_syscalls", "sys_enter", "id == 39"), request("sched", "sched_switch", "", true)};
    spec.sampler.frequency = 500;
    spec.sampler.stack = true;
    CollectSink sink;
    uint32_t tid = 0;
    const auto transport = observe(open, spec, &sink, [&] {
      tid = static_cast<uint32_t>(syscall(SYS_gettid));
      for (int i = 0; i < 30; i++) nap(500);
      while (thread_cpu_time() < 100000000) syscall(SYS_getpid);
    });
    size_t with_stack = 0, without = 0, samples = 0;
    for (const Seen& s : sink.all) {
      if (s.kind != Seen::kEvent || s.tid != tid) continue;
      if (s.slot == 0) CHECK(s.frames.empty());
      if (s.slot == 1) s.frames.size() >= 3 ? with_stack++ : without++;
      // The same first frame from either transport: none of the tracing code.
      if (s.slot == 1 && !s.frames.empty()) CHECK_EQ(Kallsyms::get().name(s.frames[0], false), "__schedule");
      if (s.slot == 2) samples++;
      for (uint64_t ip : s.frames) CHECK(ip >= 0xffff000000000000);
    }
    CHECK(with_stack >= 25);
    CHECK(without <= with_stack / 10);
    CHECK(samples >= 15);
    check_exact(*transport, sink);
  }
}

TEST(live_tasks_are_told) {
  if (!is_root()) return;
  for (Opener open : kOpeners) {
    TransportSpec spec;
    spec.events = {request("sched", "sched_process_exec")};
    CollectSink sink;
    pid_t child = 0;
    observe(open, spec, &sink, [&] {
      child = fork();
      if (child == 0) {
        execl("/bin/true", "true", nullptr);
        _exit(1);
      }
      waitpid(child, nullptr, 0);
    });
    bool fork_seen = false, exec_seen = false, exit_seen = false;
    for (const Seen& s : sink.all) {
      if (s.kind != Seen::kTask || s.task.pid != static_cast<uint32_t>(child)) continue;
      if (s.task.kind == TaskRecord::kFork) fork_seen = s.task.ppid == static_cast<uint32_t>(getpid());
      if (s.task.kind == TaskRecord::kComm && s.task.exec) exec_seen = s.comm == "true" && fork_seen;
      if (s.task.kind == TaskRecord::kExit) exit_seen = exec_seen;
    }
    CHECK(fork_seen && exec_seen && exit_seen);
  }
}

TEST(live_chosen_cpus_only) {
  if (!is_root()) return;
  const int last = online_cpus().back();
  for (Opener open : kOpeners) {
    TransportSpec spec;
    spec.events = {request("raw_syscalls", "sys_enter")};
    spec.cpus = {last};
    CollectSink sink;
    observe(open, spec, &sink, [&] {
      for (int cpu : online_cpus()) {
        pin(cpu);
        for (int i = 0; i < 1000; i++) syscall(SYS_getppid);
      }
    });
    CHECK(sink.count(Seen::kEvent) >= 1000);
    for (const Seen& s : sink.all)
      if (s.kind == Seen::kEvent) CHECK_EQ(s.cpu, static_cast<uint32_t>(last));
    spec.cpus = {last, 5000};
    CHECK_HAS(failure_of(open, spec), "0 CPU 5000 is not online; online: " + format_cpu_list(online_cpus()));
  }
}

TEST(live_rejected_filters_are_explained) {
  if (!is_root()) return;
  for (Opener open : kOpeners) {
    TransportSpec spec;
    spec.events = {request("sched", "sched_switch", "prev_pd > 1")};
    const std::string told = failure_of(open, spec);
    CHECK_HAS(told, "0 filter \"prev_pd > 1\" of sched:sched_switch is rejected (");
    CHECK_HAS(told, "no field \"prev_pd\", nearest \"prev_pid\"; its fields: common_pid, prev_comm, prev_pid");
    spec.events[0].filter = "prev_pid >";
    CHECK_HAS(failure_of(open, spec), "its syntax");
    spec.events[0].filter = "common_pid > 1 && (next_comm ~ \"a*\" || CPU == 0)";
    CHECK_EQ(failure_of(open, spec), "none");
  }
}

TEST(live_wake_ends_a_wait) {
  if (!is_root()) return;
  for (Opener open : kOpeners) {
    TransportSpec spec;
    spec.events = {request("sched", "sched_process_exec")};
    auto transport = open(spec, tracefs());
    transport->start();
    const Nanos start = monotonic_now();
    std::thread waker([&] {
      nap(20000);
      transport->wake();
    });
    transport->wait(10000);
    waker.join();
    CHECK(monotonic_now() - start < 2000000000);
  }
}

TEST(live_stop_is_quick_and_leaves_nothing) {
  if (!is_root()) return;
  for (Opener open : kOpeners) {
    TransportSpec spec;
    for (const char* name : {"kmalloc", "kfree", "mm_page_alloc", "mm_page_free"})
      spec.events.push_back(request("kmem", name));
    {
      auto transport = open(spec, tracefs());
      transport->start();
      const Nanos start = monotonic_now();
      transport->stop();
      CHECK(monotonic_now() - start < 20000000);
    }
    finish_closing();
    CHECK(!exists(tracefs() + "/instances/ktop_" + std::to_string(getpid())));
  }
  const std::string mine = "ktop_" + std::to_string(getpid());
  CHECK_EQ(system(("! ls " + tracefs() + "/instances | grep -q " + mine).c_str()), 0);
}

TEST(live_a_pause_leaves_out_what_happens_in_it_and_nothing_else) {
  if (!is_root()) return;
  const auto calls = [](int number, int count) {
    for (int i = 0; i < count; i++) syscall(number);
  };
  for (Opener open : kOpeners) {
    TransportSpec spec;
    // Nobody else calls these.
    spec.events = {
        request("raw_syscalls", "sys_enter", "id == 39 && common_pid == " + std::to_string(syscall(SYS_gettid))),
        request("raw_syscalls", "sys_exit", "id == 110 && common_pid == " + std::to_string(syscall(SYS_gettid)))};
    spec.events[1].apart = true;
    CollectSink sink;
    auto transport = open(spec, tracefs());
    transport->start();
    const auto both = [&] {
      calls(SYS_getpid, 1000);
      calls(SYS_getppid, 1000);
    };
    both();
    transport->pause();
    both();
    const pid_t child = fork();
    if (child == 0) _exit(0);
    waitpid(child, nullptr, 0);
    transport->drain(sink, true);
    CHECK_EQ(transport->received()[0], 1000u);
    transport->resume();
    both();
    transport->set_on(1, false);
    both();
    transport->pause();
    both();
    transport->resume();
    transport->set_on(1, true);
    both();
    transport->stop();
    transport->drain(sink, true);
    check_exact(*transport, sink);
    const auto counts = transport->counts();
    CHECK_EQ(counts[0].received, 4000u);
    CHECK_EQ(counts[1].received, 3000u);
    for (const EventCounts& count : counts) {
      CHECK_EQ(count.lost, 0u);
      CHECK_EQ(count.unseen, 0u);
    }
    // Forks are told all the while.
    bool forked = false;
    for (const Seen& seen : sink.all)
      forked |= seen.kind == Seen::kTask && seen.task.tid == static_cast<uint32_t>(child);
    CHECK(forked);
  }
}
