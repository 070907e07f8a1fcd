#include "engine/open_pairs.h"

#include <algorithm>

#include "proc/task_now.h"

namespace ktop {

void OpenPairs::write(SnapshotData& out, std::vector<OpenPair>& rows, const std::vector<KeyColumn>& columns,
                      const std::vector<SymbolTexts>& symbols, Engine& engine) {
  std::sort(rows.begin(), rows.end(),
            [](const OpenPair& a, const OpenPair& b) { return a.alarm != b.alarm ? a.alarm : a.age > b.age; });
  if (rows.size() > kMostRows) {
    out.notes.push_back(spec_.name + ": the first " + std::to_string(kMostRows) + " of " + std::to_string(rows.size()) +
                        " are shown");
    rows.resize(kMostRows);
  }
  TableData table;
  table.name = spec_.name;
  table.key = {"tid"};
  table.length = static_cast<uint32_t>(rows.size());
  ColumnData& pid = table.number("pid");
  ColumnData& tid = table.number("tid");
  ColumnData& comm = table.text("comm");
  ColumnData& cpu = table.number("cpu");
  ColumnData& age = table.number("age_ns");
  ColumnData& at_least = table.number("at_least");
  ColumnData& alarm = table.number("alarm");
  for (const OpenPair& row : rows) {
    const Task& task = engine.tasks.get(row.start.tid);
    pid.add(task.pid);
    tid.add(row.start.tid);
    comm.add_text(engine.strings.text(task.comm));
    // Where it began is not known of what had begun before.
    cpu.add(row.exact ? row.start.cpu : kUnknown);
    age.add(static_cast<double>(row.age));
    at_least.add(!row.exact);
    alarm.add(row.alarm);
  }
  for (size_t i = 0; i < columns.size(); i++) {
    if (columns[i].name == "pid" || columns[i].name == "tid" || columns[i].name == "cpu") continue;
    const bool text = columns[i].show != KeyColumn::kNumber;
    ColumnData& column = text ? table.text(columns[i].name) : table.number(columns[i].name);
    for (const OpenPair& row : rows)
      if (text)
        column.add_text(text_of(columns[i], row.values[i], &symbols[i], engine));
      else
        column.add(static_cast<double>(row.values[i]));
  }
  write_own(table, rows, engine);
  out.tables.push_back(std::move(table));
}

void OpenPairs::write_own(TableData& table, const std::vector<OpenPair>& rows, Engine& engine) {
  if (own_.size() < engine.formats.size()) own_.resize(engine.formats.size());
  std::vector<ColumnData*> own;
  for (size_t i = 0; i < spec_.columns.size(); i++) own.push_back(&table.text(spec_.columns[i].first));
  ColumnData* state = spec_.task ? &table.text("state") : nullptr;
  ColumnData* wchan = spec_.task ? &table.text("wchan") : nullptr;
  ColumnData* stack = spec_.stack ? &table.text("stack") : nullptr;
  size_t looks = 0;
  for (const OpenPair& row : rows) {
    const bool look = engine.world.here() && looks++ < kMostLooks;
    std::vector<KeyColumn>& columns = own_[row.start.slot];
    if (columns.empty())
      for (auto& [name, text] : spec_.columns) columns.emplace_back(name, text, engine.formats[row.start.slot], engine);
    for (size_t i = 0; i < columns.size(); i++) own[i]->add_text(own_text(columns[i], row, look, engine));
    if (state) {
      const char letter = look ? task_state(row.start.tid) : '\0';
      state->add_text(letter ? std::string(1, letter) : "");
    }
    if (wchan) wchan->add_text(look ? engine.world.wait_channel(row.start.tid) : "");
    if (!stack) continue;
    std::string text;
    if (look)
      for (const std::string& frame : kernel_stack(row.start.tid)) text += (text.empty() ? "" : ";") + frame;
    stack->add_text(text);
  }
}

std::string OpenPairs::own_text(const KeyColumn& column, const OpenPair& row, bool look, Engine& engine) const {
  const int64_t value = column.eval(row.start, engine);
  if (column.show == KeyColumn::kFile) return look ? file_of(row.start.tid, value) : "";
  if (column.show == KeyColumn::kPath)
    return look && value ? text_of_memory(row.start.tid, static_cast<uint64_t>(value)) : "";
  return text_of(column, value, nullptr, engine);
}

}  // namespace ktop
