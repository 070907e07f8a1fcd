// What a sample and the trailer of every other record consist of: decided by the attributes of their event.
#pragma once
#include <linux/perf_event.h>

#include <cstdint>
#include <cstring>
#include <vector>

#include "perf/record.h"

namespace ktop {

// The fields ktop uses. Pointers are valid as long as the record is.
struct Sample {
  uint64_t ip = 0;
  uint32_t pid = 0, tid = 0, cpu = 0;
  const uint64_t* chain = nullptr;  // with its PERF_CONTEXT_* markers
  uint64_t chain_length = 0;
  const uint8_t* raw = nullptr;
  uint32_t raw_size = 0;
};

class SampleLayout {
 public:
  explicit SampleLayout(const perf_event_attr& attr);

  uint64_t sample_type() const { return type_; }
  bool has(uint64_t bit) const { return type_ & bit; }
  // Words before the event's id in a sample's body, and after its first byte from the end of other records; -1: none.
  int id_in_sample() const { return id_word_; }
  int id_from_end() const { return id_from_end_; }

  // The time of a sample, 0 where it has none.
  Nanos time_of_sample(const uint8_t* body, uint32_t size) const { return word(body, size, time_word_); }
  // False when the sample does not say.
  bool cpu_of_sample(const uint8_t* body, uint32_t size, uint32_t* cpu) const {
    *cpu = static_cast<uint32_t>(word(body, size, cpu_word_));
    return cpu_word_ >= 0;
  }
  // The time and CPU of another record: `body` is what follows its header.
  Nanos time_of_other(const uint8_t* body, uint32_t size) const { return word_from_end(body, size, time_from_end_); }
  // False when the record does not say.
  bool cpu_of_other(const uint8_t* body, uint32_t size, uint32_t* cpu) const {
    if (cpu_from_end_ < 0 || size < 8u * static_cast<uint32_t>(cpu_from_end_)) return false;
    *cpu = static_cast<uint32_t>(word_from_end(body, size, cpu_from_end_));
    return true;
  }
  // Bytes at the end of other records that belong to the trailer.
  uint32_t trailer() const { return trailer_; }

  // False when the body is too short for what it should hold. `scratch` takes what must be moved to be aligned.
  bool parse(const uint8_t* body, uint32_t size, Sample* out, std::vector<uint64_t>* scratch) const;

  static uint64_t word(const uint8_t* body, uint32_t size, int index) {
    if (index < 0 || size < 8u * (static_cast<uint32_t>(index) + 1)) return 0;
    uint64_t value;
    memcpy(&value, body + 8 * index, sizeof value);
    return value;
  }
  static uint64_t word_from_end(const uint8_t* body, uint32_t size, int index) {
    if (index < 0 || size < 8u * static_cast<uint32_t>(index)) return 0;
    uint64_t value;
    memcpy(&value, body + size - 8 * index, sizeof value);
    return value;
  }

 private:
  bool skip_read(const uint8_t*& at, const uint8_t* end) const;

  uint64_t type_, read_format_;
  int id_word_ = -1, ip_word_ = -1, tid_word_ = -1, time_word_ = -1, cpu_word_ = -1;
  int id_from_end_ = -1, time_from_end_ = -1, cpu_from_end_ = -1;
  uint32_t fixed_ = 0;  // bytes before the parts whose length differs
  uint32_t trailer_ = 0;
};

}  // namespace ktop
