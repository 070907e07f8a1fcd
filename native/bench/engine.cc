// ns per event: of the operators alone, on records replayed from memory, and of the whole way there: decoding, putting
// in order of time, operator; out of perf rings and out of trace pages. Formats are those of this kernel.
#include <cstdio>
#include <cstring>
#include <random>

#include "engine/pipeline.h"
#include "perf/ring_cursor.h"
#include "proc/files.h"
#include "test/record_builder.h"
#include "trace/trace_cursor.h"
#include "trace/tracefs.h"

using namespace ktop;

namespace {

constexpr uint32_t kRecords = 1 << 16, kRounds = 60, kCpus = 2;
constexpr uint32_t kGap = 300;  // ns from event to event
constexpr size_t kRingBytes = 2 << 20, kPage = 4096;

using Make = std::function<void(uint32_t, Record&, std::vector<uint8_t>&,
                                const std::vector<EventFormat*>&)>;  // fills one record

void put(const EventFormat& format, std::vector<uint8_t>& raw, const char* field, int64_t value) {
  const Field* found = format.find(field);
  if (found) std::memcpy(raw.data() + found->offset, &value, found->size);
}

std::unique_ptr<EventFormat> format_of(const std::string& tracefs, const char* system, const char* name) {
  return std::make_unique<EventFormat>(load_format(tracefs, system, name));
}

size_t size_of(const EventFormat& format) {
  size_t end = 8;
  for (const Field& field : format.fields) end = std::max<size_t>(end, field.offset + field.size);
  return (end + 7) / 8 * 8;
}

// The same events as the kernel would have written them, ready to be read again and again, each time later.
class Written {
 public:
  Written(const std::vector<Record>& records, const std::vector<std::vector<uint8_t>>& raws,
          const std::vector<EventFormat*>& formats)
      : received_(formats.size() + 1) {
    for (size_t slot = 0; slot < formats.size(); slot++) table_.set(formats[slot]->type, static_cast<uint16_t>(slot));
    for (uint32_t cpu = 0; cpu < kCpus; cpu++) {
      ktop_test::Ring& ring = *rings_.emplace_back(std::make_unique<ktop_test::Ring>(kRingBytes));
      Feed& feed = *feeds_.emplace_back(std::make_unique<Feed>());
      std::unique_ptr<ktop_test::Page> page;
      size_t filled = kPage;
      uint64_t last = 0;
      for (uint32_t i = 0; i < records.size(); i++) {
        if (records[i].cpu != cpu) continue;
        ktop_test::Bytes raw;
        raw.data = raws[i];
        raw.data.resize(size_of(*formats[records[i].slot]));
        raw.set<uint16_t>(0, formats[records[i].slot]->type).set<uint32_t>(4, records[i].tid);
        const uint64_t time = static_cast<uint64_t>(i) * kGap;
        const ktop_test::Bytes sample = ktop_test::plain_sample(time, raw);
        if (ring.head + sample.size() > kRingBytes) break;
        times_.push_back(ring.base() + ring.head + 8);
        ring.write(sample);
        if (filled + raw.size() + 16 > kPage) {
          if (page) feed.pages.push_back(page->finish());
          page = std::make_unique<ktop_test::Page>(time);
          filled = 16;
          last = time;
        }
        page->event(static_cast<uint32_t>(time - last), raw);
        filled += raw.size() + 8;
        last = time;
      }
      if (page) feed.pages.push_back(page->finish());
    }
  }

  double through_rings(RecordSink& sink) {
    return best([&] {
      for (uint8_t* at : times_) later(at);
      std::vector<std::unique_ptr<RingCursor<Layout::kPlain>>> cursors;
      std::vector<perf_event_mmap_page> pages(kCpus);
      for (uint32_t cpu = 0; cpu < kCpus; cpu++) {
        pages[cpu].data_head = rings_[cpu]->head;
        cursors.push_back(
            std::make_unique<RingCursor<Layout::kPlain>>(&pages[cpu], rings_[cpu]->base(), kRingBytes, cpu, &table_,
                                                         static_cast<uint16_t>(received_.size() - 1), &received_));
      }
      return drain(cursors, sink);
    });
  }

