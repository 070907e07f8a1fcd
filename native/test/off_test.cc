// off: what tasks do while they are on no CPU.
#include "test/feed.h"

using namespace ktop_test;

namespace {

constexpr Nanos kMs = 1000000;
// No processes of these numbers can exist, so /proc tells nothing of them.
constexpr uint32_t kA = 5000001, kB = 5000002;
constexpr uint8_t kHard = 0x08, kSoft = 0x10;

struct Sched {
  explicit Sched(uint64_t than_ns = 0)
      : feed(plan_of({spec(than_ns)}),
             these(made_format("switch", {"prev_pid", "prev_state", "next_pid"},
                               "\"prev=%ld next=%ld\", REC->prev_pid, REC->next_pid, __print_flags(REC->prev_state, "
                               "\"|\", { 1, \"S\" }, { 2, \"D\" }, { 0x10, \"X\" }, { 0x80, \"I\" })"),
                   made_format("wake", {"pid"}, "\"pid=%ld\", REC->pid"))) {
    for (uint32_t tid : {kA, kB}) {
      feed.fork(tid, tid, 1);
      feed.comm(tid, tid, tid == kA ? "alpha" : "beta", false);
    }
  }
  static OperatorSpec spec(uint64_t than_ns) {
    OperatorSpec spec = op("off", "waits");
    spec.than_ns = than_ns;
    spec.process = "tid";
    spec.tables = {{"waits", {"tid", "state", "stack", "waker", "waker_stack"}, ""}, {"wakers", {"waker"}, ""}};
    spec.on = {
        {"switch", "", "switch", "", {}, {{"prev", "prev_pid"}, {"prev_state", "prev_state"}, {"next", "next_pid"}}},
        {"wake", "", "wake", "", {}, {{"tid", "pid"}, {"by", "$who"}}},
        {"@clock", "", "seen", "", {}, {}}};
    return spec;
  }
  void change(Nanos ms, uint32_t prev, int64_t state, uint32_t next, std::vector<uint64_t> frames = {}) {
    feed.event(0, ms * kMs, {prev, 0, 0, frames}, {{"prev_pid", prev}, {"prev_state", state}, {"next_pid", next}});
  }
  void wake(Nanos ms, uint32_t by, uint32_t whom, uint8_t flags = 0) {
    feed.event(1, ms * kMs, {by, 1, flags, {}}, {{"pid", whom}});
  }
  SnapshotData at(Nanos ms) { return feed.snapshot(ms * kMs); }
  Feed feed;
};

std::string ms(const SnapshotData& out, const std::string& state, const std::string& column) {
  const std::string ns = cell(table(out, "waits"), "state", state, column);
  return ns.size() > 6 ? ns.substr(0, ns.size() - 6) : ns;
}

std::string note(const SnapshotData& out) { return out.notes.empty() ? "" : out.notes.at(0); }

}  // namespace

TEST(an_absence_lasts_from_leaving_a_cpu_to_being_back) {
  Sched sched;
  sched.change(1000, 0, 0, kA);
  sched.change(1010, kA, 1, 0, {0x10, 0x20});
  SnapshotData out = sched.at(1100);
  CHECK_EQ(ms(out, "S", "count"), "0");
  CHECK_EQ(ms(out, "S", "open"), "1");
  CHECK_EQ(ms(out, "S", "now_ns"), "90");
  CHECK_EQ(cell(table(out, "waits"), "state", "S", "waker"), "-");
  sched.wake(1310, kB, kA);
  sched.change(1330, 0, 0, kA);
  out = sched.at(2000);
  CHECK_EQ(table(out, "waits").length, 1u);
  CHECK_EQ(ms(out, "S", "count"), "1");
  CHECK_EQ(ms(out, "S", "total_ns"), "320");
  CHECK_EQ(ms(out, "S", "delay_ns"), "20");
  CHECK_EQ(ms(out, "S", "open"), "0");
  CHECK_EQ(cell(table(out, "waits"), "state", "S", "waker"), "beta/5000002");
  CHECK_EQ(cell(table(out, "waits"), "state", "S", "comm"), "alpha");
  CHECK_EQ(cell(table(out, "wakers"), "waker", "beta/5000002", "count"), "1");
  CHECK_EQ(note(out), "");
  // It runs: nothing is left of it.
  CHECK_EQ(table(sched.at(3000), "waits").length, 0u);
}

