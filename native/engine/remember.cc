// remember: the last value seen under a key, for `recall()` in other operators' expressions (skb → device).
#include "engine/operator.h"

namespace ktop {
namespace {

class Remember final : public Operator {
 public:
  Remember(const OperatorSpec& spec, std::vector<Clause> clauses, Engine& engine)
      : memo_(engine.memos.at(spec.name)), clauses_(std::move(clauses)) {
    for (const Clause& clause : clauses_) inputs_.push_back({&clause.input("key"), &clause.input("value")});
  }
  void on_event(uint32_t index, const Record& record, Engine& engine) override {
    if (!clauses_[index].passes(record, engine)) return;
    memo_.put(inputs_[index].first->eval(record, engine), inputs_[index].second->eval(record, engine), record.time);
  }
  // Pointers are handed out again while nobody looks.
  void on_lost(const LostWindow& window, Engine&) override {
    if (window.unwatched) memo_.clear();
  }
  void snapshot(SnapshotData&, Nanos, Engine&) override {}

 private:
  Memo& memo_;
  const std::vector<Clause> clauses_;
  std::vector<std::pair<const Expr*, const Expr*>> inputs_;
};

}  // namespace

std::unique_ptr<Operator> make_remember(const OperatorSpec& spec, std::vector<Clause> clauses, Engine& engine) {
  return std::make_unique<Remember>(spec, std::move(clauses), engine);
}

}  // namespace ktop