  double through_pages(RecordSink& sink) {
    return best([&] {
      std::vector<std::unique_ptr<TraceCursor>> cursors;
      for (uint32_t cpu = 0; cpu < kCpus; cpu++) {
        for (auto& page : feeds_[cpu]->pages) later(page.data());
        feeds_[cpu]->next = 0;
        cursors.push_back(
            std::make_unique<TraceCursor>(feeds_[cpu].get(), kPage, cpu, &table_, false, StackFormat(), &received_));
      }
      return drain(cursors, sink);
    });
  }

 private:
  struct Feed final : PageSource {
    std::vector<std::vector<uint8_t>> pages;
    size_t next = 0;
    size_t read(uint8_t* page, size_t size) override {  // copies, as the kernel does
      if (next == pages.size()) return 0;
      std::memcpy(page, pages[next++].data(), size);
      return size;
    }
  };

  // Moves a time behind all that was read before.
  void later(uint8_t* at) {
    uint64_t time;
    std::memcpy(&time, at, 8);
    time = time % (uint64_t{kGap} * kRecords) + epoch_;
    std::memcpy(at, &time, 8);
  }

  template <typename Cursors>
  double drain(Cursors& cursors, RecordSink& sink) {
    std::vector<Cursor*> list;
    for (auto& cursor : cursors) list.push_back(cursor.get());
    std::fill(received_.begin(), received_.end(), 0);
    const Nanos start = now_ns();
    for (Cursor* cursor : list) cursor->refill();
    merge(list, kNever, sink, order_);
    for (Cursor* cursor : list) cursor->release();
    const double ns = static_cast<double>(now_ns() - start);
    uint64_t events = 0;
    for (uint64_t count : received_) events += count;
    return ns / static_cast<double>(events);
  }

  template <typename Round>
  double best(Round round) {
    double ns = 1e9;
    for (uint32_t i = 0; i < kRounds; i++) {
      epoch_ += uint64_t{kGap} * kRecords;
      ns = std::min(ns, round());
    }
    return ns;
  }

  SlotTable table_;
  std::vector<uint64_t> received_;
  std::vector<std::unique_ptr<ktop_test::Ring>> rings_;
  std::vector<std::unique_ptr<Feed>> feeds_;
  std::vector<uint8_t*> times_;
  Order order_;
  uint64_t epoch_ = now_ns() / (uint64_t{kGap} * kRecords) * (uint64_t{kGap} * kRecords);
};

void run(const char* name, const Plan& plan, std::vector<std::unique_ptr<EventFormat>> formats, const Make& make) {
  std::vector<EventFormat*> view;
  for (auto& format : formats) view.push_back(format.get());
  std::vector<std::vector<uint8_t>> raws(kRecords, std::vector<uint8_t>(96));
  std::vector<Record> records(kRecords);
  for (uint32_t i = 0; i < kRecords; i++) {
    make(i, records[i], raws[i], view);
    records[i].cpu %= kCpus;
    records[i].raw = raws[i].data();
    records[i].size = 96;
  }
  Written written(records, raws, view);
  std::vector<int> slots;
  for (size_t i = 0; i < plan.events.size(); i++) slots.push_back(static_cast<int>(i));
  Pipeline pipeline(plan, std::move(formats), slots);
  Nanos time = now_ns();
  double alone = 1e9;
  for (uint32_t round = 0; round < kRounds; round++) {
    const Nanos start = now_ns();
    for (Record& record : records) {
      record.time = time += kGap;
      pipeline.on_event(record);
    }
    alone = std::min(alone, static_cast<double>(now_ns() - start) / kRecords);
    SnapshotData out;
    if (round % 10 == 9) pipeline.snapshot(out, time);
  }
  const double rings = written.through_rings(pipeline), pages = written.through_pages(pipeline);
  std::printf("%-12s %6.1f ns/event alone, %6.1f from perf rings, %6.1f from trace pages\n", name, alone, rings, pages);
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
