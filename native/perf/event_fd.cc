#include "event_fd.h"

#include <errno.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <vector>

#include "trace/text.h"
#include "trace/tracefs.h"

namespace ktop {
namespace {

constexpr uint16_t kMaxStack = 32;
#if defined(__x86_64__)
constexpr int kStackPointer = 7;  // PERF_REG_X86_SP
#else
constexpr int kStackPointer = 31;  // PERF_REG_ARM64_SP
#endif

perf_event_attr base_attr() {
  perf_event_attr attr;
  memset(&attr, 0, sizeof attr);
  attr.size = sizeof attr;
  attr.disabled = 1;
  attr.sample_id_all = 1;
  attr.use_clockid = 1;
  attr.clockid = CLOCK_MONOTONIC;
  return attr;
}

bool raise_file_limit() {
  rlimit limit;
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= limit.rlim_max) return false;
  limit.rlim_cur = limit.rlim_max;
  return setrlimit(RLIMIT_NOFILE, &limit) == 0;
}

int paranoid_level() {
  try {
    return std::stoi(read_file("/proc/sys/kernel/perf_event_paranoid"));
  } catch (const std::exception&) {
    return 2;
  }
}

// Names that a filter uses as fields: words outside quotes that are no numbers, with what follows a '.' cut off.
std::vector<std::string> filter_fields(std::string_view filter) {
  std::vector<std::string> names;
  bool operand = true;  // a field comes before its operator, a value after it
  while (!filter.empty()) {
    const char c = filter[0];
    if (c == '"' || c == '\'') {
      filter.remove_prefix(1);
      const size_t end = filter.find(c);
      filter.remove_prefix(end == filter.npos ? filter.size() : end + 1);
    } else if (is_identifier(c)) {
      size_t n = 0;
      while (n < filter.size() && (is_identifier(filter[n]) || filter[n] == '.')) n++;
      const std::string_view word = filter.substr(0, n);
      if (operand && !is_digit(c)) names.emplace_back(word.substr(0, word.find('.')));
      operand = false;
      filter.remove_prefix(n);
    } else {
      if ((c == '&' || c == '|') && filter.size() > 1 && filter[1] == c) {
        operand = true;
        filter.remove_prefix(1);
      }
      filter.remove_prefix(1);
    }
  }
  return names;
}

}  // namespace

perf_event_attr tracepoint_attr(uint16_t type, EventUse use, uint32_t user_stack) {
  perf_event_attr attr = base_attr();
  attr.type = PERF_TYPE_TRACEPOINT;
  attr.config = type;
  attr.sample_period = 1;
  attr.sample_type = PERF_SAMPLE_TIME | PERF_SAMPLE_RAW;
  if (use == EventUse::kStack) {
    attr.sample_type |= PERF_SAMPLE_CALLCHAIN;
    attr.exclude_callchain_user = 1;
    attr.sample_max_stack = kMaxStack;
  }
  if (use == EventUse::kUser) {
    attr.sample_type |= PERF_SAMPLE_REGS_USER | PERF_SAMPLE_STACK_USER;
    attr.sample_regs_user = 1ull << kStackPointer;
    attr.sample_stack_user = (user_stack + 7) & ~7u;
  }
  return attr;
}

perf_event_attr side_band_attr(bool tasks) {
  perf_event_attr attr = base_attr();
  attr.type = PERF_TYPE_SOFTWARE;
  attr.config = PERF_COUNT_SW_DUMMY;
  attr.sample_type = PERF_SAMPLE_TIME;
  attr.task = tasks;
  attr.comm = tasks;
  attr.comm_exec = tasks;
  return attr;
}

perf_event_attr texts_attr() {
  perf_event_attr attr = base_attr();
  attr.type = PERF_TYPE_SOFTWARE;
  attr.config = PERF_COUNT_SW_BPF_OUTPUT;
  attr.sample_period = 1;
  attr.sample_type = PERF_SAMPLE_TIME | PERF_SAMPLE_RAW;
  return attr;
}

