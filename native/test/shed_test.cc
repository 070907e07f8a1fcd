// Operators under load shedding: scaled amounts, pauses in which nobody looked, own events; the reader's priority.
#include <sched.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <thread>

#include "engine/priority.h"
#include "engine/shedder.h"
#include "feed.h"

using namespace ktop_test;

namespace {

constexpr Nanos kMs = 1'000'000;

LostWindow pause_of(Nanos from, Nanos to) { return {LostWindow::kEveryCpu, from, to, 0, true}; }

SnapshotData scaled_snapshot(Feed& feed, Nanos now, double scale) {
  SnapshotData out;
  out.scale = scale;
  feed.pipeline->snapshot(out, now);
  return out;
}

Feed::From who(uint32_t tid, uint8_t flags = 0, uint32_t cpu = 0) { return {tid, cpu, flags, {}}; }

bool has_note(const SnapshotData& of, const std::string& part) {
  for (const std::string& note : of.notes)
    if (note.find(part) != std::string::npos) return true;
  return false;
}

// A transport without a kernel.
class FakeTransport final : public Transport {
 public:
  const char* name() const override { return "perf"; }
  void start() override {}
  void pause() override {}
  void resume() override {}
  void set_on(uint16_t, bool) override {}
  void wait(int) override {}
  void wake() override {}
  void drain(RecordSink&, bool) override {}
  std::vector<EventCounts> counts() override { return {}; }
  std::vector<uint64_t> received() const override { return events; }
  uint64_t reported_lost() const override { return lost; }
  uint64_t late() const override { return 0; }
  void stop() override {}
  std::vector<std::string> notes() const override { return {}; }
  std::vector<uint64_t> events;
  uint64_t lost = 0;
};

Plan shed_plan(const std::string& last) {
  Plan plan;
  plan.shed.last = last;
  plan.budget = 0.05;
  return plan;
}

TransportSpec spec_of(size_t events, bool stacks = false) {
  TransportSpec spec;
  for (size_t i = 0; i < events; i++)
    spec.events.push_back({"made", "e" + std::to_string(i), static_cast<uint16_t>(i + 1), "", stacks});
  return spec;
}

}  // namespace

TEST(shed_counts_are_scaled_and_totals_keep_what_each_interval_was) {
  OperatorSpec now = op("count", "now"), kept = op("count", "kept");
  kept.keep = true;
  for (OperatorSpec* each : {&now, &kept})
    each->on = {{"hit", "", "", "", {{"who", "who"}}, {{"count", "1"}, {"bytes", "size"}}}};
  Feed feed(plan_of({now, kept}), these(made_format("hit", {"who", "size"})));
  const auto hits = [&](int n) {
    for (int i = 0; i < n; i++) feed.event(0, 1, {}, {{"who", 7}, {"size", 10}});
  };
  hits(3);
  SnapshotData out = feed.snapshot(1);
  CHECK_EQ(cell(table(out, "now"), "who", "7", "count"), "3");
  hits(4);
  out = scaled_snapshot(feed, 2, 10);
  CHECK_EQ(cell(table(out, "now"), "who", "7", "count"), "40");
  CHECK_EQ(cell(table(out, "now"), "who", "7", "bytes"), "400");
  CHECK_EQ(cell(table(out, "kept"), "who", "7", "count"), "43");
  hits(5);
  out = feed.snapshot(3);
  CHECK_EQ(cell(table(out, "now"), "who", "7", "count"), "5");
  CHECK_EQ(cell(table(out, "kept"), "who", "7", "count"), "48");
  CHECK_EQ(cell(table(out, "kept"), "who", "7", "bytes"), "480");
}

TEST(shed_histograms_are_scaled) {
  OperatorSpec values = op("histogram", "values");
  values.keep = true;
  values.on = {{"hit", "", "", "", {}, {{"size", "size"}}}};
  Feed feed(plan_of({values}), these(made_format("hit", {"size"})));
  feed.event(0, 1, {}, {{"size", 5}});
  feed.event(0, 1, {}, {{"size", -5}});
  SnapshotData out = scaled_snapshot(feed, 2, 4);
  CHECK((out.histograms.at(0).count == std::vector<double>{4, 4}));
  feed.event(0, 3, {}, {{"size", 5}});
  out = feed.snapshot(4);
  CHECK((out.histograms.at(0).count == std::vector<double>{4, 5}));
}

