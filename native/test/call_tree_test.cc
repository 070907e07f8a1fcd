#include "test/feed.h"
#include "trace/page.h"
#include "trace/saved_settings.h"

using namespace ktop_test;

namespace {

OperatorSpec calls_of() {
  OperatorSpec spec = op("calls", "calls");
  spec.on = {{"enter", "", "enter", "", {{"function", "func"}}, {}},
             {"exit", "", "exit", "", {{"function", "func"}}, {{"duration", "took"}}},
             {"leaf", "", "event", "", {{"function", "func"}}, {}}};
  return spec;
}

// Functions are numbers here: 1 calls 2.
Feed feed_of(const OperatorSpec& spec) {
  return Feed(plan_of({spec}), these(made_format("enter", {"func"}), made_format("exit", {"func", "took"}),
                                     made_format("leaf", {"func"})));
}

void enter(Feed& feed, Nanos us, uint32_t tid, int64_t function) {
  feed.event(0, us * 1000, {tid, 0, 0, {}}, {{"func", function}});
}

void leave(Feed& feed, Nanos us, uint32_t tid, int64_t function, int64_t took_us) {
  feed.event(1, us * 1000, {tid, 0, 0, {}}, {{"func", function}, {"took", took_us * 1000}});
}

// Lines of the tree without the name of the task.
std::vector<std::string> lines(const SnapshotData& from) {
  std::vector<std::string> all;
  for (auto& [name, entries] : from.logs)
    for (const LogData& entry : entries) {
      std::string line = entry.text;
      // Whatever a task of that number is called on this host.
      const size_t open = line.find('(');
      if (line[0] == ' ' && open != line.npos) line.erase(7, open - 7);
      all.push_back(line);
    }
  return all;
}

std::string joined(const SnapshotData& from) {
  std::string all;
  for (const std::string& line : lines(from)) all += line + "\n";
  return all;
}

}  // namespace

TEST(calls_are_a_tree_with_times) {
  Feed feed = feed_of(calls_of());
  enter(feed, 100, 7, 1);
  enter(feed, 103, 7, 2);
  leave(feed, 105, 7, 2, 2);
  feed.event(2, 106000, {7, 0, 0, {}}, {{"func", 9}});
  leave(feed, 110, 7, 1, 10);
  const SnapshotData out = feed.snapshot(200000);
  CHECK_EQ(joined(out), std::string("     0 (7): -> 1\n"
                                    "     3 (7):  -> 2\n"
                                    "     5 (7):  <- 2  2.000 us\n"
                                    "     6 (7):  -- 9\n"
                                    "    10 (7): <- 1  10.000 us, self 8.000 us\n"));
  const TableData& functions = table(out, "calls");
  CHECK_EQ(cell(functions, "function", "1", "total_ns"), "10000");
  CHECK_EQ(cell(functions, "function", "1", "self_ns"), "8000");
  CHECK_EQ(cell(functions, "function", "2", "calls"), "1");
  const TableData& stacks = table(out, "calls_stacks");
  CHECK_EQ(cell(stacks, "stack", "2;1", "self_ns"), "2000");
  CHECK_EQ(cell(stacks, "stack", "1", "self_ns"), "8000");
  // Cleared: the next picture is of the next interval.
  CHECK_EQ(table(feed.snapshot(300000), "calls").length, 0u);
}

TEST(calls_leaves_are_one_line) {
  OperatorSpec spec = calls_of();
  spec.leaves = true;
  Feed feed = feed_of(spec);
  enter(feed, 100, 7, 1);
  enter(feed, 103, 7, 2);
  leave(feed, 105, 7, 2, 2);
  leave(feed, 110, 7, 1, 10);
  CHECK_EQ(joined(feed.snapshot(200000)), std::string("     0 (7): -> 1\n"
                                                      "     3 (7):  <> 2  2.000 us\n"
                                                      "    10 (7): <- 1  10.000 us, self 8.000 us\n"));
  // Told already as open: its return is a line.
  enter(feed, 300, 7, 1);
  feed.snapshot(400000);
  leave(feed, 500, 7, 1, 200);
  CHECK_EQ(joined(feed.snapshot(600000)), std::string("   200 (7): <- 1  200.000 us\n"));
}

