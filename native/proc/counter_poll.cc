// Counting events as a table: one row per CPU, what happened since the last reading.
#include <dirent.h>

#include <algorithm>
#include <map>

#include "files.h"
#include "perf/counters.h"
#include "perf/cpus.h"
#include "poll.h"

namespace ktop {
namespace {

// What tells of split locks where no counter does. Of other hardware counters the monitor knows what serves instead.
const std::string& without_split_locks() {
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
      : spec_(spec), wanted_(cpus), tracefs_(tracefs), online_(online_cpus()) {
    open(cpus);
  }

  void read(const std::string& name, SnapshotData& out, Tasks&) override {
    follow_cpus(out);
    const Counters& counters = *open_;
    const auto now = counters.read();
    TableData table;
    table.name = name;
    table.key = {"cpu"};
    ColumnData& cpu = table.number("cpu");
    for (int each : counters.cpus()) cpu.add(each);
    std::vector<const std::vector<uint64_t>*> gone;  // what CPUs counted that are offline now
    for (auto& [number, totals] : carried_) {
      if (std::binary_search(counters.cpus().begin(), counters.cpus().end(), number)) continue;
      cpu.add(number);
      gone.push_back(&totals);
    }
    table.length = static_cast<uint32_t>(now.size() + gone.size());
    for (size_t e = 0; e < spec_.events.size(); e++) {
      ColumnData& column = table.number(spec_.events[e].first);
      for (size_t c = 0; c < now.size(); c++)
        // Absent events are unknown, not zero.
        column.add(counters.present(e) ? static_cast<double>(now[c][e] - std::min(before_[c][e], now[c][e]))
                                       : kUnknown);
      for (size_t c = 0; c < gone.size(); c++) column.add(0);
    }
    if (!spec_.filters.empty()) {
      for (size_t e = 0; e < spec_.events.size(); e++) {
        ColumnData& column = table.number("total:" + spec_.events[e].first);
        for (size_t c = 0; c < now.size(); c++) {
          const auto carried = carried_.find(counters.cpus()[c]);
          column.add(static_cast<double>(now[c][e] + (carried == carried_.end() ? 0 : carried->second[e])));
        }
        for (const auto* totals : gone) column.add(static_cast<double>((*totals)[e]));
      }
      if (out.backend == "/proc") out.backend = "perf counters";
    }
    for (size_t e = 0; e < spec_.events.size(); e++)
      if (!counters.why_absent(e).empty() && spec_.events[e].second.compare(0, 14, "pmu:split-lock") == 0)
        out.notes.push_back("no hardware count: " + counters.why_absent(e) + "; " + without_split_locks());
    before_ = now;
    out.tables.push_back(std::move(table));
  }

 private:
  using Reading = std::vector<std::vector<uint64_t>>;

  void open(const std::vector<int>& cpus) {
    const bool is_group = !spec_.filters.empty();
    if (is_group)
      open_ = std::make_unique<Counters>(group(spec_), cpus, tracefs_);
    else
      open_ = std::make_unique<Counters>(names(spec_), cpus, tracefs_);
    before_ = is_group ? Reading(open_->cpus().size(), nothing(spec_)) : open_->read();
  }

  // Counters of a CPU end when it goes and do not come back with it: all are opened anew. What they counted in the
  // interval until then is lost; the totals of filtered ones are kept.
  void follow_cpus(SnapshotData& out) {
    std::vector<int> online = online_cpus();
    if (online == online_) return;
    online_ = online;
    std::vector<int> cpus;
    for (int cpu : wanted_)
      if (std::binary_search(online.begin(), online.end(), cpu)) cpus.push_back(cpu);
    if (!wanted_.empty() && cpus.empty()) return;
    for (size_t c = 0; c < before_.size() && !spec_.filters.empty(); c++) {
      auto& totals = carried_.try_emplace(open_->cpus()[c], nothing(spec_)).first->second;
      for (size_t e = 0; e < totals.size(); e++) totals[e] += before_[c][e];
    }
    try {
      open(cpus);
    } catch (const Failure& failure) {
      out.notes.push_back(std::string("the CPUs changed, and counters cannot be opened anew: ") + failure.what());
    }
  }

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
  const std::vector<int> wanted_;
  const std::string tracefs_;
  std::vector<int> online_;
  std::unique_ptr<Counters> open_;
  Reading before_;
  std::map<int, std::vector<uint64_t>> carried_;  // by CPU, of counters that have been closed
};

}  // namespace

std::string why_no_hardware_count(const PollSpec& spec, const std::string& tracefs) {
  for (auto& [column, event] : spec.events) {
    if (event.compare(0, 14, "pmu:split-lock") != 0) continue;
    const std::string why = Counters(std::vector<std::string>{event}, {}, tracefs).why_absent(0);
    if (!why.empty()) return why + "; " + without_split_locks();
  }
  return "";
}

std::unique_ptr<Poll> make_counter_poll(const PollSpec& spec, const std::vector<int>& cpus,
                                        const std::string& tracefs) {
  return std::make_unique<CounterPoll>(spec, cpus, tracefs);
}

}  // namespace ktop
