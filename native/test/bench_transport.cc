// ns per event of decode + merge: two prefilled rings of 2 MB, replayed many times.
#include <algorithm>
#include <cstdio>
#include <memory>
#include <vector>

#include "perf/cpus.h"
#include "perf/merge.h"
#include "perf/ring_cursor.h"
#include "record_builder.h"

using namespace ktop;
using namespace ktop_test;

namespace {

constexpr size_t kRingBytes = 2 << 20;

class CountingSink final : public RecordSink {
 public:
  uint64_t events = 0, sum = 0;
  void on_event(const Record& r) override {
    events++;
    sum += r.time + r.slot + r.size;
  }
  void on_task(const TaskRecord&) override {}
  void on_lost(const LostWindow&) override {}
};

struct Setup {
  Setup(size_t cpus, bool stacks, size_t burst) : received(5) {
    for (uint16_t slot = 0; slot < 4; slot++) table.set(static_cast<uint16_t>(300 + slot), slot);
    for (size_t cpu = 0; cpu < cpus; cpu++) rings.push_back(std::make_unique<Ring>(kRingBytes));
    // Records as of sched_switch, 64 bytes of raw data; runs of `burst` events on one CPU.
    uint64_t time = 1000;
    for (bool room = true; room;) {
      for (size_t cpu = 0; cpu < cpus && room; cpu++) {
        for (size_t i = 0; i < burst && room; i++) {
          Bytes raw = tracepoint(static_cast<uint16_t>(300 + time % 4), 7, time);
          raw.data.resize(64);
          time += 100;
          const Bytes record =
              stacks ? stack_sample(time, std::vector<uint64_t>(12, ~UINT64_C(127)), raw) : plain_sample(time, raw);
          room = rings[cpu]->head + record.size() <= kRingBytes;
          if (room) rings[cpu]->write(record);
        }
      }
    }
    pages.resize(cpus);
  }

  template <Layout L>
  void measure(const char* what) {
    double best = 1e9;
    uint64_t events = 0;
    for (int round = 0; round < 60; round++) {
      std::vector<std::unique_ptr<RingCursor<L>>> cursors;
      std::vector<Cursor*> list;
      for (size_t i = 0; i < rings.size(); i++) {
        pages[i].data_head = rings[i]->head;
        pages[i].data_tail = 0;
        cursors.push_back(std::make_unique<RingCursor<L>>(&pages[i], rings[i]->base(), rings[i]->size(),
                                                          static_cast<uint32_t>(i), &table, 4, &received));
        list.push_back(cursors.back().get());
      }
      CountingSink sink;
      Order order;
      const Nanos start = monotonic_now();
      for (Cursor* cursor : list) cursor->refill();
      merge(list, kNever, sink, order);
      for (Cursor* cursor : list) cursor->release();
      best = std::min(best, static_cast<double>(monotonic_now() - start) / static_cast<double>(sink.events));
      events = sink.events;
    }
    printf("%-44s %6.1f ns/event  (%lu events)\n", what, best, events);
  }

  SlotTable table;
  std::vector<uint64_t> received;
  std::vector<std::unique_ptr<Ring>> rings;
  std::vector<perf_event_mmap_page> pages;
};

}  // namespace

int main() {
  Setup(1, false, 1).measure<Layout::kPlain>("1 ring");
  Setup(2, false, 1).measure<Layout::kPlain>("2 rings, alternating");
  Setup(2, false, 8).measure<Layout::kPlain>("2 rings, runs of 8");
  Setup(8, false, 2).measure<Layout::kPlain>("8 rings, runs of 2");
  Setup(64, false, 2).measure<Layout::kPlain>("64 rings, runs of 2 (heap)");
  Setup(2, true, 1).measure<Layout::kStack>("2 rings, alternating, stacks of 12 frames");
}
