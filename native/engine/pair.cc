// pair: start → end by key. Latencies by what start and end tell, log2 histogram, what is still open, and a log of the
// slow ones.
#include <algorithm>
#include <array>
#include <cstdio>
#include <map>

#include "engine/open_pairs.h"
#include "engine/rollup.h"
#include "perf/transport.h"

namespace ktop {
namespace {

class Pair final : public Operator {
 public:
  Pair(const OperatorSpec& spec, std::vector<Clause> clauses, Engine& engine)
      : spec_(spec),
        clauses_(std::move(clauses)),
        filter_(spec, engine),
        keep_raw_(spec.than_ns != 0 || !spec.open.name.empty()),
        pending_(1),
        open_(spec.open) {
    size_t keys = 0;
    for (const Clause& clause : clauses_) {
      if (clause.as != "start" && clause.as != "end" && clause.as != "between" && clause.as != "cancel")
        throw Failure(Failure::kInternal, spec.name + ": a clause of pair is start, end, cancel or between");
      if (clause.as != "between") keys = clause.key.size();
      by_thread_ &= clause.as == "between" || (clause.key.size() == 1 && clause.key[0].expr.is_thread());
      keep_recent_ |= clause.as == "between";
      parts_.push_back(part_of(clause, engine));
    }
    for (const Part& part : parts_) {
      const size_t own = clauses_[static_cast<size_t>(&part - parts_.data())].key.size();
      if (part.role != kBetween && (own != keys || keys == 0 || keys > kMostKeys))
        throw Failure(Failure::kInternal, spec.name + ": clauses of pair need the same 1 to 4 keys");
    }
    if (spec.sums.size() > kMostSums) throw Failure(Failure::kInternal, spec.name + ": too many sums");
    std::vector<KeyColumn> columns = columns_of(kStart);
    starts_with_ = columns.size();
    if (!clauses_.empty() && starts_with_ == 0)
      throw Failure(Failure::kInternal, spec.name + ": pair needs 1 to 4 group columns");
    for (const KeyColumn& column : columns_of(kEnd)) columns.push_back(column);
    if (columns.size() > kMostColumns) throw Failure(Failure::kInternal, spec.name + ": too many columns");
    std::vector<std::string> counters = {"cut"};
    for (auto& [column, text] : spec.sums) {
      counters.push_back(column);
      timed_.push_back(std::find(spec.timed.begin(), spec.timed.end(), column) != spec.timed.end());
    }
    OperatorSpec by = spec;
    if (by.tables.empty()) {
      by.tables.push_back({spec.name, {}, ""});
      for (size_t i = 0; i < starts_with_; i++) by.tables[0].by.push_back(columns[i].name);
    }
    if (!columns.empty()) tables_ = make_rollups(by, columns, counters);
    columns_ = std::move(columns);
    symbols_.resize(std::max(columns_.size(), spec.group.size()));
    pending_ = KeyMap(static_cast<uint32_t>(keys));
    if (keep_recent_) recent_.resize(kMostRecent);
  }

  void on_event(uint32_t index, const Record& record, Engine& engine) override {
    const Clause& clause = clauses_[index];
    if (!clause.passes(record, engine)) return;
    const Role role = parts_[index].role;
    if (keep_recent_ && (role == kBetween || role == kStart)) remember(record, engine);
    if (role == kBetween) return;
    int64_t key[kMostKeys];
    for (size_t i = 0; i < clause.key.size(); i++) key[i] = clause.key[i].eval(record, engine);
    if (role == kStart)
      start(index, key, record, true, engine);
    else if (role == kEnd)
      end(index, key, record, engine);
    else if (const uint32_t row = pending_.find(key); row != KeyMap::kNone)
      pending_.erase(row);
  }

  void on_lost(const LostWindow& window, Engine&) override {
    // Either end may be among the lost: an old start would meet a much later end.
    for (uint32_t row = 0; row < pending_.rows(); row++) {
      if (!pending_.alive(row) || starts_[row].time >= window.to) continue;
      pending_.erase(row);
      dropped_ += !window.unwatched;
    }
  }

