// off: per task, from leaving a CPU to coming back: in which state and where in the kernel it left, who woke it, and
// how long it then waited for a CPU.
//
//   switch, as prev    away since now, with state and stack
//   wake               names who ends the wait; of several the last before it comes back, as only the last can have
//   switch, as next    back; the absence ends
//   seen               a sample: it is back, whatever switch was not seen
#include <algorithm>
#include <array>
#include <cstdio>
#include <cstring>

#include "engine/rollup.h"
#include "engine/state.h"
#include "perf/transport.h"

namespace ktop {
namespace {

class Off final : public Operator {
 public:
  Off(const OperatorSpec& spec, std::vector<Clause> clauses, Engine& engine)
      : spec_(spec),
        clauses_(std::move(clauses)),
        filter_(spec, engine),
        tables_(make_rollups(spec, columns(), {"delay_ns", "open", "now_ns"})) {
    for (const Clause& clause : clauses_) {
      Inputs in;
      if (clause.as == "switch") {
        in.prev = &clause.input("prev");
        in.prev_state = &clause.input("prev_state");
        in.next = &clause.input("next");
        letters_ = StateLetters(engine.formats[clause.slot]);
      } else if (clause.as == "wake") {
        in.next = &clause.input("tid");
        in.by = &clause.input("by");
      } else if (clause.as != "seen") {
        throw Failure(Failure::kInternal, spec.name + ": a clause of off is switch, wake or seen");
      }
      inputs_.push_back(in);
    }
  }

  void on_event(uint32_t index, const Record& record, Engine& engine) override {
    const Clause& clause = clauses_[index];
    if (!clause.passes(record, engine)) return;
    const Inputs& in = inputs_[index];
    if (!in.next) {
      // Since when it runs is not known; that its wait had an end before is.
      if (record.tid != 0) unseen_return(record.tid, engine);
    } else if (in.prev) {
      const uint32_t prev = static_cast<uint32_t>(in.prev->eval(record, engine));
      const uint32_t next = static_cast<uint32_t>(in.next->eval(record, engine));
      if (next != 0) came_back(next, record, engine);
      if (prev != 0) left(prev, letters_.letter(in.prev_state->eval(record, engine)), record, engine);
    } else {
      woken(static_cast<uint32_t>(in.next->eval(record, engine)), in.by->eval(record, engine), record, engine);
    }
  }

  void on_lost(const LostWindow& window, Engine&) override {
    // What spans the window may have ended inside it.
    for (auto it = tasks_.begin(); it != tasks_.end();)
      it = it->second.since < window.to ? tasks_.erase(it) : std::next(it);
    lost_windows_ += !window.unwatched;
  }

  void on_exit(uint32_t tid, Nanos, Engine&) override { tasks_.erase(tid); }

  void snapshot(SnapshotData& out, Nanos now, Engine& engine) override {
    for (auto& [tid, task] : tasks_) {
      if (!task.away || task.since >= now || !filter_.passes(tid, engine)) continue;
      const uint64_t age = now - task.since;
      // Who wakes it is not known before somebody has.
      const int64_t values[] = {tid, task.state, task.stack, task.woken ? task.by : 0, task.woken ? task.by_stack : 0};
      for (Rollup& table : tables_) {
        const uint32_t row = table.row(values);
        if (row == Rollup::kNone) continue;
        table.counter(row, kOpen)++;
        int64_t& oldest = table.counter(row, kNow);
        oldest = std::max(oldest, static_cast<int64_t>(age));
      }
    }
    for (Rollup& table : tables_) {
      table.write(out, {}, engine, 1u << kDelay);
      table.clear();
    }
    add_histogram(out, spec_.name, "", "ns", histogram_.count);
    histogram_ = {};
    log_.flush(spec_.name, out);
    if (lost_windows_)
      out.notes.push_back(std::to_string(lost_windows_) + " lost windows: waits that span them are not shown");
    if (unseen_)
      out.notes.push_back(std::to_string(unseen_) +
                          " switches to a task were not seen: its wait is counted up to the wakeup");
    lost_windows_ = unseen_ = 0;
  }

 private:
  static constexpr size_t kMostTasks = 4 << 20;  // PID_MAX_LIMIT
  static constexpr size_t kMostRaw = 64;         // bytes of a sched_switch
  enum Counter { kDelay, kOpen, kNow };
  struct Inputs {
    const Expr *prev = nullptr, *prev_state = nullptr, *next = nullptr, *by = nullptr;
  };
  struct Away {
    bool away = false;
    uint32_t cpu = 0, state = 0, stack = 0, by_stack = 0;  // state: a text
    int64_t by = 0;
    Nanos since = 0, woken = 0;
    // The switch away, when long waits are logged; size 0: none was seen.
    uint16_t slot = 0, raw_size = 0;
    std::array<uint8_t, kMostRaw> raw;
  };

  static std::vector<KeyColumn> columns() {
    std::vector<KeyColumn> all(5);
    const std::pair<const char*, KeyColumn::Show> each[] = {{"tid", KeyColumn::kNumber},
                                                            {"state", KeyColumn::kText},
                                                            {"stack", KeyColumn::kStack},
                                                            {"waker", KeyColumn::kTask},
                                                            {"waker_stack", KeyColumn::kStack}};
    for (size_t i = 0; i < all.size(); i++) {
      all[i].name = each[i].first;
      all[i].show = each[i].second;
    }
    return all;
  }

