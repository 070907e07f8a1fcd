// Counting events as a table: one row per CPU, what happened since the last reading.
#include <dirent.h>

#include "files.h"
#include "perf/counters.h"
#include "poll.h"

namespace ktop {
namespace {

// What tells of split locks where no counter does.
const std::string& without_counter() {
  static const std::string text = [] {
    const std::string cpuinfo = slurp("/proc/cpuinfo");
    const bool reported = cpuinfo.find(" split_lock_detect") != std::string::npos ||
                          cpuinfo.find(" bus_lock_detect") != std::string::npos;
    return reported ? "the kernel log serves instead, a lower bound (at most 10 lines in 5 s)"
                    : "nor does this processor report split locks to the kernel log (no split_lock_detect, no "
                      "bus_lock_detect): nothing can be seen here";
  }();
  return text;
}

class CounterPoll final : public Poll {
 public:
  CounterPoll(const PollSpec& spec, const std::vector<int>& cpus, const std::string& tracefs)
      : spec_(spec),
        counters_(spec.filters.empty() ? Counters(names(spec), cpus, tracefs) : Counters(group(spec), cpus, tracefs)),
        before_(spec.filters.empty() ? counters_.read() : Reading(counters_.cpus().size(), nothing(spec))) {}

  void read(const std::string& name, SnapshotData& out, Tasks&) override {
    const auto now = counters_.read();
    TableData table;
    table.name = name;
    table.key = {"cpu"};
    table.length = static_cast<uint32_t>(now.size());
    ColumnData& cpu = table.number("cpu");
    for (int each : counters_.cpus()) cpu.add(each);
    for (size_t e = 0; e < spec_.events.size(); e++) {
      ColumnData& column = table.number(spec_.events[e].first);
      for (size_t c = 0; c < now.size(); c++)
        // Absent events are unknown, not zero.
        column.add(counters_.present(e) ? static_cast<double>(now[c][e] - before_[c][e]) : kUnknown);
    }
    if (!spec_.filters.empty()) {
      for (size_t e = 0; e < spec_.events.size(); e++) {
        ColumnData& column = table.number("total:" + spec_.events[e].first);
        for (auto& row : now) column.add(static_cast<double>(row[e]));
      }
      if (out.backend == "/proc") out.backend = "perf counters";
    }
    for (size_t e = 0; e < spec_.events.size(); e++)
      if (!counters_.why_absent(e).empty())
        out.notes.push_back("no hardware count: " + counters_.why_absent(e) + "; " + without_counter());
    before_ = now;
    out.tables.push_back(std::move(table));
  }

 private:
  using Reading = std::vector<std::vector<uint64_t>>;

  static std::vector<uint64_t> nothing(const PollSpec& spec) { return std::vector<uint64_t>(spec.events.size()); }

  // With their filters, and without what ktop's own threads do.
  static std::vector<CountedEvent> group(const PollSpec& spec) {
    std::string others;
    if (DIR* dir = spec.others ? opendir("/proc/self/task") : nullptr) {
      while (dirent* entry = readdir(dir))
        if (entry->d_name[0] != '.')
          others += (others.empty() ? "" : " && ") + ("common_pid != " + std::string(entry->d_name));
      closedir(dir);
    }
    std::vector<CountedEvent> events;
    for (auto& [column, event] : spec.events) {
      std::string filter;
      for (auto& [name, text] : spec.filters)
        if (name == column) filter = text;
      // Those that rule out most come first.
      if (!others.empty()) filter = filter.empty() ? others : "(" + filter + ") && " + others;
      events.push_back({event, filter});
    }
    return events;
  }

  static std::vector<std::string> names(const PollSpec& spec) {
    std::vector<std::string> events;
    for (auto& [column, event] : spec.events) events.push_back(event);
    return events;
  }
  const PollSpec spec_;
  const Counters counters_;
  Reading before_;
};

}  // namespace

std::string why_no_hardware_count(const PollSpec& spec, const std::string& tracefs) {
  for (auto& [column, event] : spec.events) {
    if (event.compare(0, 4, "pmu:") != 0) continue;
    const std::string why = Counters(std::vector<std::string>{event}, {}, tracefs).why_absent(0);
    if (!why.empty()) return why + "; " + without_counter();
  }
  return "";
}

std::unique_ptr<Poll> make_counter_poll(const PollSpec& spec, const std::vector<int>& cpus,
                                        const std::string& tracefs) {
  return std::make_unique<CounterPoll>(spec, cpus, tracefs);
}

}  // namespace ktop
