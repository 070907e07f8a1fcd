// What pairs and stays have in common once they are over: some values and a length. A Rollup is one table of them, by
// some of the values.
#pragma once
#include <string>
#include <vector>

#include "engine/key_map.h"
#include "engine/operator.h"
#include "engine/stats.h"

namespace ktop {

class Rollup {
 public:
  static constexpr uint32_t kNone = KeyMap::kNone;
  // `columns` are all there are, `counters` the names of numbers kept beside the lengths.
  // Throws Failure(kInternal) when the table is by a column that does not exist.
  Rollup(const RollupSpec& spec, const std::vector<KeyColumn>& columns, const std::vector<std::string>& counters,
         uint32_t cap);
  // Row of these values, one for each column. kNone where the table is full, which is counted, or not about them.
  uint32_t row(const int64_t* values);
  void add(uint32_t row, uint64_t took) { took_[row].add(took); }
  int64_t& counter(uint32_t row, size_t which) { return counters_[row * names_.size() + which]; }
  const int64_t* key(uint32_t row) const { return rows_.key(row); }
  bool has(uint32_t row) const { return row < rows_.rows() && rows_.alive(row); }
  // Columns of the key, then count, total_ns, min_ns, avg_ns, p50_ns, p95_ns, p99_ns, max_ns, and the counters. Of
  // those count, total_ns and the counters in `sums` (a bit each) add up and are scaled, unless it is `kept` for longer
  // than an interval.
  void write(SnapshotData& out, const std::vector<SymbolTexts>& symbols, Engine& engine, uint32_t sums = 0,
             bool kept = false);
  void clear();

 private:
  static constexpr size_t kMostBy = 6;
  std::string name_;
  std::vector<KeyColumn> columns_;  // of the key
  std::vector<size_t> by_;          // and where their values are
  size_t only_ = SIZE_MAX;
  std::vector<std::string> names_;
  uint32_t cap_;
  KeyMap rows_;
  std::vector<Latency> took_;
  std::vector<int64_t> counters_;
  uint64_t overflow_ = 0;
};

// The tables of an operator: those it asks for, else one of its own name by all columns.
std::vector<Rollup> make_rollups(const OperatorSpec& spec, const std::vector<KeyColumn>& columns,
                                 const std::vector<std::string>& counters);

}  // namespace ktop
