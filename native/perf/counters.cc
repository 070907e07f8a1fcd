#include "counters.h"

#include <linux/perf_event.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "closer.h"
#include "cpus.h"
#include "event_fd.h"
#include "trace/tracefs.h"
#include "transport.h"

namespace ktop {
namespace {

bool is_cycles(const std::string& event) { return event.compare(0, 11, "pmu:cycles-") == 0; }

// False when there is no such event.
bool attr_of(const std::string& event, const std::string& tracefs, perf_event_attr* attr) {
  *attr = {};
  attr->size = sizeof *attr;
  static const std::pair<const char*, uint64_t> software[] = {{"sw:context-switches", PERF_COUNT_SW_CONTEXT_SWITCHES},
                                                              {"sw:cpu-migrations", PERF_COUNT_SW_CPU_MIGRATIONS},
                                                              {"sw:minor-faults", PERF_COUNT_SW_PAGE_FAULTS_MIN},
                                                              {"sw:major-faults", PERF_COUNT_SW_PAGE_FAULTS_MAJ}};
  for (auto& [name, config] : software)
    if (event == name) {
      attr->type = PERF_TYPE_SOFTWARE;
      attr->config = config;
      return true;
    }
  if (event.compare(0, 14, "pmu:split-lock") == 0) {
    attr->type = PERF_TYPE_RAW;
    attr->config = split_lock_config(read_file("/proc/cpuinfo"));
    attr->exclude_host = event == "pmu:split-lock-guest";
    return attr->config != 0;
  }
  // Cycles at the reference clock: they follow neither the speed of the processor nor its sleep.
  if (is_cycles(event)) {
    attr->type = PERF_TYPE_HARDWARE;
    attr->config = PERF_COUNT_HW_REF_CPU_CYCLES;
    attr->exclude_guest = attr->exclude_hv = 1;
    attr->exclude_kernel = event == "pmu:cycles-user";
    attr->exclude_user = event == "pmu:cycles-kernel";
    return attr->exclude_kernel != attr->exclude_user;
  }
  const size_t colon = event.find(':');
  if (colon == std::string::npos || tracefs.empty()) return false;
  const std::string system = event.substr(0, colon), name = event.substr(colon + 1);
  if (!has_event(tracefs, system, name)) return false;
  attr->type = PERF_TYPE_TRACEPOINT;
  attr->config = load_format(tracefs, system, name).type;
  return true;
}

// What this kernel or this processor has not. All else, such as too many open files, is a failure: a counter that is
// missing on one CPU would count too little.
bool is_absent(int error) { return error == ENOENT || error == ENODEV || error == EOPNOTSUPP || error == EINVAL; }

}  // namespace

Counters::Counters(const std::vector<std::string>& events, const std::vector<int>& cpus, const std::string& tracefs)
    : cpus_(choose_cpus(cpus)), present_(events.size(), false), why_(events.size()) {
  OpeningNow opening;
  fds_.assign(cpus_.size(), std::vector<int>(events.size(), -1));
  for (size_t e = 0; e < events.size(); e++) {
    perf_event_attr attr;
    const bool hardware = events[e].compare(0, 4, "pmu:") == 0;
    if (!attr_of(events[e], tracefs, &attr)) {
      if (hardware) why_[e] = "no such counter is known for this processor";
      continue;
    }
    for (size_t c = 0; c < cpus_.size(); c++) {
      const int fd = try_open_event(&attr, cpus_[c], -1);
      fds_[c][e] = fd < 0 ? -1 : fd;
      if (fd >= 0)
        present_[e] = true;
      else if (!is_cycles(events[e]) && (fd == -EACCES || fd == -EPERM || (!hardware && !is_absent(-fd))))
        abandon(-fd, events[e]);
      else if (hardware)
        why_[e] = std::string("the counter does not open: ") + std::strerror(-fd);
    }
  }
}

Counters::Counters(const std::vector<CountedEvent>& group, const std::vector<int>& cpus, const std::string& tracefs)
    : cpus_(choose_cpus(cpus)), present_(group.size(), true), why_(group.size()) {
  OpeningNow opening;
  for (size_t c = 0; c < cpus_.size(); c++) {
    perf_event_attr lead = {};
    lead.size = sizeof lead;
    lead.type = PERF_TYPE_SOFTWARE;
    lead.config = PERF_COUNT_SW_DUMMY;
    lead.disabled = 1;
    lead.read_format = PERF_FORMAT_GROUP;
    const int leader = try_open_event(&lead, cpus_[c], -1);
    if (leader < 0) abandon(-leader, "counters");
    leaders_.push_back(leader);
    fds_.emplace_back();
    for (const CountedEvent& event : group) {
      perf_event_attr attr;
      if (!attr_of(event.name, tracefs, &attr)) {
        release();
        throw Failure(Failure::kHost, "this kernel has no event " + event.name + "; ktop list tells what it has");
      }
      attr.read_format = PERF_FORMAT_GROUP;
      const int fd = try_open_event(&attr, cpus_[c], leader);
      if (fd < 0) abandon(-fd, event.name);
      fds_.back().push_back(fd);
      try {
        const size_t colon = event.name.find(':');
        set_filter(fd, {event.name.substr(0, colon), event.name.substr(colon + 1), 0, event.filter, false}, tracefs);
      } catch (const Failure&) {
        release();
        throw;
      }
    }
  }
  for (int leader : leaders_) ioctl(leader, PERF_EVENT_IOC_ENABLE, 0);
}

void Counters::abandon(int error, const std::string& what) {
  release();
  fail_open(error, what);
}

Counters::~Counters() { release(); }

void Counters::release() {
  ClosingWork work;
  for (int fd : leaders_) {
    ioctl(fd, PERF_EVENT_IOC_DISABLE, 0);
    work.fds.push_back(fd);
  }
  for (auto& row : fds_)
    for (int fd : row) {
      if (fd < 0) continue;
      ioctl(fd, PERF_EVENT_IOC_DISABLE, 0);
      work.fds.push_back(fd);
    }
  fds_.clear();
  leaders_.clear();
  close_later(std::move(work));
}

std::vector<std::vector<uint64_t>> Counters::read() const {
  std::vector<std::vector<uint64_t>> all;
  for (size_t c = 0; c < leaders_.size(); c++) {
    // How many there are, the leader's count, theirs.
    std::vector<uint64_t> values(fds_[c].size() + 2);
    const auto size = static_cast<ssize_t>(values.size() * sizeof values[0]);
    if (::read(leaders_[c], values.data(), static_cast<size_t>(size)) != size) values.assign(values.size(), 0);
    all.emplace_back(values.begin() + 2, values.end());
  }
  if (!leaders_.empty()) return all;
  for (auto& row : fds_) {
    auto& values = all.emplace_back();
    for (int fd : row) {
      uint64_t value = 0;
      if (fd >= 0 && ::read(fd, &value, sizeof value) != sizeof value) value = 0;
      values.push_back(value);
    }
  }
  return all;
}

}  // namespace ktop
