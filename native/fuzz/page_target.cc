#include <algorithm>
#include <cstring>

#include "targets.h"
#include "trace/trace_cursor.h"

namespace ktop_fuzz {
namespace {

using namespace ktop;

class Pieces final : public PageSource {
 public:
  Pieces(const uint8_t* data, size_t size, size_t page) : data_(data), size_(size), page_(page) {}
  size_t read(uint8_t* page, size_t size) override {
    const size_t n = std::min({size, size_, page_});
    if (n) memcpy(page, data_, n);
    data_ += n;
    size_ -= n;
    return n;
  }

 private:
  const uint8_t* data_;
  size_t size_, page_;
};

class TouchSink final : public RecordSink {
 public:
  void on_event(const Record& r) override {
    if (r.time < last_ || r.slot > 3 || r.size < 8) __builtin_trap();
    last_ = r.time;
    touch(r.raw, r.size);
    touch(r.frames, r.frame_count * sizeof(uint64_t));
  }
  void on_task(const TaskRecord&) override {}
  void on_lost(const LostWindow& w) override {
    if (w.from > w.to) __builtin_trap();
  }

 private:
  Nanos last_ = 0;
};

}  // namespace

void page(const uint8_t* data, size_t size) {
  if (size < 1) return;
  const size_t bytes = 16 + data[0] * 4;
  SlotTable table;
  for (uint16_t type = 5; type < 512; type++) table.set(type, type % 4);
  for (bool stacks : {false, true}) {
    Pieces pieces(data + 1, size - 1, bytes);
    std::vector<uint64_t> received(5);
    TraceCursor cursor(&pieces, bytes, 2, &table, stacks, StackFormat(), &received);
    TouchSink sink;
    Order order;
    for (Nanos horizon : {Nanos(1) << 32, kNever}) {
      cursor.refill();
      merge({&cursor}, horizon, sink, order);
      cursor.release();
    }
  }
}

}  // namespace ktop_fuzz
