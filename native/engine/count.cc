// count: per key, the number of events and the sums that the clauses add. `sample` is the same over clock samples.
#include <algorithm>
#include <cstdio>
#include <utility>

#include "engine/key_map.h"
#include "engine/operator.h"
#include "perf/transport.h"

namespace ktop {
namespace {

class Count final : public Operator {
 public:
  Count(const OperatorSpec& spec, std::vector<Clause> clauses)
      : spec_(spec),
        name_(spec.name),
        keep_(spec.keep),
        cap_(spec.cap ? spec.cap : 65536),
        clauses_(std::move(clauses)),
        map_(clauses_.empty() ? 1 : static_cast<uint32_t>(clauses_[0].key.size())) {
    for (Clause& clause : clauses_) {
      if (clause.key.size() != clauses_[0].key.size() || clause.key.size() > kMostKeys)
        throw Failure(Failure::kInternal, name_ + ": clauses differ in their keys");
      auto& targets = targets_.emplace_back();
      for (auto& [column, expr] : clause.add) {
        auto at = std::find(columns_.begin(), columns_.end(), column);
        targets.push_back(static_cast<uint32_t>(at - columns_.begin()));
        if (at == columns_.end()) columns_.push_back(column);
      }
    }
    // A column that only absent events would fill is unknown, not zero.
    for (const ClauseSpec& on : spec.on)
      for (auto& [column, text] : on.add)
        if (std::find(columns_.begin(), columns_.end(), column) == columns_.end() &&
            std::find(absent_.begin(), absent_.end(), column) == absent_.end())
          absent_.push_back(column);
    symbols_.resize(map_.width());
  }

  void on_event(uint32_t index, const Record& record, Engine& engine) override {
    const Clause& clause = clauses_[index];
    if (!clause.passes(record, engine)) return;
    int64_t key[kMostKeys];
    for (size_t i = 0; i < clause.key.size(); i++) key[i] = clause.key[i].eval(record, engine);
    const uint32_t row = row_of(key, clause, record, engine);
    if (row == KeyMap::kNone) return;
    if (spec_.busy_pct) {
      when_busy(row, index, record, engine);
      return;
    }
    add(row, index, record, engine);
  }

  void snapshot(SnapshotData& out, Nanos, Engine& engine) override {
    TableData table;
    table.name = name_;
    if (keep_) kept_.resize(sums_.size());
    const std::vector<uint32_t> shown = shown_rows();
    table.length = static_cast<uint32_t>(shown.size());
    if (!clauses_.empty())
      for (size_t i = 0; i < clauses_[0].key.size(); i++) {
        KeyWriter writer(table, clauses_[0].key[i], &symbols_[i]);
        for (uint32_t row : shown) writer.add(map_.key(row)[i], engine);
      }
    for (size_t c = 0; c < columns_.size(); c++) {
      ColumnData& column = table.number(columns_[c]);
      for (uint32_t row : shown) {
        const size_t at = row * columns_.size() + c;
        column.add((keep_ ? kept_[at] : 0) + out.scaled(static_cast<double>(sums_[at])));
      }
    }
    for (const std::string& name : absent_) table.number(name).numbers.assign(table.length, kUnknown);
    if (overflow_)
      out.notes.push_back(name_ + ": more than " + std::to_string(cap_) + " rows; " + std::to_string(overflow_) +
                          " events are in none of them");
    out.tables.push_back(std::move(table));
    if (spec_.busy_pct) log_.flush(name_, out);
    if (keep_) {
      // Each interval has a scale of its own.
      for (size_t i = 0; i < sums_.size(); i++) kept_[i] += out.scaled(static_cast<double>(std::exchange(sums_[i], 0)));
    } else {
      map_.clear();
      sums_.clear();
      // The rows they wait for are gone; the seconds go on, or intervals below one would never see a busy one.
      for (Window& window : windows_) window.waiting.clear();
      overflow_ = 0;
    }
  }

 private:
  static constexpr size_t kMostKeys = 6;

  struct Waiting {
    uint32_t row, clause;
    std::vector<int64_t> values;
  };
  struct Window {
    Nanos start = 0;
    uint32_t samples = 0;
    uint32_t first_tid = 0;
    bool first_user = false;
    bool told = false;  // in the log
    std::vector<Waiting> waiting;
  };

  // All rows; of those that wait for a busy second only the ones that had it.
  std::vector<uint32_t> shown_rows() const {
    std::vector<uint32_t> rows;
    for (uint32_t row = 0; row < map_.rows(); row++) {
      if (!map_.alive(row)) continue;
      const int64_t* sums = sums_.data() + static_cast<size_t>(row) * columns_.size();
      if (!spec_.busy_pct || std::any_of(sums, sums + columns_.size(), [](int64_t sum) { return sum != 0; }))
        rows.push_back(row);
    }
    return rows;
  }

