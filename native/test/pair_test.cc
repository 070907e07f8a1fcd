// pair, as system calls use it: by what the end tells, what is open, threads that end or become another program.
#include <unistd.h>

#include "test/feed.h"

using namespace ktop_test;

namespace {

// No process of these numbers can exist, so /proc tells nothing of them.
constexpr uint32_t kPid = 5000001, kThread = 5000002;

OperatorSpec calls_spec() {
  OperatorSpec spec = op("pair", "calls");
  spec.on = {{"exit", "", "end", "", {{"tid", "$tid"}}, {}, {{"errno", "ret < 0 ? -ret : 0:error"}}},
             {"enter", "", "start", "", {{"tid", "$tid"}}, {}, {{"pid", "$pid"}, {"call", "id:call"}}}};
  spec.tables = {{"calls", {"pid", "call"}, ""}, {"errors", {"call", "errno"}, "errno"}};
  spec.open.name = "open";
  spec.open.columns = {{"first", "arg:hex"}};
  return spec;
}

std::unique_ptr<Feed> feed_of(const OperatorSpec& spec) {
  Plan plan = plan_of({spec});
  plan.names = {{"call", {{0, "read"}, {59, "execve"}, {231, "exit_group"}, {202, "futex"}}},
                {"error", {{2, "ENOENT"}}}};
  auto feed = std::make_unique<Feed>(
      plan, these(made_format("enter", {"id", "arg"}, "\"NR %ld\", REC->id"), made_format("exit", {"id", "ret"})));
  feed->fork(kPid, kPid, 1);
  feed->comm(kPid, kPid, "victim", false);
  feed->fork(kPid, kThread, kPid);
  return feed;
}

constexpr size_t kEnter = 0, kExit = 1;

}  // namespace

TEST(pair_counts_by_what_the_end_tells) {
  const auto feed = feed_of(calls_spec());
  for (int64_t i = 0; i < 10; i++) {
    feed->event(kEnter, 1000 * (i + 1), {kPid, 0, 0, {}}, {{"id", 0}});
    feed->event(kExit, 1000 * (i + 1) + 100, {kPid, 1, 0, {}}, {{"id", 0}, {"ret", i < 3 ? -2 : i < 4 ? -77 : 5}});
  }
  const SnapshotData out = feed->snapshot(20000);
  CHECK_EQ(cell(table(out, "calls"), "call", "read", "count"), "10");
  CHECK_EQ(cell(table(out, "calls"), "call", "read", "total_ns"), "1000");
  CHECK_EQ(cell(table(out, "calls"), "call", "read", "cut"), "0");
  const TableData& errors = table(out, "errors");
  CHECK_EQ(errors.length, 2u);
  CHECK_EQ(cell(errors, "errno", "ENOENT", "count"), "3");
  CHECK_EQ(cell(errors, "errno", "ENOENT", "call"), "read");
  CHECK_EQ(cell(errors, "errno", "77", "count"), "1");  // no name for it: its number
  CHECK_EQ(table(out, "open").length, 0u);
  CHECK_EQ(table(feed->snapshot(30000), "calls").length, 0u);
}

TEST(open_pairs_age_until_they_end) {
  const auto feed = feed_of(calls_spec());
  feed->event(kEnter, 1000, {kThread, 3, 0, {}}, {{"id", 202}, {"arg", 0xabc}});
  for (Nanos now : {2000, 5000}) {
    const SnapshotData out = feed->snapshot(now);
    const TableData& open = table(out, "open");
    CHECK_EQ(open.length, 1u);
    CHECK_EQ(cell(open, "tid", std::to_string(kThread), "age_ns"), std::to_string(now - 1000));
    CHECK_EQ(cell(open, "tid", std::to_string(kThread), "pid"), std::to_string(kPid));
    CHECK_EQ(cell(open, "tid", std::to_string(kThread), "call"), "futex");
    CHECK_EQ(cell(open, "tid", std::to_string(kThread), "comm"), "victim");
    CHECK_EQ(cell(open, "tid", std::to_string(kThread), "cpu"), "3");
    CHECK_EQ(cell(open, "tid", std::to_string(kThread), "first"), "0xabc");
    CHECK_EQ(cell(open, "tid", std::to_string(kThread), "at_least"), "0");
    CHECK_EQ(table(out, "calls").length, 0u);
  }
  feed->event(kExit, 6000, {kThread, 0, 0, {}}, {{"id", 202}, {"ret", 0}});
  const SnapshotData out = feed->snapshot(7000);
  CHECK_EQ(table(out, "open").length, 0u);
  CHECK_EQ(cell(table(out, "calls"), "call", "futex", "max_ns"), "5000");
}