TEST(shed_pairs_do_not_span_a_pause) {
  OperatorSpec pair = op("pair", "calls");
  pair.on = {{"end", "", "end", "", {{"tid", "$tid"}}, {}},
             {"begin", "", "start", "", {{"tid", "$tid"}}, {}, {{"what", "1"}}}};
  Feed feed(plan_of({pair}), these(made_format("begin", {"x"}), made_format("end", {"x"})));
  feed.event(0, 1 * kMs, who(5), {});
  feed.event(1, 2 * kMs, who(5), {});  // 1 ms
  feed.event(0, 3 * kMs, who(5), {});  // its end is not seen
  feed.pipeline->on_lost(pause_of(4 * kMs, 180 * kMs));
  feed.event(1, 181 * kMs, who(5), {});  // the end of another
  feed.event(0, 182 * kMs, who(5), {});
  feed.event(1, 184 * kMs, who(5), {});  // 2 ms
  const SnapshotData out = scaled_snapshot(feed, 200 * kMs, 10);
  const TableData& calls = table(out, "calls");
  CHECK_EQ(calls.length, 1u);
  CHECK_EQ(cell(calls, "what", "1", "count"), "20");
  CHECK_EQ(cell(calls, "what", "1", "total_ns"), std::to_string(30 * kMs));
  // A length is a length.
  CHECK_EQ(cell(calls, "what", "1", "min_ns"), std::to_string(1 * kMs));
  CHECK_EQ(cell(calls, "what", "1", "max_ns"), std::to_string(2 * kMs));
  double in_buckets = 0;
  for (double count : out.histograms.at(0).count) in_buckets += count;
  CHECK_EQ(in_buckets, 20.0);
  // Nothing was lost.
  CHECK(!has_note(out, "lost"));
}

TEST(shed_states_do_not_span_a_pause) {
  OperatorSpec state = op("state", "offenders");
  state.states = "SD";
  state.than_ns = 10 * kMs;
  state.on = {{"switch", "", "switch", "", {}, {{"prev", "prev"}, {"prev_state", "state"}, {"next", "next"}}},
              {"wakeup", "", "wakeup", "", {}, {{"tid", "tid"}}}};
  const std::string print = "\"%s\", __print_flags(REC->state & 0xff, \"|\", { 0x1, \"S\" }, { 0x2, \"D\" })";
  Feed feed(plan_of({state}),
            these(made_format("switch", {"prev", "state", "next"}, print), made_format("wakeup", {"tid"})));
  feed.event(0, 1 * kMs, who(5, 0, 0), {{"prev", 5}, {"state", 2}, {"next", 6}});
  feed.event(0, 1 * kMs, who(8, 0, 1), {{"prev", 8}, {"state", 1}, {"next", 9}});
  feed.pipeline->on_lost(pause_of(2 * kMs, 180 * kMs));
  // Both end, on two CPUs: neither was that long in one state as far as anybody knows.
  feed.event(1, 190 * kMs, who(6, 0, 0), {{"tid", 5}});
  feed.event(1, 190 * kMs, who(9, 0, 1), {{"tid", 8}});
  feed.event(0, 191 * kMs, who(6, 0, 0), {{"prev", 6}, {"state", 2}, {"next", 5}});
  feed.event(0, 192 * kMs, who(9, 0, 1), {{"prev", 9}, {"state", 1}, {"next", 8}});
  const SnapshotData out = feed.snapshot(195 * kMs);
  CHECK_EQ(table(out, "offenders").length, 0u);
  CHECK_EQ(cell(table(out, "offenders_states"), "state", "D", "count"), "0");
  CHECK_EQ(cell(table(out, "offenders_states"), "state", "S", "count"), "0");
  CHECK_EQ(cell(table(out, "offenders_states"), "state", "RD", "count"), "2");
  CHECK_EQ(cell(table(out, "offenders_states"), "state", "RD", "max_ns"), std::to_string(2 * kMs));
  CHECK(!has_note(out, "lost"));
}

TEST(shed_objects_of_before_a_pause_are_dropped) {
  OperatorSpec objects = op("outstanding", "objects");
  objects.keep = true;
  objects.on = {{"alloc", "", "alloc", "", {}, {{"ptr", "ptr"}, {"size", "size"}}},
                {"free", "", "free", "", {}, {{"ptr", "ptr"}}}};
  Feed feed(plan_of({objects}), these(made_format("alloc", {"ptr", "size"}), made_format("free", {"ptr"})));
  feed.event(0, 1, who(5), {{"ptr", 4096}, {"size", 8}});
  feed.pipeline->on_lost(pause_of(2, 3));
  feed.event(0, 4, who(5), {{"ptr", 8192}, {"size", 16}});
  const SnapshotData out = scaled_snapshot(feed, 5, 8);
  const TableData& rows = table(out, "objects");
  CHECK_EQ(rows.length, 1u);
  CHECK_EQ(cell(rows, "bucket", "outstanding", "count"), "8");
  CHECK_EQ(cell(rows, "bucket", "outstanding", "bytes"), "128");
  CHECK(!has_note(out, "lost"));
}

