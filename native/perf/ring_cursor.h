// A perf ring as a source for the merge.
#pragma once
#include <memory>
#include <vector>

#include "merge.h"
#include "ring.h"
#include "trace/tracing_frames.h"

namespace ktop {

// What a ring cursor tells beyond its records, for any layout.
class RingSource : public Cursor {
 public:
  virtual RingFaults faults() const = 0;
  virtual uint64_t reported_lost() const = 0;
  virtual uint32_t cpu() const = 0;
  virtual void start_at(Nanos now) = 0;
  virtual Nanos last_time() const = 0;
  // Adds the events that wait in the ring to the counters of their slots.
  virtual void count_waiting(std::vector<uint64_t>& slots) = 0;
  // The loss announced after the last record, if any.
  virtual bool take_open_loss(Nanos until, LostWindow* out) = 0;
};

template <Layout L>
class RingCursor final : public RingSource {
 public:
  // `received` counts per slot and outlives the cursor. `tracing` may be null.
  RingCursor(perf_event_mmap_page* page, const uint8_t* base, uint64_t size, uint32_t cpu, const SlotTable* slots,
             uint16_t clock_slot, std::vector<uint64_t>* received, TracingFrames* tracing = nullptr)
      : page_(page),
        base_(base),
        size_(size),
        slots_(slots),
        clock_slot_(clock_slot),
        decoder_(base, size, cpu, slots, clock_slot),
        received_(received),
        tracing_(tracing) {
    decoder_.window(tail_, tail_);
  }

  void refill() override {
    decoder_.extend(__atomic_load_n(&page_->data_head, __ATOMIC_ACQUIRE));
    if (time == kNever) advance();
  }

  void run(RecordSink& sink, Nanos limit, Order& order) override {
    uint64_t* const received = received_->data();
    do {
      if (__builtin_expect(decoder_.has_lost, 0)) sink.on_lost(decoder_.lost);
      const Nanos now = order.pass(time);
      if (__builtin_expect(decoder_.kind == ItemKind::kEvent, 1)) {
        decoder_.record.time = now;
        if constexpr (L == Layout::kStack) {
          Record& record = decoder_.record;
          const uint32_t skip = tracing_ ? tracing_->count(record.frames, record.frame_count) : 0;
          record.frames += skip;
          record.frame_count -= skip;
        }
        received[decoder_.record.slot]++;
        sink.on_event(decoder_.record);
      } else {
        decoder_.task.time = now;
        sink.on_task(decoder_.task);
      }
      advance();
      if (decoder_.consumed() - tail_ > size_ / 8) release();
    } while (time <= limit);
  }

  void release() override {
    if (decoder_.consumed() == tail_) return;
    tail_ = decoder_.consumed();
    __atomic_store_n(&page_->data_tail, tail_, __ATOMIC_RELEASE);
  }

  RingFaults faults() const override { return decoder_.faults; }
  uint64_t reported_lost() const override { return decoder_.reported_lost(); }
  uint32_t cpu() const override { return decoder_.record.cpu; }
  void start_at(Nanos now) override { decoder_.set_last_time(now); }
  Nanos last_time() const override { return decoder_.last_time(); }
  bool take_open_loss(Nanos until, LostWindow* out) override { return decoder_.take_open_loss(until, out); }

  void count_waiting(std::vector<uint64_t>& slots) override {
    const uint64_t head = __atomic_load_n(&page_->data_head, __ATOMIC_ACQUIRE);
    RingDecoder<L> look(base_, size_, decoder_.record.cpu, slots_, clock_slot_);
    look.window(decoder_.consumed(), head);
    while (look.next())
      if (look.kind == ItemKind::kEvent) slots[look.record.slot]++;
  }

 private:
  void advance() { time = decoder_.next() ? decoder_.time : kNever; }

  perf_event_mmap_page* page_;
  const uint8_t* base_;
  uint64_t size_;
  const SlotTable* slots_;
  uint16_t clock_slot_;
  RingDecoder<L> decoder_;
  std::vector<uint64_t>* received_;
  TracingFrames* tracing_;
  uint64_t tail_ = 0;
};

}  // namespace ktop