TEST(a_pair_ends_with_its_thread) {
  const auto feed = feed_of(calls_spec());
  feed->event(kEnter, 1000, {kThread, 0, 0, {}}, {{"id", 202}});
  feed->event(kEnter, 2000, {kPid, 0, 0, {}}, {{"id", 231}});
  feed->exit(kPid, kThread, 2500);
  feed->exit(kPid, kPid, 2600);
  SnapshotData out = feed->snapshot(3000);
  CHECK_EQ(table(out, "open").length, 0u);
  CHECK_EQ(cell(table(out, "calls"), "call", "futex", "cut"), "1");
  CHECK_EQ(cell(table(out, "calls"), "call", "exit_group", "cut"), "1");
  CHECK_EQ(cell(table(out, "calls"), "call", "exit_group", "count"), "0");
  CHECK_EQ(cell(table(out, "calls"), "call", "exit_group", "max_ns"), "-");  // it never ended: no time is made up
  // The number is used again: a return of a call that nobody saw begin.
  feed->fork(kThread, kThread, 1);
  feed->event(kExit, 9000, {kThread, 0, 0, {}}, {{"id", 56}, {"ret", 0}});
  CHECK_EQ(table(feed->snapshot(9500), "calls").length, 0u);
}

TEST(a_pair_follows_its_thread_through_exec) {
  const auto feed = feed_of(calls_spec());
  // The second thread makes the exec: the first dies in its call, and the second goes on under its number.
  feed->event(kEnter, 1000, {kPid, 0, 0, {}}, {{"id", 202}});
  feed->event(kEnter, 2000, {kThread, 0, 0, {}}, {{"id", 59}, {"arg", 7}});
  feed->exit(kPid, kPid, 2500);
  feed->comm(kPid, kPid, "another", true);
  SnapshotData out = feed->snapshot(2600);
  CHECK_EQ(table(out, "open").length, 1u);
  CHECK_EQ(cell(table(out, "open"), "tid", std::to_string(kPid), "call"), "execve");
  CHECK_EQ(cell(table(out, "open"), "tid", std::to_string(kPid), "first"), "0x7");
  CHECK_EQ(cell(table(out, "calls"), "call", "futex", "cut"), "1");
  feed->event(kExit, 3000, {kPid, 0, 0, {}}, {{"id", 59}, {"ret", 0}});
  out = feed->snapshot(4000);
  CHECK_EQ(table(out, "open").length, 0u);
  CHECK_EQ(cell(table(out, "calls"), "call", "execve", "total_ns"), "1000");
}

TEST(a_name_that_the_kernel_filters_by_is_left) {
  OperatorSpec spec = calls_spec();
  spec.comm = "vict*";
  const auto feed = feed_of(spec);
  feed->event(kEnter, 1000, {kPid, 0, 0, {}}, {{"id", 59}});
  feed->comm(kPid, kPid, "another", true);
  SnapshotData out = feed->snapshot(2000);
  CHECK_EQ(table(out, "open").length, 0u);
  CHECK_EQ(cell(table(out, "calls"), "call", "execve", "cut"), "1");
  feed->event(kEnter, 3000, {kPid, 0, 0, {}}, {{"id", 0}});
  feed->event(kExit, 3100, {kPid, 0, 0, {}}, {{"id", 0}, {"ret", 0}});
  CHECK_EQ(table(feed->snapshot(4000), "calls").length, 0u);
}

TEST(only_these_processes_and_never_our_own) {
  OperatorSpec spec = calls_spec();
  spec.pids = {kPid};
  const auto some = feed_of(spec);
  for (uint32_t tid : {kPid, kThread, kPid + 10}) {
    some->event(kEnter, 1000, {tid, 0, 0, {}}, {{"id", 0}});
    some->event(kExit, 1100, {tid, 0, 0, {}}, {{"id", 0}, {"ret", 0}});
  }
  CHECK_EQ(cell(table(some->snapshot(2000), "calls"), "call", "read", "count"), "2");
  const uint32_t self = static_cast<uint32_t>(getpid());
  for (bool others : {false, true}) {
    spec = calls_spec();
    spec.others = others;
    const auto feed = feed_of(spec);
    feed->event(kEnter, 1000, {self, 0, 0, {}}, {{"id", 0}});
    feed->event(kExit, 1100, {self, 0, 0, {}}, {{"id", 0}, {"ret", 0}});
    CHECK_EQ(table(feed->snapshot(2000), "calls").length, others ? 0u : 1u);
  }
}

