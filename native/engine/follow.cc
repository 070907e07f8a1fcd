// follow: which tasks are watched, for `$followed`: these processes, and what they start. With a clause, from that
// event of theirs on: a program that is started to be watched begins with its exec. Yields no table.
#include <algorithm>

#include "engine/operator.h"

namespace ktop {
namespace {

class Follow final : public Operator {
 public:
  Follow(const OperatorSpec& spec, std::vector<Clause> clauses, Engine& engine)
      : clauses_(std::move(clauses)), pids_(spec.pids) {
    engine.tasks.follow_only(clauses_.empty() ? pids_ : std::vector<int64_t>());
  }
  void on_event(uint32_t index, const Record& record, Engine& engine) override {
    const int64_t pid = engine.tasks.pid(record.tid);
    if (std::find(pids_.begin(), pids_.end(), pid) == pids_.end()) return;
    if (clauses_[index].passes(record, engine)) engine.tasks.follow(record.tid);
  }
  void snapshot(SnapshotData&, Nanos, Engine&) override {}

 private:
  const std::vector<Clause> clauses_;
  const std::vector<int64_t> pids_;
};

}  // namespace

std::unique_ptr<Operator> make_follow(const OperatorSpec& spec, std::vector<Clause> clauses, Engine& engine) {
  return std::make_unique<Follow>(spec, std::move(clauses), engine);
}

}  // namespace ktop
