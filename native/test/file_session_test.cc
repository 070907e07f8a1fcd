// Plans over perf.data files put together here.
#include "engine/file_session.h"

#include "check.h"
#include "feed.h"
#include "perf/transport.h"
#include "perf_file.h"

using namespace ktop;
using namespace ktop_test;

namespace {

constexpr uint16_t kA = 300, kB = 301;
constexpr Nanos kMs = 1'000'000;

PerfFile two_events() {
  PerfFile file;
  file.event(ktop_test::tracepoint_attr(kA), {11}).event(ktop_test::tracepoint_attr(kB), {21});
  return file.usual({{"made", "a", kA}, {"made", "b", kB}}, kMs, 10 * kMs);
}

EventSpec event_named(const std::string& id, const std::string& name) {
  EventSpec event;
  event.id = id;
  event.names = {name};
  return event;
}

// Counts and adds up both events by CPU.
Plan counting() {
  Plan plan;
  plan.events = {event_named("a", "made:a"), event_named("b", "made:b")};
  OperatorSpec count;
  count.op = "count";
  count.name = "all";
  count.on = {{"a", "", "", "", {{"cpu", "$cpu"}}, {{"a", "1"}, {"sum", "value"}}},
              {"b", "", "", "", {{"cpu", "$cpu"}}, {{"b", "1"}}}};
  plan.operators = {count};
  return plan;
}

std::vector<SnapshotData> run(const Plan& plan, const PerfFile& file, Nanos interval) {
  FileSession session(plan, opened(file.finish()));
  std::vector<SnapshotData> all;
  while (!session.ended()) {
    SnapshotData out;
    if (session.advance(interval, 1'000'000, &out)) all.push_back(std::move(out));
  }
  return all;
}

std::string failure_of(const Plan& plan, const PerfFile& file, Failure::Kind kind = Failure::kHost) {
  try {
    FileSession session(plan, opened(file.finish()));
  } catch (const Failure& failure) {
    CHECK_EQ(static_cast<int>(failure.kind), static_cast<int>(kind));
    return failure.what();
  }
  return "none";
}

bool has_note(const SnapshotData& in, const std::string& part) {
  for (const std::string& note : in.notes)
    if (note.find(part) != std::string::npos) return true;
  return false;
}

}  // namespace

TEST(file_session_cuts_the_file_into_intervals) {
  PerfFile file = two_events();
  // From the first record on: [1, 3), [3, 5), [5, 7), [7, 7.5].
  for (const uint64_t us : {1000, 2000, 2999, 3000, 4999, 7000, 7500})
    file.add(sample_of({11, us * 1000, 5, 5, 0}, kA, us));
  const auto all = run(counting(), file, 2 * kMs);
  CHECK_EQ(all.size(), size_t{4});
  const std::string counts[] = {"3", "2", "none", "2"};
  for (size_t i = 0; i < 4 && i < all.size(); i++) {
    CHECK_EQ(cell(table(all[i], "all"), "cpu", "0", "a"), counts[i]);
    CHECK_EQ(all[i].mono_ms, i == 3 ? 7.5 : 3.0 + 2 * static_cast<double>(i));
    CHECK_EQ(all[i].interval_ms, i == 3 ? 0.5 : 2.0);
    CHECK_EQ(all[i].backend, "perf.data");
  }
  CHECK_EQ(cell(table(all[0], "all"), "cpu", "0", "sum"), "5999");
  CHECK_EQ(all[0].events, 3.0);
  CHECK(has_note(all[0], "from made.data of elsewhere, Linux 4.2.0-test"));
  CHECK(has_note(all[0], "wall clock times are guessed"));
}

TEST(file_session_leaves_out_long_silence) {
  PerfFile file = two_events();
  file.add(sample_of({11, kMs, 5, 5, 0}, kA, 1)).add(sample_of({11, 30'000'000 * kMs, 5, 5, 0}, kA, 1));
  const auto all = run(counting(), file, kMs);
  CHECK_EQ(all.size(), size_t{2});
  CHECK(has_note(all.back(), "times without any record were left out"));
  CHECK(all.back().interval_ms <= 1.0);
}

TEST(file_session_yields_one_picture_of_a_file_without_samples) {
  PerfFile file = two_events();
  file.add(comm_of({0, 0, 5, 5, 0}, "alone"));
  const auto all = run(counting(), file, kMs);
  CHECK_EQ(all.size(), size_t{1});
  CHECK_EQ(all[0].events, 0.0);
  CHECK(all[0].interval_ms > 0);
}

