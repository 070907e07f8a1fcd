#include <map>
#include <random>

#include "engine/key_map.h"
#include "engine/stats.h"
#include "test/feed.h"

using namespace ktop_test;

TEST(key_map_equals_a_map) {
  KeyMap map(2);
  std::map<std::pair<int64_t, int64_t>, uint32_t> model;
  std::mt19937 random(7);
  for (int i = 0; i < 200000; i++) {
    const int64_t key[2] = {static_cast<int64_t>(random() % 300), static_cast<int64_t>(random() % 5)};
    const auto in_model = model.find({key[0], key[1]});
    if (random() % 3 == 0) {
      const uint32_t row = map.find(key);
      CHECK_EQ(row == KeyMap::kNone, in_model == model.end());
      if (row != KeyMap::kNone) {
        CHECK_EQ(row, in_model->second);
        map.erase(row);
        model.erase(in_model);
      }
    } else {
      bool fresh;
      const uint32_t row = map.insert(key, &fresh);
      CHECK_EQ(fresh, in_model == model.end());
      if (fresh)
        model[{key[0], key[1]}] = row;
      else
        CHECK_EQ(row, in_model->second);
    }
    CHECK_EQ(static_cast<size_t>(map.size()), model.size());
  }
}

TEST(sketch_is_within_three_percent) {
  std::mt19937_64 random(3);
  Latency latency;
  std::vector<uint64_t> values;
  for (int i = 0; i < 100000; i++) {
    const uint64_t value = 1000 + random() % 5000000;
    values.push_back(value);
    latency.add(value);
  }
  std::sort(values.begin(), values.end());
  for (double q : {0.5, 0.95, 0.99}) {
    const double truth = static_cast<double>(values[static_cast<size_t>(q * (values.size() - 1))]);
    CHECK(std::abs(static_cast<double>(latency.quantile(q)) - truth) / truth < 0.032);
  }
  CHECK_EQ(latency.max, values.back());
  CHECK_EQ(latency.min, values.front());
  Latency one;
  one.add(777);
  CHECK_EQ(one.quantile(0.99), uint64_t{777});
}

TEST(count_sums_by_key_and_clears) {
  OperatorSpec spec = op("count", "bytes");
  spec.on = {{"send", "", "", "ret > 0", {{"tid", "$tid"}, {"dev", "name"}}, {{"tx", "ret"}, {"calls", "1"}}},
             {"recv", "", "", "", {{"tid", "$tid"}, {"dev", "name"}}, {{"rx", "ret"}}}};
  Feed feed(plan_of({spec}), these(made_format("send", {"ret", "name[16]"}), made_format("recv", {"ret", "name[16]"})));
  feed.event(0, 1, {5, 0, 0, {}}, {{"ret", 100}}, {{"name", "lo"}});
  feed.event(0, 2, {5, 1, 0, {}}, {{"ret", 50}}, {{"name", "lo"}});
  feed.event(0, 3, {5, 1, 0, {}}, {{"ret", -11}}, {{"name", "lo"}});
  feed.event(1, 4, {6, 1, 0, {}}, {{"ret", 7}}, {{"name", "eth0"}});
  const SnapshotData first = feed.snapshot(10);
  CHECK_EQ(cell(table(first, "bytes"), "tid", "5", "tx"), "150");
  CHECK_EQ(cell(table(first, "bytes"), "tid", "5", "calls"), "2");
  CHECK_EQ(cell(table(first, "bytes"), "tid", "6", "rx"), "7");
  CHECK_EQ(cell(table(first, "bytes"), "tid", "6", "dev"), "eth0");
  CHECK_EQ(table(feed.snapshot(20), "bytes").length, 0u);
}

TEST(count_knows_zero_from_unknown) {
  OperatorSpec spec = op("count", "rows");
  spec.on = {{"here", "", "", "", {{"x", "x"}}, {{"n", "1"}}}, {"gone", "", "", "", {{"x", "x"}}, {{"never", "1"}}}};
  Plan plan = plan_of({spec});
  plan.events = {{"here", {"made:here"}, "", false, false, ""}, {"gone", {"made:gone"}, "", false, true, "not there"}};
  Pipeline pipeline(plan, these(made_format("here", {"x"})), {0, -1});
  uint8_t raw[64] = {};
  Record record;
  record.raw = raw;
  record.size = sizeof raw;
  pipeline.on_event(record);
  SnapshotData out;
  pipeline.snapshot(out, 10);
  CHECK_EQ(cell(table(out, "rows"), "x", "0", "n"), "1");
  CHECK_EQ(cell(table(out, "rows"), "x", "0", "never"), "-");
}

