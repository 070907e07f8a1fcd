#include "perf/ring.h"

#include <memory>

#include "check.h"
#include "collect_sink.h"
#include "perf/merge.h"
#include "perf/ring_cursor.h"
#include "record_builder.h"

using namespace ktop;
using namespace ktop_test;

namespace {

constexpr uint64_t kKernel = static_cast<uint64_t>(PERF_CONTEXT_KERNEL),
                   kUser = static_cast<uint64_t>(PERF_CONTEXT_USER);

SlotTable slots() {
  SlotTable table;
  table.set(100, 0);
  table.set(200, 1);
  return table;
}

// A ring with its control page, as the kernel shares it.
template <Layout L>
struct Shared {
  explicit Shared(size_t size, uint32_t cpu, uint64_t start = 0)
      : ring(size, start), page(), table(slots()), received(3) {
    page.data_head = page.data_tail = start;
    cursor = std::make_unique<RingCursor<L>>(&page, ring.base(), ring.size(), cpu, &table, 2, &received);
  }
  void write(const Bytes& record) {
    ring.write(record);
    page.data_head = ring.head;
  }
  Ring ring;
  perf_event_mmap_page page;
  SlotTable table;
  std::vector<uint64_t> received;
  std::unique_ptr<RingCursor<L>> cursor;
};

}  // namespace

TEST(ring_plain_samples) {
  const SlotTable table = slots();
  Ring ring(4096);
  ring.write(plain_sample(10, tracepoint(100, 7, 1)));
  ring.write(plain_sample(20, tracepoint(999, 7, 2)));  // nobody asked for it
  ring.write(plain_sample(30, tracepoint(200, 8, 3)));
  RingDecoder<Layout::kPlain> d(ring.base(), ring.size(), 3, &table, 2);
  d.window(ring.tail, ring.head);
  CHECK(d.next());
  CHECK_EQ(d.time, 10u);
  CHECK_EQ(d.record.slot, 0);
  CHECK_EQ(d.record.tid, 7u);
  CHECK_EQ(d.record.cpu, 3u);
  CHECK_EQ(d.record.size, 20u);  // 16, padded so that the sample ends on 8 bytes
  CHECK(d.next());
  CHECK_EQ(d.time, 30u);
  CHECK_EQ(d.record.slot, 1);
  CHECK_EQ(d.faults.foreign, 1u);
  CHECK(!d.next());
  CHECK_EQ(d.consumed(), ring.head);
}

TEST(ring_wraps_at_every_offset) {
  const SlotTable table = slots();
  for (uint64_t start = 0; start < 512; start += 8) {
    Ring ring(256, start);
    for (uint64_t i = 0; i < 5; i++) ring.write(plain_sample(100 + i, tracepoint(100, 7, 0x1122334455667788 + i)));
    RingDecoder<Layout::kPlain> d(ring.base(), ring.size(), 0, &table, 2);
    d.window(ring.tail, ring.head);
    for (uint64_t i = 0; i < 5; i++) {
      CHECK(d.next());
      CHECK_EQ(d.time, 100 + i);
      uint64_t value = 0;
      memcpy(&value, d.record.raw + 8, 8);
      CHECK_EQ(value, 0x1122334455667788 + i);
    }
    CHECK(!d.next());
  }
}

TEST(ring_call_chains) {
  const SlotTable table = slots();
  Ring ring(4096);
  ring.write(stack_sample(10, {kKernel, 0xffffffff81000001, 0xffffffff81000002}, tracepoint(100, 7, 1)));
  ring.write(stack_sample(11, {}, tracepoint(100, 7, 1)));
  ring.write(stack_sample(12, {kUser, 0x1000, 0x2000}, tracepoint(100, 7, 1)));
  ring.write(stack_sample(13, {kKernel, 0xffffffff81000003, kUser, 0x1000}, tracepoint(200, 7, 1)));
  RingDecoder<Layout::kStack> d(ring.base(), ring.size(), 0, &table, 2);
  d.window(ring.tail, ring.head);
  CHECK(d.next());
  CHECK_EQ(d.record.frame_count, 2u);
  CHECK_EQ(d.record.frames[1], 0xffffffff81000002u);
  CHECK(d.next());
  CHECK_EQ(d.record.frame_count, 0u);
  CHECK(d.next());
  CHECK_EQ(d.record.frame_count, 0u);
  CHECK(d.next());
  CHECK_EQ(d.record.frame_count, 1u);
  CHECK_EQ(d.record.slot, 1);
  CHECK(!d.next());
}

