// What is known of each task, by its tid. Few tasks make most events: those are found with one look, without a hash
// walk.
#pragma once
#include <array>
#include <cstdint>
#include <unordered_map>
#include <utility>

namespace ktop {

template <typename Value>
class TaskMap {
 public:
  Value& operator[](uint32_t tid) { return *emplace(tid).first; }

  // The value, made if there is none; whether it was made now. It stays where it is until it is erased.
  std::pair<Value*, bool> emplace(uint32_t tid) {
    Hot& hot = hot_[tid % hot_.size()];
    if (hot.value && hot.tid == tid) return {hot.value, false};
    const auto [at, fresh] = map_.try_emplace(tid);
    hot = {tid, &at->second};
    return {&at->second, fresh};
  }

  void erase(uint32_t tid) {
    hot_[tid % hot_.size()] = {};
    map_.erase(tid);
  }

  template <typename Test>
  void erase_if(Test test) {
    hot_.fill({});
    for (auto it = map_.begin(); it != map_.end();) it = test(it->second) ? map_.erase(it) : std::next(it);
  }

  void clear() {
    hot_.fill({});
    map_.clear();
  }

  bool has(uint32_t tid) const { return map_.find(tid) != map_.end(); }
  size_t size() const { return map_.size(); }
  auto begin() { return map_.begin(); }
  auto end() { return map_.end(); }

 private:
  struct Hot {
    uint32_t tid = 0;
    Value* value = nullptr;
  };
  std::unordered_map<uint32_t, Value> map_;  // its nodes stay where they are
  std::array<Hot, 1024> hot_;
};

}  // namespace ktop
