#include "engine/stay_tables.h"

#include <algorithm>

namespace ktop {
namespace {

std::vector<KeyColumn> cpu_and_task() {
  std::vector<KeyColumn> columns(2);
  columns[0].name = "cpu";
  columns[1].name = "tid";
  return columns;
}

}  // namespace

StayTables::StayTables(const OperatorSpec& spec)
    : name_(spec.name),
      percpu_(spec.percpu),
      tables_(make_rollups(spec, cpu_and_task(), {"begun", "moved", "within_ns", "window_ns", "open", "now_ns"})) {
  for (int64_t cpu : spec.cpus) {
    if (cpu < 0) continue;
    if (static_cast<size_t>(cpu) >= cpus_.size()) cpus_.resize(static_cast<size_t>(cpu) + 1);
    cpus_[static_cast<size_t>(cpu)] = true;
  }
}

void StayTables::add(const Stay& stay) {
  if (!wants(stay.cpu)) return;
  const int64_t values[] = {stay.cpu, stay.tid};
  for (Rollup& table : tables_) {
    const uint32_t row = table.row(values);
    if (row == Rollup::kNone) continue;
    if (stay.ended && stay.exact) table.add(row, stay.took);
    table.counter(row, kBegun) += stay.begun;
    table.counter(row, kMoved) += stay.begun && stay.moved;
    table.counter(row, kWithin) += static_cast<int64_t>(stay.within);
    if (stay.ended) continue;
    table.counter(row, kOpen)++;
    int64_t& oldest = table.counter(row, kNow);
    oldest = std::max(oldest, static_cast<int64_t>(stay.took));
  }
  if (stay.ended && stay.exact) histograms_[percpu_ ? stay.cpu : 0].add(stay.took);
}

void StayTables::write(SnapshotData& out, uint64_t window, Engine& engine) {
  for (Rollup& table : tables_) {
    for (uint32_t row = 0; table.has(row); row++) table.counter(row, kWindow) = static_cast<int64_t>(window);
    table.write(out, {}, engine, 1u << kBegun | 1u << kMoved | 1u << kWithin);
    table.clear();
  }
  if (histograms_.empty()) add_histogram(out, name_, "", "ns", {});
  for (auto& [cpu, histogram] : histograms_)
    add_histogram(out, name_, percpu_ ? "cpu " + std::to_string(cpu) : "", "ns", histogram.count);
  histograms_.clear();
}

}  // namespace ktop