TEST(shed_own_events_are_left_out_where_a_plan_says_others) {
  OperatorSpec all = op("count", "all"), others = op("count", "others"), objects = op("outstanding", "objects");
  others.others = objects.others = true;
  for (OperatorSpec* each : {&all, &others}) each->on = {{"alloc", "", "", "", {{"one", "1"}}, {{"count", "1"}}}};
  objects.on = {{"alloc", "", "alloc", "", {}, {{"ptr", "ptr"}}}, {"free", "", "free", "", {}, {{"ptr", "ptr"}}}};
  Feed feed(plan_of({all, others, objects}), these(made_format("alloc", {"ptr"}), made_format("free", {"ptr"})));
  const uint32_t self = static_cast<uint32_t>(getpid()), own_thread = 4'000'001, other = 4'000'002;
  feed.fork(self, own_thread, self);
  feed.fork(other, other, 1);
  feed.event(0, 1, who(self), {{"ptr", 0x1000}});
  feed.event(0, 1, who(own_thread), {{"ptr", 0x2000}});
  feed.event(0, 1, who(own_thread, 0x08), {{"ptr", 0x3000}});  // in an interrupt: not its doing
  feed.event(0, 1, who(other), {{"ptr", 0x4000}});
  feed.event(0, 1, who(other), {{"ptr", 0x5000}});
  feed.event(1, 2, who(self), {{"ptr", 0x5000}});  // whoever frees it
  const SnapshotData out = feed.snapshot(3);
  CHECK_EQ(cell(table(out, "all"), "one", "1", "count"), "5");
  CHECK_EQ(cell(table(out, "others"), "one", "1", "count"), "3");
  CHECK_EQ(cell(table(out, "objects"), "bucket", "outstanding", "count"), "2");
}

TEST(shedder_goes_from_counters_to_windows_and_back) {
  const Plan plan = shed_plan("duty");
  const TransportSpec spec = spec_of(1);
  Shedder shedder(plan, spec, {SlotUse()});
  FakeTransport transport;
  transport.events = {0, 0};
  Nanos now = 1'000'000'000, cpu = 0;
  shedder.begin(now, transport);
  shedder.set_watching(now, true);
  SnapshotData out;
  // Two million events a second, whenever somebody looks, for three seconds; then next to none.
  double seen = 0, scaled = 0, paused = 0;
  size_t windows = 0;
  for (int ms = 0; ms < 12'000; ms++) {
    now += kMs;
    const uint64_t each = ms < 3000 ? 2000 : 2;
    if (shedder.watching()) {
      transport.events[0] += each;
      seen += static_cast<double>(each);
      cpu += each * 14;
    } else {
      paused++;
    }
    if (shedder.window_due(now)) {
      shedder.set_watching(now, !shedder.watching());
      windows++;
    }
    if (shedder.tick_due(now) && shedder.tick(now, cpu, transport)) {
      if (shedder.rung().kind == Rung::kDuty && shedder.watching()) shedder.set_watching(now, false);
      if (shedder.rung().kind == Rung::kFull) shedder.set_watching(now, true);
    }
    if (ms % 1000 == 999) {
      out = SnapshotData();
      shedder.snapshot(now, out);
      scaled += seen * out.scale;
      seen = 0;
      if (ms == 1999) {
        CHECK(out.shed.has_value());
        CHECK_EQ(out.shed->kind, "duty");
        CHECK(out.shed->share > 0.09 && out.shed->share < 0.11);
        CHECK(out.shed->cost_pct > 20 && out.shed->cost_pct < 30);
        CHECK_HAS(out.shed->text, "only 10 % of the time is watched");
        CHECK_HAS(out.shed->text, "the budget is 5 %");
      }
    }
  }
  const double truth = 3000.0 * 2000 + 9000.0 * 2;
  CHECK(std::abs(scaled - truth) < 0.05 * truth);
  CHECK(paused > 3000);
  CHECK(windows > 30);
  CHECK(shedder.rung().kind == Rung::kFull);
  CHECK(!out.shed.has_value());
  CHECK_EQ(out.scale, 1.0);
}