TEST(count_is_bounded) {
  OperatorSpec spec = op("count", "rows");
  spec.cap = 100;
  spec.on = {{"e", "", "", "", {{"x", "x"}}, {{"n", "1"}}}};
  Feed feed(plan_of({spec}), these(made_format("e", {"x"})));
  for (int64_t i = 0; i < 1000; i++) feed.event(0, 1, {}, {{"x", i}});
  const SnapshotData out = feed.snapshot(2);
  CHECK_EQ(table(out, "rows").length, 100u);
  CHECK_HAS(out.notes.at(0), "900 events are in none of them");
}

TEST(remember_joins_two_events) {
  OperatorSpec memo = op("remember", "dev_of");
  memo.ttl_ns = 1000;
  memo.on = {{"arrive", "", "", "", {}, {{"key", "skb"}, {"value", "name"}}}};
  OperatorSpec count = op("count", "rx");
  count.on = {{"copy", "", "", "", {{"dev", "first(recall(dev_of, skb), \"-\"):text"}}, {{"bytes", "len"}}}};
  Feed feed(plan_of({memo, count}),
            these(made_format("arrive", {"skb", "name[16]"}), made_format("copy", {"skb", "len"})));
  feed.event(0, 100, {}, {{"skb", 1}}, {{"name", "eth1"}});
  feed.event(1, 200, {}, {{"skb", 1}, {"len", 10}});
  feed.event(1, 2000, {}, {{"skb", 1}, {"len", 5}});
  feed.event(1, 200, {}, {{"skb", 2}, {"len", 3}});
  const SnapshotData out = feed.snapshot(3000);
  CHECK_EQ(cell(table(out, "rx"), "dev", "eth1", "bytes"), "10");
  CHECK_EQ(cell(table(out, "rx"), "dev", "-", "bytes"), "8");
}

TEST(pair_measures_across_cpus_and_drops_over_loss) {
  OperatorSpec spec = op("pair", "exits");
  spec.on = {{"exit", "", "start", "", {{"tid", "$tid"}}, {}}, {"entry", "", "end", "", {{"tid", "$tid"}}, {}}};
  spec.group = {{"reason", "reason:symbol"}};
  spec.alarm = "reason != 12";
  spec.than_ns = 5000;
  Feed feed(plan_of({spec}),
            these(made_format("exit", {"reason"},
                              "\"%s\", __print_symbolic(REC->reason, { 10, \"CPUID\" }, { 12, \"HLT\" })"),
                  made_format("entry", {"vcpu"})));
  feed.event(0, 1000, {1, 0, 0, {}}, {{"reason", 10}});
  feed.event(1, 3000, {1, 1, 0, {}}, {});  // moved to another CPU meanwhile
  feed.event(0, 4000, {1, 0, 0, {}}, {{"reason", 12}});
  feed.event(1, 90000, {1, 0, 0, {}}, {});  // halted: counted, no alarm
  feed.event(0, 100000, {2, 0, 0, {}}, {{"reason", 10}});
  feed.pipeline->on_lost({0, 100500, 101000, 3});  // the entry may be among the lost
  feed.event(1, 200000, {2, 0, 0, {}}, {});
  feed.event(0, 300000, {3, 0, 0, {}}, {{"reason", 10}});
  feed.event(1, 299000, {3, 0, 0, {}}, {});  // late: no negative time
  feed.event(0, 400000, {4, 0, 0, {}}, {{"reason", 10}});
  feed.event(1, 410000, {4, 1, 0, {}}, {});
  const SnapshotData out = feed.snapshot(500000);
  const TableData& rows = table(out, "exits");
  CHECK_EQ(cell(rows, "reason", "CPUID", "count"), "2");
  CHECK_EQ(cell(rows, "reason", "CPUID", "total_ns"), "12000");
  CHECK_EQ(cell(rows, "reason", "CPUID", "max_ns"), "10000");
  CHECK_EQ(cell(rows, "reason", "HLT", "count"), "1");
  double in_histogram = 0;
  for (const HistogramData& histogram : out.histograms)
    for (double count : histogram.count) in_histogram += count;
  CHECK_EQ(in_histogram, 2.0);
  CHECK_EQ(out.logs.at(0).second.size(), size_t{1});
  CHECK_HAS(out.logs.at(0).second.at(0).text, "CPUID 10.000 us, ended on CPU 1");
  CHECK_HAS(out.notes.at(0), "1 open pairs dropped");
}

