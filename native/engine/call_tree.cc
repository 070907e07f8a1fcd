// calls: who calls what, thread by thread: a tree of lines, times by name, folded stacks. Fed with what enters and
// returns; what has no return in it is a leaf.
#include <algorithm>
#include <map>
#include <unordered_map>

#include "engine/operator.h"
#include "perf/transport.h"

namespace ktop {
namespace {

constexpr size_t kMostLines = 50'000;    // told per interval
constexpr size_t kMostHeld = 5'000;      // of a thread, before it is known that they are wanted
constexpr size_t kMostDepth = 256;       // deeper ones are counted as part of their caller
constexpr uint32_t kMostNodes = 65'536;  // of the tree of stacks
constexpr uint64_t kNoSelf = UINT64_MAX;

struct Line {
  enum Kind : uint8_t { kEnter, kExit, kLeaf, kEvent, kOrphan, kCut, kLost } kind = kEnter;
  Nanos time = 0;
  uint64_t block = 0, since = 0, duration = 0, self = kNoSelf;
  uint32_t cpu = 0, pid = 0, tid = 0, comm = 0, name = 0, depth = 0;
};

struct Frame {
  uint32_t name, node;
  Nanos begun;
  uint64_t children = 0;
};

struct Thread {
  std::vector<Frame> stack;
  uint32_t beyond = 0;  // frames deeper than kMostDepth
  Nanos origin = 0;     // when the outermost call began
  uint64_t block = 0;   // number of the outermost call
  bool wanted = false;
  std::vector<Line> held;
  size_t last = SIZE_MAX;  // its latest line among those to be told …
  uint64_t epoch = 0;      // … since this snapshot
};

struct Stat {
  uint64_t calls = 0, total = 0, sum = 0, max = 0, self = 0;
};

std::string microseconds(uint64_t ns) {
  char text[40];
  std::snprintf(text, sizeof text, "%.3f us", static_cast<double>(ns) / 1e3);
  return text;
}

class CallTree final : public Operator {
 public:
  CallTree(const OperatorSpec& spec, std::vector<Clause> clauses, Engine& engine)
      : spec_(spec), clauses_(std::move(clauses)), filter_(spec, engine), most_(spec.cap ? spec.cap : kMostLines) {
    for (const Clause& clause : clauses_) {
      if (clause.key.size() != 1) throw Failure(Failure::kInternal, spec.name + ": a call has one key, its name");
      names_.emplace_back();
      durations_.push_back(clause.find_input("duration"));
      depths_.push_back(clause.find_input("depth"));
      if (clause.as == "enter")
        roles_.push_back(Role::kEnter);
      else if (clause.as == "exit")
        roles_.push_back(Role::kExit);
      else if (clause.as == "whole")
        roles_.push_back(Role::kWhole);
      else
        roles_.push_back(Role::kEvent);
      // What only says where something happened: the clauses of group "context" do not make a call wanted.
      context_.push_back(std::any_of(clause.group.begin(), clause.group.end(),
                                     [](const KeyColumn& column) { return column.name == "context"; }));
      any_context_ |= context_.back();
    }
    if (spec.root) family_.insert({spec.root, true});
  }

  void on_event(uint32_t index, const Record& record, Engine& engine) override {
    if (spec_.root && !family_.count(record.tid)) return;
    if (!filter_.passes(record.tid, engine) || !clauses_[index].passes(record, engine)) return;
    // Task 0 is as many tasks as there are CPUs.
    Thread& thread = threads_[record.tid ? record.tid : UINT64_C(1) << 32 | record.cpu];
    const uint32_t name = name_of(index, record, engine);
    Line line;
    line.time = record.time;
    line.cpu = record.cpu;
    line.tid = record.tid;
    line.name = name;
    const Task& task = engine.tasks.get(record.tid);
    line.pid = task.pid;
    line.comm = task.comm;
    switch (roles_[index]) {
      case Role::kEnter:
        enter(thread, line, context_[index]);
        break;
      case Role::kExit:
        leave(thread, line, durations_[index] ? durations_[index]->eval(record, engine) : -1);
        break;
      case Role::kEvent:
        if (thread.stack.empty()) begin(thread, line);
        if (!context_[index]) want(thread);
        line.kind = Line::kEvent;
        line.depth = static_cast<uint32_t>(thread.stack.size()) + thread.beyond;
        stats_[name].calls++;
        tell(thread, line);
        break;
      case Role::kWhole: {
        const uint64_t took = durations_[index] ? static_cast<uint64_t>(durations_[index]->eval(record, engine)) : 0;
        begin(thread, line);
        want(thread);
        line.kind = Line::kLeaf;
        line.duration = took;
        line.depth = depths_[index] ? static_cast<uint32_t>(depths_[index]->eval(record, engine)) & 0xff : 0;
        Stat& stat = stats_[name];
        stat.calls++;
        stat.total += took;
        stat.sum += took;
        stat.max = std::max(stat.max, took);
        stat.self += took;  // what it called in turn is not told
        tell(thread, line);
        break;
      }
    }
  }