  // kNone when there are too many rows already.
  uint32_t row_of(const int64_t* key, const Clause& clause, const Record& record, Engine& engine) {
    if (map_.size() >= cap_ && map_.find(key) == KeyMap::kNone) {
      overflow_++;
      return KeyMap::kNone;
    }
    bool fresh;
    const uint32_t row = map_.insert(key, &fresh);
    if (!fresh) return row;
    if (sums_.size() < static_cast<size_t>(map_.rows()) * columns_.size())
      sums_.resize(static_cast<size_t>(map_.rows()) * columns_.size());
    std::fill_n(sums_.begin() + static_cast<std::ptrdiff_t>(row * columns_.size()), columns_.size(), 0);
    for (size_t i = 0; i < clause.key.size(); i++)
      if (clause.key[i].show == KeyColumn::kSymbol) symbols_[i].learn(clause.key[i], key[i], record, engine);
    return row;
  }

  // Values of a file may be anything: what overflows wraps.
  static void accumulate(int64_t& sum, int64_t value) {
    sum = static_cast<int64_t>(static_cast<uint64_t>(sum) + static_cast<uint64_t>(value));
  }

  void add(uint32_t row, uint32_t index, const Record& record, Engine& engine) {
    int64_t* sums = sums_.data() + static_cast<size_t>(row) * columns_.size();
    auto& addends = clauses_[index].add;
    for (size_t i = 0; i < addends.size(); i++)
      accumulate(sums[targets_[index][i]], addends[i].second.eval(record, engine));
  }

  // Counts only in seconds in which the CPU was busy for busy_pct of its samples; then the whole second counts.
  void when_busy(uint32_t row, uint32_t index, const Record& record, Engine& engine) {
    if (record.cpu >= windows_.size()) windows_.resize(record.cpu + 1);
    Window& window = windows_[record.cpu];
    if (record.time >= window.start + 1'000'000'000) {
      window.start = record.time;
      window.samples = 0;
      window.told = false;
      window.waiting.clear();
      window.first_tid = record.tid;
      window.first_user = record.user;
    }
    window.samples++;
    const uint32_t enough = spec_.busy_frequency * spec_.busy_pct / 100;
    if (window.samples < enough) {
      std::vector<int64_t> values;
      for (auto& [column, expr] : clauses_[index].add) values.push_back(expr.eval(record, engine));
      window.waiting.push_back({row, index, std::move(values)});
      return;
    }
    for (const Waiting& each : window.waiting)
      for (size_t i = 0; i < each.values.size(); i++)
        accumulate(sums_[each.row * columns_.size() + targets_[each.clause][i]], each.values[i]);
    window.waiting.clear();
    add(row, index, record, engine);
    if (!window.told) tell(window, record, engine);
    window.told = true;
  }

  // A second is told once, by the sample that made it a busy one.
  void tell(const Window& window, const Record& record, Engine& engine) {
    const auto comm = [&engine](uint32_t tid) { return engine.strings.text(engine.tasks.get(tid).comm); };
    LogData entry;
    entry.at_ms = static_cast<double>(window.start) / 1e6;
    entry.cpu = record.cpu;
    entry.pid = engine.tasks.pid(record.tid);
    entry.tid = record.tid;
    entry.comm = comm(record.tid);
    char text[96];
    std::snprintf(text, sizeof text, "CPU %u busy for %u %% of a second, within %.1f ms", record.cpu, spec_.busy_pct,
                  static_cast<double>(record.time - window.start) / 1e6);
    entry.text = text;
    if (record.frame_count) entry.stack = stack_lines(engine.stacks.id(record.frames, record.frame_count), engine);
    Record first;
    first.time = window.start;
    first.cpu = record.cpu;
    first.tid = window.first_tid;
    first.slot = record.slot;
    first.user = window.first_user;
    entry.between.push_back(event_line(first, comm(first.tid), window.start, engine));
    entry.between.push_back(event_line(record, entry.comm, window.start, engine));
    log_.add(std::move(entry));
  }

  const OperatorSpec spec_;
  std::string name_;
  bool keep_;
  uint32_t cap_;
  std::vector<Window> windows_;
  std::vector<Clause> clauses_;
  std::vector<std::string> columns_, absent_;
  std::vector<std::vector<uint32_t>> targets_;  // per clause: column of each addend
  KeyMap map_;
  std::vector<int64_t> sums_;  // of the interval
  std::vector<double> kept_;   // of those before, when kept
  std::vector<SymbolTexts> symbols_;
  Log log_;
  uint64_t overflow_ = 0;
};

}  // namespace

std::unique_ptr<Operator> make_count(const OperatorSpec& spec, std::vector<Clause> clauses) {
  return std::make_unique<Count>(spec, std::move(clauses));
}

}  // namespace ktop