namespace {

OperatorSpec state_spec(uint64_t than) {
  OperatorSpec spec = op("state", "offenders");
  spec.states = "SDTtR";
  spec.keep = true;
  spec.than_ns = than;
  spec.on = {
      {"switch", "", "switch", "", {}, {{"prev", "prev_pid"}, {"prev_state", "prev_state"}, {"next", "next_pid"}}},
      {"wakeup", "", "wakeup", "", {}, {{"tid", "pid"}}}};
  return spec;
}

std::unique_ptr<EventFormat> switch_format() {
  return made_format("switch", {"prev_pid", "prev_state", "next_pid"},
                     "\"%s\", __print_flags(REC->prev_state, \"|\", { 1, \"S\" }, { 2, \"D\" }, { 4, \"T\" }, { 0x10, "
                     "\"X\" }, { 0x20, \"Z\" }, { 0x80, \"I\" })");
}

}  // namespace

TEST(state_follows_a_task) {
  constexpr int64_t kMs = 1000000;
  Feed feed(plan_of({state_spec(100 * kMs)}), these(switch_format(), made_format("wakeup", {"pid"})));
  feed.event(0, 1000 * kMs, {50, 0, 0, {}}, {{"prev_pid", 50}, {"prev_state", 2}, {"next_pid", 0}});
  // Ageing live.
  SnapshotData out = feed.snapshot(1200 * kMs);
  CHECK_EQ(cell(table(out, "offenders"), "tid", "50", "current_ns"), std::to_string(200 * kMs));
  CHECK_EQ(cell(table(out, "offenders"), "tid", "50", "state"), "D");
  // Woken after 300 ms; waits 150 ms for a CPU.
  feed.event(1, 1300 * kMs, {9, 1, 0, {}}, {{"pid", 50}});
  feed.event(0, 1450 * kMs, {0, 1, 0, {}}, {{"prev_pid", 0}, {"prev_state", 0}, {"next_pid", 50}});
  // Preempted (R+ and R are both runnable), starved for 110 ms.
  feed.event(0, 1500 * kMs, {50, 1, 0, {}}, {{"prev_pid", 50}, {"prev_state", 0x100}, {"next_pid", 51}});
  feed.event(0, 1610 * kMs, {51, 1, 0, {}}, {{"prev_pid", 51}, {"prev_state", 0}, {"next_pid", 50}});
  // Sleeps shortly: no offence.
  feed.event(0, 1700 * kMs, {50, 1, 0, {}}, {{"prev_pid", 50}, {"prev_state", 1}, {"next_pid", 0}});
  feed.event(1, 1750 * kMs, {9, 0, 0, {}}, {{"pid", 50}});
  out = feed.snapshot(1760 * kMs);
  const TableData& rows = table(out, "offenders");
  CHECK_EQ(cell(rows, "state", "D", "count"), "1");
  CHECK_EQ(cell(rows, "state", "D", "total_ns"), std::to_string(300 * kMs));
  CHECK_EQ(cell(rows, "state", "D", "current_ns"), "-");
  CHECK_EQ(cell(rows, "state", "R", "count"), "2");
  CHECK_EQ(cell(rows, "state", "R", "max_ns"), std::to_string(150 * kMs));
  CHECK_EQ(cell(rows, "state", "S", "count"), "none");
}

