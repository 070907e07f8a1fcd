// What a session hands to JavaScript: columns, histograms, logs. Plain data, no kernel handles.
#pragma once
#include <cmath>
#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

namespace ktop {

struct ColumnData {
  std::string name;
  bool is_text = false;
  std::vector<double> numbers;       // NaN = not known
  std::vector<uint32_t> ids;         // text: index into `strings`
  std::vector<std::string> strings;  // dictionary of this column
  std::unordered_map<std::string, uint32_t> index;

  void add(double value) { numbers.push_back(value); }
  void add_text(const std::string& text) {
    auto [it, fresh] = index.emplace(text, static_cast<uint32_t>(strings.size()));
    if (fresh) strings.push_back(text);
    ids.push_back(it->second);
  }
};

struct TableData {
  std::string name;
  std::vector<std::string> key;
  std::deque<ColumnData> columns;  // references stay good while columns are added
  uint32_t length = 0;

  ColumnData& number(const std::string& column) { return make(column, false); }
  ColumnData& text(const std::string& column) { return make(column, true); }

 private:
  ColumnData& make(const std::string& column, bool is_text) {
    columns.emplace_back();
    columns.back().name = column;
    columns.back().is_text = is_text;
    return columns.back();
  }
};

struct HistogramData {
  std::string name, label, unit;
  std::vector<double> low, high, count;
};

struct LogData {
  double at_ms = 0;
  uint32_t cpu = 0, pid = 0, tid = 0;
  std::string comm, text;
  std::vector<std::string> stack;
  std::vector<std::string> between;  // what happened from start to end on that CPU and to that task
};

// What was left out of an interval.
struct ShedData {
  uint32_t level = 0;   // rungs down the ladder at its end
  std::string kind;     // "lean", "filter", "duty", "off"; "full": all again, or more than the budget
  double share = 1;     // of what there was, as far as it was watched: figures are divided by it
  double cost_pct = 0;  // of one CPU: what watching all of it would cost
  std::string text;     // one sentence
};

struct SnapshotData {
  bool ended = false;  // there will be no more of it
  double scale = 1;    // by which what adds up is multiplied
  std::optional<ShedData> shed;
  double scaled(double amount) const { return scale == 1 ? amount : std::round(amount * scale); }
  double mono_ms = 0, interval_ms = 0;
  std::string backend;
  double events = 0, lost = 0, late = 0, unseen = 0;
  std::vector<std::string> notes;
  std::vector<TableData> tables;
  std::vector<HistogramData> histograms;
  std::vector<std::pair<std::string, std::vector<LogData>>> logs;
};

constexpr double kUnknown = NAN;

}  // namespace ktop