  void on_lost(const LostWindow& window, Engine&) override {
    Line line;
    line.kind = Line::kLost;
    line.time = window.to;
    line.cpu = window.unwatched ? 0 : window.cpu;
    line.block = ++blocks_;
    line.duration = window.unwatched ? window.to - window.from : window.count;
    line.depth = window.unwatched;
    add(line);
    threads_.clear();  // a return may be among them
  }

  void on_fork(const TaskRecord& task, Engine&) override {
    if (spec_.root && family_.count(task.ptid)) family_.insert({task.tid, false});
  }

  void on_exit(uint32_t tid, Nanos time, Engine& engine) override {
    const auto found = threads_.find(tid);
    if (found != threads_.end()) {
      Line line;
      line.time = time;
      line.tid = tid;
      const Task& task = engine.tasks.get(tid);
      line.pid = task.pid;
      line.comm = task.comm;
      cut(found->second, line, 0);
      threads_.erase(found);
    }
    family_.erase(tid);
  }

  void snapshot(SnapshotData& out, Nanos, Engine& engine) override {
    tell_lines(out, engine);
    tell_functions(out, engine);
    tell_stacks(out, engine);
    if (spec_.keep) return;
    stats_.clear();
    selves_.clear();
  }

 private:
  enum class Role : uint8_t { kEnter, kExit, kEvent, kWhole };

  uint32_t name_of(uint32_t index, const Record& record, Engine& engine) {
    const KeyColumn& column = clauses_[index].key[0];
    const int64_t value = column.eval(record, engine);
    if (column.show == KeyColumn::kText) return static_cast<uint32_t>(value);
    auto& known = names_[index];
    const auto found = known.find(value);
    if (found != known.end()) return found->second;
    if (known.size() >= 65536) known.clear();
    const uint32_t id = engine.strings.id(text_of(column, value, nullptr, engine));
    known.emplace(value, id);
    return id;
  }

  void begin(Thread& thread, const Line& line) {
    thread.origin = line.time;
    thread.block = ++blocks_;
    thread.wanted = !any_context_ || !spec_.only;
    thread.held.clear();
    thread.last = SIZE_MAX;
  }

  void want(Thread& thread) {
    if (thread.wanted) return;
    thread.wanted = true;
    for (const Line& line : thread.held) add(line);
    thread.held.clear();
  }

  void enter(Thread& thread, Line line, bool context) {
    if (thread.stack.empty()) begin(thread, line);
    if (!context) want(thread);
    if (thread.stack.size() >= kMostDepth) {
      thread.beyond++;
      return;
    }
    line.depth = static_cast<uint32_t>(thread.stack.size());
    const uint32_t parent = thread.stack.empty() ? 0 : thread.stack.back().node;
    thread.stack.push_back({line.name, node(parent, line.name), line.time});
    tell(thread, line);
  }

  // `duration` below 0: from the times of the two events.
  void leave(Thread& thread, Line line, int64_t duration) {
    if (thread.beyond) {
      thread.beyond--;
      return;
    }
    size_t at = thread.stack.size();
    while (at > 0 && thread.stack[at - 1].name != line.name) at--;
    if (at == 0) {
      orphan(thread, line);
      return;
    }
    cut(thread, line, at);
    const Frame frame = thread.stack.back();
    thread.stack.pop_back();
    line.depth = static_cast<uint32_t>(at) - 1;
    line.duration = duration >= 0 ? static_cast<uint64_t>(duration) : line.time - std::min(line.time, frame.begun);
    line.self = line.duration - std::min(line.duration, frame.children);
    if (!thread.stack.empty()) thread.stack.back().children += line.duration;
    if (thread.wanted) account(thread, frame, line);
    line.kind = Line::kExit;
    Line* last = spec_.leaves ? last_of(thread) : nullptr;
    if (last && last->kind == Line::kEnter && last->name == line.name && last->depth == line.depth) {
      last->kind = Line::kLeaf;
      last->duration = line.duration;
    } else {
      tell(thread, line);
    }
    if (thread.stack.empty()) thread.held.clear();
  }

