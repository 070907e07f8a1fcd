// ns per event of the operators alone, on records replayed from memory; formats are those of this kernel.
#include <cstdio>
#include <cstring>
#include <random>

#include "engine/pipeline.h"
#include "proc/files.h"
#include "trace/tracefs.h"

using namespace ktop;

namespace {

void put(const EventFormat& format, std::vector<uint8_t>& raw, const char* field, int64_t value) {
  const Field* found = format.find(field);
  if (found) std::memcpy(raw.data() + found->offset, &value, found->size);
}

std::unique_ptr<EventFormat> format_of(const std::string& tracefs, const char* system, const char* name) {
  return std::make_unique<EventFormat>(load_format(tracefs, system, name));
}

void run(const char* name, const Plan& plan, std::vector<std::unique_ptr<EventFormat>> formats,
         const std::function<void(uint32_t, Record&, std::vector<uint8_t>&, const std::vector<EventFormat*>&)>& make) {
  constexpr uint32_t kRing = 1 << 16, kRounds = 100;
  std::vector<EventFormat*> view;
  for (auto& format : formats) view.push_back(format.get());
  std::vector<std::vector<uint8_t>> raws(kRing, std::vector<uint8_t>(96));
  std::vector<Record> records(kRing);
  for (uint32_t i = 0; i < kRing; i++) {
    make(i, records[i], raws[i], view);
    records[i].raw = raws[i].data();
    records[i].size = 96;
  }
  std::vector<int> slots;
  for (size_t i = 0; i < plan.events.size(); i++) slots.push_back(static_cast<int>(i));
  Pipeline pipeline(plan, std::move(formats), slots);
  Nanos time = now_ns();
  double best = 1e9;
  for (uint32_t round = 0; round < kRounds; round++) {
    const Nanos start = now_ns();
    for (Record& record : records) {
      record.time = time += 300;
      pipeline.on_event(record);
    }
    best = std::min(best, static_cast<double>(now_ns() - start) / kRing);
    SnapshotData out;
    if (round % 10 == 9) pipeline.snapshot(out, time);
  }
  std::printf("%-12s %6.1f ns/event\n", name, best);
}

}  // namespace