TEST(state_keeps_apart_who_had_the_same_number) {
  constexpr int64_t kMs = 1000000;
  constexpr uint32_t kTid = 5000050;  // no task of this host: its name would be asked of /proc
  Feed feed(plan_of({state_spec(100 * kMs)}), these(switch_format(), made_format("wakeup", {"pid"})));
  const auto wait = [&](int64_t from, int64_t to) {
    feed.event(0, from * kMs, {kTid, 0, 0, {}}, {{"prev_pid", kTid}, {"prev_state", 2}, {"next_pid", 0}});
    feed.event(1, to * kMs, {9, 0, 0, {}}, {{"pid", kTid}});
    feed.event(0, to * kMs + 1000, {0, 0, 0, {}}, {{"prev_pid", 0}, {"prev_state", 0}, {"next_pid", kTid}});
  };
  feed.comm(kTid, kTid, "first", true);
  wait(1000, 1200);
  feed.exit(kTid, kTid, 1300 * kMs);
  CHECK_EQ(cell(table(feed.snapshot(1350 * kMs), "offenders"), "comm", "first", "count"), "1");
  feed.fork(kTid, kTid, 9);
  feed.comm(kTid, kTid, "second", true);
  wait(1400, 1700);
  const SnapshotData out = feed.snapshot(1800 * kMs);
  const TableData& rows = table(out, "offenders");
  CHECK_EQ(rows.length, 2u);
  for (const auto& [name, ms, life] : {std::tuple{"first", 200, "0"}, {"second", 300, "1"}}) {
    CHECK_EQ(cell(rows, "comm", name, "count"), "1");
    CHECK_EQ(cell(rows, "comm", name, "max_ns"), std::to_string(ms * kMs));
    CHECK_EQ(cell(rows, "comm", name, "life"), life);
  }
}

TEST(state_never_invents_time) {
  constexpr int64_t kMs = 1000000;
  Feed feed(plan_of({state_spec(100 * kMs)}), these(switch_format(), made_format("wakeup", {"pid"})));
  // A stay that spans a lost window is dropped.
  feed.event(0, 1000 * kMs, {50, 0, 0, {}}, {{"prev_pid", 50}, {"prev_state", 2}, {"next_pid", 0}});
  feed.pipeline->on_lost({0, 1100 * kMs, 1200 * kMs, 10});
  feed.event(1, 9000 * kMs, {9, 1, 0, {}}, {{"pid", 50}});
  // The number is used again after an exit.
  feed.event(0, 1000 * kMs, {60, 0, 0, {}}, {{"prev_pid", 60}, {"prev_state", 1}, {"next_pid", 0}});
  feed.pipeline->on_task({TaskRecord::kExit, false, 1500 * kMs, 60, 60, 1, 1, nullptr});
  feed.event(1, 9000 * kMs, {9, 1, 0, {}}, {{"pid", 60}});
  // A dead task's last switch starts nothing.
  feed.event(0, 1000 * kMs, {61, 0, 0, {}}, {{"prev_pid", 61}, {"prev_state", 0x10}, {"next_pid", 0}});
  // Time runs backwards.
  feed.event(0, 5000 * kMs, {62, 0, 0, {}}, {{"prev_pid", 62}, {"prev_state", 2}, {"next_pid", 0}});
  feed.event(1, 4000 * kMs, {9, 0, 0, {}}, {{"pid", 62}});
  feed.event(0, 4000 * kMs, {0, 0, 0, {}}, {{"prev_pid", 0}, {"prev_state", 0}, {"next_pid", 62}});
  const SnapshotData out = feed.snapshot(9050 * kMs);
  CHECK_EQ(table(out, "offenders").length, 0u);
}

TEST(outstanding_tells_kept_from_freed) {
  OperatorSpec spec = op("outstanding", "objects");
  spec.on = {{"alloc", "", "alloc", "", {}, {{"ptr", "ptr"}, {"size", "size"}, {"site", "site"}}},
             {"free", "", "free", "", {}, {{"ptr", "ptr"}}}};
  spec.age_ns = 10;
  Feed feed(plan_of({spec}), these(made_format("alloc", {"ptr", "size", "site"}), made_format("free", {"ptr"})));
  for (int64_t i = 1; i <= 20000; i++)
    feed.event(0, 100, {5, 0, 0, {}}, {{"ptr", i * 64}, {"size", 64}, {"site", i % 2 ? 111 : 222}});
  for (int64_t i = 2; i <= 20000; i += 2) feed.event(1, 200, {6, 1, 0, {}}, {{"ptr", i * 64}});
  feed.event(1, 200, {6, 1, 0, {}}, {{"ptr", 0}});                                // kfree(NULL)
  feed.event(1, 200, {6, 1, 0, {}}, {{"ptr", 0x7777777}});                        // allocated before we looked
  feed.event(0, 100, {5, 0, 0, {}}, {{"ptr", 0}, {"size", 64}, {"site", 333}});   // a failed allocation
  feed.event(0, 500, {5, 0, 0, {}}, {{"ptr", 64}, {"size", 32}, {"site", 444}});  // back without a traced free
  feed.event(0, 995, {5, 0, 0, {}}, {{"ptr", 1}, {"size", 8}, {"site", 555}});    // too young
  const SnapshotData out = feed.snapshot(1000);
  const TableData& rows = table(out, "objects");
  CHECK_EQ(rows.length, 2u);
  CHECK_EQ(cell(rows, "site", "0x6f", "count"), "9999");
  CHECK_EQ(cell(rows, "site", "0x6f", "bytes"), std::to_string(9999 * 64));
  CHECK_EQ(cell(rows, "site", "0x6f", "bucket"), "rcu/bulk");
  CHECK_EQ(cell(rows, "site", "0x1bc", "bucket"), "outstanding");
  // After a loss nothing older can be called outstanding.
  feed.pipeline->on_lost({0, 1000, 1100, 1});
  CHECK_EQ(table(feed.snapshot(1200), "objects").length, 0u);
}