  // A return from what was called before we looked.
  void orphan(Thread& thread, Line line) {
    cut(thread, line, 0);
    const auto member = family_.find(line.tid);
    if (member != family_.end() && member->second) {  // our own hand, which held the command
      member->second = false;
      return;
    }
    begin(thread, line);
    if (!thread.wanted) return;
    line.kind = Line::kOrphan;
    tell(thread, line);
  }

  // Frames above `depth` were left without a return: it was not traced, or never came.
  void cut(Thread& thread, Line line, size_t depth) {
    while (thread.stack.size() > depth) {
      line.kind = Line::kCut;
      line.name = thread.stack.back().name;
      thread.stack.pop_back();
      line.depth = static_cast<uint32_t>(thread.stack.size());
      if (line.block == 0) line.block = thread.block;
      tell(thread, line);
    }
    thread.beyond = 0;
  }

  void account(const Thread& thread, const Frame& frame, const Line& line) {
    Stat& stat = stats_[line.name];
    stat.calls++;
    stat.sum += line.duration;
    stat.max = std::max(stat.max, line.duration);
    stat.self += line.self;
    // Time in a function that calls itself is there once.
    const bool nested = std::any_of(thread.stack.begin(), thread.stack.end(),
                                    [&](const Frame& outer) { return outer.name == line.name; });
    if (!nested) stat.total += line.duration;
    selves_[{frame.node, line.comm}] += line.self;
  }

  uint32_t node(uint32_t parent, uint32_t name) {
    const auto found = nodes_.find({parent, name});
    if (found != nodes_.end()) return found->second;
    if (parents_.size() >= kMostNodes) return parent;
    parents_.push_back({parent, name});
    const uint32_t id = static_cast<uint32_t>(parents_.size());
    nodes_.emplace(std::make_pair(parent, name), id);
    return id;
  }

  Line* last_of(Thread& thread) {
    if (!thread.wanted) return thread.held.empty() ? nullptr : &thread.held.back();
    return thread.epoch == epoch_ && thread.last < lines_.size() ? &lines_[thread.last] : nullptr;
  }

  void tell(Thread& thread, Line line) {
    line.block = thread.block;
    line.since = line.time - std::min(line.time, thread.origin);
    if (!thread.wanted) {
      if (thread.held.size() < kMostHeld) thread.held.push_back(line);
      return;
    }
    thread.epoch = epoch_;
    thread.last = add(line);
  }

  size_t add(const Line& line) {
    if (lines_.size() >= most_) {
      dropped_++;
      return SIZE_MAX;
    }
    lines_.push_back(line);
    return lines_.size() - 1;
  }

  void tell_lines(SnapshotData& out, Engine& engine) {
    // An outermost call and all in it stand together, whatever other threads did meanwhile.
    std::stable_sort(lines_.begin(), lines_.end(), [](const Line& a, const Line& b) { return a.block < b.block; });
    std::vector<LogData> entries;
    entries.reserve(lines_.size());
    for (const Line& line : lines_) {
      LogData entry;
      entry.at_ms = static_cast<double>(line.time) / 1e6;
      entry.cpu = line.cpu;
      entry.pid = line.pid;
      entry.tid = line.tid;
      entry.comm = engine.strings.text(line.comm);
      entry.text = text(line, engine);
      entries.push_back(std::move(entry));
    }
    if (dropped_)
      out.notes.push_back(std::to_string(dropped_) +
                          " lines of the tree are not shown; fewer functions show more of each");
    out.logs.emplace_back(spec_.name, std::move(entries));
    lines_.clear();
    dropped_ = 0;
    epoch_++;
  }

