// Feeds a pipeline with made-up records: formats are written as a list of fields, values by name.
#pragma once
#include <cstring>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "engine/pipeline.h"
#include "perf/transport.h"
#include "test/check.h"

namespace ktop_test {

using namespace ktop;

inline OperatorSpec op(const std::string& kind, const std::string& name) {
  OperatorSpec spec;
  spec.op = kind;
  spec.name = name;
  return spec;
}

inline Plan plan_of(std::vector<OperatorSpec> operators) {
  Plan plan;
  plan.operators = std::move(operators);
  return plan;
}

template <typename... F>
std::vector<std::unique_ptr<EventFormat>> these(F... each) {
  std::vector<std::unique_ptr<EventFormat>> list;
  (list.push_back(std::move(each)), ...);
  return list;
}

// All fields are 8-byte signed integers, but names that end in "[16]", which are text.
inline std::unique_ptr<EventFormat> made_format(const std::string& name, const std::vector<std::string>& fields,
                                                const std::string& print = "\"\"") {
  std::string text = "name: " + name + "\nID: 7\nformat:\n";
  text += "\tfield:unsigned short common_type;\toffset:0;\tsize:2;\tsigned:0;\n";
  text += "\tfield:unsigned char common_flags;\toffset:2;\tsize:1;\tsigned:0;\n";
  text += "\tfield:int common_pid;\toffset:4;\tsize:4;\tsigned:1;\n\n";
  size_t offset = 8;
  for (const std::string& field : fields) {
    const bool is_text = field.back() == ']';
    const size_t size = is_text ? 16 : 8;
    text += "\tfield:" + std::string(is_text ? "char " : "long ") + field + ";\toffset:" + std::to_string(offset) +
            ";\tsize:" + std::to_string(size) + ";\tsigned:1;\n";
    offset += size;
  }
  return std::make_unique<EventFormat>(parse_format("made", text + "\nprint fmt: " + print + "\n"));
}

class Feed {
 public:
  Feed(Plan plan, std::vector<std::unique_ptr<EventFormat>> formats) {
    std::vector<int> slots;
    for (auto& format : formats) {
      slots.push_back(static_cast<int>(slots.size()));
      formats_.push_back(format.get());
      plan.events.push_back({format->name, {"made:" + format->name}, "", false, false, ""});
    }
    pipeline = std::make_unique<Pipeline>(plan, std::move(formats), slots);
  }
  struct From {
    uint32_t tid = 0, cpu = 0;
    uint8_t flags = 0;
    std::vector<uint64_t> frames;
  };
  void event(size_t slot, Nanos time, const From& from, const std::map<std::string, int64_t>& values,
             const std::map<std::string, std::string>& texts = {}) {
    uint8_t raw[256] = {};
    raw[2] = from.flags;
    for (auto& [name, value] : values) std::memcpy(raw + formats_[slot]->find(name)->offset, &value, 8);
    for (auto& [name, text] : texts) text.copy(reinterpret_cast<char*>(raw) + formats_[slot]->find(name)->offset, 15);
    Record record;
    record.time = time;
    record.cpu = from.cpu;
    record.slot = static_cast<uint16_t>(slot);
    record.tid = from.tid;
    record.raw = raw;
    record.size = sizeof raw;
    record.frames = from.frames.data();
    record.frame_count = static_cast<uint32_t>(from.frames.size());
    pipeline->on_event(record);
  }
  void tick(Nanos time, uint32_t cpu, uint32_t tid, bool user) {
    Record record;
    record.time = time;
    record.cpu = cpu;
    record.slot = static_cast<uint16_t>(formats_.size());
    record.tid = tid;
    record.user = user;
    pipeline->on_event(record);
  }
  void fork(uint32_t pid, uint32_t tid, uint32_t parent) {
    pipeline->on_task({TaskRecord::kFork, false, 1, pid, tid, parent, parent, nullptr});
  }
  void exit(uint32_t pid, uint32_t tid, Nanos time) {
    pipeline->on_task({TaskRecord::kExit, false, time, pid, tid, 1, 1, nullptr});
  }
  void comm(uint32_t pid, uint32_t tid, const char* name, bool exec) {
    pipeline->on_task({TaskRecord::kComm, exec, 1, pid, tid, 0, 0, name});
  }
  SnapshotData snapshot(Nanos now) {
    SnapshotData out;
    pipeline->snapshot(out, now);
    return out;
  }
  std::unique_ptr<Pipeline> pipeline;

 private:
  std::vector<EventFormat*> formats_;
};

inline const TableData& table(const SnapshotData& from, const std::string& name) {
  for (const TableData& each : from.tables)
    if (each.name == name) return each;
  throw std::runtime_error("no table " + name);
}

// The cell of the row whose column `key` shows `value` (numbers as text); "none" when there is no such row.
inline std::string cell(const TableData& in, const std::string& key, const std::string& value,
                        const std::string& column) {
  const auto text = [&](const std::string& name, uint32_t row) {
    for (const ColumnData& each : in.columns)
      if (each.name == name)
        return each.is_text                    ? each.strings[each.ids[row]]
               : std::isnan(each.numbers[row]) ? std::string("-")
                                               : std::to_string(static_cast<int64_t>(each.numbers[row]));
    return std::string("no column");
  };
  for (uint32_t row = 0; row < in.length; row++)
    if (text(key, row) == value) return text(column, row);
  return "none";
}

}  // namespace ktop_test
