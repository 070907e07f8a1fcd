// Interned text: equal strings have equal ids, id 0 is the empty string.
#pragma once
#include <cstdint>
#include <deque>
#include <string>
#include <string_view>
#include <unordered_map>

namespace ktop {

class Strings {
 public:
  Strings() { id(""); }
  // Bounded: hostile names must not eat the host's memory. Past the bound every new text is one "(other)".
  uint32_t id(std::string_view text) {
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
  const std::string& text(uint32_t id) const { return texts_[id < texts_.size() ? id : 0]; }

 private:
  static constexpr size_t kMost = 262144;
  std::deque<std::string> texts_;  // stable addresses: the map's keys view into them
  std::unordered_map<std::string_view, uint32_t> ids_;
};

}  // namespace ktop