int main() {
  const std::string tracefs = find_tracefs(true, nullptr);
  std::vector<std::unique_ptr<EventFormat>> formats;
  std::mt19937 random(1);

  Plan sched;
  sched.events = {{"switch", {""}, "", false, false, ""}, {"wakeup", {""}, "", false, false, ""}};
  OperatorSpec state;
  state.op = "state";
  state.name = "offenders";
  state.states = "SDTtR";
  state.than_ns = 100000000;
  state.keep = true;
  state.on = {
      {"switch", "", "switch", "", {}, {{"prev", "prev_pid"}, {"prev_state", "prev_state"}, {"next", "next_pid"}}},
      {"wakeup", "", "wakeup", "", {}, {{"tid", "pid"}}}};
  sched.operators = {state};
  formats.push_back(format_of(tracefs, "sched", "sched_switch"));
  formats.push_back(format_of(tracefs, "sched", "sched_wakeup"));
  run("task-state", sched, std::move(formats), [&](uint32_t i, Record& record, auto& raw, auto& view) {
    record.slot = i % 2;
    record.cpu = i & 1;
    record.tid = 1000 + random() % 200;
    if (record.slot == 0) {
      put(*view[0], raw, "prev_pid", record.tid);
      put(*view[0], raw, "prev_state", 1);
      put(*view[0], raw, "next_pid", 1000 + random() % 200);
    } else {
      put(*view[1], raw, "pid", 1000 + random() % 200);
    }
  });

  Plan kmem;
  kmem.events = {{"alloc", {""}, "", false, false, ""}, {"free", {""}, "", false, false, ""}};
  OperatorSpec outstanding;
  outstanding.op = "outstanding";
  outstanding.name = "objects";
  outstanding.on = {{"alloc", "", "alloc", "", {}, {{"ptr", "ptr"}, {"size", "bytes_alloc"}, {"site", "call_site"}}},
                    {"free", "", "free", "", {}, {{"ptr", "ptr"}}}};
  kmem.operators = {outstanding};
  formats.clear();
  formats.push_back(format_of(tracefs, "kmem", "kmalloc"));
  formats.push_back(format_of(tracefs, "kmem", "kfree"));
  run("kmemleak", kmem, std::move(formats), [&](uint32_t i, Record& record, auto& raw, auto& view) {
    record.slot = i % 2;
    record.tid = 1000 + random() % 200;
    put(*view[record.slot], raw, "ptr", 0x1000 + 64 * (random() % 1000));
    if (record.slot == 0) {
      put(*view[0], raw, "bytes_alloc", 64);
      put(*view[0], raw, "call_site", 0xffffffff81000000 + random() % 50);
    }
  });

  Plan net;
  net.events = {{"send", {""}, "", false, false, ""}, {"recv", {""}, "", false, false, ""}};
  OperatorSpec count;
  count.op = "count";
  count.name = "net";
  count.on = {{"send", "", "", "family == 2 && ret > 0", {{"pid", "$pid"}, {"dev", "\"lo\":text"}}, {{"tx", "ret"}}},
              {"recv",
               "",
               "",
               "family == 2 && ret > 0 && !(flags & 2)",
               {{"pid", "$pid"}, {"dev", "\"lo\":text"}},
               {{"rx", "ret"}}}};
  net.operators = {count};
  formats.clear();
  formats.push_back(format_of(tracefs, "sock", "sock_send_length"));
  formats.push_back(format_of(tracefs, "sock", "sock_recv_length"));
  run("count", net, std::move(formats), [&](uint32_t i, Record& record, auto& raw, auto& view) {
    record.slot = i % 2;
    record.tid = 1 + random() % 50;
    put(*view[record.slot], raw, "family", 2);
    put(*view[record.slot], raw, "ret", 777);
  });

  Plan pairs;
  pairs.events = {{"start", {""}, "", false, false, ""}, {"end", {""}, "", false, false, ""}};
  OperatorSpec pair;
  pair.op = "pair";
  pair.name = "calls";
  pair.group = {{"id", "id"}};
  pair.on = {{"start", "", "start", "", {{"tid", "$tid"}}, {}}, {"end", "", "end", "", {{"tid", "$tid"}}, {}}};
  pairs.operators = {pair};
  formats.clear();
  formats.push_back(format_of(tracefs, "raw_syscalls", "sys_enter"));
  formats.push_back(format_of(tracefs, "raw_syscalls", "sys_exit"));
  run("pair", pairs, std::move(formats), [&](uint32_t i, Record& record, auto& raw, auto& view) {
    record.slot = i % 2;
    record.tid = 1000 + (i / 2) % 40;
    put(*view[record.slot], raw, "id", (i / 2) % 30);
  });

  // The syscalls monitor: who, which call, errors, what is open.
  Plan calls = pairs;
  calls.names = {{"call", {{0, "read"}, {1, "write"}}}};
  OperatorSpec& each = calls.operators[0];
  each.group = {};
  each.others = true;
  each.on[0].group = {{"pid", "$pid"}, {"call", "$compat ? id | 65536 : id:call"}};
  each.on[1].group = {{"errno", "ret < 0 ? (ret >= -4095 && id >= 0 ? -ret : 0) : 0"}};
  each.tables = {{"calls", {"pid", "call"}, ""}, {"errors", {"pid", "call", "errno"}, "errno"}};
  each.alarm = "!oneof($compat ? id | 65536 : id, 7, 23, 34, 35, 61, 202, 230, 232, 247, 270, 271, 281)";
  each.open.name = "open";
  formats.clear();
  formats.push_back(format_of(tracefs, "raw_syscalls", "sys_enter"));
  formats.push_back(format_of(tracefs, "raw_syscalls", "sys_exit"));
  run("syscalls", calls, std::move(formats), [&](uint32_t i, Record& record, auto& raw, auto& view) {
    record.slot = i % 2;
    record.tid = 1000 + (i / 2) % 40;
    put(*view[record.slot], raw, "id", (i / 2) % 30);
    if (record.slot == 1) put(*view[1], raw, "ret", i % 20 == 1 ? -11 : 0);
  });
}
