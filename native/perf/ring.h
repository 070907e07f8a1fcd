// Decodes the records of one perf ring, in place. Pure: works on (base, size, tail, head), trusts none of the bytes.
#pragma once
#include <linux/perf_event.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <vector>

#include "record.h"

namespace ktop {

// What a sample in the ring consists of. One ring, one layout.
enum class Layout : uint8_t {
  kPlain,       // TIME, RAW
  kStack,       // TIME, CALLCHAIN, RAW
  kUser,        // TIME, RAW, REGS_USER (the stack pointer), STACK_USER
  kClock,       // IP, TID, TIME
  kClockStack,  // IP, TID, TIME, CALLCHAIN
};

constexpr Nanos kNever = UINT64_MAX;
constexpr uint16_t kNoSlot = 0xffff;

// common_type → slot.
class SlotTable {
 public:
  SlotTable() : slots_(65536, kNoSlot) {}
  void set(uint16_t type, uint16_t slot) { slots_[type] = slot; }
  uint16_t operator[](uint16_t type) const { return slots_[type]; }

 private:
  std::vector<uint16_t> slots_;
};

// What is odd about a ring; all zero on a good day.
struct RingFaults {
  uint64_t corrupt = 0;    // the rest of a window thrown away, its framing made no sense
  uint64_t malformed = 0;  // records skipped, their body made no sense
  uint64_t foreign = 0;    // samples of a tracepoint that nobody asked for
  uint64_t throttled = 0;
};

enum class ItemKind : uint8_t { kNone, kEvent, kTask };

template <Layout L>
class RingDecoder {
 public:
  // `size` is a power of two, `base` 8-byte aligned. `clock_slot` is the slot of clock samples.
  RingDecoder(const uint8_t* base, uint64_t size, uint32_t cpu, const SlotTable* slots, uint16_t clock_slot)
      : base_(base), mask_(size - 1), slots_(slots) {
    record.cpu = cpu;
    if constexpr (L == Layout::kClock || L == Layout::kClockStack) record.slot = clock_slot;
    scratch_.resize(65536 / sizeof(uint64_t));
  }

  // The current item, valid after next() returned true until the next call.
  ItemKind kind = ItemKind::kNone;
  bool has_lost = false;  // `lost` comes before the item
  Nanos time = 0;
  Record record;
  TaskRecord task;
  LostWindow lost;
  RingFaults faults;

  // The bytes to decode; `tail` ≤ `head` are running counts as in the ring's control page.
  void window(uint64_t tail, uint64_t head) {
    position_ = start_ = tail & ~kAlign;
    head_ = position_;
    extend(head);
  }
  void extend(uint64_t head) {
    head &= ~kAlign;
    if (head - start_ <= mask_ + 1 && head >= position_) head_ = head;
  }
  uint64_t consumed() const { return start_; }  // everything before this may be overwritten
  uint64_t reported_lost() const { return reported_lost_; }
  void set_last_time(Nanos t) { last_time_ = t; }
  Nanos last_time() const { return last_time_; }
  // A LOST record at the very end, with nothing after it to close its window.
  bool take_open_loss(Nanos until, LostWindow* out) {
    if (!loss_open_) return false;
    *out = {record.cpu, last_time_, until, loss_};
    loss_open_ = false;
    loss_ = 0;
    return true;
  }

  // Moves to the next item. False: the window is used up, and all of it consumed.
  bool next() {
    has_lost = false;
    for (;;) {
      start_ = position_;
      const uint64_t left = head_ - position_;
      if (left < sizeof(perf_event_header)) return end();
      const uint8_t* at = base_ + (position_ & mask_);
      perf_event_header header;
      memcpy(&header, at, sizeof header);
      if (header.size < sizeof header || header.size > left || (header.size & kAlign)) {
        faults.corrupt++;
        return end();
      }
      if ((position_ & mask_) + header.size > mask_ + 1) at = unwrap(header.size);
      position_ += header.size;
      bool item;
      if (__builtin_expect(header.type == PERF_RECORD_SAMPLE, 1)) {
        item = sample(at + sizeof header, header.size - sizeof header, header.misc);
      } else {
        item = side_band(header, at);
      }
      if (!item) continue;
      if (__builtin_expect(time == kNever, 0)) time = kNever - 1;
      if (__builtin_expect(loss_open_, 0)) has_lost = take_open_loss(time, &lost);
      last_time_ = time;
      return true;
    }
  }

 private:
  static constexpr uint64_t kAlign = 7;  // records are multiples of 8 bytes: a header never runs over the ring's end

  bool end() {
    position_ = start_ = head_;
    kind = ItemKind::kNone;
    return false;
  }

  // A record that runs over the ring's end, in one piece.
  const uint8_t* unwrap(uint32_t size) {
    uint8_t* out = reinterpret_cast<uint8_t*>(scratch_.data());
    const uint64_t offset = position_ & mask_;
    const uint64_t first = mask_ + 1 - offset;
    memcpy(out, base_ + offset, first);
    memcpy(out + first, base_, size - first);
    return out;
  }

  static uint64_t u64(const uint8_t* p) {
    uint64_t v;
    memcpy(&v, p, 8);
    return v;
  }
  static uint32_t u32(const uint8_t* p) {
    uint32_t v;
    memcpy(&v, p, 4);
    return v;
  }

  bool malformed() {
    faults.malformed++;
    return false;
  }