  void left(uint32_t tid, char letter, const Record& record, Engine& engine) {
    if (letter == 'X' || letter == 'Z') {
      tasks_.erase(tid);
      return;
    }
    if (tasks_.size() >= kMostTasks) tasks_.clear();  // more than there can be: a file may say anything
    unseen_return(tid, engine);
    Away& task = tasks_[tid];
    // A wakeup by another CPU may have been told just before: it is of this wait, as no other follows. One from a time
    // when it ran is replaced by the one that ends this wait.
    task.away = true;
    task.cpu = record.cpu;
    task.state = engine.strings.id(std::string_view(&letter, 1));
    task.stack = record.frame_count ? engine.stacks.id(record.frames, record.frame_count) : 0;
    task.since = record.time;
    task.woken = 0;
    task.slot = record.slot;
    task.raw_size = spec_.than_ns ? static_cast<uint16_t>(std::min<size_t>(record.size, kMostRaw)) : 0;
    if (task.raw_size) std::memcpy(task.raw.data(), record.raw, task.raw_size);
    if (letter == 'R') {
      task.by = 0;
      task.by_stack = 0;
      task.woken = record.time;
    }
  }

  void woken(uint32_t tid, int64_t by, const Record& record, Engine& engine) {
    const auto at = tasks_.find(tid);
    if (at == tasks_.end()) return;
    Away& task = at->second;
    if (task.away && task.woken) return;  // on its way already
    task.by = by;
    task.by_stack = record.frame_count ? engine.stacks.id(record.frames, record.frame_count) : 0;
    if (task.away) task.woken = record.time;
  }

  void came_back(uint32_t tid, const Record& record, Engine& engine) {
    const auto at = tasks_.find(tid);
    if (at == tasks_.end()) {
      if (tasks_.size() < kMostTasks) tasks_[tid].since = record.time;
      return;
    }
    if (at->second.away) ended(tid, at->second, record.time, &record, engine);
    at->second = {};
    at->second.since = record.time;
  }

  // It is on a CPU, and nobody told that it came there.
  void unseen_return(uint32_t tid, Engine& engine) {
    const auto at = tasks_.find(tid);
    if (at == tasks_.end() || !at->second.away) return;
    Away& task = at->second;
    unseen_++;
    if (task.woken > task.since) ended(tid, task, task.woken, nullptr, engine);
    task.away = false;
    task.by = task.by_stack = 0;
  }

  // `end` is null when nobody told of it.
  void ended(uint32_t tid, const Away& task, Nanos now, const Record* end, Engine& engine) {
    if (now < task.since || !filter_.passes(tid, engine)) return;
    const uint64_t took = now - task.since;
    const int64_t values[] = {tid, task.state, task.stack, task.by, task.by_stack};
    for (Rollup& table : tables_) {
      const uint32_t row = table.row(values);
      if (row == Rollup::kNone) continue;
      table.add(row, took);
      if (task.woken) table.counter(row, kDelay) += static_cast<int64_t>(now - std::min(now, task.woken));
    }
    histogram_.add(took);
    if (spec_.than_ns != 0 && took > spec_.than_ns) tell(tid, task, took, end, engine);
  }

  void tell(uint32_t tid, const Away& away, uint64_t took, const Record* end, Engine& engine) {
    LogData entry;
    const Task& task = engine.tasks.get(tid);
    entry.at_ms = static_cast<double>(away.since) / 1e6;
    entry.cpu = away.cpu;
    entry.pid = task.pid;
    entry.tid = tid;
    entry.comm = engine.strings.text(task.comm);
    char text[64];
    std::snprintf(text, sizeof text, "%.3f ms off the CPU in ", static_cast<double>(took) / 1e6);
    entry.text = text + engine.strings.text(away.state);
    if (away.by != 0) entry.text += ", woken by " + task_text(away.by, engine);
    entry.stack = stack_lines(away.stack, engine);
    if (away.raw_size) {
      Record start;
      start.time = away.since;
      start.cpu = away.cpu;
      start.tid = tid;
      start.slot = away.slot;
      start.raw = away.raw.data();
      start.size = away.raw_size;
      entry.between.push_back(event_line(start, entry.comm, away.since, engine));
      if (end)
        entry.between.push_back(
            event_line(*end, engine.strings.text(engine.tasks.get(end->tid).comm), away.since, engine));
    }
    log_.add(std::move(entry));
  }

  const OperatorSpec spec_;
  const std::vector<Clause> clauses_;
  std::vector<Inputs> inputs_;
  TaskFilter filter_;
  std::vector<Rollup> tables_;
  StateLetters letters_;
  std::unordered_map<uint32_t, Away> tasks_;
  Log2Histogram histogram_;
  Log log_;
  uint64_t lost_windows_ = 0, unseen_ = 0;
};

}  // namespace

std::unique_ptr<Operator> make_off(const OperatorSpec& spec, std::vector<Clause> clauses, Engine& engine) {
  return std::make_unique<Off>(spec, std::move(clauses), engine);
}

}  // namespace ktop