TEST(file_session_takes_cpus_and_filters_apart) {
  PerfFile file = two_events();
  for (uint64_t i = 0; i < 12; i++) file.add(sample_of({11, kMs + i, 5, 5, static_cast<uint32_t>(i % 3)}, kA, i));
  Plan plan = counting();
  plan.cpus = {0, 2};
  plan.events[0].filter = "value >= 6 || value == 2";
  const auto all = run(plan, file, kMs);
  CHECK_EQ(cell(table(all[0], "all"), "cpu", "0", "a"), "2");
  CHECK_EQ(cell(table(all[0], "all"), "cpu", "1", "a"), "none");
  CHECK_EQ(cell(table(all[0], "all"), "cpu", "2", "a"), "3");
  CHECK_EQ(all[0].events, 5.0);
  CHECK(has_note(all[0], "filters are applied by ktop"));
  plan.cpus = {4};
  CHECK_HAS(failure_of(plan, file, Failure::kUsage), "has no CPU 4; it has 0-3");
  plan.cpus = {};
  plan.events[0].filter = "nonsense";
  CHECK_HAS(failure_of(plan, file, Failure::kUsage), "the filter \"nonsense\" of made:a cannot be applied");
}

TEST(file_session_filters_by_the_names_in_the_file) {
  PerfFile file = two_events();
  file.add(comm_of({0, 0, 5, 5, 0}, "five"));
  file.add(sample_of({11, kMs, 5, 5, 0}, kA, 1)).add(sample_of({11, kMs + 1, 6, 6, 0}, kA, 1));
  Plan plan = counting();
  plan.events[0].filter = "comm == \"five\"";
  CHECK_EQ(run(plan, file, kMs)[0].events, 1.0);
}

TEST(file_session_never_takes_names_of_this_host) {
  PerfFile file = two_events();
  // Process 1 runs on every host.
  file.add(sample_of({11, kMs, 1, 1, 0}, kA, 1)).add(sample_of({11, kMs + 1, 1, 1, 0}, kA, 0xfe00000));
  Plan plan = counting();
  plan.operators[0].on[0].key = {{"pid", "$pid"}, {"dev", "value:device"}};
  plan.operators[0].on[1].key = {{"pid", "$pid"}, {"dev", "value:device"}};
  plan.operators[0].process = "pid";
  const auto all = run(plan, file, kMs);
  const TableData& rows = table(all[0], "all");
  CHECK_EQ(cell(rows, "pid", "1", "comm"), "?");
  CHECK_EQ(cell(rows, "pid", "1", "uid"), "-");
  CHECK_EQ(cell(rows, "dev", "254:0", "pid"), "1");
}

TEST(file_session_says_how_to_record_what_is_missing) {
  PerfFile file = two_events();
  file.add(sample_of({11, kMs, 1, 1, 0}, kA, 1));
  Plan plan = counting();
  plan.events[1].names = {"made:c"};
  CHECK_EQ(
      failure_of(plan, file),
      "made.data has no made:c (it has made:a, made:b); record it with: perf record -a -k mono -e made:a -e made:c");
  plan.events[1].is_optional = true;
  plan.events[1].optional = "b is not counted";
  const auto all = run(plan, file, kMs);
  CHECK(has_note(all[0], "made:c is not in the file: b is not counted"));
  CHECK_EQ(cell(table(all[0], "all"), "cpu", "0", "b"), "-");
  plan.events[0].is_optional = true;
  plan.events[0].names = {"made:d"};
  CHECK_HAS(failure_of(plan, file), "made.data has no made:d");
  plan.events.clear();
  plan.operators.clear();
  CHECK_HAS(failure_of(plan, file), "it is made of readings of /proc");
}

TEST(file_session_says_what_was_not_recorded) {
  PerfFile file;
  perf_event_attr attr = ktop_test::tracepoint_attr(kA);
  attr.sample_period = 100;
  file.event(attr, {11}).usual({{"made", "a", kA}}, kMs, kMs);
  file.add(sample_of({11, kMs, 1, 1, 0}, kA, 1));
  Plan plan = counting();
  plan.events = {plan.events[0]};
  plan.operators[0].on.resize(1);
  plan.events[0].stack = true;
  plan.polls = {{"cpu-times", "times", {}, {}}, {"process-io", "io", {}, {}}};
  const auto all = run(plan, file, kMs);
  CHECK(has_note(all[0], "made:a was recorded now and then only"));
  CHECK(has_note(all[0], "call chains were not recorded; perf record -g takes them"));
  CHECK(has_note(all[0], "not in a perf.data file, so not shown: CPU times, I/O of processes"));
  CHECK(has_note(all[0], "functions are shown as addresses: the file is of another kernel (4.2.0-test)"));
  const PlanCheck check = check_plan(plan, *opened(file.finish()));
  CHECK(check.ok);
  CHECK_EQ(check.missing.size(), size_t{2});
}

TEST(file_session_needs_the_formats_of_events) {
  PerfFile file;
  file.event(ktop_test::tracepoint_attr(kA), {11}).feature(3, text_feature("elsewhere"));
  file.add(sample_of({11, kMs, 1, 1, 0}, kA, 1));
  CHECK_HAS(failure_of(counting(), file), "made.data has no tracing data");
}