TEST(calls_of_threads_do_not_mix) {
  Feed feed = feed_of(calls_of());
  enter(feed, 1, 7, 1);
  enter(feed, 2, 8, 1);
  leave(feed, 3, 7, 1, 2);
  leave(feed, 5, 8, 1, 3);
  CHECK_EQ(joined(feed.snapshot(10000)),
           std::string("     0 (7): -> 1\n     2 (7): <- 1  2.000 us\n     0 (8): -> 1\n     3 (8): <- 1  3.000 us\n"));
}

TEST(calls_recursion_counts_its_time_once) {
  Feed feed = feed_of(calls_of());
  enter(feed, 0, 7, 1);
  enter(feed, 1, 7, 1);
  leave(feed, 5, 7, 1, 4);
  leave(feed, 10, 7, 1, 10);
  const SnapshotData out = feed.snapshot(20000);
  CHECK_EQ(cell(table(out, "calls"), "function", "1", "calls"), "2");
  CHECK_EQ(cell(table(out, "calls"), "function", "1", "total_ns"), "10000");
  CHECK_EQ(cell(table(out, "calls"), "function", "1", "avg_ns"), "7000");
  CHECK_EQ(cell(table(out, "calls"), "function", "1", "self_ns"), "10000");
}

TEST(calls_orphans_and_missing_returns_are_marked) {
  Feed feed = feed_of(calls_of());
  leave(feed, 1, 7, 5, 100);  // called before we looked
  enter(feed, 2, 7, 1);
  enter(feed, 3, 7, 2);
  leave(feed, 4, 7, 1, 2);  // 2 did not return
  enter(feed, 5, 8, 3);
  feed.exit(8, 8, 6000);
  CHECK_EQ(joined(feed.snapshot(10000)), std::string("     ? (7): <- 5  (was called before)\n"
                                                     "     0 (7): -> 1\n"
                                                     "     1 (7):  -> 2\n"
                                                     "     2 (7):  <- 2  (no return seen)\n"
                                                     "     2 (7): <- 1  2.000 us\n"
                                                     "     0 (8): -> 3\n"
                                                     "     1 (8): <- 3  (no return seen)\n"));
}

TEST(calls_begin_anew_after_a_loss) {
  Feed feed = feed_of(calls_of());
  enter(feed, 1, 7, 1);
  feed.pipeline->on_lost({1, 1000, 2000, 12});
  leave(feed, 3, 7, 1, 2);
  enter(feed, 4, 7, 2);
  const std::string text = joined(feed.snapshot(10000));
  CHECK_HAS(
      text,
      "-- 12 records lost on CPU 1: stacks begin anew --\n     ? (7): <- 1  (was called before)\n     0 (7): -> 2");
}

TEST(calls_idle_tasks_are_one_per_cpu) {
  Feed feed = feed_of(calls_of());
  feed.event(0, 1000, {0, 0, 0, {}}, {{"func", 1}});
  feed.event(0, 2000, {0, 1, 0, {}}, {{"func", 2}});
  feed.event(1, 3000, {0, 0, 0, {}}, {{"func", 1}, {"took", 2000}});
  feed.event(1, 4000, {0, 1, 0, {}}, {{"func", 2}, {"took", 2000}});
  CHECK_EQ(cell(table(feed.snapshot(9000), "calls"), "function", "2", "self_ns"), "2000");
}

TEST(calls_context_alone_is_not_told) {
  OperatorSpec spec = calls_of();
  spec.only = true;
  for (size_t i : {0, 1}) spec.on[i].group = {{"context", "1"}};
  Feed feed = feed_of(spec);
  enter(feed, 1, 7, 1);
  leave(feed, 2, 7, 1, 1);
  enter(feed, 3, 7, 2);
  feed.event(2, 4000, {7, 0, 0, {}}, {{"func", 9}});
  leave(feed, 5, 7, 2, 2);
  const SnapshotData out = feed.snapshot(10000);
  CHECK_EQ(joined(out), std::string("     0 (7): -> 2\n     1 (7):  -- 9\n     2 (7): <- 2  2.000 us\n"));
  CHECK_EQ(cell(table(out, "calls"), "function", "1", "calls"), "none");
}

