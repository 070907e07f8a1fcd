#include "pipeline.h"

#include <unistd.h>

#include <algorithm>

#include "engine/pointer_field.h"
#include "perf/transport.h"
#include "proc/open_calls.h"

namespace ktop {
namespace {

// Others have a filter on tasks that knows it. Whoever frees an object, it is free.
bool drops_own(const std::string& op, const std::string& as) {
  return op == "count" || op == "sample" || op == "log" || op == "histogram" || (op == "outstanding" && as == "alloc");
}

constexpr Nanos kForgetAfter = 10'000'000'000;  // ended tasks stay known this long

}  // namespace

Pipeline::Pipeline(const Plan& plan, std::vector<std::unique_ptr<EventFormat>> formats, const std::vector<int>& slot_of,
                   const World& world)
    : plan_(plan),
      self_(world.here() ? static_cast<uint32_t>(getpid()) : 0),
      tasks_(strings_, world.here()),
      engine_(strings_, tasks_, world),
      formats_(std::move(formats)) {
  for (auto& format : formats_) engine_.formats.push_back(format.get());
  engine_.formats.push_back(nullptr);  // the clock's slot
  routes_.resize(engine_.formats.size());
  for (auto& [name, texts] : plan_.names) engine_.names.emplace(name, Engine::Names(texts.begin(), texts.end()));
  for (const OperatorSpec& spec : plan_.operators)
    if (spec.op == "remember") engine_.memos.emplace(spec.name, Memo(spec.ttl_ns));

  // Slot of an event id: -1 absent, -2 unknown.
  const auto slot_named = [&](const std::string& id) {
    if (id == "@clock") return static_cast<int>(formats_.size());
    for (size_t i = 0; i < plan_.events.size(); i++)
      if (plan_.events[i].id == id) return slot_of[i];
    return -2;
  };
  for (const OperatorSpec& spec : plan_.operators) {
    std::vector<ClauseSpec> present;
    std::vector<uint16_t> slots;
    for (const ClauseSpec& on : spec.on) {
      const int slot = slot_named(on.event);
      if (slot == -2) throw Failure(Failure::kInternal, spec.name + ": no event with the id \"" + on.event + "\"");
      if (slot == -1 || (!on.unless.empty() && slot_named(on.unless) >= 0)) continue;
      present.push_back(on);
      slots.push_back(static_cast<uint16_t>(slot));
    }
    if (spec.op == "outstanding") choose_pointers(&present, slots);
    std::vector<Clause> clauses;
    for (size_t i = 0; i < present.size(); i++) clauses.push_back(compile(present[i], slots[i]));
    operators_.push_back(make_operator(spec, std::move(clauses), engine_));
    for (size_t i = 0; i < slots.size(); i++)
      routes_[slots[i]].push_back(
          {operators_.back().get(), static_cast<uint32_t>(i), spec.others && drops_own(spec.op, present[i].as)});
  }
}

void Pipeline::choose_pointers(std::vector<ClauseSpec>* clauses, const std::vector<uint16_t>& slots) const {
  for (size_t i = 0; i < clauses->size(); i++) {
    ClauseSpec& clause = (*clauses)[i];
    const EventFormat* own = engine_.formats[slots[i]];
    if (!own || std::any_of(clause.add.begin(), clause.add.end(), [](auto& input) { return input.first == "ptr"; }))
      continue;
    std::vector<const EventFormat*> others;
    for (size_t j = 0; j < clauses->size(); j++)
      if (slots[j] != slots[i] && (*clauses)[j].as != "defer" && engine_.formats[slots[j]])
        others.push_back(engine_.formats[slots[j]]);
    clause.add.emplace_back("ptr", pointer_field(*own, others));
  }
}

Clause Pipeline::compile(const ClauseSpec& on, uint16_t slot) {
  const EventFormat* format = engine_.formats[slot];
  Clause clause;
  clause.slot = slot;
  clause.as = on.as;
  clause.has_where = !on.where.empty();
  if (clause.has_where) clause.where = Expr::compile(on.where, format, engine_);
  for (auto& [name, text] : on.key) clause.key.emplace_back(name, text, format, engine_);
  for (auto& [name, text] : on.group) clause.group.emplace_back(name, text, format, engine_);
  for (auto& [name, text] : on.add) clause.add.emplace_back(name, Expr::compile(text, format, engine_));
  return clause;
}

void Pipeline::on_task(const TaskRecord& task) {
  tasks_.on_task(task);
  for (auto& op : operators_) {
    if (task.kind == TaskRecord::kFork) op->on_fork(task, engine_);
    if (task.kind == TaskRecord::kExit) op->on_exit(task.tid, task.time, engine_);
    if (task.kind == TaskRecord::kComm) op->on_comm(task, engine_);
  }
}

void Pipeline::on_lost(const LostWindow& window) {
  lost_ = true;
  for (auto& op : operators_) op->on_lost(window, engine_);
}

void Pipeline::on_cpu_gone(uint32_t cpu) {
  for (auto& op : operators_) op->on_cpu_gone(cpu);
}

void Pipeline::seed_from_proc(Nanos now) {
  for (auto& op : operators_) op->on_start(now);
  seed_states(now);
  seed_open_calls(now);
}

void Pipeline::seed_states(Nanos now) {
  bool states = false;
  for (auto& op : operators_) states |= op->wants_states();
  tasks_.scan(
      [&](uint32_t tid, char letter, uint32_t cpu) {
        for (auto& op : operators_)
          if (op->wants_states()) op->on_initial_state(tid, letter, cpu, now, engine_);
      },
      states);
}

void Pipeline::seed_open_calls(Nanos now) {
  for (size_t slot = 0; slot < formats_.size(); slot++) {
    std::vector<Route> wanting;
    for (const Route& route : routes_[slot])
      if (route.op->wants_open(route.clause)) wanting.push_back(route);
    if (wanting.empty()) continue;
    open_calls(*formats_[slot], [&](Record& record) {
      record.time = now;
      record.slot = static_cast<uint16_t>(slot);
      for (const Route& route : wanting) route.op->on_open(route.clause, record, engine_);
    });
  }
}

void Pipeline::snapshot(SnapshotData& out, Nanos now) {
  for (auto& op : operators_) op->snapshot(out, now, engine_);
  add_process_columns(out);
  if (now > kForgetAfter) tasks_.forget(now - kForgetAfter);
}

void Pipeline::add_process_columns(SnapshotData& out) {
  for (const OperatorSpec& spec : plan_.operators) {
    if (spec.process.empty()) continue;
    for (TableData& table : out.tables) {
      bool its = table.name == spec.name;
      for (const RollupSpec& rollup : spec.tables) its |= table.name == rollup.name;
      if (!its) continue;
      const ColumnData* pids = nullptr;
      for (const ColumnData& column : table.columns)
        if (column.name == spec.process) pids = &column;
      if (!pids) continue;
      ColumnData* process = spec.process == "pid" ? nullptr : &table.number("pid");
      ColumnData& comm = table.text("comm");
      ColumnData& uid = table.number("uid");
      ColumnData& ppid = table.number("ppid");
      for (double pid : pids->numbers) {
        const Task& task = tasks_.verify(static_cast<uint32_t>(pid));
        if (process) process->add(task.pid);
        comm.add_text(strings_.text(task.comm));
        uid.add(task.uid == UINT32_MAX ? kUnknown : task.uid);
        ppid.add(task.ppid);
      }
    }
  }
}

}  // namespace ktop
