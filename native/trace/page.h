// Decodes one page of a trace ring buffer as read from trace_pipe_raw. Pure; trusts none of the bytes.
#pragma once
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "perf/record.h"

namespace ktop {

class TracePage {
 public:
  // The current record, valid after next() returned true.
  Nanos time = 0;
  const uint8_t* data = nullptr;  // starts with common_type; 4-byte aligned at best
  uint32_t size = 0;

  bool missed() const { return missed_; }                  // events before this page were overwritten
  uint64_t missed_count() const { return missed_count_; }  // 0 = unknown
  bool malformed() const { return malformed_; }

  // Page header: u64 time, u64 commit = length and flags; then the records.
  void open(const uint8_t* page, size_t bytes) {
    at_ = end_ = page;
    time = 0;
    missed_ = malformed_ = false;
    missed_count_ = 0;
    if (bytes < kHeader) {
      malformed_ = bytes != 0;
      return;
    }
    time = u64(page);
    const uint64_t commit = u64(page + 8);
    const uint64_t length = commit & kLengthMask;
    if (length > bytes - kHeader) {
      malformed_ = true;
      return;
    }
    missed_ = commit & kMissed;
    if ((commit & kMissed) && (commit & kMissedStored) && bytes - kHeader - length >= 8)
      missed_count_ = u64(page + kHeader + length);
    at_ = page + kHeader;
    end_ = at_ + length;
  }

  bool next() {
    while (end_ - at_ >= 4) {
      const uint32_t header = u32(at_);
      const uint32_t type = header & 31, delta = header >> 5;
      const size_t left = static_cast<size_t>(end_ - at_) - 4;
      const uint8_t* body = at_ + 4;
      if (type <= kLongestShort) {
        size_t length = type * 4;
        if (type == 0) {  // the length stands in a word of its own, and counts that word
          if (left < 4) break;
          length = u32(body);
          if (length < 4 || length > left) break;
          data = body + 4;
          size = static_cast<uint32_t>(length - 4);
          length = (length + 3) & ~static_cast<size_t>(3);
          if (length > left) length = left;
        } else {
          if (length > left) break;
          data = body;
          size = static_cast<uint32_t>(length);
        }
        time += delta;
        at_ = body + length;
        if (size < 8) continue;  // shorter than the common fields
        return true;
      }
      if (left < 4) {
        if (type == kPadding) at_ = end_;
        break;
      }
      const uint64_t word = u32(body);
      if (type == kPadding) {
        if (delta == 0) {  // the rest of the page is unused
          at_ = end_;
          return false;
        }
        const size_t length = (word + 3) & ~static_cast<uint64_t>(3);  // a discarded event
        if (length < 4 || length > left) break;
        time += delta;
        at_ = body + length;
      } else {
        const uint64_t value = word << 27 | delta;
        if (type == kTimeExtend) {
          time += value;
        } else {  // absolute, 59 bits: the upper ones as in the time so far
          constexpr uint64_t kHigh = ~((UINT64_C(1) << 59) - 1);
          time = (time & kHigh) | value;
        }
        at_ = body + 4;
      }
    }
    if (at_ != end_) malformed_ = true;
    at_ = end_;
    return false;
  }

 private:
  static constexpr size_t kHeader = 16;
  static constexpr uint64_t kLengthMask = 0xfffff, kMissed = 1u << 31, kMissedStored = 1u << 30;
  static constexpr uint32_t kLongestShort = 28, kPadding = 29, kTimeExtend = 30;

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

  const uint8_t* at_ = nullptr;
  const uint8_t* end_ = nullptr;
  bool missed_ = false, malformed_ = false;
  uint64_t missed_count_ = 0;
};

}  // namespace ktop
