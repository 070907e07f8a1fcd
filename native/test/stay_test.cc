// state, as it measures stays on a CPU and waits for one.
#include "test/feed.h"

using namespace ktop_test;

namespace {

constexpr Nanos kMs = 1000000;
// No processes of these numbers can exist, so /proc tells nothing of them.
constexpr uint32_t kA = 5000001, kB = 5000002, kC = 5000003;

OperatorSpec measuring(const char* what) {
  OperatorSpec spec = op("state", "stays");
  spec.measure = what;
  spec.early = true;
  spec.tables = {{"both", {"cpu", "tid"}, ""}, {"tasks", {"tid"}, ""}, {"cpus", {"cpu"}, ""}};
  spec.process = "tid";
  spec.on = {
      {"switch", "", "switch", "", {}, {{"prev", "prev_pid"}, {"prev_state", "prev_state"}, {"next", "next_pid"}}},
      {"wakeup", "", "wakeup", "", {}, {{"tid", "pid"}, {"cpu", "target_cpu"}}},
      {"@clock", "", "seen", "", {}, {}}};
  return spec;
}

struct Sched {
  explicit Sched(const OperatorSpec& spec)
      : feed(plan_of({spec}), these(made_format("switch", {"prev_pid", "prev_state", "next_pid"},
                                                "\"prev=%ld next=%ld\", REC->prev_pid, REC->next_pid, "
                                                "__print_flags(REC->prev_state, \"|\", { 1, \"S\" }, { 2, \"D\" }, { "
                                                "0x10, \"X\" }, { 0x80, \"I\" })"),
                                    made_format("wakeup", {"pid", "target_cpu"}, "\"pid=%ld\", REC->pid"))) {
    for (uint32_t tid : {kA, kB, kC}) {
      feed.fork(tid, tid, 1);
      feed.comm(tid, tid, tid == kA ? "alpha" : tid == kB ? "beta" : "gamma", false);
    }
  }
  void change(Nanos ms, uint32_t cpu, uint32_t prev, int64_t state, uint32_t next) {
    feed.event(0, ms * kMs, {prev, cpu, 0, {}}, {{"prev_pid", prev}, {"prev_state", state}, {"next_pid", next}});
  }
  void wake(Nanos ms, uint32_t by, uint32_t whom, uint32_t cpu) {
    feed.event(1, ms * kMs, {by, 0, 0, {}}, {{"pid", whom}, {"target_cpu", cpu}});
  }
  SnapshotData at(Nanos ms) { return feed.snapshot(ms * kMs); }
  Feed feed;
};

std::string ms(const TableData& in, uint32_t tid, const std::string& column) {
  const std::string ns = cell(in, "tid", std::to_string(tid), column);
  return ns.size() > 6 ? ns.substr(0, ns.size() - 6) : ns;
}

std::vector<LogData> told(const SnapshotData& out) { return out.logs.at(0).second; }

}  // namespace

TEST(stays_on_a_cpu_fill_every_window) {
  Sched sched(measuring("run"));
  sched.change(1000, 0, 0, 0, kA);
  sched.change(1300, 0, kA, 0, kB);  // 300 ms of A
  sched.change(1400, 0, kB, 1, 0);   // 100 ms of B
  sched.change(1900, 0, 0, 0, kB);   // idle 500 ms
  SnapshotData out = sched.at(2000);
  CHECK_EQ(ms(table(out, "both"), kA, "within_ns"), "300");
  CHECK_EQ(ms(table(out, "both"), kA, "count"), "1");
  CHECK_EQ(ms(table(out, "both"), kA, "open"), "0");
  CHECK_EQ(ms(table(out, "both"), kB, "within_ns"), "200");  // 100 and what there is of the present one
  CHECK_EQ(ms(table(out, "both"), kB, "begun"), "2");
  CHECK_EQ(ms(table(out, "both"), kB, "count"), "1");
  CHECK_EQ(ms(table(out, "both"), kB, "now_ns"), "100");
  CHECK_EQ(ms(table(out, "both"), 0, "within_ns"), "500");
  CHECK_EQ(ms(table(out, "both"), 0, "count"), "0");  // of idling no length is kept
  CHECK_EQ(ms(table(out, "both"), kA, "window_ns"), "1000");
  CHECK_EQ(cell(table(out, "both"), "tid", std::to_string(kA), "comm"), "alpha");
  CHECK_EQ(cell(table(out, "both"), "tid", std::to_string(kA), "pid"), std::to_string(kA));
  // Nothing happens at all: it is on the CPU, whole windows of it.
  for (Nanos now : {3000, 4000}) {
    out = sched.at(now);
    CHECK_EQ(table(out, "both").length, 1u);
    CHECK_EQ(ms(table(out, "both"), kB, "within_ns"), "1000");
    CHECK_EQ(ms(table(out, "both"), kB, "begun"), "0");
    CHECK_EQ(ms(table(out, "both"), kB, "now_ns"), std::to_string(now - 1900));
  }
  sched.change(4500, 0, kB, 1, 0);
  out = sched.at(5000);
  CHECK_EQ(ms(table(out, "both"), kB, "within_ns"), "500");
  CHECK_EQ(ms(table(out, "both"), kB, "max_ns"), "2600");
  double in_histogram = 0;
  for (double count : out.histograms.at(0).count) in_histogram += count;
  CHECK_EQ(in_histogram, 1.0);
}

