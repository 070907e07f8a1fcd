// gap: per key (a CPU), the distance between ticks that should come every `period`. What is too far apart is a hit;
// what the hypervisor took meanwhile is told apart from what the kernel did.
#include <algorithm>
#include <array>
#include <cstdio>
#include <cstring>

#include "engine/key_map.h"
#include "engine/operator.h"
#include "perf/transport.h"
#include "proc/files.h"
#include "proc/steal.h"

namespace ktop {
namespace {

class Gap final : public Operator {
 public:
  Gap(const OperatorSpec& spec, std::vector<Clause> clauses, Engine& engine)
      : spec_(spec), clauses_(std::move(clauses)), beats_(1), knows_steal_(engine.world.here()) {
    for (const Clause& clause : clauses_)
      if (clause.key.size() != 1) throw Failure(Failure::kInternal, spec.name + ": a clause of gap has one key");
    sample_steal(now_ns(), 0);
  }

  void on_event(uint32_t index, const Record& record, Engine& engine) override {
    const Clause& clause = clauses_[index];
    if (!clause.passes(record, engine)) return;
    const int64_t key = clause.key[0].eval(record, engine);
    bool fresh;
    const uint32_t row = beats_.insert(&key, &fresh);
    if (row >= info_.size()) info_.resize(row + 1);
    Beat& beat = info_[row];
    if (fresh) beat = Beat{};
    // Two events may tell of the same tick (the timer and its sample): the second only brings the stack.
    if (!fresh && record.time < beat.last + spec_.period_ns / 8) {
      if (record.frame_count && record.time < beat.hit_at + spec_.period_ns && !beat.hit_stack)
        attach(beat, record, engine);
      return;
    }
    const Nanos before = beat.last;
    beat.last = std::max(beat.last, record.time);
    beat.ticks++;
    if (!fresh && spec_.than_ns && record.time > before) measure(key, beat, before, record, engine);
    if (spec_.than_ns) beat.tick.keep(record);
  }

  void on_lost(const LostWindow& window, Engine&) override {
    // Ticks may be among the lost: the next distance would be invented.
    for (uint32_t row = 0; row < beats_.rows(); row++)
      if (beats_.alive(row) && info_[row].last < window.to) {
        info_[row].last = window.to;
        info_[row].tick.size = 0;
      }
  }

  void on_cpu_gone(uint32_t cpu) override {
    for (uint32_t row = 0; row < beats_.rows(); row++)
      if (beats_.alive(row) && beats_.key(row)[0] == cpu) beats_.erase(row);
  }

  void snapshot(SnapshotData& out, Nanos now, Engine& engine) override {
    flush_hits(engine);
    TableData table;
    table.name = spec_.name;
    table.length = beats_.size();
    if (!clauses_.empty()) {
      KeyWriter writer(table, clauses_[0].key[0], nullptr);
      each([&](uint32_t row) { writer.add(beats_.key(row)[0], engine); });
    }
    const auto number = [&](const char* name, auto value) {
      ColumnData& column = table.number(name);
      each([&](uint32_t row) { column.add(static_cast<double>(value(info_[row]))); });
    };
    number("ticks", [](const Beat& b) { return b.ticks; });
    number("age_ns", [now](const Beat& b) { return now > b.last ? now - b.last : 0; });
    sample_steal(now, 0);
    ColumnData& waiting = table.number("age_stolen_ns");
    each([&](uint32_t row) {
      const uint64_t cpu = static_cast<uint64_t>(beats_.key(row)[0]);
      waiting.add(static_cast<double>(steal_.between(static_cast<uint32_t>(cpu), info_[row].last, now)));
    });
    number("count", [](const Beat& b) { return b.hits; });
    number("max_ns", [](const Beat& b) { return b.max; });
    number("last_ns", [](const Beat& b) { return b.last_hit; });
    number("steal_ns", [](const Beat& b) { return b.stolen; });
    number("stolen_hits", [](const Beat& b) { return b.stolen_hits; });
    ColumnData& kind = table.text("kind");
    each([&](uint32_t row) { kind.add_text(info_[row].kind); });
    out.tables.push_back(std::move(table));
    log_.flush(spec_.name, out);
    if (spec_.keep) return;
    each([&](uint32_t row) {
      Beat& beat = info_[row];
      beat.ticks = beat.hits = beat.max = beat.last_hit = beat.stolen = beat.stolen_hits = 0;
      beat.kind = "";
    });
  }