TEST(ring_clock_samples) {
  const SlotTable table = slots();
  Ring ring(4096);
  Bytes kernel, user;
  kernel.add<uint64_t>(0xffffffff81000005).add<uint32_t>(70).add<uint32_t>(71).add<uint64_t>(5);
  user.add<uint64_t>(0x5000).add<uint32_t>(70).add<uint32_t>(72).add<uint64_t>(6);
  ring.write(perf_record(PERF_RECORD_SAMPLE, PERF_RECORD_MISC_KERNEL, kernel));
  ring.write(perf_record(PERF_RECORD_SAMPLE, PERF_RECORD_MISC_USER, user));
  RingDecoder<Layout::kClock> d(ring.base(), ring.size(), 0, &table, 2);
  d.window(ring.tail, ring.head);
  CHECK(d.next());
  CHECK(!d.record.user);
  CHECK_EQ(d.record.slot, 2);
  CHECK_EQ(d.record.tid, 71u);
  CHECK_EQ(d.record.frame_count, 1u);
  CHECK_EQ(d.record.frames[0], 0xffffffff81000005u);
  CHECK(d.record.raw == nullptr);
  CHECK(d.next());
  CHECK(d.record.user);
  CHECK_EQ(d.record.frame_count, 0u);
}

TEST(ring_tasks) {
  const SlotTable table = slots();
  Ring ring(4096);
  ring.write(fork_record(PERF_RECORD_FORK, 5, 4, 6, 3, 50));
  ring.write(comm_record(5, 6, "a name of some length", 60, true));
  ring.write(perf_record(77, 0, Bytes().add<uint64_t>(1)));  // unknown: skipped
  ring.write(fork_record(PERF_RECORD_EXIT, 5, 4, 6, 3, 70));
  RingDecoder<Layout::kPlain> d(ring.base(), ring.size(), 0, &table, 2);
  d.window(ring.tail, ring.head);
  CHECK(d.next());
  CHECK(d.kind == ItemKind::kTask && d.task.kind == TaskRecord::kFork);
  CHECK_EQ(d.task.pid, 5u);
  CHECK_EQ(d.task.tid, 6u);
  CHECK_EQ(d.task.ppid, 4u);
  CHECK_EQ(d.task.ptid, 3u);
  CHECK(d.next());
  CHECK(d.task.kind == TaskRecord::kComm && d.task.exec);
  CHECK_EQ(std::string(d.task.comm), "a name of some ");
  CHECK_EQ(d.task.time, 60u);
  CHECK(d.next());
  CHECK(d.task.kind == TaskRecord::kExit);
  CHECK_EQ(d.time, 70u);
  CHECK(!d.next());
}

TEST(ring_loss_opens_a_window) {
  const SlotTable table = slots();
  Ring ring(4096);
  ring.write(plain_sample(10, tracepoint(100, 7, 1)));
  ring.write(lost_record(5, 21));
  ring.write(lost_record(6, 22));
  ring.write(plain_sample(20, tracepoint(100, 7, 2)));
  ring.write(lost_record(9, 30));
  RingDecoder<Layout::kPlain> d(ring.base(), ring.size(), 4, &table, 2);
  d.window(ring.tail, ring.head);
  CHECK(d.next());
  CHECK(!d.has_lost);
  CHECK(d.next());
  CHECK(d.has_lost);
  CHECK_EQ(d.lost.cpu, 4u);
  CHECK_EQ(d.lost.from, 10u);
  CHECK_EQ(d.lost.to, 20u);
  CHECK_EQ(d.lost.count, 11u);
  CHECK(!d.next());
  LostWindow last;
  CHECK(d.take_open_loss(99, &last));
  CHECK_EQ(last.from, 20u);
  CHECK_EQ(last.to, 99u);
  CHECK_EQ(last.count, 9u);
  CHECK(!d.take_open_loss(99, &last));
  CHECK_EQ(d.reported_lost(), 20u);
}

