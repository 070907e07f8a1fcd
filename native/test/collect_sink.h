// Keeps everything a transport delivers, in order.
#pragma once
#include <string>
#include <vector>

#include "perf/record.h"

namespace ktop_test {

struct Seen {
  enum Kind { kEvent, kTask, kLost } kind = kEvent;
  ktop::Nanos time = 0;
  uint32_t cpu = 0;
  uint16_t slot = 0;
  uint32_t tid = 0;
  std::vector<uint8_t> raw;
  std::vector<uint64_t> frames;
  ktop::TaskRecord task;
  std::string comm;
  ktop::LostWindow lost;
};

class CollectSink : public ktop::RecordSink {
 public:
  std::vector<Seen> all;
  void on_event(const ktop::Record& r) override {
    Seen s;
    s.kind = Seen::kEvent;
    s.time = r.time, s.cpu = r.cpu, s.slot = r.slot, s.tid = r.tid;
    if (r.raw) s.raw.assign(r.raw, r.raw + r.size);
    s.frames.assign(r.frames, r.frames + r.frame_count);
    all.push_back(std::move(s));
  }
  void on_task(const ktop::TaskRecord& t) override {
    Seen s;
    s.kind = Seen::kTask;
    s.time = t.time;
    s.task = t;
    if (t.comm) s.comm = t.comm;
    all.push_back(std::move(s));
  }
  void on_lost(const ktop::LostWindow& w) override {
    Seen s;
    s.kind = Seen::kLost;
    s.lost = w;
    s.cpu = w.cpu;
    s.time = w.to;
    all.push_back(std::move(s));
  }
  size_t count(Seen::Kind kind) const {
    size_t n = 0;
    for (const Seen& s : all) n += s.kind == kind;
    return n;
  }
  bool ordered() const {
    ktop::Nanos last = 0;
    for (const Seen& s : all) {
      if (s.kind == Seen::kLost) continue;
      if (s.time < last) return false;
      last = s.time;
    }
    return true;
  }
};

}  // namespace ktop_test