TEST(calls_of_a_command_and_what_it_starts) {
  OperatorSpec spec = calls_of();
  spec.root = 7;
  Feed feed = feed_of(spec);
  leave(feed, 1, 7, 5, 100);  // the wait in which it was held
  enter(feed, 2, 7, 1);
  leave(feed, 3, 7, 1, 1);
  enter(feed, 3, 9, 1);  // somebody else
  feed.fork(8, 8, 7);
  enter(feed, 4, 8, 2);
  leave(feed, 5, 8, 2, 1);
  CHECK_EQ(joined(feed.snapshot(10000)),
           std::string("     0 (7): -> 1\n     1 (7): <- 1  1.000 us\n     0 (8): -> 2\n     1 (8): <- 2  1.000 us\n"));
}

// A page of trace_pipe_raw and the formats, as the kernel gave them while `ls` ran with the filter ext4_*.
TEST(calls_as_kernels_wrote_them) {
  for (const std::string kernel : {"6.1", "6.12"}) {
    const std::string path = "formats/" + kernel + "-funcgraph";
    auto entry = std::make_unique<EventFormat>(parse_format("ftrace", test_file(path + "_entry.txt")));
    auto exit = std::make_unique<EventFormat>(parse_format("ftrace", test_file(path + "_exit.txt")));
    const uint16_t entry_type = entry->type, exit_type = exit->type;
    const Field entry_depth = *entry->find("depth"), exit_depth = *exit->find("depth");
    OperatorSpec spec = op("calls", "calls");
    spec.on = {{"funcgraph_entry", "", "enter", "", {{"function", "func:hex"}}, {}},
               {"funcgraph_exit", "", "exit", "", {{"function", "func:hex"}}, {{"duration", "rettime - calltime"}}}};
    Feed feed(plan_of({spec}), these(std::move(entry), std::move(exit)));
    const std::string bytes = test_file(path + ".page");
    CHECK_EQ(bytes.size(), size_t{4096});
    TracePage page;
    page.open(reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size());
    int64_t depth = 0, entries = 0, exits = 0;
    Nanos last = 0;
    while (page.next()) {
      uint16_t type;
      memcpy(&type, page.data, 2);
      if (type != entry_type && type != exit_type) continue;
      Record record;
      record.time = page.time;
      record.slot = type == exit_type;
      memcpy(&record.tid, page.data + 4, 4);
      record.raw = page.data;
      record.size = page.size;
      CHECK(page.time >= last);
      last = page.time;
      if (type == exit_type) depth--;
      const Field& field = type == exit_type ? exit_depth : entry_depth;
      CHECK_EQ(read_integer(field, page.data, page.size), depth);
      if (type == entry_type) depth++;
      (type == entry_type ? entries : exits)++;
      feed.pipeline->on_event(record);
    }
    CHECK(!page.malformed());
    CHECK(entries > 40);
    CHECK_EQ(entries - exits, depth);
    const SnapshotData out = feed.snapshot(last);
    int64_t arrows = 0, returns = 0;
    for (const std::string& line : lines(out)) {
      CHECK(line.find("(was") == line.npos && line.find("(no") == line.npos);
      arrows += line.find("-> 0x") != line.npos;
      returns += line.find("<- 0x") != line.npos;
    }
    CHECK_EQ(arrows, entries);
    CHECK_EQ(returns, exits);
    CHECK_HAS(lines(out).at(0), "     0 ");
    double calls = 0;
    for (const ColumnData& column : table(out, "calls").columns)
      if (column.name == "calls")
        for (double n : column.numbers) calls += n;
    CHECK_EQ(static_cast<int64_t>(calls), exits);
  }
}

TEST(settings_of_tracing_are_read_as_they_are_written) {
  CHECK_EQ(setting_of("[local] global counter uptime perf mono mono_raw x86-tsc\n"), "local");
  CHECK_EQ(setting_of("local global counter [mono] boot\n"), "mono");
  CHECK_EQ(setting_of("7 (expanded: 1408)\n"), "1408");
  CHECK_EQ(setting_of("1408\n"), "1408");
  CHECK_EQ(setting_of("#### all functions enabled ####\n"), "");
  CHECK_EQ(setting_of("no pid\n"), "");
  CHECK_EQ(setting_of("function_graph\n"), "function_graph");
  CHECK_EQ(setting_of("vfs_read\next4_file_open [ext4]\nschedule:traceoff:unlimited\n"), "vfs_read ext4_file_open");
  CHECK_EQ(setting_of("12\n34\n"), "12 34");
}