TEST(shedder_says_that_all_is_watched_again_once) {
  const Plan plan = shed_plan("off");
  Shedder shedder(plan, spec_of(1), {SlotUse()});
  FakeTransport transport;
  transport.events = {0, 0};
  Nanos now = 1'000'000'000;
  shedder.begin(now, transport);
  shedder.set_watching(now, true);
  const auto tick = [&](uint64_t events) {
    now += Shedder::kTick;
    transport.events[0] += shedder.watching() ? events : 0;
    if (shedder.tick(now, 0, transport)) shedder.set_watching(now, shedder.rung().kind != Rung::kOff);
  };
  for (int i = 0; i < 2; i++) tick(1'000'000);
  SnapshotData out;
  shedder.snapshot(now, out);
  CHECK_EQ(out.shed->kind, "off");
  CHECK_HAS(out.shed->text, "too much to be watched");
  for (int i = 0; i < 75; i++) tick(0);
  out = SnapshotData();
  shedder.snapshot(now, out);
  CHECK_EQ(out.shed->text, "watching all of it again");
  CHECK_EQ(out.notes.size(), 1u);
  tick(0);
  out = SnapshotData();
  shedder.snapshot(now, out);
  CHECK(!out.shed.has_value());
  CHECK(out.notes.empty());
}

TEST(shedder_opens_less_on_each_rung) {
  Plan plan = shed_plan("off");
  plan.shed.sample_share = 0.125;
  TransportSpec spec = spec_of(3, true);
  spec.events[1].filter = "a == 1 || b == 2";
  Shedder shedder(plan, spec, {{true, "no bytes", "", ""}, {false, "", "!(ptr & 0x7000)", ""}, SlotUse()});
  FakeTransport transport;
  transport.events.assign(4, 0);
  Nanos now = 1'000'000'000;
  shedder.begin(now, transport);
  shedder.set_watching(now, true);
  std::vector<TransportSpec> opened = {shedder.apply(spec)};
  std::vector<bool> other;
  for (int i = 0; i < 40 && opened.size() < 4; i++) {
    now += Shedder::kTick;
    transport.events[2] += 5'000'000;
    const Rung before = shedder.rung();
    if (!shedder.tick(now, 0, transport)) continue;
    other.push_back(shedder.needs_other(before));
    opened.push_back(shedder.apply(spec));
  }
  CHECK_EQ(opened.size(), 4u);
  CHECK((other == std::vector<bool>{true, true, true}));
  CHECK(opened[0].events[0].on && opened[0].events[0].stack);
  // Lean.
  CHECK(!opened[1].events[0].on && opened[1].events[1].on && !opened[1].events[1].stack);
  CHECK_EQ(opened[1].events[1].filter, "a == 1 || b == 2");
  // Filter.
  CHECK_EQ(opened[2].events[1].filter, "(a == 1 || b == 2) && !(ptr & 0x7000)");
  CHECK(opened[2].events[2].on && opened[2].events[2].filter.empty());
  // Off.
  for (const EventRequest& event : opened[3].events) CHECK(!event.on);
}

TEST(shedder_leaves_alone_what_must_be_complete) {
  const Plan plan = shed_plan("never");
  Shedder shedder(plan, spec_of(1, true), {SlotUse()});
  FakeTransport transport;
  transport.events = {0, 0};
  Nanos now = 1'000'000'000;
  shedder.begin(now, transport);
  shedder.set_watching(now, true);
  for (int i = 0; i < 20; i++) {
    now += Shedder::kTick;
    transport.events[0] += 2'000'000;
    CHECK(!shedder.tick(now, 0, transport));
  }
  SnapshotData out;
  shedder.snapshot(now, out);
  CHECK_EQ(out.scale, 1.0);
  CHECK_EQ(out.shed->kind, "full");
  CHECK_EQ(out.shed->share, 1.0);
  CHECK_HAS(out.notes.at(0), "nothing is left out");
}

TEST(live_a_reader_that_does_not_end_loses_its_priority) {
  if (!is_root()) return;
  std::atomic<int> before{-1}, after{-1};
  std::atomic<bool> timely{false};
  std::thread reader([&] {
    Priority priority;
    before = sched_getscheduler(0);
    priority.turn();
    const Nanos from = thread_cpu_ns();
    while (thread_cpu_ns() < from + 20 * Priority::kMostAtOnce && sched_getscheduler(0) == SCHED_FIFO) {
    }
    timely = thread_cpu_ns() < from + 4 * Priority::kMostAtOnce;
    after = sched_getscheduler(0);
    // Moderate again for long enough, it is first again.
    for (int i = 0; i <= Priority::kModerateTicks; i++) priority.tick(0.01);
    CHECK(priority.raised());
    CHECK_EQ(sched_getscheduler(0), SCHED_FIFO);
    // Most of a CPU in many turns is too much as well.
    priority.tick(0.6);
    CHECK(priority.lowered());
    CHECK_EQ(sched_getscheduler(0), SCHED_OTHER);
  });
  reader.join();
  CHECK_EQ(before.load(), SCHED_FIFO);
  CHECK_EQ(after.load(), SCHED_OTHER);
  CHECK(timely);
}