  bool sample(const uint8_t* p, uint32_t left, uint16_t misc) {
    if constexpr (L == Layout::kPlain) {
      if (left < 12) return malformed();
      time = u64(p);
      return raw(p + 8, left - 8);
    } else if constexpr (L == Layout::kUser) {
      if (left < 12) return malformed();
      time = u64(p);
      return raw(p + 8, left - 8) && user_stack(p + 12 + record.size, left - 12 - record.size);
    } else if constexpr (L == Layout::kStack) {
      if (left < 16) return malformed();
      time = u64(p);
      const uint32_t used = chain(p + 8, left - 8);
      if (!used) return malformed();
      return raw(p + 8 + used, left - 8 - used);
    } else {
      if (left < 24) return malformed();
      const uint16_t mode = misc & PERF_RECORD_MISC_CPUMODE_MASK;
      record.user = mode == PERF_RECORD_MISC_USER || mode == PERF_RECORD_MISC_GUEST_USER;
      record.tid = u32(p + 12);
      time = u64(p + 16);
      if constexpr (L == Layout::kClockStack) {
        if (!chain(p + 24, left - 24)) return malformed();
      } else {
        record.frames = reinterpret_cast<const uint64_t*>(p);  // the instruction pointer alone
        record.frame_count = record.user ? 0 : 1;
      }
      kind = ItemKind::kEvent;
      return true;
    }
  }

  // Call chain: u64 count, then that many entries. Returns the bytes used, 0 when it does not fit.
  uint32_t chain(const uint8_t* p, uint32_t left) {
    if (left < 8) return 0;
    const uint64_t n = u64(p);
    if (n > left / 8 - 1) return 0;
    const uint64_t* frames = reinterpret_cast<const uint64_t*>(p + 8);
    const uint64_t* const last = frames + n;
    // Kernel frames follow PERF_CONTEXT_KERNEL and end at the next marker.
    while (frames < last && *frames != static_cast<uint64_t>(PERF_CONTEXT_KERNEL)) frames++;
    if (frames < last) frames++;
    record.frames = frames;
    while (frames < last && *frames < static_cast<uint64_t>(PERF_CONTEXT_MAX)) frames++;
    record.frame_count = static_cast<uint32_t>(frames - record.frames);
    return static_cast<uint32_t>(8 + 8 * n);
  }

  // u32 size, then the tracepoint's record: common_type, flags, preempt count, pid, …
  bool raw(const uint8_t* p, uint32_t left) {
    if (left < 12) return malformed();
    const uint32_t size = u32(p);
    if (size < 8 || size > left - 4) return malformed();
    uint16_t type;
    memcpy(&type, p + 4, 2);
    const uint16_t slot = (*slots_)[type];
    if (__builtin_expect(slot == kNoSlot, 0)) {
      faults.foreign++;
      return false;
    }
    record.slot = slot;
    record.raw = p + 4;
    record.size = size;
    record.tid = u32(p + 8);
    kind = ItemKind::kEvent;
    return true;
  }

  // u64 abi and, unless it is 0, the stack pointer; u64 size and, unless it is 0, so many bytes and how many of them
  // are.
  bool user_stack(const uint8_t* p, uint32_t left) {
    record.user_stack = {};
    if (left < 8) return malformed();
    const bool has_regs = u64(p) != 0;
    record.user_stack.narrow = u64(p) == 1;  // PERF_SAMPLE_REGS_ABI_32
    p += 8, left -= 8;
    if (has_regs && left >= 8) {
      record.user_stack.pointer = u64(p);
      p += 8, left -= 8;
    }
    if (left < 8) return malformed();
    const uint64_t size = u64(p);
    if (size == 0) return true;
    if (left < 16 || size > left - 16) return malformed();
    record.user_stack.bytes = p + 8;
    record.user_stack.size = static_cast<uint32_t>(std::min(size, u64(p + 8 + size)));
    return true;
  }

  // Everything that is no sample. The time stands in the last 8 bytes (sample_id_all).
  bool side_band(const perf_event_header& header, const uint8_t* at) {
    const uint8_t* body = at + sizeof header;
    const uint32_t left = header.size - sizeof header;
    switch (header.type) {
      case PERF_RECORD_FORK:
      case PERF_RECORD_EXIT:
        if (left < 24) return malformed();
        task = TaskRecord();
        task.kind = header.type == PERF_RECORD_FORK ? TaskRecord::kFork : TaskRecord::kExit;
        task.pid = u32(body), task.ppid = u32(body + 4), task.tid = u32(body + 8), task.ptid = u32(body + 12);
        task.time = time = u64(body + 16);
        break;
      case PERF_RECORD_COMM: {
        if (left < 24) return malformed();
        task = TaskRecord();
        task.kind = TaskRecord::kComm;
        task.exec = header.misc & PERF_RECORD_MISC_COMM_EXEC;
        task.pid = task.ppid = u32(body), task.tid = task.ptid = u32(body + 4);
        const uint32_t room = left - 16 < 15 ? left - 16 : 15;
        memcpy(comm_, body + 8, room);
        comm_[room] = 0;
        task.comm = comm_;
        task.time = time = u64(body + left - 8);
        break;
      }
      case PERF_RECORD_LOST:          // u64 id, u64 lost
      case PERF_RECORD_LOST_SAMPLES:  // u64 lost
        if (left < 16) return malformed();
        loss_open_ = true;
        loss_ += u64(body + (header.type == PERF_RECORD_LOST ? 8 : 0));
        reported_lost_ += u64(body + (header.type == PERF_RECORD_LOST ? 8 : 0));
        return false;
      case PERF_RECORD_THROTTLE:
        faults.throttled++;
        return false;
      default:
        return false;
    }
    kind = ItemKind::kTask;
    return true;
  }

  const uint8_t* base_;
  uint64_t mask_;
  const SlotTable* slots_;
  uint64_t position_ = 0, start_ = 0, head_ = 0;
  Nanos last_time_ = 0;
  uint64_t loss_ = 0, reported_lost_ = 0;
  bool loss_open_ = false;
  char comm_[16] = {};
  std::vector<uint64_t> scratch_;
};

}  // namespace ktop