TEST(outstanding_puts_what_rcu_frees_apart) {
  OperatorSpec spec = op("outstanding", "objects");
  spec.on = {{"alloc", "", "alloc", "", {}, {{"ptr", "ptr"}, {"site", "site"}}},
             {"free", "", "free", "", {}, {{"ptr", "ptr"}}},
             {"queue", "", "defer", "", {}, {{"ptr", "ptr"}}}};
  Feed feed(plan_of({spec}),
            these(made_format("alloc", {"ptr", "site"}), made_format("free", {"ptr"}), made_format("queue", {"ptr"})));
  constexpr Nanos kSecond = 1000000000;
  for (int64_t i = 1; i <= 100; i++) feed.event(0, 100, {5, 0, 0, {}}, {{"ptr", i * 64}, {"site", 111}});
  for (int64_t i = 1; i <= 40; i++) feed.event(2, 200, {5, 1, 0, {}}, {{"ptr", i * 64}});
  feed.event(2, 200, {5, 1, 0, {}}, {{"ptr", 9 * 4096}});  // allocated before we looked
  const auto count = [&](const SnapshotData& out, const char* bucket) {
    return cell(table(out, "objects"), "bucket", bucket, "count");
  };
  SnapshotData out = feed.snapshot(kSecond);
  CHECK_EQ(table(out, "objects").length, 2u);
  CHECK_EQ(count(out, "rcu/bulk"), "40");
  CHECK_EQ(count(out, "outstanding"), "60");
  // Freed by a call after all, or handed out again: gone from the bucket, and no sign of an unseen free.
  feed.event(1, 300, {0, 0, 0, {}}, {{"ptr", 64}});
  feed.event(0, 300, {5, 0, 0, {}}, {{"ptr", 128}, {"site", 111}});
  out = feed.snapshot(2 * kSecond);
  CHECK_EQ(count(out, "rcu/bulk"), "38");
  CHECK_EQ(count(out, "outstanding"), "61");
  out = feed.snapshot(60 * kSecond);
  CHECK_EQ(count(out, "rcu/bulk"), "none");
  CHECK_EQ(count(out, "outstanding"), "61");
}

TEST(outstanding_skips_failures_and_names_no_interrupted_task) {
  OperatorSpec spec = op("outstanding", "objects");
  spec.on = {{"alloc", "", "alloc", "", {}, {{"ptr", "ptr"}, {"site", "site"}}},
             {"free", "", "free", "", {}, {{"ptr", "ptr"}}}};
  Feed feed(plan_of({spec}), these(made_format("alloc", {"ptr", "site"}), made_format("free", {"ptr"})));
  for (int64_t failed : {0, -1, -12, -4095}) feed.event(0, 1, {5, 0, 0, {}}, {{"ptr", failed}, {"site", 111}});
  feed.event(0, 1, {5, 0, 0, {}}, {{"ptr", -4096}, {"site", 222}});
  feed.event(0, 1, {5, 0, 0x10, {}}, {{"ptr", 4096}, {"site", 333}});
  const SnapshotData out = feed.snapshot(10);
  CHECK_EQ(table(out, "objects").length, 2u);
  CHECK_EQ(cell(table(out, "objects"), "site", "0xde", "count"), "1");
  CHECK_EQ(cell(table(out, "objects"), "site", "0x14d", "comms"), "(interrupt)(1)");
}