TEST(ring_garbage_is_skipped_or_dropped) {
  const SlotTable table = slots();
  const auto decode = [&](const std::vector<Bytes>& records, RingFaults* faults) {
    Ring ring(4096);
    for (const Bytes& b : records) ring.write(b);
    RingDecoder<Layout::kStack> d(ring.base(), ring.size(), 0, &table, 2);
    d.window(ring.tail, ring.head);
    int n = 0;
    while (d.next()) n++;
    *faults = d.faults;
    return n;
  };
  const Bytes good = stack_sample(9, {}, tracepoint(100, 7, 1));
  RingFaults faults;
  CHECK_EQ(decode({Bytes().add<uint64_t>(0), good}, &faults), 0);  // a record of size 0
  CHECK_EQ(faults.corrupt, 1u);
  CHECK_EQ(decode({Bytes().add<uint32_t>(9).add<uint16_t>(0).add<uint16_t>(60000), good}, &faults), 0);
  CHECK_EQ(faults.corrupt, 1u);
  CHECK_EQ(decode({perf_record(PERF_RECORD_SAMPLE, 0, Bytes().add<uint64_t>(1)), good}, &faults), 1);
  CHECK_EQ(faults.malformed, 1u);
  // a call chain of 2^61 entries, a raw part longer than the record
  CHECK_EQ(decode({perf_record(PERF_RECORD_SAMPLE, 0, Bytes().add<uint64_t>(1).add<uint64_t>(UINT64_C(1) << 61)), good},
                  &faults),
           1);
  CHECK_EQ(faults.malformed, 1u);
  Bytes body;
  body.add<uint64_t>(1).add<uint64_t>(0).add<uint32_t>(4000).add<uint32_t>(0).add<uint64_t>(0);
  CHECK_EQ(decode({perf_record(PERF_RECORD_SAMPLE, 0, body), good}, &faults), 1);
  CHECK_EQ(faults.malformed, 1u);
  Ring ring(256);
  RingDecoder<Layout::kStack> d(ring.base(), ring.size(), 0, &table, 2);
  d.window(0, 100000);  // more than the ring holds
  CHECK(!d.next());
}

TEST(merge_orders_across_rings) {
  for (size_t count : {1, 2, 3, 8, 9, 40}) {
    std::vector<std::unique_ptr<Shared<Layout::kPlain>>> rings;
    std::vector<Cursor*> cursors;
    for (size_t i = 0; i < count; i++) rings.push_back(std::make_unique<Shared<Layout::kPlain>>(65536, i));
    uint64_t seed = 12345;
    for (uint64_t t = 1; t <= 1000; t++) {
      seed = seed * 6364136223846793005u + 1442695040888963407u;
      rings[(seed >> 33) % count]->write(plain_sample(t * 10, tracepoint(100, 1, t)));
    }
    for (auto& ring : rings) cursors.push_back(ring->cursor.get());
    CollectSink sink;
    Order order;
    for (Nanos horizon : {Nanos(500), Nanos(5005), kNever}) {
      for (Cursor* cursor : cursors) cursor->refill();
      merge(cursors, horizon, sink, order);
      for (Cursor* cursor : cursors) cursor->release();
      if (horizon == 500) CHECK_EQ(sink.all.size(), 50u);
      if (horizon == 5005) CHECK_EQ(sink.all.size(), 500u);
    }
    CHECK_EQ(sink.all.size(), 1000u);
    CHECK(sink.ordered());
    CHECK_EQ(order.late, 0u);
    uint64_t received = 0;
    for (auto& ring : rings) {
      CHECK_EQ(ring->page.data_tail, ring->page.data_head);
      received += ring->received[0];
    }
    CHECK_EQ(received, 1000u);
  }
}

TEST(merge_clamps_late_records) {
  Shared<Layout::kPlain> a(4096, 0), b(4096, 1);
  std::vector<Cursor*> cursors = {a.cursor.get(), b.cursor.get()};
  CollectSink sink;
  Order order;
  const auto drain = [&] {
    for (Cursor* cursor : cursors) cursor->refill();
    merge(cursors, kNever, sink, order);
    for (Cursor* cursor : cursors) cursor->release();
  };
  a.write(plain_sample(100, tracepoint(100, 1, 1)));
  drain();
  b.write(plain_sample(90, tracepoint(100, 1, 2)));
  b.write(plain_sample(110, tracepoint(100, 1, 3)));
  drain();
  CHECK_EQ(order.late, 1u);
  CHECK_EQ(sink.all.size(), 3u);
  CHECK_EQ(sink.all[1].time, 100u);
  CHECK_EQ(sink.all[2].time, 110u);
}

TEST(merge_gives_space_back_and_keeps_the_rest) {
  Shared<Layout::kPlain> ring(256, 0);
  std::vector<Cursor*> cursors = {ring.cursor.get()};
  CollectSink sink;
  Order order;
  uint64_t t = 0;
  for (int round = 0; round < 100; round++) {
    while (ring.page.data_head - ring.page.data_tail + 40 <= 256)
      ring.write(plain_sample(t + 1, tracepoint(100, 1, t + 1))), t++;
    ring.cursor->refill();
    std::vector<uint64_t> waiting(3);
    ring.cursor->count_waiting(waiting);
    CHECK_EQ(waiting[0] + ring.received[0], t);
    merge(cursors, t - 2, sink, order);  // two stay behind
    ring.cursor->release();
    CHECK_EQ(sink.all.size(), t - 2);
  }
  for (size_t i = 0; i < sink.all.size(); i++) {
    uint64_t value;
    memcpy(&value, &sink.all[i].raw[8], 8);
    CHECK_EQ(value, i + 1);
  }
}
