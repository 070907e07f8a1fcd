#include "engine/rollup.h"

#include "perf/transport.h"

namespace ktop {
namespace {

constexpr uint32_t kMostRows = 8192;  // with a sketch each: some megabytes

size_t index_of(const std::string& table, const std::string& name, const std::vector<KeyColumn>& columns) {
  for (size_t i = 0; i < columns.size(); i++)
    if (columns[i].name == name) return i;
  throw Failure(Failure::kInternal, table + ": no column \"" + name + "\"");
}

}  // namespace

Rollup::Rollup(const RollupSpec& spec, const std::vector<KeyColumn>& columns, const std::vector<std::string>& counters,
               uint32_t cap)
    : name_(spec.name), names_(counters), cap_(cap ? cap : kMostRows), rows_(static_cast<uint32_t>(spec.by.size())) {
  if (spec.by.empty() || spec.by.size() > kMostBy)
    throw Failure(Failure::kInternal, name_ + ": a table needs 1 to 6 columns to be by");
  for (const std::string& column : spec.by) {
    by_.push_back(index_of(name_, column, columns));
    columns_.push_back(columns[by_.back()]);
  }
  if (!spec.only.empty()) only_ = index_of(name_, spec.only, columns);
}

uint32_t Rollup::row(const int64_t* values) {
  if (only_ != SIZE_MAX && values[only_] == 0) return kNone;
  int64_t key[kMostBy];
  for (size_t i = 0; i < by_.size(); i++) key[i] = values[by_[i]];
  const uint32_t found = rows_.find(key);
  if (found != KeyMap::kNone) return found;
  if (rows_.size() >= cap_) {
    overflow_++;
    return kNone;
  }
  bool fresh;
  const uint32_t row = rows_.insert(key, &fresh);
  took_.resize(rows_.rows());
  counters_.resize(rows_.rows() * names_.size());
  return row;
}

void Rollup::write(SnapshotData& out, const std::vector<SymbolTexts>& symbols, Engine& engine, uint32_t sums,
                   bool kept) {
  TableData table;
  table.name = name_;
  table.length = rows_.size();
  // Rows are never erased one by one: all numbers up to the last are in use.
  const auto each = [&](auto visit) {
    for (uint32_t row = 0; row < rows_.rows(); row++) visit(row);
  };
  for (size_t i = 0; i < by_.size(); i++) {
    KeyWriter writer(table, columns_[i], by_[i] < symbols.size() ? &symbols[by_[i]] : nullptr);
    each([&](uint32_t row) { writer.add(rows_.key(row)[i], engine); });
  }
  const auto number = [&](const char* name, auto value) {
    ColumnData& column = table.number(name);
    each([&](uint32_t row) {
      const double amount = static_cast<double>(value(took_[row]));
      column.add(kept ? amount : out.scaled(amount));
    });
  };
  // What has not ended yet has a row all the same: nothing is known of its lengths.
  const auto length = [&](const char* name, auto value) {
    ColumnData& column = table.number(name);
    each([&](uint32_t row) { column.add(took_[row].count ? static_cast<double>(value(took_[row])) : kUnknown); });
  };
  number("count", [](const Latency& s) { return s.count; });
  number("total_ns", [](const Latency& s) { return s.sum; });
  length("min_ns", [](const Latency& s) { return s.min; });
  length("avg_ns", [](const Latency& s) { return s.sum / s.count; });
  length("p50_ns", [](const Latency& s) { return s.quantile(0.50); });
  length("p95_ns", [](const Latency& s) { return s.quantile(0.95); });
  length("p99_ns", [](const Latency& s) { return s.quantile(0.99); });
  length("max_ns", [](const Latency& s) { return s.max; });
  for (size_t i = 0; i < names_.size(); i++) {
    ColumnData& column = table.number(names_[i]);
    const bool adds_up = !kept && (sums >> i & 1);
    each([&](uint32_t row) {
      const double amount = static_cast<double>(counter(row, i));
      column.add(adds_up ? out.scaled(amount) : amount);
    });
  }
  if (overflow_)
    out.notes.push_back(name_ + ": more than " + std::to_string(cap_) + " rows; " + std::to_string(overflow_) +
                        " pairs are in none of them");
  out.tables.push_back(std::move(table));
}

void Rollup::clear() {
  rows_.clear();
  took_.clear();
  counters_.clear();
  overflow_ = 0;
}

std::vector<Rollup> make_rollups(const OperatorSpec& spec, const std::vector<KeyColumn>& columns,
                                 const std::vector<std::string>& counters) {
  std::vector<Rollup> tables;
  for (const RollupSpec& table : spec.tables) tables.emplace_back(table, columns, counters, spec.cap);
  if (!tables.empty() || columns.empty()) return tables;
  RollupSpec all{spec.name, {}, ""};
  for (const KeyColumn& column : columns) all.by.push_back(column.name);
  tables.emplace_back(all, columns, counters, spec.cap);
  return tables;
}

}  // namespace ktop
