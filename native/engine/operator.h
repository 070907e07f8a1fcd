// An operator reduces an event stream to columns. It knows clauses and expressions, never a monitor's name.
#pragma once
#include <array>
#include <functional>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "engine/expr.h"
#include "engine/plan.h"
#include "engine/snapshot.h"
#include "engine/stacks.h"
#include "perf/record.h"

namespace ktop {

// Everything an operator shares with its session.
struct Engine : Scope {
  Stacks stacks;
  std::vector<const EventFormat*> formats;  // by slot; null for the clock
  using Names = std::unordered_map<int64_t, std::string>;
  std::map<std::string, Names> names;  // the plan's
  Engine(Strings& strings, Tasks& tasks, const World& world) : Scope{strings, tasks, {}, world} {}
};

// A key or group column: the expression and how its number becomes what is shown.
class KeyColumn {
 public:
  enum Show : uint8_t { kNumber, kText, kDevice, kKsym, kSymbol, kStack, kHex, kName, kFile, kPath, kTask, kArgv };
  KeyColumn() = default;
  // `text` is "expr" or "expr:device|ksym|symbol|text|hex|fd|path|task" or "expr:NAME" with NAME among the plan's
  // names.
  KeyColumn(const std::string& name, const std::string& text, const EventFormat* format, Engine& engine);
  int64_t eval(const Record& record, Engine& engine) const {
    return show == kStack ? engine.stacks.id(record.frames, record.frame_count) : expr.eval(record, engine);
  }
  std::string name;
  Expr expr = Expr::constant(0);
  Show show = kNumber;
  std::string symbol_field;
  const Engine::Names* names = nullptr;  // kName
};

// Texts of `:symbol` columns, rendered from the first record that carried the value.
class SymbolTexts {
 public:
  void learn(const KeyColumn& column, int64_t value, const Record& record, Engine& engine);
  std::string text(int64_t value) const;

 private:
  std::unordered_map<int64_t, std::string> texts_;
};

// A value as it is shown.
std::string text_of(const KeyColumn& column, int64_t value, const SymbolTexts* symbols, const Engine& engine);

// Writes one key column of a table: numbers, or texts by KeyColumn::Show.
class KeyWriter {
 public:
  KeyWriter(TableData& table, const KeyColumn& column, const SymbolTexts* symbols);
  void add(int64_t value, Engine& engine);

 private:
  ColumnData& out_;
  const KeyColumn& column_;
  const SymbolTexts* symbols_;
};

// "bash/123" of a thread; of what is no thread: 0 "-", -1 "[irq]", -2 "[softirq]", -3 "[nmi]", else "[irq]".
std::string task_text(int64_t tid, const Engine& engine);
// "a;b;c", innermost first, of a stack id.
std::string stack_text(uint32_t id, const Engine& engine);
std::vector<std::string> stack_lines(uint32_t id, const Engine& engine);

struct Clause {
  uint16_t slot = 0;
  std::string as;
  bool has_where = false;
  Expr where = Expr::constant(1);
  std::vector<KeyColumn> key;
  std::vector<std::pair<std::string, Expr>> add;
  std::vector<KeyColumn> group;
  bool passes(const Record& record, Engine& engine) const { return !has_where || where.eval(record, engine) != 0; }
  // The value of a named input; throws Failure(kInternal) when the declaration lacks it.
  const Expr& input(const std::string& name) const;
  const Expr* find_input(const std::string& name) const;
};

// Which tasks an operator is about: -p and names, or all but our own.
class TaskFilter {
 public:
  TaskFilter(const OperatorSpec& spec, const Engine& engine);
  bool passes(uint32_t tid, Engine& engine) {
    if (self_ != 0 && engine.tasks.pid(tid) == self_) return false;
    return (pids_.empty() && comm_.empty()) || matches(tid, engine);
  }
  bool by_name() const { return !comm_.empty(); }