  // What a thread had begun ends with it.
  void on_exit(uint32_t tid, Nanos, Engine&) override {
    if (by_thread_) cut(tid);
  }

  void on_comm(const TaskRecord& task, Engine& engine) override {
    if (!by_thread_) return;
    if (task.exec) follow_exec(task.pid, engine);
    // The kernel filters by name: it will not tell of the end.
    if (filter_.by_name() && !filter_.passes(task.tid, engine)) cut(task.tid);
  }

  bool wants_open(uint32_t index) const override { return parts_[index].role == kStart && open_.on(); }

  void on_open(uint32_t index, const Record& record, Engine& engine) override {
    const Clause& clause = clauses_[index];
    if (!clause.passes(record, engine)) return;
    int64_t key[kMostKeys];
    for (size_t i = 0; i < clause.key.size(); i++) key[i] = clause.key[i].eval(record, engine);
    if (pending_.find(key) == KeyMap::kNone) start(index, key, record, false, engine);
  }

  void snapshot(SnapshotData& out, Nanos now, Engine& engine) override {
    if (tables_.empty()) out.tables.push_back(empty_table());
    for (Rollup& table : tables_) table.write(out, symbols_, engine, kAllCounters, spec_.keep);
    if (histograms_.empty()) add_histogram(out, spec_.name, "", "ns", {});
    for (auto& [which, histogram] : histograms_) add_latencies(out, label_of(which, engine), histogram);
    if (open_.on()) write_open(out, now, engine);
    if (dropped_)
      out.notes.push_back(spec_.name + ": " + std::to_string(dropped_) + " open pairs dropped, events were lost");
    log_.flush(spec_.name, out);
    if (spec_.keep) return;
    for (Rollup& table : tables_) table.clear();
    histograms_.clear();
    dropped_ = 0;
  }

 private:
  static constexpr size_t kMostKeys = 4, kMostSums = 4, kMostColumns = 8, kMostRecent = 8192, kMostRaw = 128;
  static constexpr size_t kMostLines = 200;  // of a story
  static constexpr size_t kCut = 0;          // counter of the tables
  static constexpr uint32_t kAllCounters = UINT32_MAX;
  static constexpr uint32_t kMostPending = 1u << 20;
  enum Role : uint8_t { kStart, kEnd, kCancel, kBetween };
  // A clause with what it is compiled to.
  struct Part {
    Role role = kStart;
    std::vector<KeyColumn> group;
    Expr alarm = Expr::constant(1);
    std::vector<Expr> sums;
  };
  struct Start {
    Nanos time;
    int64_t values[kMostColumns];  // the first `starts_with_`
    std::array<int64_t, kMostSums> sums;
    uint32_t tid, cpu, stack;
    uint16_t slot, raw_size;
    bool alarm;
    bool exact;  // false: it had begun before we looked
    bool told;   // in the log, while open
  };
  // An event as it went by, for the story of a slow pair.
  struct Recent {
    Nanos time = 0;
    uint32_t cpu = 0, tid = 0, comm = 0;
    uint16_t slot = 0;
    std::vector<uint8_t> raw;
  };

  Part part_of(const Clause& clause, Engine& engine) const {
    Part part;
    part.role = clause.as == "start" ? kStart : clause.as == "end" ? kEnd : clause.as == "cancel" ? kCancel : kBetween;
    part.group = clause.group;
    if (part.role != kStart) return part;
    const EventFormat* format = engine.formats[clause.slot];
    if (part.group.empty())
      for (auto& [column, text] : spec_.group) part.group.emplace_back(column, text, format, engine);
    for (auto& [column, text] : spec_.sums) part.sums.push_back(Expr::compile(text, format, engine));
    if (!spec_.alarm.empty()) part.alarm = Expr::compile(spec_.alarm, format, engine);
    return part;
  }

  // All clauses of a role name the same columns.
  std::vector<KeyColumn> columns_of(Role role) const {
    const std::vector<KeyColumn>* found = nullptr;
    for (const Part& part : parts_) {
      if (part.role != role || part.group.empty()) continue;
      if (found && found->size() != part.group.size())
        throw Failure(Failure::kInternal, spec_.name + ": clauses differ in their group columns");
      found = &part.group;
    }
    return found ? *found : std::vector<KeyColumn>();
  }

