// track: one row for each thing from its first event to its last, with the last values told of it and sums of numbers.
// What has ended is in one more snapshot, as ended.
//
//   start   a new row; a live one of the same key has ended (by being replaced)
//   seen    values and sums of a row; makes it when there is none, begun no one knows when
//   set     values and sums of a row, if there is one
//   end     the same, and it has ended
#include <algorithm>

#include "engine/arguments.h"
#include "engine/key_map.h"
#include "engine/operator.h"
#include "perf/transport.h"
#include "proc/files.h"

namespace ktop {
namespace {

class Track final : public Operator {
 public:
  Track(const OperatorSpec& spec, std::vector<Clause> clauses, Engine& engine)
      : spec_(spec),
        clauses_(std::move(clauses)),
        cap_(spec.cap ? spec.cap : kMostRows),
        live_(clauses_.empty() ? 1 : static_cast<uint32_t>(clauses_[0].key.size())) {
    for (const Clause& clause : clauses_) {
      const auto role = std::find(std::begin(kRoles), std::end(kRoles), clause.as);
      if (role == std::end(kRoles))
        throw Failure(Failure::kInternal, spec.name + ": a clause of track is start, seen, set or end");
      if (clause.key.empty() || clause.key.size() > kMostKeys || clause.key.size() != clauses_[0].key.size())
        throw Failure(Failure::kInternal, spec.name + ": clauses of track need the same 1 to 4 keys");
      Part part{static_cast<Role>(role - std::begin(kRoles)), {}, {}};
      for (const KeyColumn& column : clause.group) part.values.push_back(index_of(columns_, column));
      for (auto& [name, expr] : clause.add) part.sums.push_back(index_of(sums_, name));
      parts_.push_back(std::move(part));
    }
    for (const ClauseSpec& on : spec.on) {
      declare(on.group, engine);
      for (auto& [name, text] : on.add)
        if (std::find(sums_.begin(), sums_.end(), name) == sums_.end()) absent_.push_back(name);
    }
    symbols_.resize(columns_.size());
  }

  void on_event(uint32_t index, const Record& record, Engine& engine) override {
    const Clause& clause = clauses_[index];
    if (!clause.passes(record, engine)) return;
    int64_t key[kMostKeys];
    for (size_t i = 0; i < clause.key.size(); i++) key[i] = clause.key[i].eval(record, engine);
    const Part& part = parts_[index];
    uint32_t row = live_.find(key);
    if (part.role == kStart && row != KeyMap::kNone) {
      finish(row, record.time, true);
      row = KeyMap::kNone;
    }
    if (row == KeyMap::kNone) {
      if (part.role == kSet || part.role == kEnd) return;
      row = begin(key, record.time, part.role == kStart);
      if (row == KeyMap::kNone) return;
    }
    Row& to = rows_[row];
    for (size_t i = 0; i < part.values.size(); i++) {
      const KeyColumn& column = clause.group[i];
      Cell& cell = to.cells[part.values[i]];
      cell.known = true;
      if (column.show == KeyColumn::kArgv) {
        cell.text = arguments(record, engine);
        continue;
      }
      cell.value = column.eval(record, engine);
      if (column.show == KeyColumn::kSymbol) symbols_[part.values[i]].learn(column, cell.value, record, engine);
    }
    for (size_t i = 0; i < part.sums.size(); i++) {
      int64_t& sum = to.sums[part.sums[i]];
      sum = static_cast<int64_t>(static_cast<uint64_t>(sum) +
                                 static_cast<uint64_t>(clause.add[i].second.eval(record, engine)));
    }
    if (part.role == kEnd) finish(row, record.time, false);
  }

  // Ends may be among the lost.
  void on_lost(const LostWindow& window, Engine&) override { doubtful_before_ = window.to; }

  void snapshot(SnapshotData& out, Nanos now, Engine& engine) override {
    std::vector<const Row*> rows;
    for (const Row& row : ended_) rows.push_back(&row);
    uint32_t dropped = 0;
    for (uint32_t row = 0; row < live_.rows(); row++) {
      if (!live_.alive(row)) continue;
      if (rows_[row].begun < doubtful_before_) {
        live_.erase(row);
        dropped++;
      } else if (rows_[row].begun < now) {
        rows.push_back(&rows_[row]);
      }
    }
    doubtful_before_ = 0;
    write(out, rows, now, engine);
    if (dropped)
      out.notes.push_back(spec_.name + ": events were lost: " + std::to_string(dropped) +
                          " rows that may have ended are not shown");
    if (overflow_)
      out.notes.push_back(spec_.name + ": more than " + std::to_string(cap_) + " rows; " + std::to_string(overflow_) +
                          " more began and are not shown");
    overflow_ = 0;
    ended_.clear();
  }

 private:
  static constexpr uint32_t kMostRows = 16384;
  static constexpr size_t kMostKeys = 4;
  enum Role { kStart, kSeen, kSet, kEnd };
  static constexpr const char* kRoles[] = {"start", "seen", "set", "end"};
  struct Part {
    Role role;
    std::vector<size_t> values, sums;  // column of each
  };
  struct Cell {
    int64_t value = 0;
    bool known = false;
    std::string text;  // kArgv
  };
  struct Row {
    int64_t key[kMostKeys] = {};
    Nanos begun = 0, ended = 0;
    bool exact = true, replaced = false;
    std::vector<Cell> cells;
    std::vector<int64_t> sums;
  };

