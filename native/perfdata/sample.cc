#include "sample.h"

namespace ktop {
namespace {

constexpr uint64_t kFormatLost = 1 << 4;  // PERF_FORMAT_LOST

// Reads a u64 and moves on; false when there is none left.
bool take(const uint8_t*& at, const uint8_t* end, uint64_t* value) {
  if (end - at < 8) return false;
  memcpy(value, at, 8);
  at += 8;
  return true;
}

}  // namespace

SampleLayout::SampleLayout(const perf_event_attr& attr) : type_(attr.sample_type), read_format_(attr.read_format) {
  int words = 0;
  const auto place = [&](uint64_t bit, int* where) {
    if (!(type_ & bit)) return;
    if (where) *where = words;
    words++;
  };
  // The order in which the kernel writes them (perf_event.h).
  place(PERF_SAMPLE_IDENTIFIER, &id_word_);
  place(PERF_SAMPLE_IP, &ip_word_);
  place(PERF_SAMPLE_TID, &tid_word_);
  place(PERF_SAMPLE_TIME, &time_word_);
  place(PERF_SAMPLE_ADDR, nullptr);
  place(PERF_SAMPLE_ID, id_word_ < 0 ? &id_word_ : nullptr);
  place(PERF_SAMPLE_STREAM_ID, nullptr);
  place(PERF_SAMPLE_CPU, &cpu_word_);
  place(PERF_SAMPLE_PERIOD, nullptr);
  fixed_ = 8 * static_cast<uint32_t>(words);

  if (!attr.sample_id_all) return;
  // Other records carry TID, TIME, ID, STREAM_ID, CPU, IDENTIFIER at their end, in this order.
  words = 0;
  const auto before = [&](uint64_t bit, int* where) {
    if (!(type_ & bit)) return;
    words++;
    if (where) *where = words;
  };
  before(PERF_SAMPLE_IDENTIFIER, &id_from_end_);
  before(PERF_SAMPLE_CPU, &cpu_from_end_);
  before(PERF_SAMPLE_STREAM_ID, nullptr);
  before(PERF_SAMPLE_ID, id_from_end_ < 0 ? &id_from_end_ : nullptr);
  before(PERF_SAMPLE_TIME, &time_from_end_);
  before(PERF_SAMPLE_TID, nullptr);
  trailer_ = 8 * static_cast<uint32_t>(words);
}

bool SampleLayout::skip_read(const uint8_t*& at, const uint8_t* end) const {
  const bool group = read_format_ & PERF_FORMAT_GROUP;
  uint64_t count = 1;
  if (group && !take(at, end, &count)) return false;
  uint64_t each = 1, once = 0;
  if (read_format_ & PERF_FORMAT_ID) each++;
  if (read_format_ & kFormatLost) each++;
  if (read_format_ & PERF_FORMAT_TOTAL_TIME_ENABLED) once++;
  if (read_format_ & PERF_FORMAT_TOTAL_TIME_RUNNING) once++;
  const uint64_t left = static_cast<uint64_t>(end - at) / 8;
  if (count > left || count * each + once > left) return false;
  at += 8 * (count * each + once);
  return true;
}

bool SampleLayout::parse(const uint8_t* body, uint32_t size, Sample* out, std::vector<uint64_t>* scratch) const {
  if (size < fixed_) return false;
  out->ip = word(body, size, ip_word_);
  const uint64_t task = word(body, size, tid_word_);
  out->pid = static_cast<uint32_t>(task);
  out->tid = static_cast<uint32_t>(task >> 32);
  out->cpu = static_cast<uint32_t>(word(body, size, cpu_word_));
  out->chain = nullptr;
  out->chain_length = 0;
  out->raw = nullptr;
  out->raw_size = 0;

  const uint8_t* at = body + fixed_;
  const uint8_t* const end = body + size;
  if ((type_ & PERF_SAMPLE_READ) && !skip_read(at, end)) return false;
  if (type_ & PERF_SAMPLE_CALLCHAIN) {
    uint64_t n;
    if (!take(at, end, &n) || n > static_cast<uint64_t>(end - at) / 8) return false;
    if (reinterpret_cast<uintptr_t>(at) % alignof(uint64_t)) {
      scratch->resize(n);
      memcpy(scratch->data(), at, 8 * n);
      out->chain = scratch->data();
    } else {
      out->chain = reinterpret_cast<const uint64_t*>(at);
    }
    out->chain_length = n;
    at += 8 * n;
  }
  if (type_ & PERF_SAMPLE_RAW) {
    uint32_t n;
    if (end - at < 4) return false;
    memcpy(&n, at, 4);
    if (n > static_cast<uint64_t>(end - at) - 4) return false;
    out->raw = at + 4;
    out->raw_size = n;
  }
  return true;
}

}  // namespace ktop
