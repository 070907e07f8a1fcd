#include "cpus.h"

#include <time.h>
#include <unistd.h>

#include <algorithm>

#include "trace/text.h"
#include "trace/tracefs.h"
#include "transport.h"

namespace ktop {

std::vector<int> parse_cpu_list(std::string_view text) {
  std::vector<int> cpus;
  size_t i = 0;
  const auto number = [&](int* out) {
    const size_t first = i;
    int v = 0;
    while (i < text.size() && is_digit(text[i]) && v < 100000) v = v * 10 + (text[i++] - '0');
    *out = v;
    return i > first;
  };
  for (;;) {
    int low, high;
    if (!number(&low)) break;
    high = low;
    if (i < text.size() && text[i] == '-') {
      i++;
      if (!number(&high)) break;
    }
    for (int cpu = low; cpu <= high && cpus.size() < 65536; cpu++) cpus.push_back(cpu);
    if (i >= text.size() || text[i] != ',') break;
    i++;
  }
  return cpus;
}

std::string format_cpu_list(const std::vector<int>& cpus) {
  std::string out;
  for (size_t i = 0; i < cpus.size(); i++) {
    size_t last = i;
    while (last + 1 < cpus.size() && cpus[last + 1] == cpus[last] + 1) last++;
    if (!out.empty()) out += ',';
    out += std::to_string(cpus[i]);
    if (last > i) out += '-' + std::to_string(cpus[last]);
    i = last;
  }
  return out;
}

std::vector<int> online_cpus() {
  std::vector<int> cpus;
  try {
    cpus = parse_cpu_list(read_file("/sys/devices/system/cpu/online"));
  } catch (const Failure&) {  // no sysfs in this container
  }
  if (cpus.empty())
    for (long cpu = 0; cpu < std::max(1L, sysconf(_SC_NPROCESSORS_ONLN)); cpu++) cpus.push_back(static_cast<int>(cpu));
  return cpus;
}

std::vector<int> choose_cpus(const std::vector<int>& wanted) {
  const std::vector<int> online = online_cpus();
  if (wanted.empty()) return online;
  std::vector<int> cpus = wanted;
  std::sort(cpus.begin(), cpus.end());
  cpus.erase(std::unique(cpus.begin(), cpus.end()), cpus.end());
  for (int cpu : cpus) {
    if (!std::binary_search(online.begin(), online.end(), cpu))
      throw Failure(Failure::kUsage,
                    "CPU " + std::to_string(cpu) + " is not online; online: " + format_cpu_list(online));
  }
  return cpus;
}

Nanos monotonic_now() {
  timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return static_cast<Nanos>(t.tv_sec) * 1000000000 + static_cast<Nanos>(t.tv_nsec);
}

}  // namespace ktop
