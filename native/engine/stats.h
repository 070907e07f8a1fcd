// Latency statistics: log2 histogram for the eye, log-linear sketch for quantiles.
#pragma once
#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <memory>
#include <vector>

namespace ktop {

// Bucket i holds 2^i .. 2^(i+1)-1; bucket 0 holds 0 and 1.
struct Log2Histogram {
  std::array<uint64_t, 64> count{};
  void add(uint64_t value) { count[value < 2 ? 0 : 63 - __builtin_clzll(value)]++; }
};

// 16 buckets per power of two: a quantile is at most 3 % off (half a bucket). Powers that no value fell into take no
// room: there may be thousands of these.
class Sketch {
 public:
  Sketch() { chunk_of_.fill(kNone); }
  void add(uint64_t value) {
    const uint32_t i = index(value);
    uint8_t& chunk = chunk_of_[i / 16];
    if (chunk == kNone) {
      chunk = static_cast<uint8_t>(chunks_.size());
      chunks_.emplace_back();
    }
    chunks_[chunk][i % 16]++;
  }
  // The value below which `quantile` of `total` lies, never above `max`.
  uint64_t quantile(double quantile, uint64_t total, uint64_t max) const {
    // Nearest rank: with few values the high quantiles are the largest one, not the one before it.
    const uint64_t rank = static_cast<uint64_t>(std::ceil(quantile * static_cast<double>(total))) - 1;
    uint64_t seen = 0;
    for (uint32_t power = 0; power < kPowers; power++) {
      if (chunk_of_[power] == kNone) continue;
      const std::array<uint32_t, 16>& bucket = chunks_[chunk_of_[power]];
      for (uint32_t i = 0; i < 16; i++) {
        seen += bucket[i];
        if (seen > rank) return std::min(middle(power * 16 + i), max);
      }
    }
    return max;
  }

 private:
  static constexpr uint32_t kPowers = 1 + 44;  // up to 2^48 ns = 78 hours
  static constexpr uint8_t kNone = UINT8_MAX;
  static uint32_t index(uint64_t value) {
    if (value < 16) return static_cast<uint32_t>(value);
    const uint32_t power = 63 - static_cast<uint32_t>(__builtin_clzll(value));
    const uint32_t i = (power - 3) * 16 + static_cast<uint32_t>((value >> (power - 4)) & 15);
    return i < kPowers * 16 ? i : kPowers * 16 - 1;
  }
  static uint64_t middle(uint32_t i) {
    if (i < 16) return i;
    const uint32_t power = i / 16 + 3;
    const uint64_t step = 1ull << (power - 4);
    return (1ull << power) + (i % 16) * step + step / 2;
  }
  std::array<uint8_t, kPowers> chunk_of_;
  std::vector<std::array<uint32_t, 16>> chunks_;
};

// Count, sum, extremes and quantiles of durations in ns. The sketch exists only once there is more than one value.
struct Latency {
  uint64_t count = 0, sum = 0, min = 0, max = 0;
  std::unique_ptr<Sketch> sketch;

  void add(uint64_t value) {
    if (count == 1 && !sketch) {
      sketch = std::make_unique<Sketch>();
      sketch->add(max);
    }
    if (sketch) sketch->add(value);
    if (count == 0 || value < min) min = value;
    if (value > max) max = value;
    sum += value;
    count++;
  }
  uint64_t quantile(double q) const {
    if (!sketch) return max;
    const uint64_t value = sketch->quantile(q, count, max);  // the middle of a bucket may lie below all values
    return value < min ? min : value;
  }
};

}  // namespace ktop
