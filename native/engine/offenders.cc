// The table of the state operator, with what only /proc knows of a task that is stuck right now.
#include <algorithm>

#include "engine/state.h"

namespace ktop {
namespace {

constexpr size_t kMostWaitChannels = 256;  // /proc readings per snapshot

// D first, then starved, stopped, sleeping; within a class the longest first.
double severity(const OffenderRow& row) {
  static const std::string order = "STtRD";
  const size_t at = order.find(row.state);
  const double rank = at == std::string::npos ? 0 : static_cast<double>(at);
  const uint64_t worst = std::max(row.current, row.finished ? row.finished->max : 0);
  return rank * 1e9 + static_cast<double>(worst) / 1e6;
}

}  // namespace

void write_offenders(SnapshotData& out, const std::string& name, std::vector<OffenderRow>& rows, Engine& engine) {
  std::sort(rows.begin(), rows.end(), [](auto& a, auto& b) { return severity(a) > severity(b); });
  TableData table;
  table.name = name;
  table.key = {"tid", "life", "state"};
  table.length = static_cast<uint32_t>(rows.size());
  ColumnData& pid = table.number("pid");
  ColumnData& tid = table.number("tid");
  ColumnData& life = table.number("life");
  ColumnData& comm = table.text("comm");
  ColumnData& state = table.text("state");
  ColumnData& count = table.number("count");
  ColumnData& total = table.number("total_ns");
  ColumnData& max = table.number("max_ns");
  ColumnData& p99 = table.number("p99_ns");
  ColumnData& current = table.number("current_ns");
  ColumnData& wchan = table.text("wchan");
  ColumnData& stack = table.text("stack");
  ColumnData& rank = table.number("severity");
  size_t channels = 0;
  for (const OffenderRow& row : rows) {
    pid.add(row.pid);
    tid.add(row.tid);
    life.add(row.life);
    comm.add_text(row.comm);
    state.add_text(std::string(1, row.state));
    const Latency none;
    const Latency& done = row.finished ? *row.finished : none;
    count.add(static_cast<double>(done.count));
    total.add(static_cast<double>(done.sum));
    max.add(static_cast<double>(std::max(done.max, row.current)));
    p99.add(done.count ? static_cast<double>(done.quantile(0.99)) : kUnknown);
    current.add(row.current ? static_cast<double>(row.current) : kUnknown);
    wchan.add_text(
        row.current && row.state != 'R' && channels++ < kMostWaitChannels ? engine.world.wait_channel(row.tid) : "");
    stack.add_text(stack_text(row.stack, engine));
    rank.add(severity(row));
  }
  out.tables.push_back(std::move(table));
}

}  // namespace ktop
