// Open-addressing hash from a key of `width` 64-bit words to a dense row number. Rows can be erased; their numbers
// are reused. Linear probing with backward-shift delete, so there are no tombstones to slow a long run down.
#pragma once
#include <cstdint>
#include <cstring>
#include <vector>

namespace ktop {

class KeyMap {
 public:
  static constexpr uint32_t kNone = UINT32_MAX;

  explicit KeyMap(uint32_t width) : width_(width ? width : 1) { slots_.assign(64, kNone); }

  uint32_t size() const { return live_; }
  // Upper bound of row numbers in use; test with alive().
  uint32_t rows() const { return static_cast<uint32_t>(alive_.size()); }
  bool alive(uint32_t row) const { return alive_[row]; }
  const int64_t* key(uint32_t row) const { return &keys_[static_cast<size_t>(row) * width_]; }
  uint32_t width() const { return width_; }

  uint32_t find(const int64_t* key) const {
    const uint32_t mask = static_cast<uint32_t>(slots_.size() - 1);
    for (uint32_t i = hash(key) & mask;; i = (i + 1) & mask) {
      const uint32_t row = slots_[i];
      if (row == kNone) return kNone;
      if (same(row, key)) return row;
    }
  }

  // Row of the key; *fresh tells that it was made now.
  uint32_t insert(const int64_t* key, bool* fresh) {
    if ((live_ + 1) * 4 > slots_.size() * 3) grow();
    const uint32_t mask = static_cast<uint32_t>(slots_.size() - 1);
    uint32_t i = hash(key) & mask;
    for (; slots_[i] != kNone; i = (i + 1) & mask) {
      if (!same(slots_[i], key)) continue;
      *fresh = false;
      return slots_[i];
    }
    *fresh = true;
    uint32_t row;
    if (!free_.empty()) {
      row = free_.back();
      free_.pop_back();
      alive_[row] = 1;
      std::memcpy(&keys_[static_cast<size_t>(row) * width_], key, width_ * sizeof(int64_t));
    } else {
      row = static_cast<uint32_t>(alive_.size());
      alive_.push_back(1);
      keys_.insert(keys_.end(), key, key + width_);
    }
    slots_[i] = row;
    live_++;
    return row;
  }

  void erase(uint32_t row) {
    const uint32_t mask = static_cast<uint32_t>(slots_.size() - 1);
    uint32_t hole = hash(key(row)) & mask;
    while (slots_[hole] != row) hole = (hole + 1) & mask;
    for (uint32_t i = (hole + 1) & mask; slots_[i] != kNone; i = (i + 1) & mask) {
      const uint32_t home = hash(key(slots_[i])) & mask;
      if (((i - home) & mask) >= ((i - hole) & mask)) {
        slots_[hole] = slots_[i];
        hole = i;
      }
    }
    slots_[hole] = kNone;
    alive_[row] = 0;
    free_.push_back(row);
    live_--;
  }

  void clear() {
    slots_.assign(64, kNone);
    keys_.clear();
    alive_.clear();
    free_.clear();
    live_ = 0;
  }

 private:
  bool same(uint32_t row, const int64_t* key) const {
    const int64_t* own = &keys_[static_cast<size_t>(row) * width_];
    for (uint32_t i = 0; i < width_; i++)
      if (own[i] != key[i]) return false;
    return true;
  }
  uint32_t hash(const int64_t* key) const {
    uint64_t h = 0;
    for (uint32_t i = 0; i < width_; i++) {
      h = (h ^ static_cast<uint64_t>(key[i])) * 0x9E3779B97F4A7C15ull;
      h ^= h >> 29;
    }
    return static_cast<uint32_t>(h >> 32) ^ static_cast<uint32_t>(h);
  }
  void place(uint32_t row) {
    const uint32_t mask = static_cast<uint32_t>(slots_.size() - 1);
    uint32_t i = hash(key(row)) & mask;
    while (slots_[i] != kNone) i = (i + 1) & mask;
    slots_[i] = row;
  }
  void grow() {
    slots_.assign(slots_.size() * 2, kNone);
    for (uint32_t row = 0; row < rows(); row++)
      if (alive_[row]) place(row);
  }

  uint32_t width_;
  uint32_t live_ = 0;
  std::vector<uint32_t> slots_;
  std::vector<int64_t> keys_;
  std::vector<uint8_t> alive_;
  std::vector<uint32_t> free_;
};

}  // namespace ktop