TEST(a_task_that_comes_from_another_cpu_has_moved) {
  Sched sched(measuring("run"));
  sched.change(1000, 0, 0, 0, kA);
  sched.change(1010, 0, kA, 1, 0);
  sched.change(1020, 1, 0, 0, kA);
  sched.change(1030, 1, kA, 1, 0);
  sched.change(1040, 1, 0, 0, kA);
  sched.change(1050, 1, kA, 1, 0);
  const SnapshotData out = sched.at(2000);
  CHECK_EQ(ms(table(out, "tasks"), kA, "begun"), "3");
  CHECK_EQ(ms(table(out, "tasks"), kA, "moved"), "1");
  CHECK_EQ(ms(table(out, "tasks"), kA, "within_ns"), "30");
  CHECK_EQ(cell(table(out, "cpus"), "cpu", "1", "moved"), "1");
}

TEST(who_ran_before_we_came_is_found_by_a_sample) {
  Sched sched(measuring("run"));
  sched.feed.pipeline->seed_from_proc(1000 * kMs);
  sched.feed.tick(1250 * kMs, 1, kA, true);
  SnapshotData out = sched.at(2000);
  CHECK_EQ(ms(table(out, "both"), kA, "within_ns"), "1000");
  CHECK_EQ(ms(table(out, "both"), kA, "count"), "0");
  sched.change(2500, 1, kA, 0, kB);          // how long it was there in all is not known
  sched.feed.tick(2600 * kMs, 1, kB, true);  // which was known
  out = sched.at(3000);
  CHECK_EQ(ms(table(out, "both"), kA, "within_ns"), "500");
  CHECK_EQ(ms(table(out, "both"), kA, "count"), "0");
  CHECK_EQ(ms(table(out, "both"), kB, "within_ns"), "500");
  CHECK_EQ(ms(table(out, "both"), kC, "within_ns"), "none");
  // And by who leaves, where no sample came first.
  sched.change(3400, 0, kC, 1, 0);
  out = sched.at(4000);
  CHECK_EQ(ms(table(out, "both"), kC, "within_ns"), "400");
}

TEST(time_on_a_cpu_is_never_made_up) {
  Sched sched(measuring("run"));
  sched.change(1000, 0, 0, 0, kA);
  sched.change(1100, 0, kB, 0, kC);  // the switch from A to B is missing
  SnapshotData out = sched.at(1200);
  CHECK_EQ(ms(table(out, "both"), kA, "within_ns"), "none");
  CHECK_EQ(ms(table(out, "both"), kB, "within_ns"), "none");
  CHECK_EQ(ms(table(out, "both"), kC, "within_ns"), "100");
  CHECK_HAS(out.notes.at(0), "1 switches were not seen: 100.0 ms on CPUs are nobody's");
  sched.feed.pipeline->on_lost({0, 1300 * kMs, 1400 * kMs, 5});
  sched.change(1500, 0, kC, 1, 0);
  out = sched.at(1600);
  CHECK_EQ(ms(table(out, "both"), kC, "within_ns"), "100");  // since the loss
  CHECK_EQ(ms(table(out, "both"), kC, "count"), "0");
}