TEST(sample_counts_modes_per_process) {
  OperatorSpec spec = op("sample", "who");
  spec.on = {{"@clock", "", "", "$tid != 0", {{"pid", "$pid"}}, {{"usr", "$user"}, {"sys", "!$user"}}}};
  spec.process = "pid";
  Feed feed(plan_of({spec}), {});
  feed.fork(900001, 900001, 1);
  feed.fork(900001, 900002, 900001);
  feed.tick(1, 0, 900001, true);
  feed.tick(2, 1, 900002, false);
  feed.tick(3, 1, 900002, false);
  feed.tick(4, 0, 0, false);
  const SnapshotData out = feed.snapshot(10);
  CHECK_EQ(table(out, "who").length, 1u);
  CHECK_EQ(cell(table(out, "who"), "pid", "900001", "usr"), "1");
  CHECK_EQ(cell(table(out, "who"), "pid", "900001", "sys"), "2");
}

TEST(state_sums_every_kind_of_stay) {
  constexpr int64_t kMs = 1000000;
  Feed feed(plan_of({state_spec(100 * kMs)}), these(switch_format(), made_format("wakeup", {"pid"})));
  feed.event(0, 1000 * kMs, {50, 0, 0, {}}, {{"prev_pid", 50}, {"prev_state", 1}, {"next_pid", 0}});
  feed.event(1, 1010 * kMs, {9, 0, 0, {}}, {{"pid", 50}});
  feed.event(0, 1013 * kMs, {0, 0, 0, {}}, {{"prev_pid", 0}, {"prev_state", 0}, {"next_pid", 50}});
  feed.event(0, 1020 * kMs, {50, 0, 0, {}}, {{"prev_pid", 50}, {"prev_state", 0x80}, {"next_pid", 0}});
  const SnapshotData out = feed.snapshot(1030 * kMs);
  const TableData& states = table(out, "offenders_states");
  CHECK_EQ(cell(states, "state", "S", "total_ns"), std::to_string(10 * kMs));
  CHECK_EQ(cell(states, "state", "RD", "total_ns"), std::to_string(3 * kMs));
  CHECK_EQ(cell(states, "state", "R", "total_ns"), std::to_string(7 * kMs));
  CHECK_EQ(cell(states, "state", "I", "count"), "0");
}

TEST(gap_tells_silence_from_ticks) {
  constexpr int64_t kMs = 1000000;
  OperatorSpec spec = op("gap", "gaps");
  spec.keep = true;
  spec.period_ns = 2 * kMs;
  spec.than_ns = 20 * kMs;
  spec.on = {{"timer", "", "", "", {{"cpu", "$cpu"}}, {}}, {"@clock", "", "", "", {{"cpu", "$cpu"}}, {}}};
  Feed feed(plan_of({spec}), these(made_format("timer", {"x"})));
  for (int64_t i = 0; i < 50; i++) feed.event(0, (100 + 2 * i) * kMs, {0, 0, 0, {}}, {});
  // 50 ms without a tick on CPU 0; the sample of the same tick follows at once and is no second one.
  feed.event(0, (198 + 50) * kMs, {7, 0, 0, {}}, {});
  feed.tick((198 + 50) * kMs + 3000, 0, 7, false);
  feed.event(0, (198 + 52) * kMs, {7, 0, 0, {}}, {});
  for (int64_t i = 0; i < 50; i++) feed.event(0, (100 + 9 * i) * kMs, {0, 1, 0, {}}, {});  // late, under the limit
  const SnapshotData out = feed.snapshot(600 * kMs);
  const TableData& gaps = table(out, "gaps");
  CHECK_EQ(cell(gaps, "cpu", "0", "count"), "1");
  CHECK_EQ(cell(gaps, "cpu", "0", "max_ns"), std::to_string(49 * kMs));
  CHECK_EQ(cell(gaps, "cpu", "0", "ticks"), "52");
  CHECK_EQ(cell(gaps, "cpu", "1", "count"), "0");
  CHECK_EQ(cell(gaps, "cpu", "0", "age_ns"), std::to_string(350 * kMs));
  const LogData& hit = out.logs.at(0).second.at(0);
  CHECK_HAS(hit.text, "interrupts off 49000.0 us");
  CHECK_EQ(hit.between.size(), size_t{2});
  CHECK_HAS(hit.between.at(0), "+0.000 us cpu0 swapper/0 timer: ");
  CHECK_HAS(hit.between.at(1), "/7 timer: ");
  // Ticks may be among lost events: no silence is made up.
  feed.pipeline->on_lost({0, 260 * kMs, 900 * kMs, 5});
  feed.event(0, 901 * kMs, {0, 0, 0, {}}, {});
  CHECK_EQ(cell(table(feed.snapshot(950 * kMs), "gaps"), "cpu", "0", "count"), "1");
  // Of a CPU that has gone nothing is due; when it is back its first tick ends no silence.
  feed.pipeline->on_cpu_gone(0);
  CHECK_EQ(table(feed.snapshot(2000 * kMs), "gaps").length, 1u);
  feed.event(0, 2100 * kMs, {0, 0, 0, {}}, {});
  CHECK_EQ(cell(table(feed.snapshot(2101 * kMs), "gaps"), "cpu", "0", "count"), "0");
}

