// A plan's operators, wired to the slots of the events that exist: records in, tables out. Knows no kernel, so it
// serves a live transport, a file and a test alike.
#pragma once
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "engine/operator.h"
#include "perf/record.h"

namespace ktop {

class Pipeline final : public RecordSink {
 public:
  // `formats` by slot; `slot_of[i]`: slot of plan.events[i], -1 when that event is absent. `world` outlives it.
  // Throws Failure.
  Pipeline(const Plan& plan, std::vector<std::unique_ptr<EventFormat>> formats, const std::vector<int>& slot_of,
           const World& world = World::this_host());

  void on_event(const Record& record) override {
    for (const Route& route : routes_[record.slot])
      if (!route.others || !is_own(record)) route.op->on_event(route.clause, record, engine_);
  }
  void on_task(const TaskRecord& task) override;
  void on_lost(const LostWindow& window) override;
  void on_cpu_gone(uint32_t cpu);

  // Threads, processes and names of this host; states for the operators that want them.
  void seed_from_proc(Nanos now);
  // States for the operators that want them.
  void seed_states(Nanos now);
  // What these events would have told, had we looked earlier: for the tables of open pairs.
  void seed_open_calls(Nanos now);
  // Adds every operator's tables, histograms and logs; clears what is per interval.
  void snapshot(SnapshotData& out, Nanos now);
  Tasks& tasks() { return tasks_; }
  // Since the last time this was asked.
  bool take_lost() { return std::exchange(lost_, false); }

 private:
  struct Route {
    Operator* op;
    uint32_t clause;
    bool others;  // not what ktop itself does
  };
  bool is_own(const Record& record) { return self_ != 0 && tasks_.pid(record.tid) == self_ && !interrupted(record); }
  // `outstanding`: which field tells the objects of an event apart, where its clause does not say so.
  void choose_pointers(std::vector<ClauseSpec>* clauses, const std::vector<uint16_t>& slots) const;
  Clause compile(const ClauseSpec& on, uint16_t slot);
  void add_process_columns(SnapshotData& out);

  const Plan plan_;
  const uint32_t self_;  // ktop's own process; 0: the events are of another host
  Strings strings_;
  Tasks tasks_;
  Engine engine_;
  std::vector<std::unique_ptr<EventFormat>> formats_;
  std::vector<std::unique_ptr<Operator>> operators_;
  bool lost_ = false;
  std::vector<std::vector<Route>> routes_;  // by slot; the last is the clock's
};

}  // namespace ktop