  // None of the events exists here: the columns are those of the declaration.
  TableData empty_table() const {
    TableData table;
    table.name = spec_.name;
    return table;
  }

  std::string label_of(uint32_t which, const Engine& engine) const {
    if (spec_.percpu) return "cpu " + std::to_string(which);
    if (!spec_.histogram_per_group || tables_.empty() || !tables_[0].has(which)) return "";
    return text_of(columns_[0], tables_[0].key(which)[0], &symbols_[0], engine);
  }

  void remember(const Record& record, Engine& engine) {
    Recent& recent = recent_[recent_total_++ % kMostRecent];
    recent.time = record.time;
    recent.cpu = record.cpu;
    recent.tid = record.tid;
    recent.comm = engine.tasks.get(record.tid).comm;
    recent.slot = record.slot;
    recent.raw.assign(record.raw, record.raw + std::min(record.size, 1024u));
  }

  // Both events of a pair, and what happened meanwhile on their CPUs or by the thread of the first.
  std::vector<std::string> story(uint32_t row, const Record& end, Engine& engine) const {
    const Start& start = starts_[row];
    const auto line = [&](const Record& record) {
      return event_line(record, engine.strings.text(engine.tasks.get(record.tid).comm), start.time, engine);
    };
    std::vector<std::string> lines = {line(record_of(row))};
    const uint64_t first = recent_total_ > kMostRecent ? recent_total_ - kMostRecent : 0;
    for (uint64_t i = first; i < recent_total_ && lines.size() < kMostLines; i++) {
      const Recent& recent = recent_[i % kMostRecent];
      if (recent.time < start.time || recent.time > end.time) continue;
      if (recent.cpu != start.cpu && recent.cpu != end.cpu && recent.tid != start.tid) continue;
      if (recent.time == start.time && recent.cpu == start.cpu && recent.slot == start.slot) continue;
      if (recent.time == end.time && recent.cpu == end.cpu && recent.slot == end.slot) continue;
      Record record;
      record.time = recent.time;
      record.cpu = recent.cpu;
      record.tid = recent.tid;
      record.slot = recent.slot;
      record.raw = recent.raw.data();
      record.size = static_cast<uint32_t>(recent.raw.size());
      lines.push_back(event_line(record, engine.strings.text(recent.comm), start.time, engine));
    }
    lines.push_back(line(end));
    return lines;
  }

  // The start event again, as far as it was kept.
  Record record_of(uint32_t row) const {
    const Start& start = starts_[row];
    Record record;
    record.time = start.time;
    record.cpu = start.cpu;
    record.tid = start.tid;
    record.slot = start.slot;
    record.raw = raws_.data() + row * kMostRaw;
    record.size = start.raw_size;
    return record;
  }

  void start(uint32_t index, const int64_t* key, const Record& record, bool exact, Engine& engine) {
    if (!filter_.passes(record.tid, engine)) return;
    if (pending_.size() >= kMostPending && pending_.find(key) == KeyMap::kNone) {
      dropped_++;
      return;
    }
    bool fresh;
    const uint32_t row = pending_.insert(key, &fresh);
    if (row >= starts_.size()) {
      starts_.resize(row + 1);
      if (keep_raw_) raws_.resize(starts_.size() * kMostRaw);
    }
    const Part& part = parts_[index];
    Start& start = starts_[row];
    start.time = record.time;
    start.tid = record.tid;
    start.cpu = record.cpu;
    start.stack = record.frame_count ? engine.stacks.id(record.frames, record.frame_count) : 0;
    start.alarm = part.alarm.eval(record, engine) != 0;
    start.exact = exact;
    start.told = false;
    for (size_t i = 0; i < part.sums.size(); i++) start.sums[i] = part.sums[i].eval(record, engine);
    for (size_t i = 0; i < part.group.size(); i++) {
      start.values[i] = part.group[i].eval(record, engine);
      if (part.group[i].show == KeyColumn::kSymbol) symbols_[i].learn(part.group[i], start.values[i], record, engine);
    }
    if (!keep_raw_) return;
    start.slot = record.slot;
    start.raw_size = static_cast<uint16_t>(std::min<size_t>(record.size, kMostRaw));
    if (start.raw_size) std::memcpy(raws_.data() + row * kMostRaw, record.raw, start.raw_size);
  }