TEST(histogram_has_buckets_of_powers_of_two_and_one_for_what_is_negative) {
  OperatorSpec spec = op("histogram", "sizes");
  spec.on = {{"e", "", "", "kind != 9", {}, {{"bytes", "x"}}, {{"kind", "kind"}}}};
  Feed feed(plan_of({spec}), these(made_format("e", {"x", "kind"})));
  for (int64_t x : {0, 1, 2, 3, 4, 1023, 1024}) feed.event(0, 1, {}, {{"x", x}, {"kind", 1}});
  for (int64_t x : {-1, -11, 5}) feed.event(0, 1, {}, {{"x", x}, {"kind", 2}});
  feed.event(0, 1, {}, {{"x", 5}, {"kind", 9}});
  const SnapshotData out = feed.snapshot(2);
  CHECK_EQ(out.histograms.size(), 2u);
  const HistogramData &one = out.histograms[0], &two = out.histograms[1];
  CHECK_EQ(one.unit, "bytes");
  CHECK_EQ(one.label, "1");
  CHECK_EQ(one.low.front(), 0.0);
  CHECK_EQ(one.high.back(), 2047.0);
  CHECK(one.count == (std::vector<double>{2, 2, 1, 0, 0, 0, 0, 0, 0, 1, 1}));
  CHECK_EQ(two.high.front(), -1.0);
  CHECK_EQ(two.count.front(), 2.0);
  CHECK_EQ(two.count.back(), 1.0);
  // Cleared: an empty one tells that nothing came.
  CHECK_EQ(feed.snapshot(3).histograms.at(0).count.size(), 0u);
}

TEST(log_keeps_the_last) {
  OperatorSpec spec = op("log", "events");
  spec.cap = 10;
  spec.on = {{"e", "", "", "x % 2 == 0", {}, {}}};
  Feed feed(plan_of({spec}), these(made_format("e", {"x"}, "\"x=%d\", REC->x")));
  for (int64_t i = 0; i < 100; i++) feed.event(0, 1000000 * i, {7, 1, 0, {}}, {{"x", i}});
  SnapshotData out = feed.snapshot(1);
  CHECK_EQ(out.logs.at(0).second.size(), size_t{10});
  CHECK_EQ(out.logs.at(0).second.back().text, std::string("made:e: x=98"));
  CHECK_EQ(out.logs.at(0).second.front().text, std::string("made:e: x=80"));
  CHECK_HAS(out.notes.at(0), "the last 10 of 50");
  CHECK_EQ(feed.snapshot(2).logs.at(0).second.size(), size_t{0});
}