TEST(slow_pairs_are_told_with_both_ends_and_while_they_last) {
  OperatorSpec spec = calls_spec();
  spec.than_ns = 5000;
  spec.alarm = "id != 202";
  const auto feed = feed_of(spec);
  feed->event(kEnter, 1000, {kPid, 0, 0, {}}, {{"id", 0}});
  feed->event(kEnter, 1000, {kThread, 0, 0, {}}, {{"id", 202}});  // waits by nature
  const auto told = [&](Nanos now) { return feed->snapshot(now).logs.at(0).second; };
  CHECK_EQ(told(5000).size(), size_t{0});
  const std::vector<LogData> early = told(8000);
  CHECK_EQ(early.size(), size_t{1});
  CHECK_HAS(early.at(0).text, "read 7.000 us, not over yet");
  CHECK_EQ(told(9000).size(), size_t{0});  // once
  feed->event(kExit, 11000, {kPid, 1, 0, {}}, {{"id", 0}, {"ret", -2}});
  feed->event(kExit, 11000, {kThread, 0, 0, {}}, {{"id", 202}, {"ret", 0}});
  const std::vector<LogData> late = told(12000);
  CHECK_EQ(late.size(), size_t{1});
  CHECK_HAS(late.at(0).text, "read 10.000 us, errno ENOENT, ended on CPU 1");
  CHECK_EQ(late.at(0).between.size(), size_t{2});
  CHECK_HAS(late.at(0).between.at(0), "+0.000 us cpu0 victim/5000001 enter: NR 0");
  CHECK_HAS(late.at(0).between.at(1), "+10.000 us cpu1 victim/5000001 exit: ");
}

TEST(tables_of_pairs_are_bounded) {
  OperatorSpec spec = calls_spec();
  spec.cap = 100;
  const auto feed = feed_of(spec);
  for (int64_t i = 0; i < 1000; i++) {
    feed->event(kEnter, 1000, {kPid, 0, 0, {}}, {{"id", i}});
    feed->event(kExit, 1100, {kPid, 0, 0, {}}, {{"id", i}, {"ret", 0}});
  }
  const SnapshotData out = feed->snapshot(2000);
  CHECK_EQ(table(out, "calls").length, 100u);
  CHECK_HAS(out.notes.at(0), "calls: more than 100 rows; 900 pairs are in none of them");
}

TEST(what_is_open_is_lost_with_events) {
  const auto feed = feed_of(calls_spec());
  feed->event(kEnter, 1000, {kPid, 0, 0, {}}, {{"id", 0}});
  CHECK(!feed->pipeline->take_lost());
  feed->pipeline->on_lost({0, 1500, 1600, 1});
  CHECK(feed->pipeline->take_lost());
  CHECK(!feed->pipeline->take_lost());
  CHECK_EQ(table(feed->snapshot(2000), "open").length, 0u);
}

TEST(exec_tells_which_calls_a_program_makes) {
  OperatorSpec abi = op("abi", "abi");
  abi.on = {{"exit", "", "", "", {}, {{"compat", "id == 11"}}}};
  OperatorSpec count = op("count", "rows");
  count.on = {{"enter", "", "", "", {{"compat", "$compat"}}, {{"n", "1"}}}};
  Feed feed(plan_of({abi, count}), these(made_format("enter", {"id"}), made_format("exit", {"id", "ret"})));
  const auto compat = [&](uint32_t tid) {
    feed.event(kEnter, 1000, {tid, 0, 0, {}}, {{"id", 3}});
    const SnapshotData out = feed.snapshot(2000);
    return cell(table(out, "rows"), "n", "1", "compat");
  };
  feed.fork(kPid, kPid, 1);
  CHECK_EQ(compat(kPid), "0");
  // A call of the same number that is no exec says nothing.
  feed.event(kExit, 1000, {kPid, 0, 0, {}}, {{"id", 11}, {"ret", 0}});
  CHECK_EQ(compat(kPid), "0");
  feed.comm(kPid, kPid, "old", true);
  feed.event(kExit, 1100, {kPid, 0, 0, {}}, {{"id", 11}, {"ret", 0}});
  CHECK_EQ(compat(kPid), "1");
  feed.fork(kThread, kThread, kPid);  // a child runs the same program
  CHECK_EQ(compat(kThread), "1");
  feed.comm(kThread, kThread, "new", true);
  feed.event(kExit, 1200, {kThread, 0, 0, {}}, {{"id", 59}, {"ret", 0}});
  CHECK_EQ(compat(kThread), "0");
  CHECK_EQ(compat(kPid), "1");
}