  static size_t index_of(std::vector<KeyColumn>& columns, const KeyColumn& column) {
    for (size_t i = 0; i < columns.size(); i++)
      if (columns[i].name == column.name) return i;
    columns.push_back(column);
    return columns.size() - 1;
  }
  static size_t index_of(std::vector<std::string>& names, const std::string& name) {
    const auto at = std::find(names.begin(), names.end(), name);
    if (at != names.end()) return static_cast<size_t>(at - names.begin());
    names.push_back(name);
    return names.size() - 1;
  }

  // A column that only absent events would tell is there, and empty.
  void declare(const Named& group, Engine&) {
    for (auto& [name, text] : group) {
      KeyColumn column;
      column.name = name;
      column.show = KeyColumn::kNumber;
      index_of(columns_, column);
    }
  }

  uint32_t begin(const int64_t* key, Nanos now, bool exact) {
    if (live_.size() >= cap_) {
      overflow_++;
      return KeyMap::kNone;
    }
    bool fresh;
    const uint32_t row = live_.insert(key, &fresh);
    if (row >= rows_.size()) rows_.resize(row + 1);
    Row& to = rows_[row];
    to = {};
    std::copy(key, key + live_.width(), to.key);
    to.begun = now;
    to.exact = exact;
    to.cells.resize(columns_.size());
    to.sums.resize(sums_.size());
    return row;
  }

  void finish(uint32_t row, Nanos now, bool replaced) {
    live_.erase(row);
    if (ended_.size() >= cap_) {
      overflow_++;
      return;
    }
    ended_.push_back(std::move(rows_[row]));
    ended_.back().ended = std::max<Nanos>(now, 1);
    ended_.back().replaced = replaced;
  }

  // What perf took with the event, else what the process shows of itself when we come to look.
  static std::string arguments(const Record& record, Engine& engine) {
    const UserStack& stack = record.user_stack;
    if (stack.bytes && has_arguments(stack)) return arguments_of(stack, "");
    if (!engine.world.here()) return "";
    const std::string path = "/proc/" + std::to_string(engine.tasks.pid(record.tid)) + "/cmdline";
    if (stack.bytes) return arguments_of(stack, slurp(path.c_str()));
    return arguments_of(slurp(path.c_str()));
  }

  void write(SnapshotData& out, const std::vector<const Row*>& rows, Nanos now, Engine& engine) const {
    TableData table;
    table.name = spec_.name;
    table.length = static_cast<uint32_t>(rows.size());
    for (size_t i = 0; !clauses_.empty() && i < clauses_[0].key.size(); i++) {
      KeyWriter writer(table, clauses_[0].key[i], nullptr);
      for (const Row* row : rows) writer.add(row->key[i], engine);
    }
    // The same process may come twice.
    table.key.push_back("begun_ns");
    ColumnData& begun = table.number("begun_ns");
    ColumnData& age = table.number("age_ns");
    ColumnData& ended = table.number("ended");
    ColumnData& replaced = table.number("replaced");
    ColumnData& at_least = table.number("at_least");
    for (const Row* row : rows) {
      const Nanos until = row->ended ? row->ended : std::max(now, row->begun);
      begun.add(static_cast<double>(row->begun));
      age.add(static_cast<double>(until - std::min(until, row->begun)));
      ended.add(row->ended != 0);
      replaced.add(row->replaced);
      at_least.add(!row->exact);
    }
    for (size_t i = 0; i < columns_.size(); i++) {
      const KeyColumn& column = columns_[i];
      const bool text = column.show != KeyColumn::kNumber;
      ColumnData& to = text ? table.text(column.name) : table.number(column.name);
      for (const Row* row : rows) {
        const Cell& cell = row->cells[i];
        if (!text)
          to.add(cell.known ? static_cast<double>(cell.value) : kUnknown);
        else if (column.show == KeyColumn::kArgv)
          to.add_text(cell.text);
        else
          to.add_text(cell.known ? text_of(column, cell.value, &symbols_[i], engine) : "");
      }
    }
    for (size_t i = 0; i < sums_.size(); i++) {
      ColumnData& column = table.number(sums_[i]);
      for (const Row* row : rows) column.add(static_cast<double>(row->sums[i]));
    }
    for (const std::string& name : absent_) table.number(name).numbers.assign(table.length, kUnknown);
    out.tables.push_back(std::move(table));
  }

  const OperatorSpec spec_;
  const std::vector<Clause> clauses_;
  std::vector<Part> parts_;  // per clause
  std::vector<KeyColumn> columns_;
  std::vector<std::string> sums_, absent_;
  std::vector<SymbolTexts> symbols_;  // by column
  const uint32_t cap_;
  KeyMap live_;
  std::vector<Row> rows_;  // by row of live_
  std::vector<Row> ended_;
  Nanos doubtful_before_ = 0;
  uint64_t overflow_ = 0;
};

}  // namespace

std::unique_ptr<Operator> make_track(const OperatorSpec& spec, std::vector<Clause> clauses, Engine& engine) {
  return std::make_unique<Track>(spec, std::move(clauses), engine);
}

}  // namespace ktop
