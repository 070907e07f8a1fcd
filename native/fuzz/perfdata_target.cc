// A whole perf.data file: its header, its records, and operators of every kind over what it says its events are.
#include <algorithm>
#include <memory>

#include "engine/file_session.h"
#include "perf/transport.h"
#include "targets.h"

namespace ktop_fuzz {
namespace {

using namespace ktop;

constexpr size_t kMostEvents = 4;
constexpr int kMostSnapshots = 64;

OperatorSpec made(const char* op) {
  OperatorSpec spec;
  spec.op = op;
  spec.name = op;
  return spec;
}

// Everything that operators can do with events of which nothing is known.
Plan plan_for(const PerfDataFile& file) {
  Plan plan;
  for (const FileEvent& event : file.events) {
    if (!event.is_tracepoint() || event.name.empty() || plan.events.size() == kMostEvents) continue;
    EventSpec spec;
    spec.id = std::to_string(plan.events.size());
    spec.names = {event.name};
    spec.stack = true;
    plan.events.push_back(spec);
  }
  plan.sampler.frequency = 99;
  plan.sampler.stack = true;
  plan.sample_hardware = true;
  OperatorSpec count = made("count"), log = made("log"), pair = made("pair"), sample = made("sample"),
               gap = made("gap"), remember = made("remember");
  remember.ttl_ns = 1000;
  for (const EventSpec& event : plan.events) {
    remember.on.push_back({event.id, "", "", "", {{"key", "$tid"}}, {{"value", "$time"}}, {}});
    count.on.push_back({event.id,
                        "",
                        "",
                        "recall(remember, $tid) >= 0",
                        {{"pid", "$pid"}, {"comm", "$comm"}, {"where", "$stack"}, {"dev", "maybe(value):device"}},
                        {{"n", "1"}, {"sum", "maybe(value) * $cpu"}},
                        {}});
    log.on.push_back({event.id, "", "", "", {}, {}, {}});
    pair.on.push_back({event.id, "", pair.on.size() % 2 ? "end" : "start", "", {{"key", "$tid"}}, {}, {}});
    gap.on.push_back({event.id, "", "", "", {{"cpu", "$cpu"}}, {}, {}});
  }
  count.process = "pid";
  pair.group = {{"group", "maybe(value)"}, {"text", "$comm"}};
  pair.sums = {{"sum", "maybe(value)"}};
  pair.than_ns = 1;
  pair.percpu = true;
  gap.period_ns = 1000;
  gap.than_ns = 1'000'000'000;
  sample.on.push_back({"@clock", "", "", "", {{"stack", "$stack"}, {"user", "$user"}}, {{"n", "1"}}, {}});
  plan.operators = {remember, count, log, pair, gap, sample};
  return plan;
}

void look_at(const SnapshotData& snapshot) {
  for (const TableData& table : snapshot.tables)
    for (const ColumnData& column : table.columns) {
      if ((column.is_text ? column.ids.size() : column.numbers.size()) != table.length) __builtin_trap();
      for (const uint32_t id : column.ids)
        if (id >= column.strings.size()) __builtin_trap();
    }
  for (auto& [name, entries] : snapshot.logs)
    for (const LogData& entry : entries) touch(entry.text.data(), entry.text.size());
  if (!(snapshot.interval_ms > 0)) __builtin_trap();
}

}  // namespace

void perfdata(const uint8_t* data, size_t size) {
  try {
    const auto file = PerfDataFile::read(std::make_shared<MemoryBytes>(data, size), "fuzz", 1'700'000'000'000'000'000);
    const Plan plan = plan_for(*file);
    check_plan(plan, *file);
    FileSession session(plan, file);
    // Few intervals, whatever the file says of time.
    const Nanos interval = file->last_time / 16 + 1;
    for (int i = 0; i < kMostSnapshots && !session.ended();) {
      SnapshotData out;
      if (!session.advance(interval, 1'000'000, &out)) continue;
      look_at(out);
      i++;
    }
  } catch (const Failure&) {
  }
}

}  // namespace ktop_fuzz