TEST(a_sample_tells_of_switches_that_were_not_seen) {
  Sched runs(measuring("run"));
  runs.change(1000, 0, 0, 0, kA);
  runs.feed.tick(1250 * kMs, 0, kB, true);
  SnapshotData out = runs.at(1300);
  CHECK_EQ(ms(table(out, "both"), kA, "within_ns"), "none");
  CHECK_EQ(ms(table(out, "both"), kB, "within_ns"), "50");
  CHECK_HAS(out.notes.at(0), "250.0 ms on CPUs are nobody's");
  Sched waits(measuring("wait"));
  waits.wake(1000, kC, kA, 0);
  waits.feed.tick(1250 * kMs, 0, kA, true);  // it waits no more
  CHECK_EQ(table(waits.at(1300), "both").length, 0u);
}

TEST(long_stays_are_told_once_while_they_last) {
  OperatorSpec spec = measuring("run");
  spec.than_ns = 50 * kMs;
  Sched sched(spec);
  sched.change(1000, 1, 0, 0, kA);
  std::vector<LogData> entries = told(sched.at(1100));
  CHECK_EQ(entries.size(), size_t{1});
  CHECK_EQ(entries.at(0).text, std::string("100.0 ms on CPU 1 without a break, still there"));
  CHECK_EQ(entries.at(0).comm, std::string("alpha"));
  CHECK_EQ(told(sched.at(1200)).size(), size_t{0});
  sched.change(1250, 1, kA, 1, 0);
  sched.change(1400, 1, 0, 0, kB);  // an idle CPU is no incident
  sched.change(1410, 1, kB, 1, 0);
  entries = told(sched.at(1500));
  CHECK_EQ(entries.size(), size_t{1});
  CHECK_EQ(entries.at(0).text, std::string("250.0 ms on CPU 1 without a break"));
  CHECK_EQ(entries.at(0).between.size(), size_t{2});
  CHECK_HAS(entries.at(0).between.at(0), "+0.000 us cpu1 swapper/0 switch: prev=0 next=50000");
  CHECK_HAS(entries.at(0).between.at(1), "+250000.000 us cpu1 ");
}

TEST(waits_for_a_cpu_from_wakeup_and_from_the_loss_of_one) {
  Sched sched(measuring("wait"));
  sched.wake(1000, kC, kA, 1);
  sched.wake(1002, kC, kA, 1);      // runnable already: the older time counts
  sched.change(1010, 1, 0, 0, kA);  // 10 ms
  sched.wake(1015, kA, kA, 1);      // of a task that runs: nothing begins
  sched.change(1020, 1, kA, 0x100, kB);
  sched.change(1050, 0, 0, 0, kA);  // 30 ms, on another CPU in the end
  sched.change(1060, 0, kA, 1, 0);
  sched.wake(1500, kC, kB, 0);
  SnapshotData out = sched.at(1600);
  CHECK_EQ(ms(table(out, "tasks"), kA, "count"), "2");
  CHECK_EQ(ms(table(out, "tasks"), kA, "total_ns"), "40");
  CHECK_EQ(ms(table(out, "tasks"), kA, "max_ns"), "30");
  CHECK_EQ(ms(table(out, "tasks"), kA, "open"), "0");
  CHECK_EQ(cell(table(out, "cpus"), "cpu", "0", "count"), "1");
  CHECK_EQ(cell(table(out, "cpus"), "cpu", "1", "count"), "1");
  // B runs on CPU 1 since 1020: it was not asleep, so this wakeup is one on its way out.
  CHECK_EQ(ms(table(out, "tasks"), kB, "open"), "none");
  double in_histogram = 0;
  for (double count : out.histograms.at(0).count) in_histogram += count;
  CHECK_EQ(in_histogram, 2.0);
}

