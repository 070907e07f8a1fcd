// abi: learns from the return of exec whether a program makes 32-bit system calls, for `$compat`. The numbers of calls
// mean others there. Yields no table.
#include "engine/operator.h"

namespace ktop {
namespace {

class Abi final : public Operator {
 public:
  explicit Abi(std::vector<Clause> clauses) : clauses_(std::move(clauses)) {
    for (const Clause& clause : clauses_) compat_.push_back(&clause.input("compat"));
  }
  void on_event(uint32_t index, const Record& record, Engine& engine) override {
    if (!engine.tasks.after_exec(record.tid) || !clauses_[index].passes(record, engine)) return;
    engine.tasks.exec_returned(record.tid, compat_[index]->eval(record, engine) != 0);
  }
  void snapshot(SnapshotData&, Nanos, Engine&) override {}

 private:
  const std::vector<Clause> clauses_;
  std::vector<const Expr*> compat_;
};

}  // namespace

std::unique_ptr<Operator> make_abi(std::vector<Clause> clauses) { return std::make_unique<Abi>(std::move(clauses)); }

}  // namespace ktop