 private:
  static constexpr size_t kMostRaw = 64;
  // The last tick as an event; size 0: none, or it is among the lost.
  struct Tick {
    uint32_t cpu = 0, tid = 0;
    uint16_t slot = 0, size = 0;
    std::array<uint8_t, kMostRaw> raw;
    void keep(const Record& record) {
      cpu = record.cpu;
      tid = record.tid;
      slot = record.slot;
      size = static_cast<uint16_t>(std::min<size_t>(record.size, kMostRaw));
      if (size) std::memcpy(raw.data(), record.raw, size);
    }
    Record record(Nanos time) const {
      Record record;
      record.time = time;
      record.cpu = cpu;
      record.tid = tid;
      record.slot = slot;
      record.raw = raw.data();
      record.size = size;
      return record;
    }
  };
  struct Beat {
    Tick tick;
    Nanos last = 0, hit_at = 0;
    uint64_t ticks = 0, hits = 0, max = 0, last_hit = 0, stolen = 0, stolen_hits = 0;
    uint32_t hit_stack = 0;
    const char* kind = "";  // of the worst
  };
  void sample_steal(Nanos now, uint64_t every = 50'000'000) {
    if (knows_steal_) steal_.sample(now, every);
  }

  struct Hit {
    uint32_t row;
    LogData entry;
    uint32_t stack;
  };

  template <typename F>
  void each(F visit) const {
    for (uint32_t row = 0; row < beats_.rows(); row++)
      if (beats_.alive(row)) visit(row);
  }
  template <typename F>
  void each(F visit) {
    static_cast<const Gap*>(this)->each(visit);
  }

  void measure(int64_t key, Beat& beat, Nanos before, const Record& record, Engine& engine) {
    sample_steal(record.time);
    const uint64_t distance = record.time - before;
    // The silence began somewhere within the period after the last tick: half of it is the best guess.
    const uint64_t silent = distance > spec_.period_ns / 2 ? distance - spec_.period_ns / 2 : 0;
    if (silent <= spec_.than_ns) return;
    sample_steal(now_ns(), 0);
    const uint64_t stolen = std::min(silent, steal_.between(record.cpu, before, record.time));
    const bool kernel = silent - stolen > spec_.than_ns;
    beat.last_hit = silent;
    beat.hit_at = record.time;
    beat.hit_stack = 0;
    beat.stolen += stolen;
    if (kernel)
      beat.hits++;
    else
      beat.stolen_hits++;
    if (silent > beat.max) {
      beat.max = silent;
      beat.kind = kernel ? "irq-off" : "preempted";
    }
    LogData entry;
    const Task& task = engine.tasks.get(record.tid);
    entry.at_ms = static_cast<double>(before) / 1e6;
    entry.cpu = static_cast<uint32_t>(key);
    entry.pid = task.pid;
    entry.tid = record.tid;
    entry.comm = engine.strings.text(task.comm);
    char text[128];
    std::snprintf(text, sizeof text, "%s %.1f us", kernel ? "interrupts off" : "vCPU preempted",
                  static_cast<double>(silent) / 1e3);
    entry.text = text;
    if (stolen) entry.text += ", of which stolen " + std::to_string(stolen / 1000) + " us";
    const auto line = [&](const Record& tick) {
      return event_line(tick, engine.strings.text(engine.tasks.get(tick.tid).comm), before, engine);
    };
    if (beat.tick.size) entry.between = {line(beat.tick.record(before)), line(record)};
    if (hits_.size() < Log::kMost) hits_.push_back({beats_.find(&key), std::move(entry), 0});
    if (record.frame_count) attach(beat, record, engine);
  }

  // The stack of the point where interrupts came back on: of the tick that ended the silence.
  void attach(Beat& beat, const Record& record, Engine& engine) {
    beat.hit_stack = engine.stacks.id(record.frames, record.frame_count);
    for (auto hit = hits_.rbegin(); hit != hits_.rend(); ++hit)
      if (&info_[hit->row] == &beat) {
        hit->stack = beat.hit_stack;
        return;
      }
  }

  void flush_hits(const Engine& engine) {
    for (Hit& hit : hits_) {
      hit.entry.stack = stack_lines(hit.stack, engine);
      log_.add(std::move(hit.entry));
    }
    hits_.clear();
  }

  const OperatorSpec spec_;
  const std::vector<Clause> clauses_;
  KeyMap beats_;
  const bool knows_steal_;
  std::vector<Beat> info_;
  std::vector<Hit> hits_;
  StealHistory steal_;
  Log log_;
};

}  // namespace

std::unique_ptr<Operator> make_gap(const OperatorSpec& spec, std::vector<Clause> clauses, Engine& engine) {
  return std::make_unique<Gap>(spec, std::move(clauses), engine);
}

}  // namespace ktop