TEST(pair_tells_what_happened_between) {
  OperatorSpec spec = op("pair", "hops");
  spec.than_ns = 1000;
  spec.group = {{"hop", "\"\":text"}};
  spec.histogram_per_group = true;
  spec.on = {{"b", "", "end", "", {{"key", "$tid"}, {"hop", "1"}}, {}},
             {"a", "", "start", "", {{"key", "$tid"}, {"hop", "1"}}, {}, {{"hop", "\"a => b\":text"}}},
             {"c", "", "end", "", {{"key", "$tid"}, {"hop", "2"}}, {}},
             {"b", "", "start", "", {{"key", "$tid"}, {"hop", "2"}}, {}, {{"hop", "\"b => c\":text"}}},
             {"x", "", "between", "", {}, {}}};
  Feed feed(plan_of({spec}), these(made_format("a", {"v"}), made_format("b", {"v"}), made_format("c", {"v"}),
                                   made_format("x", {"v"}, "\"v=%d\", REC->v")));
  feed.event(0, 1000, {5, 0, 0, {}}, {});
  feed.event(3, 1500, {9, 0, 0, {}}, {{"v", 1}});  // on that CPU
  feed.event(3, 1600, {5, 1, 0, {}}, {{"v", 2}});  // that task, elsewhere
  feed.event(3, 1700, {8, 1, 0, {}}, {{"v", 3}});  // neither
  feed.event(1, 4000, {5, 0, 0, {}}, {});
  feed.event(2, 4500, {5, 0, 0, {}}, {});
  const SnapshotData out = feed.snapshot(9000);
  const TableData& hops = table(out, "hops");
  CHECK_EQ(cell(hops, "hop", "a => b", "total_ns"), "3000");
  CHECK_EQ(cell(hops, "hop", "b => c", "total_ns"), "500");
  CHECK_EQ(out.histograms.size(), size_t{2});
  const LogData& slow = out.logs.at(0).second.at(0);
  CHECK_HAS(slow.text, "a => b 3.000 us");
  std::string story;
  for (const std::string& line : slow.between) story += line + "\n";
  CHECK_HAS(story, "v=1");
  CHECK_HAS(story, "v=2");
  CHECK(story.find("v=3") == std::string::npos);
  CHECK_EQ(slow.between.size(), size_t{4});
  CHECK_HAS(slow.between.front(), "/5 a: ");
  CHECK_HAS(slow.between.back(), "/5 b: ");
}

TEST(sample_waits_for_a_busy_second) {
  OperatorSpec spec = op("sample", "stacks");
  spec.busy_pct = 50;
  spec.busy_frequency = 100;
  spec.on = {{"@clock", "", "", "", {{"tid", "$tid"}}, {{"count", "1"}}}};
  Feed feed(plan_of({spec}), {});
  for (int i = 0; i < 49; i++) feed.tick(1000000 * i, 0, 1, false);  // 49 % of a second
  for (int i = 0; i < 60; i++) feed.tick(1000000 * i, 1, 2, false);  // 60 %
  const SnapshotData out = feed.snapshot(1);
  CHECK_EQ(table(out, "stacks").length, 1u);
  CHECK_EQ(cell(table(out, "stacks"), "tid", "2", "count"), "60");
  // One busy second is one hit, by the sample that made it one.
  CHECK_EQ(out.logs.at(0).second.size(), size_t{1});
  const LogData& hit = out.logs.at(0).second.at(0);
  CHECK_EQ(hit.cpu, 1u);
  CHECK_EQ(hit.text, std::string("CPU 1 busy for 50 % of a second, within 49.0 ms"));
  CHECK_EQ(hit.between.size(), size_t{2});
  CHECK_HAS(hit.between.at(0), "+0.000 us cpu1 ");
  CHECK_HAS(hit.between.at(1), "+49000.000 us cpu1 ");
  CHECK_HAS(hit.between.at(1), "/2 sample in the kernel");
  CHECK_EQ(feed.snapshot(2).logs.at(0).second.size(), size_t{0});
}

TEST(state_knows_a_cpu_that_cannot_be_idle) {
  constexpr int64_t kMs = 1000000;
  OperatorSpec spec = state_spec(100 * kMs);
  spec.idle_blind = true;
  spec.on[1].add.emplace_back("cpu", "target_cpu");
  Feed feed(plan_of({spec}), these(switch_format(), made_format("wakeup", {"pid", "target_cpu"})));
  // CPU 1 goes idle; 50 is woken there and runs, though no switch tells so. CPU 0 is busy: 60 really waits.
  feed.event(0, 1000 * kMs, {49, 1, 0, {}}, {{"prev_pid", 49}, {"prev_state", 0x80}, {"next_pid", 0}});
  feed.event(0, 1000 * kMs, {48, 0, 0, {}}, {{"prev_pid", 48}, {"prev_state", 0x80}, {"next_pid", 47}});
  feed.event(1, 1010 * kMs, {47, 0, 0, {}}, {{"pid", 50}, {"target_cpu", 1}});
  feed.event(1, 1010 * kMs, {47, 0, 0, {}}, {{"pid", 60}, {"target_cpu", 0}});
  const SnapshotData out = feed.snapshot(2000 * kMs);
  CHECK_EQ(cell(table(out, "offenders"), "tid", "50", "state"), "none");
  CHECK_EQ(cell(table(out, "offenders"), "tid", "60", "state"), "R");
}
