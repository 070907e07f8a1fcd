#include "steal.h"

#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "files.h"

namespace ktop {

void StealHistory::sample(uint64_t now, uint64_t every) {
  if (!readings_.empty() && now < readings_.back().time + every) return;
  Reading reading{now_ns(), {}};
  FILE* file = std::fopen("/proc/stat", "re");
  if (!file) return;
  static const uint64_t tick = 1'000'000'000ull / static_cast<uint64_t>(sysconf(_SC_CLK_TCK));
  char line[512];
  while (std::fgets(line, sizeof line, file) && std::strncmp(line, "cpu", 3) == 0) {
    unsigned cpu;
    unsigned long long stolen;
    if (std::sscanf(line, "cpu%u %*u %*u %*u %*u %*u %*u %*u %llu", &cpu, &stolen) != 2 || cpu > 65535) continue;
    if (cpu >= reading.stolen.size()) reading.stolen.resize(cpu + 1);
    reading.stolen[cpu] = stolen * tick;
  }
  std::fclose(file);
  readings_.push_back(std::move(reading));
  if (readings_.size() > 256) readings_.pop_front();
}

uint64_t StealHistory::between(uint32_t cpu, uint64_t from, uint64_t to) const {
  const Reading *before = nullptr, *after = nullptr;
  for (const Reading& reading : readings_) {
    if (reading.time <= from || !before) before = &reading;
    if (reading.time >= to && !after) after = &reading;
  }
  if (!after && !readings_.empty()) after = &readings_.back();
  if (!before || !after || cpu >= before->stolen.size() || cpu >= after->stolen.size()) return 0;
  return after->stolen[cpu] > before->stolen[cpu] ? after->stolen[cpu] - before->stolen[cpu] : 0;
}

}  // namespace ktop
