// log: the last events as the kernel would print them. Records are kept raw and rendered when somebody looks, so a
// flood costs a copy per event and no more.
#include <algorithm>

#include "engine/operator.h"
#include "trace/print_format.h"

namespace ktop {
namespace {

class EventLog final : public Operator {
 public:
  EventLog(const OperatorSpec& spec, std::vector<Clause> clauses)
      : name_(spec.name), clauses_(std::move(clauses)), kept_(spec.cap ? spec.cap : Log::kMost) {}

  void on_event(uint32_t index, const Record& record, Engine& engine) override {
    if (!clauses_[index].passes(record, engine)) return;
    Kept& kept = kept_[total_++ % kept_.size()];
    kept.time = record.time;
    kept.cpu = record.cpu;
    kept.slot = record.slot;
    kept.tid = record.tid;
    kept.user = record.user;
    // The name as it was then: the task may be gone or renamed when the line is drawn.
    const Task& task = engine.tasks.get(record.tid);
    kept.pid = task.pid;
    kept.comm = task.comm;
    kept.stack = record.frame_count ? engine.stacks.id(record.frames, record.frame_count) : 0;
    kept.raw.assign(record.raw, record.raw + std::min(record.size, kMostBytes));
  }

  void snapshot(SnapshotData& out, Nanos, Engine& engine) override {
    const uint64_t count = std::min<uint64_t>(total_, kept_.size());
    if (total_ > count)
      out.notes.push_back(name_ + ": the last " + std::to_string(count) + " of " + std::to_string(total_) +
                          " events are shown; a filter shows more of what matters");
    std::vector<LogData> entries;
    for (uint64_t i = total_ - count; i < total_; i++) {
      const Kept& kept = kept_[i % kept_.size()];
      LogData entry;
      entry.at_ms = static_cast<double>(kept.time) / 1e6;
      entry.cpu = kept.cpu;
      entry.pid = kept.pid;
      entry.tid = kept.tid;
      entry.comm = engine.strings.text(kept.comm);
      const EventFormat* format = engine.formats[kept.slot];
      if (format) {
        entry.text = format->system + ":" + format->name + ": ";
        if (format->print)
          entry.text += format->print->render(*format, kept.raw.data(), static_cast<uint32_t>(kept.raw.size()));
      } else
        entry.text = kept.user ? "sample in user code" : "sample in the kernel";
      entry.stack = stack_lines(kept.stack, engine);
      entries.push_back(std::move(entry));
    }
    out.logs.emplace_back(name_, std::move(entries));
    total_ = 0;
  }

 private:
  static constexpr uint32_t kMostBytes = 4096;
  struct Kept {
    Nanos time = 0;
    uint32_t cpu = 0, pid = 0, tid = 0, comm = 0, stack = 0;
    uint16_t slot = 0;
    bool user = false;
    std::vector<uint8_t> raw;
  };
  const std::string name_;
  const std::vector<Clause> clauses_;
  std::vector<Kept> kept_;  // a ring
  uint64_t total_ = 0;
};

}  // namespace

std::unique_ptr<Operator> make_log(const OperatorSpec& spec, std::vector<Clause> clauses) {
  return std::make_unique<EventLog>(spec, std::move(clauses));
}

}  // namespace ktop