  void end(uint32_t index, const int64_t* key, const Record& record, Engine& engine) {
    const uint32_t row = pending_.find(key);
    if (row == KeyMap::kNone) return;
    pending_.erase(row);  // what is kept of it stays where it is until the next start
    Start& start = starts_[row];
    if (record.time < start.time) return;  // late: a negative time says nothing
    const uint64_t took = record.time - start.time;
    const Part& part = parts_[index];
    for (size_t i = 0; i < part.group.size(); i++) {
      start.values[starts_with_ + i] = part.group[i].eval(record, engine);
      if (part.group[i].show == KeyColumn::kSymbol)
        symbols_[starts_with_ + i].learn(part.group[i], start.values[starts_with_ + i], record, engine);
    }
    for (size_t i = part.group.size(); starts_with_ + i < columns_.size(); i++) start.values[starts_with_ + i] = 0;
    if (start.exact) count(start, took);
    if (start.alarm && spec_.than_ns != 0 && took > spec_.than_ns) tell(row, took, &record, engine);
  }

  void count(const Start& start, uint64_t took) {
    uint32_t first = 0;
    for (Rollup& table : tables_) {
      const uint32_t in = table.row(start.values);
      if (&table == &tables_[0]) first = in;
      if (in == Rollup::kNone) continue;
      table.add(in, took);
      for (size_t i = 0; i < spec_.sums.size(); i++) {
        int64_t& sum = table.counter(in, 1 + i);
        const uint64_t more = static_cast<uint64_t>(start.sums[i]) * (timed_[i] ? took : 1);
        sum = static_cast<int64_t>(static_cast<uint64_t>(sum) + more);
      }
    }
    if (start.alarm) histogram(spec_.percpu ? start.cpu : spec_.histogram_per_group ? first : 0).add(took);
  }

  void add_latencies(SnapshotData& out, const std::string& label, const Log2Histogram& from) const {
    if (!spec_.keep) return add_histogram(out, spec_.name, label, "ns", from.count);
    std::array<double, 64> kept;
    std::copy(from.count.begin(), from.count.end(), kept.begin());
    add_buckets(out, spec_.name, label, "ns", kept);
  }

  Log2Histogram& histogram(uint32_t which) {
    if (!spec_.percpu && !spec_.histogram_per_group && !histograms_.empty()) return histograms_.begin()->second;
    return histograms_[which];
  }

  // It will never end: its thread has. That is news only where what is in flight is.
  void cut(int64_t tid) {
    const uint32_t row = pending_.find(&tid);
    if (row == KeyMap::kNone) return;
    pending_.erase(row);
    Start& start = starts_[row];
    for (size_t i = starts_with_; i < columns_.size(); i++) start.values[i] = 0;
    if (!start.exact || spec_.open.name.empty()) return;
    for (Rollup& table : tables_)
      if (const uint32_t in = table.row(start.values); in != Rollup::kNone) table.counter(in, kCut)++;
  }

  // A thread that is not the first of its process makes an exec: it gets the number of the process, and its own is
  // gone.
  void follow_exec(uint32_t pid, Engine& engine) {
    const int64_t leader = pid;
    if (pending_.find(&leader) != KeyMap::kNone) return;
    for (uint32_t row = 0; row < pending_.rows(); row++) {
      if (!pending_.alive(row) || engine.tasks.pid(starts_[row].tid) != pid) continue;
      const Start start = starts_[row];
      std::vector<uint8_t> raw;
      if (keep_raw_) raw.assign(&raws_[row * kMostRaw], &raws_[row * kMostRaw] + start.raw_size);
      pending_.erase(row);
      bool fresh;
      const uint32_t moved = pending_.insert(&leader, &fresh);
      starts_[moved] = start;  // the row that was freed is taken first
      starts_[moved].tid = pid;
      std::copy(raw.begin(), raw.end(), raws_.begin() + static_cast<std::ptrdiff_t>(moved * kMostRaw));
      return;
    }
  }