 private:
  bool matches(uint32_t tid, Engine& engine);
  const std::vector<int64_t> pids_;
  const std::string comm_;
  const uint32_t self_;                       // 0: no process is left out
  std::unordered_map<uint32_t, bool> known_;  // by name
};

// An event as it went by: "+12.000 us cpu0 bash/12 sched_switch: prev_comm=…", from `zero` on.
std::string event_line(const Record& record, const std::string& comm, Nanos zero, const Engine& engine);

class Operator {
 public:
  virtual ~Operator() = default;
  // `clause` is an index into the clauses it was made with.
  virtual void on_event(uint32_t clause, const Record& record, Engine& engine) = 0;
  // Events of a CPU are missing between two times: state that spans them is not to be trusted.
  virtual void on_lost(const LostWindow&, Engine&) {}
  // A CPU went offline: what runs there runs no more, and nothing is due from it.
  virtual void on_cpu_gone(uint32_t /*cpu*/) {}
  virtual void on_exit(uint32_t /*tid*/, Nanos, Engine&) {}
  virtual void on_fork(const TaskRecord&, Engine&) {}
  // A new name, or with `exec` a new program: of its threads only the one that called is left, under the process's id.
  virtual void on_comm(const TaskRecord&, Engine&) {}
  // Everything that happens from now on will be told. Not called for events of another time.
  virtual void on_start(Nanos /*now*/) {}
  // The state letter of a task found at start; only operators that ask for it are told.
  virtual bool wants_states() const { return false; }
  virtual void on_initial_state(uint32_t /*tid*/, char, uint32_t /*cpu*/, Nanos, Engine&) {}
  // The event of which a record is made up for what had begun before we looked; its clause is told of each.
  virtual bool wants_open(uint32_t /*clause*/) const { return false; }
  virtual void on_open(uint32_t /*clause*/, const Record&, Engine&) {}
  virtual void snapshot(SnapshotData& out, Nanos now, Engine& engine) = 0;
};

// Throws Failure(kInternal) for an unknown operator or a missing part of its declaration.
std::unique_ptr<Operator> make_operator(const OperatorSpec& spec, std::vector<Clause> clauses, Engine& engine);

std::unique_ptr<Operator> make_count(const OperatorSpec&, std::vector<Clause>);
std::unique_ptr<Operator> make_pair(const OperatorSpec&, std::vector<Clause>, Engine&);
std::unique_ptr<Operator> make_state(const OperatorSpec&, std::vector<Clause>, Engine&);
std::unique_ptr<Operator> make_off(const OperatorSpec&, std::vector<Clause>, Engine&);
std::unique_ptr<Operator> make_track(const OperatorSpec&, std::vector<Clause>, Engine&);
std::unique_ptr<Operator> make_outstanding(const OperatorSpec&, std::vector<Clause>, Engine&);
std::unique_ptr<Operator> make_gap(const OperatorSpec&, std::vector<Clause>, Engine&);
std::unique_ptr<Operator> make_histogram(const OperatorSpec&, std::vector<Clause>);
std::unique_ptr<Operator> make_log(const OperatorSpec&, std::vector<Clause>);
std::unique_ptr<Operator> make_calls(const OperatorSpec&, std::vector<Clause>, Engine&);
std::unique_ptr<Operator> make_abi(std::vector<Clause>);
std::unique_ptr<Operator> make_follow(const OperatorSpec&, std::vector<Clause>, Engine&);
std::unique_ptr<Operator> make_descriptors(const OperatorSpec&, std::vector<Clause>, Engine&);
std::unique_ptr<Operator> make_remember(const OperatorSpec&, std::vector<Clause>, Engine&);

// Log shared by operators: what came since the last snapshot, bounded, the overflow counted.
class Log {
 public:
  static constexpr size_t kMost = 500;
  void add(LogData entry) {
    if (entries_.size() < kMost)
      entries_.push_back(std::move(entry));
    else
      dropped_++;
  }
  void flush(const std::string& name, SnapshotData& out) {
    if (dropped_) out.notes.push_back(name + ": " + std::to_string(dropped_) + " log entries not shown");
    out.logs.emplace_back(name, std::move(entries_));
    entries_.clear();
    dropped_ = 0;
  }

 private:
  std::vector<LogData> entries_;
  uint64_t dropped_ = 0;
};

// Of counts of the interval, which are scaled where not all of it was watched; and of numbers as they are.
void add_histogram(SnapshotData& out, const std::string& name, const std::string& label, const std::string& unit,
                   const std::array<uint64_t, 64>& count);
void add_buckets(SnapshotData& out, const std::string& name, const std::string& label, const std::string& unit,
                 const std::array<double, 64>& count);

}  // namespace ktop