  static std::string text(const Line& line, const Engine& engine) {
    if (line.kind == Line::kLost && line.depth)
      return "-- not watched for " + microseconds(line.duration) + ": stacks begin anew --";
    if (line.kind == Line::kLost)
      return "-- " + (line.duration ? std::to_string(line.duration) : std::string("some")) + " records lost on CPU " +
             std::to_string(line.cpu) + ": stacks begin anew --";
    char head[32];
    std::snprintf(head, sizeof head, "%6llu ", static_cast<unsigned long long>(line.since / 1000));
    std::string out = line.kind == Line::kOrphan ? std::string("     ? ") : head;
    out += engine.strings.text(line.comm) + "(" + std::to_string(line.tid) + "): " + std::string(line.depth, ' ');
    const std::string& name = engine.strings.text(line.name);
    switch (line.kind) {
      case Line::kEnter:
        return out + "-> " + name;
      case Line::kExit:
        out += "<- " + name + "  " + microseconds(line.duration);
        return line.self == line.duration ? out : out + ", self " + microseconds(line.self);
      case Line::kLeaf:
        return out + "<> " + name + "  " + microseconds(line.duration);
      case Line::kEvent:
        return out + "-- " + name;
      case Line::kOrphan:
        return out + "<- " + name + "  (was called before)";
      default:
        return out + "<- " + name + "  (no return seen)";
    }
  }

  double amount(uint64_t ns, const SnapshotData& out) const {
    return spec_.keep ? static_cast<double>(ns) : out.scaled(static_cast<double>(ns));
  }

  void tell_functions(SnapshotData& out, Engine& engine) {
    TableData table;
    table.name = spec_.name;
    table.key = {"function"};
    ColumnData &name = table.text("function"), &calls = table.number("calls"), &total = table.number("total_ns");
    ColumnData &avg = table.number("avg_ns"), &max = table.number("max_ns"), &self = table.number("self_ns");
    for (auto& [id, stat] : stats_) {
      if (stat.calls == 0) continue;
      const double count = static_cast<double>(stat.calls);
      name.add_text(engine.strings.text(id));
      calls.add(spec_.keep ? count : out.scaled(count));
      total.add(amount(stat.total, out));
      avg.add(static_cast<double>(stat.sum) / count);
      max.add(static_cast<double>(stat.max));
      self.add(amount(stat.self, out));
      table.length++;
    }
    out.tables.push_back(std::move(table));
  }

  void tell_stacks(SnapshotData& out, Engine& engine) {
    TableData table;
    table.name = spec_.name + "_stacks";
    table.key = {"stack", "comm"};
    ColumnData &stack = table.text("stack"), &comm = table.text("comm"), &self = table.number("self_ns");
    for (auto& [key, ns] : selves_) {
      std::string frames;
      for (uint32_t id = key.first; id != 0; id = parents_[id - 1].first)
        frames += (frames.empty() ? "" : ";") + engine.strings.text(parents_[id - 1].second);
      stack.add_text(frames);
      comm.add_text(engine.strings.text(key.second));
      self.add(amount(ns, out));
      table.length++;
    }
    out.tables.push_back(std::move(table));
  }

  const OperatorSpec spec_;
  const std::vector<Clause> clauses_;
  TaskFilter filter_;
  const size_t most_;
  std::vector<std::unordered_map<int64_t, uint32_t>> names_;  // by clause: value → text
  std::vector<const Expr*> durations_, depths_;
  std::vector<Role> roles_;
  std::vector<bool> context_;
  bool any_context_ = false;
  std::unordered_map<uint32_t, bool> family_;  // the command and what it started; true: nothing of it was seen yet
  std::unordered_map<uint64_t, Thread> threads_;
  std::vector<Line> lines_;
  std::unordered_map<uint32_t, Stat> stats_;
  std::map<std::pair<uint32_t, uint32_t>, uint32_t> nodes_;  // parent and name → 1 + index in `parents_`
  std::vector<std::pair<uint32_t, uint32_t>> parents_;
  std::map<std::pair<uint32_t, uint32_t>, uint64_t> selves_;  // node, comm → ns
  uint64_t blocks_ = 0, epoch_ = 1, dropped_ = 0;
};

}  // namespace

std::unique_ptr<Operator> make_calls(const OperatorSpec& spec, std::vector<Clause> clauses, Engine& engine) {
  return std::make_unique<CallTree>(spec, std::move(clauses), engine);
}

}  // namespace ktop