TEST(who_lost_its_cpu_was_woken_by_nobody) {
  Sched sched;
  sched.change(1000, kA, 0, kB);
  sched.change(1040, kB, 2, kA);
  const SnapshotData out = sched.at(2000);
  CHECK_EQ(ms(out, "R", "total_ns"), "40");
  CHECK_EQ(ms(out, "R", "delay_ns"), "40");
  CHECK_EQ(cell(table(out, "waits"), "state", "R", "waker"), "-");
  CHECK_EQ(ms(out, "D", "open"), "1");
}

TEST(no_wakeup_is_laid_to_the_task_that_an_interrupt_met) {
  for (uint8_t flags : {kHard, kSoft, static_cast<uint8_t>(kHard | kSoft)}) {
    Sched sched;
    sched.change(1000, kA, 1, kB);
    sched.wake(1010, kB, kA, flags);
    sched.change(1011, kB, 0, kA);
    const SnapshotData out = sched.at(2000);
    CHECK_EQ(cell(table(out, "waits"), "state", "S", "waker"), flags & kHard ? "[irq]" : "[softirq]");
  }
}

TEST(a_wakeup_told_just_before_the_switch_is_of_this_wait) {
  Sched sched;
  sched.change(1000, 0, 0, kA);
  sched.wake(1005, kB, kA);
  sched.change(1006, kA, 1, 0);
  sched.change(1009, 0, 0, kA);
  SnapshotData out = sched.at(1500);
  CHECK_EQ(cell(table(out, "waits"), "state", "S", "waker"), "beta/5000002");
  // But the one that follows is what counts.
  sched.wake(1600, kB, kA);
  sched.change(1601, kA, 1, 0);
  CHECK_EQ(cell(table(sched.at(1650), "waits"), "state", "S", "waker"), "-");
  sched.wake(1700, 0, kA, kHard);
  sched.change(1701, 0, 0, kA);
  CHECK_EQ(cell(table(sched.at(2000), "waits"), "state", "S", "waker"), "[irq]");
}

TEST(a_return_that_nobody_saw_ends_the_wait_at_the_wakeup) {
  Sched sched;
  sched.change(1000, kA, 1, 0);
  sched.wake(1050, kB, kA);
  sched.change(1070, kA, 1, 0);  // it must have been on a CPU
  SnapshotData out = sched.at(1080);
  CHECK_EQ(ms(out, "S", "total_ns"), "50");
  CHECK_EQ(note(out), "1 switches to a task were not seen: its wait is counted up to the wakeup");
  sched.wake(1100, kB, kA);
  sched.feed.tick(1200 * kMs, 0, kA, true);
  out = sched.at(1300);
  CHECK_EQ(ms(out, "S", "count"), "1");
  CHECK_EQ(ms(out, "S", "total_ns"), "30");
  CHECK_EQ(ms(out, "S", "open"), "0");
}

TEST(waits_over_a_loss_or_of_the_dead_are_dropped) {
  Sched sched;
  sched.change(1000, kA, 1, kB);
  sched.change(1001, kB, 0x10, 0);
  sched.feed.pipeline->on_lost({0, 1010 * kMs, 1020 * kMs, 5});
  sched.wake(1030, 0, kA, kHard);
  sched.change(1031, 0, 0, kA);
  sched.change(1032, 0, 0, kB);
  SnapshotData out = sched.at(2000);
  CHECK_EQ(table(out, "waits").length, 0u);
  CHECK_EQ(note(out), "1 lost windows: waits that span them are not shown");
  sched.change(2010, kA, 1, 0);
  sched.feed.exit(kA, kA, 2020 * kMs);
  CHECK_EQ(table(sched.at(3000), "waits").length, 0u);
}

TEST(long_waits_are_told_with_the_waker) {
  Sched sched(100 * kMs);
  sched.change(1000, kA, 1, 0);
  sched.wake(1250, kB, kA);
  sched.change(1260, 0, 0, kA);
  sched.change(1300, kA, 1, 0);
  sched.wake(1350, kB, kA);
  sched.change(1360, 0, 0, kA);
  const SnapshotData out = sched.at(2000);
  const auto& log = out.logs.at(0).second;
  CHECK_EQ(log.size(), 1u);
  CHECK_EQ(log.at(0).text, "260.000 ms off the CPU in S, woken by beta/5000002");
  CHECK_EQ(log.at(0).comm, "alpha");
  CHECK_EQ(log.at(0).between.size(), 2u);
  CHECK_HAS(log.at(0).between.at(0), "+0.000 us cpu");
  CHECK_HAS(log.at(0).between.at(0), " alpha/5000001 switch: ");
  CHECK_HAS(log.at(0).between.at(1), "+260000.000 us cpu");
}