  // `end` is null while it is open.
  void tell(uint32_t row, uint64_t took, const Record* end, Engine& engine) {
    const Start& start = starts_[row];
    LogData entry;
    const Task& task = engine.tasks.get(start.tid);
    entry.at_ms = static_cast<double>(start.time) / 1e6;
    entry.cpu = start.cpu;
    entry.pid = task.pid;
    entry.tid = start.tid;
    entry.comm = engine.strings.text(task.comm);
    for (size_t i = 0; i < starts_with_; i++)
      if (columns_[i].show != KeyColumn::kNumber)
        entry.text = text_of(columns_[i], start.values[i], &symbols_[i], engine);
    char text[64];
    std::snprintf(text, sizeof text, took < 100'000'000 ? "%s%.3f us" : "%s%.1f ms", start.exact ? " " : " at least ",
                  static_cast<double>(took) / (took < 100'000'000 ? 1e3 : 1e6));
    entry.text += text;
    for (size_t i = starts_with_; end && i < columns_.size(); i++)
      if (columns_[i].show != KeyColumn::kNumber && start.values[i] != 0)
        entry.text += ", " + columns_[i].name + " " + text_of(columns_[i], start.values[i], &symbols_[i], engine);
    if (!end) entry.text += ", not over yet";
    if (end && start.cpu != end->cpu) entry.text += ", ended on CPU " + std::to_string(end->cpu);
    entry.stack = stack_lines(start.stack, engine);
    if (keep_recent_ && end) {
      entry.between = story(row, *end, engine);
    } else {
      const Record begin = record_of(row);
      entry.between.push_back(event_line(begin, entry.comm, start.time, engine));
      if (end)
        entry.between.push_back(
            event_line(*end, engine.strings.text(engine.tasks.get(end->tid).comm), start.time, engine));
    }
    log_.add(std::move(entry));
  }

  void write_open(SnapshotData& out, Nanos now, Engine& engine) {
    std::vector<OpenPair> rows;
    for (uint32_t row = 0; row < pending_.rows(); row++) {
      if (!pending_.alive(row) || starts_[row].time >= now) continue;
      Start& start = starts_[row];
      const uint64_t age = now - start.time;
      if (start.alarm && !start.told && spec_.than_ns != 0 && age > spec_.than_ns) {
        start.told = true;
        tell(row, age, nullptr, engine);
      }
      if (age < spec_.open.age_ns) continue;
      rows.push_back({record_of(row), start.values, age, start.exact, start.alarm});
    }
    std::vector<KeyColumn> columns(columns_.begin(), columns_.begin() + static_cast<std::ptrdiff_t>(starts_with_));
    open_.write(out, rows, columns, symbols_, engine);
  }

  const OperatorSpec spec_;
  const std::vector<Clause> clauses_;
  TaskFilter filter_;
  std::vector<Part> parts_;  // per clause
  bool keep_recent_ = false, by_thread_ = true;
  const bool keep_raw_;
  size_t starts_with_ = 0;          // columns that the start tells; the others come from the end
  std::vector<KeyColumn> columns_;  // of starts and ends
  std::vector<bool> timed_;         // by sum
  std::vector<SymbolTexts> symbols_;
  KeyMap pending_;
  std::vector<Start> starts_;  // by row of pending_
  std::vector<uint8_t> raws_;  // kMostRaw each
  std::vector<Rollup> tables_;
  OpenPairs open_;
  std::vector<Recent> recent_;  // a ring
  uint64_t recent_total_ = 0;
  std::map<uint32_t, Log2Histogram> histograms_;
  Log log_;
  uint64_t dropped_ = 0;
};

}  // namespace

std::unique_ptr<Operator> make_pair(const OperatorSpec& spec, std::vector<Clause> clauses, Engine& engine) {
  return std::make_unique<Pair>(spec, std::move(clauses), engine);
}

}  // namespace ktop
