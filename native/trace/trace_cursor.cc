#include "trace_cursor.h"

#include <algorithm>

namespace ktop {
namespace {

constexpr size_t kMostFrames = 64;

uint32_t word_at(const uint8_t* p) {
  uint32_t v;
  memcpy(&v, p, 4);
  return v;
}

}  // namespace

TraceCursor::TraceCursor(PageSource* source, size_t page_size, uint32_t cpu, const SlotTable* slots, bool stacks,
                         StackFormat format, std::vector<uint64_t>* received, TracingFrames* tracing)
    : source_(source),
      cpu_(cpu),
      slots_(slots),
      stacks_(stacks),
      format_(format),
      received_(received),
      tracing_(tracing) {
  for (auto& page : pages_) page.resize(page_size);
  frames_.reserve(kMostFrames);
}

bool TraceCursor::fetch(Raw* raw) {
  for (;;) {
    while (page_.next()) {
      decoded_++;
      uint16_t type;
      memcpy(&type, page_.data, 2);
      const uint16_t slot = (*slots_)[type];
      if (slot == kNoSlot && !(stacks_ && type == format_.type)) continue;
      raw->time = std::min(page_.time, kNever - 1);
      raw->data = page_.data;
      raw->size = page_.size;
      raw->type = type;
      raw->slot = slot;
      raw->has_lost = loss_open_;
      if (loss_open_) raw->lost = {cpu_, std::min(last_time_, raw->time), raw->time, loss_};
      loss_open_ = false;
      last_time_ = raw->time;
      return true;
    }
    if (page_.malformed()) malformed_++;
    page_.open(nullptr, 0);
    if (dry_) return false;
    active_ ^= 1;
    std::vector<uint8_t>& page = pages_[active_];
    const size_t n = source_->read(page.data(), page.size());
    if (n == 0) {
      active_ ^= 1;
      dry_ = true;
      return false;
    }
    page_.open(page.data(), std::min(n, page.size()));
    if (page_.missed()) {
      if (!loss_open_) loss_ = 0;
      loss_open_ = true;
      loss_ += page_.missed_count();
      missed_ += page_.missed_count();
    }
  }
}

void TraceCursor::refill() {
  dry_ = false;
  if (time == kNever)
    advance();
  else if (wants_stack_)
    look_for_stack();
}

void TraceCursor::advance() {
  time = kNever;
  wants_stack_ = false;
  frames_.clear();
  if (has_ahead_) {
    current_ = ahead_;
    has_ahead_ = false;
  } else {
    do {
      if (!fetch(&current_)) return;
    } while (current_.slot == kNoSlot);  // a stack whose event is gone
  }
  time = current_.time;
  if (stacks_) look_for_stack();
}

void TraceCursor::look_for_stack() {
  wants_stack_ = !fetch(&ahead_);  // not there yet: asked again at the next refill
  if (wants_stack_) return;
  if (ahead_.slot != kNoSlot) {
    has_ahead_ = true;
    return;
  }
  if (!ahead_.has_lost) attach(ahead_);
}

void TraceCursor::attach(const Raw& stack) {
  if (stack.size < format_.count_offset + 4 || stack.size < format_.frames_offset) return;
  size_t n = (stack.size - format_.frames_offset) / 8;
  n = std::min<size_t>({n, word_at(stack.data + format_.count_offset), kMostFrames});
  frames_.resize(n);
  if (n) memcpy(frames_.data(), stack.data + format_.frames_offset, n * 8);
  while (!frames_.empty() && (frames_.back() == UINT64_MAX || frames_.back() == 0)) frames_.pop_back();
}

void TraceCursor::run(RecordSink& sink, Nanos limit, Order& order) {
  Record record;
  record.cpu = cpu_;
  do {
    if (current_.has_lost) sink.on_lost(current_.lost);
    record.time = order.pass(time);
    record.slot = current_.slot;
    record.raw = current_.data;
    record.size = current_.size;
    record.tid = word_at(current_.data + 4);
    const uint32_t frames = static_cast<uint32_t>(frames_.size());
    const uint32_t skip = tracing_ && frames ? tracing_->count(frames_.data(), frames) : 0;
    record.frames = frames ? frames_.data() + skip : nullptr;
    record.frame_count = frames - skip;
    (*received_)[current_.slot]++;
    sink.on_event(record);
    advance();
  } while (time <= limit);
}

}  // namespace ktop
