// The table of pairs that have begun and not ended, with what only /proc knows of their tasks.
#pragma once
#include <vector>

#include "engine/operator.h"

namespace ktop {

struct OpenPair {
  Record start;
  const int64_t* values;  // of the start's group columns
  uint64_t age;
  bool exact;  // false: older than that
  bool alarm;
};

class OpenPairs {
 public:
  explicit OpenPairs(const OpenSpec& spec) : spec_(spec) {}
  bool on() const { return !spec_.name.empty(); }
  // pid tid comm cpu, the columns, age_ns, at_least (1: it began before we looked), alarm, the columns of its own,
  // and state, wchan, stack. Those of an alarm first, the oldest of each first; sorts `rows`.
  void write(SnapshotData& out, std::vector<OpenPair>& rows, const std::vector<KeyColumn>& columns,
             const std::vector<SymbolTexts>& symbols, Engine& engine);

 private:
  void write_own(TableData& table, const std::vector<OpenPair>& rows, Engine& engine);
  std::string own_text(const KeyColumn& column, const OpenPair& row, bool look, Engine& engine) const;
  static constexpr size_t kMostRows = 1000;
  static constexpr size_t kMostLooks = 128;  // rows of which /proc is read, per snapshot
  const OpenSpec spec_;
  std::vector<std::vector<KeyColumn>> own_;  // by slot of the start, compiled when first seen
};

}  // namespace ktop
