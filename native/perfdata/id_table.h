// Which event an id of the kernel belongs to. Looked up for every record.
#pragma once
#include <cstddef>
#include <cstdint>
#include <vector>

namespace ktop {

class IdTable {
 public:
  IdTable() : slots_(64) {}
  size_t size() const { return used_; }
  // The first event of an id is kept; 0 is no id.
  void add(uint64_t id, int event) {
    if (id == 0 || find(id) >= 0) return;
    if (++used_ * 2 > slots_.size()) grow();
    put(id, event);
  }
  int find(uint64_t id) const {
    for (size_t at = hash(id);; at = (at + 1) & (slots_.size() - 1)) {
      const Slot& slot = slots_[at];
      if (slot.id == id) return slot.id ? slot.event : -1;
      if (slot.id == 0) return -1;
    }
  }

 private:
  struct Slot {
    uint64_t id = 0;
    int event = -1;
  };
  size_t hash(uint64_t id) const { return (id * 0x9e3779b97f4a7c15u >> 32) & (slots_.size() - 1); }
  void put(uint64_t id, int event) {
    size_t at = hash(id);
    while (slots_[at].id) at = (at + 1) & (slots_.size() - 1);
    slots_[at] = {id, event};
  }
  void grow() {
    std::vector<Slot> old(slots_.size() * 2);
    old.swap(slots_);
    for (const Slot& slot : old)
      if (slot.id) put(slot.id, slot.event);
  }
  std::vector<Slot> slots_;
  size_t used_ = 0;
};

}  // namespace ktop
