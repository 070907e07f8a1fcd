// histogram: log2 buckets of one value, one histogram per group. The name of the input is the unit.
#include <array>
#include <map>
#include <utility>

#include "engine/operator.h"
#include "perf/transport.h"

namespace ktop {
namespace {

class ValueHistogram final : public Operator {
 public:
  ValueHistogram(const OperatorSpec& spec, std::vector<Clause> clauses)
      : name_(spec.name), keep_(spec.keep), most_(spec.cap ? spec.cap : 64), clauses_(std::move(clauses)) {
    for (const Clause& clause : clauses_)
      if (clause.add.size() != 1) throw Failure(Failure::kInternal, name_ + ": a histogram is of one value");
  }

  void on_event(uint32_t index, const Record& record, Engine& engine) override {
    const Clause& clause = clauses_[index];
    if (!clause.passes(record, engine)) return;
    Buckets& buckets = of(index, record, engine);
    const int64_t value = clause.add[0].second.eval(record, engine);
    if (value < 0)
      buckets.negative++;
    else
      buckets.count[value < 2 ? 0 : static_cast<size_t>(63 - __builtin_clzll(static_cast<uint64_t>(value)))]++;
  }

  void snapshot(SnapshotData& out, Nanos, Engine&) override {
    const std::string unit = clauses_.empty() ? "" : clauses_[0].add[0].first;
    for (auto& [label, buckets] : groups_) {
      // Kept ones are sums of intervals, each with a scale of its own.
      for (size_t i = 0; i < buckets.count.size(); i++)
        buckets.shown[i] += out.scaled(static_cast<double>(std::exchange(buckets.count[i], 0)));
      buckets.shown_negative += out.scaled(static_cast<double>(std::exchange(buckets.negative, 0)));
      add_buckets(out, name_, label, unit, buckets.shown);
      if (buckets.shown_negative == 0) continue;
      HistogramData& histogram = out.histograms.back();
      histogram.low.insert(histogram.low.begin(), -std::ldexp(1, 63));
      histogram.high.insert(histogram.high.begin(), -1);
      histogram.count.insert(histogram.count.begin(), buckets.shown_negative);
    }
    if (groups_.empty()) out.histograms.push_back({name_, "", unit, {}, {}, {}});
    if (!keep_) groups_.clear();
  }

 private:
  struct Buckets {
    std::array<uint64_t, 64> count{};
    uint64_t negative = 0;
    std::array<double, 64> shown{};
    double shown_negative = 0;
  };

  Buckets& of(uint32_t index, const Record& record, Engine& engine) {
    const Clause& clause = clauses_[index];
    if (clause.group.empty()) return groups_[""];
    const KeyColumn& column = clause.group[0];
    const int64_t value = column.eval(record, engine);
    if (column.show == KeyColumn::kSymbol) symbols_.learn(column, value, record, engine);
    std::string label = text_of(column, value, &symbols_, engine);
    if (groups_.size() >= most_ && groups_.find(label) == groups_.end()) label = "(other)";
    return groups_[label];
  }

  const std::string name_;
  const bool keep_;
  const size_t most_;
  const std::vector<Clause> clauses_;
  std::map<std::string, Buckets> groups_;
  SymbolTexts symbols_;
};

}  // namespace

std::unique_ptr<Operator> make_histogram(const OperatorSpec& spec, std::vector<Clause> clauses) {
  return std::make_unique<ValueHistogram>(spec, std::move(clauses));
}

}  // namespace ktop
