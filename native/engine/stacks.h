// Kernel call chains, stored once each; id 0 is the empty stack.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace ktop {

class Stacks {
 public:
  Stacks() {
    starts_.push_back(0);
    starts_.push_back(0);
  }
  uint32_t id(const uint64_t* frames, uint32_t count) {
    if (count == 0) return 0;
    const std::string_view bytes(reinterpret_cast<const char*>(frames), count * sizeof(uint64_t));
    const uint64_t h = std::hash<std::string_view>{}(bytes);
    auto [it, end] = ids_.equal_range(h);
    for (; it != end; ++it)
      if (this->bytes(it->second) == bytes) return it->second;
    if (starts_.size() > kMost || frames_.size() + count > kMostFrames) return 0;
    const uint32_t next = static_cast<uint32_t>(starts_.size() - 1);
    frames_.insert(frames_.end(), frames, frames + count);
    starts_.push_back(frames_.size());
    ids_.emplace(h, next);
    return next;
  }
  const uint64_t* frames(uint32_t id, uint32_t* count) const {
    *count = static_cast<uint32_t>(starts_[id + 1] - starts_[id]);
    return frames_.data() + starts_[id];
  }

 private:
  static constexpr size_t kMost = 100000;         // distinct stacks; past it new ones are shown without a stack
  static constexpr size_t kMostFrames = 8 << 20;  // of all of them: those of a file may be thousands deep
  std::string_view bytes(uint32_t id) const {
    uint32_t count;
    const uint64_t* first = frames(id, &count);
    return {reinterpret_cast<const char*>(first), count * sizeof(uint64_t)};
  }
  std::vector<uint64_t> frames_;
  std::vector<size_t> starts_;
  std::unordered_multimap<uint64_t, uint32_t> ids_;
};

}  // namespace ktop
