#include <deque>
#include <memory>

#include "check.h"
#include "collect_sink.h"
#include "record_builder.h"
#include "trace/page.h"
#include "trace/trace_cursor.h"

using namespace ktop;
using namespace ktop_test;

namespace {

constexpr uint64_t kMissed = 1u << 31, kStored = 1u << 30;

class FakePages : public PageSource {
 public:
  std::deque<std::vector<uint8_t>> pages;
  size_t read(uint8_t* page, size_t size) override {
    if (pages.empty()) return 0;
    const std::vector<uint8_t> next = pages.front();
    pages.pop_front();
    memcpy(page, next.data(), std::min(size, next.size()));
    return next.size();
  }
};

Bytes stack_record(const std::vector<uint64_t>& frames) {
  Bytes b;
  b.add<uint16_t>(4)
      .add<uint16_t>(0)
      .add<uint32_t>(7)
      .add<uint32_t>(static_cast<uint32_t>(frames.size()))
      .add<uint32_t>(0);
  for (uint64_t ip : frames) b.add(ip);
  return b;
}

struct Setup {
  explicit Setup(bool stacks) : received(3) {
    table.set(100, 0);
    table.set(200, 1);
    cursor = std::make_unique<TraceCursor>(&source, 4096, 3, &table, stacks, StackFormat(), &received);
    cursor->start_at(500);
  }
  void drain(Nanos horizon = kNever) {
    cursor->refill();
    merge({cursor.get()}, horizon, sink, order);
  }
  FakePages source;
  SlotTable table;
  std::vector<uint64_t> received;
  std::unique_ptr<TraceCursor> cursor;
  CollectSink sink;
  Order order;
};

}  // namespace

TEST(page_times_and_sizes) {
  Bytes large = tracepoint(100, 1, 2);
  large.data.resize(200);
  const auto page = Page(1000)
                        .event(5, tracepoint(100, 1, 2))
                        .extend((UINT64_C(3) << 27) + 7)
                        .event(1, large)
                        .discarded(10, 4)
                        .event(2, tracepoint(200, 1, 2))
                        .absolute(UINT64_C(1) << 40)
                        .event(3, tracepoint(200, 1, 2))
                        .padding()
                        .finish();
  TracePage p;
  p.open(page.data(), page.size());
  CHECK(p.next());
  CHECK_EQ(p.time, 1005u);
  CHECK_EQ(p.size, 16u);
  CHECK(p.next());
  CHECK_EQ(p.time, 1005 + (UINT64_C(3) << 27) + 8);
  CHECK_EQ(p.size, 200u);
  CHECK(p.next());
  CHECK_EQ(p.time, 1005 + (UINT64_C(3) << 27) + 8 + 12);
  CHECK(p.next());
  CHECK_EQ(p.time, (UINT64_C(1) << 40) + 3);
  CHECK(!p.next());
  CHECK(!p.missed() && !p.malformed());
}

TEST(page_garbage) {
  TracePage p;
  p.open(nullptr, 0);
  CHECK(!p.next());
  std::vector<uint8_t> page = Page(1).event(1, tracepoint(100, 1, 1)).finish();
  page[8] = 0xff, page[9] = 0xff;  // longer than the page
  p.open(page.data(), page.size());
  CHECK(!p.next());
  CHECK(p.malformed());
  for (uint32_t header : {0u, 28u, 29u | 1u << 5, 30u, 31u}) {
    Bytes b;
    b.add<uint64_t>(1).add<uint64_t>(8).add(header).add<uint32_t>(0xfffffff0);
    p.open(b.raw(), b.size());
    while (p.next()) {
    }
  }
}

TEST(trace_cursor_delivers_and_counts_missed) {
  Setup s(false);
  s.source.pages.push_back(Page(1000).event(1, tracepoint(100, 9, 1)).event(1, tracepoint(55, 9, 1)).finish());
  s.source.pages.push_back(Page(2000).event(1, tracepoint(200, 9, 2)).finish(kMissed | kStored, 77));
  s.source.pages.push_back(Page(3000).finish(kMissed));
  s.source.pages.push_back(Page(4000).event(0, tracepoint(200, 9, 3)).finish());
  s.drain();
  CHECK_EQ(s.sink.all.size(), 5u);
  CHECK_EQ(s.sink.all[0].time, 1001u);
  CHECK_EQ(s.sink.all[0].tid, 9u);
  CHECK_EQ(s.sink.all[1].lost.count, 77u);
  CHECK_EQ(s.sink.all[1].lost.cpu, 3u);
  CHECK_EQ(s.sink.all[1].lost.from, 1001u);
  CHECK_EQ(s.sink.all[1].lost.to, 2001u);
  CHECK_EQ(s.sink.all[2].time, 2001u);
  CHECK_EQ(s.sink.all[3].lost.count, 0u);  // unknown
  CHECK_EQ(s.sink.all[4].time, 4000u);
  CHECK_EQ(s.received[1], 2u);
  CHECK_EQ(s.cursor->missed(), 77u);
  CHECK_EQ(s.cursor->decoded(), 4u);
}

TEST(trace_cursor_keeps_what_is_past_the_horizon) {
  Setup s(false);
  s.source.pages.push_back(Page(1000).event(1, tracepoint(100, 9, 1)).event(10, tracepoint(100, 9, 2)).finish());
  s.drain(1005);
  CHECK_EQ(s.sink.all.size(), 1u);
  s.source.pages.push_back(Page(1020).event(0, tracepoint(100, 9, 3)).finish());
  s.drain(1015);
  CHECK_EQ(s.sink.all.size(), 2u);
  s.drain();
  CHECK_EQ(s.sink.all.size(), 3u);
}

TEST(trace_cursor_joins_stacks) {
  Setup s(true);
  s.source.pages.push_back(Page(1000)
                               .event(1, stack_record({0xbad}))  // its event was overwritten
                               .event(1, tracepoint(100, 9, 1))
                               .event(1, stack_record({0xa1, 0xa2}))
                               .event(1, tracepoint(200, 9, 2))
                               .event(1, tracepoint(100, 9, 3))
                               .finish());
  // the stack of the last one stands in the next page
  s.source.pages.push_back(
      Page(1010).event(0, stack_record({0xb1, UINT64_MAX})).event(1, tracepoint(100, 9, 4)).finish());
  s.drain(1005);
  CHECK_EQ(s.sink.all.size(), 3u);
  s.drain(1010);
  s.source.pages.push_back(Page(1020).event(0, stack_record({0xc1})).finish());  // arrives late
  s.drain();
  CHECK_EQ(s.sink.all.size(), 4u);
  CHECK_EQ(s.sink.all[0].frames.size(), 2u);
  CHECK_EQ(s.sink.all[0].frames[1], 0xa2u);
  CHECK_EQ(s.sink.all[1].frames.size(), 0u);
  CHECK_EQ(s.sink.all[2].frames.size(), 1u);
  CHECK_EQ(s.sink.all[2].frames[0], 0xb1u);
  CHECK_EQ(s.sink.all[3].frames.size(), 1u);
}