TEST(file_session_counts_samples_of_the_clock) {
  PerfFile file;
  file.event(clock_attr(100, false), {31}).usual({}, kMs, kMs);
  file.add(comm_of({0, 0, 5, 6, 0}, "worker"));
  file.add(clock_sample({31, kMs, 5, 6, 1}, false, 0xffffffff81000000));
  file.add(clock_sample({31, 2 * kMs, 5, 6, 1}, true, 0x400000));
  file.add(clock_sample({31, 3 * kMs, 0, 0, 1}, false, 0xffffffff81000000));
  Plan plan;
  plan.sampler.frequency = 99;
  OperatorSpec count;
  count.op = "sample";
  count.name = "who";
  count.on = {{"@clock", "", "", "", {{"comm", "$comm"}}, {{"usr", "$user"}, {"all", "1"}}}};
  plan.operators = {count};
  const auto all = run(plan, file, 100 * kMs);
  CHECK_EQ(cell(table(all[0], "who"), "comm", "worker", "all"), "2");
  CHECK_EQ(cell(table(all[0], "who"), "comm", "worker", "usr"), "1");
  CHECK_EQ(cell(table(all[0], "who"), "comm", "swapper", "all"), "1");
  CHECK(has_note(all[0], "samples of cpu-clock, 100 times a second"));
  plan.sampler.exclude_idle = true;
  plan.sampler.exclude_user = true;
  CHECK_EQ(run(plan, file, 100 * kMs)[0].events, 1.0);
  CHECK_EQ(sampling_frequency(*opened(file.finish())), 100.0);
  CHECK_HAS(failure_of(plan, two_events().add(sample_of({11, kMs, 1, 1, 0}, kA, 1))),
            "has no samples of cpu-clock (it has made:a, made:b); record it with: perf record -a -k mono -e "
            "cpu-clock/freq=99/");
}

TEST(file_session_measures_gaps_by_the_ticks_that_were_recorded) {
  PerfFile file;
  file.event(clock_attr(1000, false), {31}).usual({}, kMs, kMs);
  // A tick each ms, and a silence of 30 ms after the tenth.
  for (uint64_t i = 0; i < 20; i++)
    file.add(clock_sample({31, (i < 10 ? i + 1 : i + 31) * kMs, 5, 6, 0}, false, 0xffffffff81000000));
  Plan plan;
  plan.sampler.period = 100'000;
  OperatorSpec gap;
  gap.op = "gap";
  gap.name = "gaps";
  gap.period_ns = 100'000;
  gap.than_ns = 10 * kMs;
  gap.keep = true;
  gap.on = {{"@clock", "", "", "", {{"cpu", "$cpu"}}, {}}};
  plan.operators = {gap};
  const auto all = run(plan, file, 100 * kMs);
  CHECK_EQ(cell(table(all[0], "gaps"), "cpu", "0", "count"), "1");
  CHECK_EQ(cell(table(all[0], "gaps"), "cpu", "0", "max_ns"), "30500000");
  CHECK(has_note(all[0], "what a hypervisor took is not in the file"));
  plan.operators[0].than_ns = kMs;
  CHECK_HAS(failure_of(plan, file, Failure::kUsage),
            "the ticks in made.data come every 1.000 ms, too far apart for a "
            "limit of 1.000 ms; give one of at least 2.000 ms");
}

TEST(file_session_needs_to_know_whose_ticks_they_are) {
  PerfFile file;
  perf_event_attr attr = clock_attr(1000, false);
  attr.sample_type &= ~static_cast<uint64_t>(PERF_SAMPLE_CPU);
  file.event(attr, {31}).usual({}, kMs, kMs);
  Plan plan;
  plan.sampler.period = 100'000;
  OperatorSpec gap;
  gap.op = "gap";
  gap.name = "gaps";
  gap.period_ns = 100'000;
  gap.than_ns = 10 * kMs;
  gap.on = {{"@clock", "", "", "", {{"cpu", "$cpu"}}, {}}};
  plan.operators = {gap};
  CHECK_HAS(failure_of(plan, file), "does not say on which CPU its events were; record it with: perf record -a");
  CHECK(!check_plan(plan, *opened(file.finish())).ok);
}

TEST(file_session_counts_losses_in_their_interval) {
  PerfFile file = two_events();
  file.add(sample_of({11, kMs, 5, 5, 0}, kA, 1)).add(lost_of({11, 3 * kMs, 5, 5, 0}, 7));
  file.add(sample_of({11, 4 * kMs, 5, 5, 0}, kA, 1)).add(lost_samples_of({11, 0, 0, 0, 0}, 9));
  const auto all = run(counting(), file, 2 * kMs);
  CHECK_EQ(all.size(), size_t{2});
  CHECK_EQ(all[0].lost, 0.0);
  CHECK_EQ(all[1].lost, 9.0);
}
