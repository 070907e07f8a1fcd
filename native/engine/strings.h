// Interned text: equal strings have equal ids, id 0 is the empty string.
#pragma once
#include <array>
#include <cstdint>
#include <cstring>
#include <deque>
#include <string>
#include <string_view>
#include <unordered_map>

namespace ktop {

class Strings {
 public:
  Strings() { look_up(""); }
  // Bounded: hostile names must not eat the host's memory. Past the bound every new text is one "(other)".
  uint32_t id(std::string_view text) {
    if (text.empty()) return 0;
    if (text.size() > sizeof(Hot::words)) return look_up(text);
    uint64_t words[2] = {};
    std::memcpy(words, text.data(), text.size());
    Hot& hot = hot_[((words[0] ^ (words[1] << 1)) * 0x9E3779B97F4A7C15ull) >> 58];
    if (hot.words[0] != words[0] || hot.words[1] != words[1] || hot.size != text.size())
      hot = {{words[0], words[1]}, static_cast<uint32_t>(text.size()), look_up(text)};
    return hot.id;
  }
  const std::string& text(uint32_t id) const { return texts_[id < texts_.size() ? id : 0]; }

 private:
  // Names of devices and tasks come with every event: the latest short texts, as words.
  struct Hot {
    uint64_t words[2] = {};
    uint32_t size = 0, id = 0;
  };
  static constexpr size_t kMost = 262144;
  uint32_t look_up(std::string_view text) {
    auto found = ids_.find(text);
    if (found != ids_.end()) return found->second;
    if (texts_.size() >= kMost) text = "(other)";
    found = ids_.find(text);
    if (found != ids_.end()) return found->second;
    texts_.emplace_back(text);
    const uint32_t next = static_cast<uint32_t>(texts_.size() - 1);
    ids_.emplace(texts_.back(), next);
    return next;
  }
  std::array<Hot, 64> hot_;
  std::deque<std::string> texts_;  // stable addresses: the map's keys view into them
  std::unordered_map<std::string_view, uint32_t> ids_;
};

}  // namespace ktop