TEST(who_is_kept_waiting_ages_and_is_told) {
  OperatorSpec spec = measuring("wait");
  spec.states = "R";
  spec.than_ns = 50 * kMs;
  Sched sched(spec);
  sched.change(1000, 0, kB, 0, kA);
  SnapshotData out = sched.at(1200);
  CHECK_EQ(ms(table(out, "tasks"), kB, "now_ns"), "200");
  CHECK_EQ(ms(table(out, "tasks"), kB, "count"), "0");
  CHECK_EQ(ms(table(out, "tasks"), kB, "max_ns"), "-");
  CHECK_EQ(cell(table(out, "cpus"), "cpu", "0", "open"), "1");
  CHECK_EQ(told(out).size(), size_t{1});
  CHECK_EQ(told(out).at(0).text, std::string("200.0 ms in R, lost CPU 0 to alpha/5000001, not over yet"));
  CHECK_EQ(told(out).at(0).between.size(), size_t{1});
  out = sched.at(1400);
  CHECK_EQ(ms(table(out, "tasks"), kB, "now_ns"), "400");
  CHECK_EQ(told(out).size(), size_t{0});
  sched.change(1500, 1, 0, 0, kB);
  out = sched.at(1600);
  CHECK_EQ(ms(table(out, "tasks"), kB, "max_ns"), "500");
  CHECK_EQ(ms(table(out, "tasks"), kB, "open"), "0");
  const LogData entry = told(out).at(0);
  CHECK_EQ(entry.text, std::string("500.0 ms in R, lost CPU 0 to alpha/5000001, ran on CPU 1"));
  CHECK_EQ(entry.between.size(), size_t{2});
  CHECK_EQ(entry.between.at(0), std::string("+0.000 us cpu0 beta/5000002 switch: prev=5000002 next=5000001"));
  CHECK_EQ(entry.between.at(1), std::string("+500000.000 us cpu1 swapper/0 switch: prev=0 next=5000002"));
}

TEST(waits_only_of_these_tasks_and_cpus) {
  OperatorSpec spec = measuring("wait");
  spec.comm = "al*";
  spec.cpus = {1};
  Sched sched(spec);
  for (uint32_t tid : {kA, kB})
    for (uint32_t cpu : {0u, 1u}) {
      sched.wake(1000, kC, tid, cpu);
      sched.change(1005, cpu, 0, 0, tid);
      sched.change(1006, cpu, tid, 1, 0);
    }
  const SnapshotData out = sched.at(1100);
  CHECK_EQ(table(out, "both").length, 1u);
  CHECK_EQ(cell(table(out, "both"), "cpu", "1", "tid"), std::to_string(kA));
  CHECK_EQ(cell(table(out, "both"), "cpu", "1", "count"), "1");
}

TEST(of_other_cpus_nothing_is_told) {
  OperatorSpec spec = measuring("wait");
  spec.states = "R";
  spec.than_ns = 50 * kMs;
  spec.cpus = {1};
  Sched sched(spec);
  for (uint32_t cpu : {0u, 1u}) {
    const uint32_t tid = cpu == 0 ? kA : kB;
    sched.wake(1000, kC, tid, cpu);
    sched.change(1100, cpu, 0, 0, tid);
  }
  CHECK_EQ(told(sched.at(1200)).size(), size_t{1});
}

TEST(a_sleep_is_of_the_cpu_it_began_on_wherever_it_ends) {
  OperatorSpec spec = measuring("");
  spec.states = "S";
  spec.than_ns = 50 * kMs;
  spec.cpus = {0};
  spec.keep = true;
  Sched sched(spec);
  sched.change(1000, 0, kA, 1, 0);
  sched.change(1000, 1, kB, 1, 0);
  CHECK_EQ(table(sched.at(1080), "stays").length, 1u);
  sched.feed.event(1, 1100 * kMs, {kC, 1, 0, {}}, {{"pid", kA}, {"target_cpu", 1}});
  sched.feed.event(1, 1100 * kMs, {kC, 1, 0, {}}, {{"pid", kB}, {"target_cpu", 0}});
  sched.change(1101, 1, 0, 0, kA);
  const SnapshotData out = sched.at(1300);
  CHECK_EQ(table(out, "stays").length, 1u);
  CHECK_EQ(ms(table(out, "stays"), kA, "total_ns"), "100");
  CHECK_EQ(ms(table(out, "stays"), kA, "current_ns"), "-");
  CHECK_EQ(cell(table(out, "stays_states"), "state", "S", "count"), "1");
}

TEST(a_name_and_a_number_must_both_be_right) {
  OperatorSpec spec = measuring("wait");
  spec.comm = "al*";
  for (uint32_t pid : {kA, kB}) {
    spec.pids = {pid};
    Sched sched(spec);
    for (uint32_t tid : {kA, kB}) {
      sched.wake(1000, kC, tid, 0);
      sched.change(1005, 0, 0, 0, tid);
      sched.change(1006, 0, tid, 1, 0);
    }
    CHECK_EQ(table(sched.at(1100), "both").length, pid == kA ? 1u : 0u);
  }
}