perf_event_attr sampler_attr(const SamplerSpec& sampler) {
  perf_event_attr attr = base_attr();
  switch (sampler.source) {
    case SamplerSpec::kClock:
      attr.type = PERF_TYPE_SOFTWARE;
      attr.config = PERF_COUNT_SW_CPU_CLOCK;
      break;
    case SamplerSpec::kRefCycles:
    case SamplerSpec::kCycles:
      attr.type = PERF_TYPE_HARDWARE;
      attr.config = sampler.source == SamplerSpec::kCycles ? PERF_COUNT_HW_CPU_CYCLES : PERF_COUNT_HW_REF_CPU_CYCLES;
      break;
    case SamplerSpec::kRaw:
      attr.type = PERF_TYPE_RAW;
      attr.config = sampler.raw_config;
      break;
  }
  if (sampler.period) {
    attr.sample_period = sampler.period;
  } else {
    attr.freq = 1;
    attr.sample_freq = sampler.frequency;
  }
  attr.exclude_user = sampler.exclude_user;
  attr.exclude_kernel = sampler.exclude_kernel;
  attr.exclude_guest = sampler.exclude_guest;
  attr.exclude_host = sampler.exclude_host;
  attr.exclude_idle = sampler.exclude_idle;
  attr.sample_type = PERF_SAMPLE_IP | PERF_SAMPLE_TID | PERF_SAMPLE_TIME;
  if (sampler.stack) {
    attr.sample_type |= PERF_SAMPLE_CALLCHAIN;
    attr.exclude_callchain_user = 1;
    attr.sample_max_stack = kMaxStack;
  }
  return attr;
}

void set_watermark(perf_event_attr* attr, uint32_t pages) {
  attr->watermark = 1;
  attr->wakeup_watermark = pages * static_cast<uint32_t>(sysconf(_SC_PAGESIZE)) / 4;
}

int try_open_event(perf_event_attr* attr, int cpu, int group) {
  for (;;) {
    const long fd = syscall(SYS_perf_event_open, attr, -1, cpu, group, PERF_FLAG_FD_CLOEXEC);
    if (fd >= 0) return static_cast<int>(fd);
    if (errno == EINTR) continue;
    if (errno == EMFILE && raise_file_limit()) continue;
    if (errno == EOVERFLOW && attr->sample_max_stack) {  // kernel.perf_event_max_stack is lower: take that
      attr->sample_max_stack = 0;
      continue;
    }
    return -errno;
  }
}

void fail_open(int error, const std::string& what) {
  const std::string reason = strerror(error);
  switch (error) {
    case EACCES:
    case EPERM:
      throw Failure(Failure::kHost, "the kernel refuses to trace " + what + " (" + reason +
                                        ", kernel.perf_event_paranoid = " + std::to_string(paranoid_level()) +
                                        "); run ktop as root, or grant it CAP_PERFMON");
    case EMFILE:
    case ENFILE:
      throw Failure(Failure::kHost,
                    "too many open files for " + what + "; raise the limit (ulimit -n) or choose fewer CPUs or events");
    case ENOMEM:
      throw Failure(Failure::kHost,
                    "the kernel has no memory for " + what + "; free some, or choose fewer CPUs, events or pages (-m)");
    case EBUSY:
      throw Failure(Failure::kHost,
                    "another program holds what " + what + " needs (" + reason + "); end it, then try again");
    case ENOSYS:
      throw Failure(Failure::kHost, "this kernel has no perf events; use one with CONFIG_PERF_EVENTS");
    case ENOENT:
    case EOPNOTSUPP:
    case ENODEV:
      throw Failure(Failure::kHost, "this kernel cannot trace " + what + " (" + reason + "); choose another event");
    default:
      throw Failure(Failure::kHost, "cannot open " + what + ": " + reason + "; see the kernel log for the cause");
  }
}

std::string explain_filter(const EventRequest& event, const std::string& tracefs, const std::string& reason) {
  const std::string where = "filter \"" + event.filter + "\" of " + event.system + ":" + event.name;
  std::vector<std::string> own, known = {"comm", "COMM", "cpu", "CPU", "common_cpu", "common_comm", "stacktrace"};
  std::string list;
  try {
    for (const Field& field : load_format(tracefs, event.system, event.name).fields) {
      known.push_back(field.name);
      if (starts_with(field.name, "common_") && field.name != "common_pid") continue;
      own.push_back(field.name);
      list += (list.empty() ? "" : ", ") + field.name;
    }
  } catch (const Failure&) {
    return where + " is rejected: " + reason + "; correct it";
  }
  for (const std::string& name : filter_fields(event.filter)) {
    if (std::find(known.begin(), known.end(), name) != known.end()) continue;
    const std::string best = nearest(name, own);
    return where + " is rejected (" + reason + "): no field \"" + name + "\"" +
           (best.empty() ? "" : ", nearest \"" + best + "\"") + "; its fields: " + list;
  }
  return where + " is rejected (" + reason +
         "): its syntax, or an operator that does not suit the field; its fields: " + list;
}

void set_filter(int fd, const EventRequest& event, const std::string& tracefs) {
  if (event.filter.empty()) return;
  if (ioctl(fd, PERF_EVENT_IOC_SET_FILTER, event.filter.c_str()) == 0) return;
  const int error = errno;
  throw Failure(Failure::kUsage, explain_filter(event, tracefs, strerror(error)));
}

}  // namespace ktop
