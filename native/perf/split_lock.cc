// The raw counter of split or bus locks: its code differs by processor model, so it is looked up, never assumed.
#include <algorithm>
#include <cstdlib>
#include <string>

#include "counters.h"
#include "trace/tracefs.h"

namespace ktop {
namespace {

// The number after "name : " of the first processor in /proc/cpuinfo; -1 when it is not there.
long info(const std::string& text, const std::string& name) {
  for (size_t at = text.find(name); at != std::string::npos; at = text.find(name, at + 1)) {
    if (at != 0 && text[at - 1] != '\n') continue;
    size_t i = at + name.size();
    while (i < text.size() && (text[i] == ' ' || text[i] == '\t')) i++;
    if (i >= text.size() || text[i] != ':') continue;
    return std::strtol(text.c_str() + i + 1, nullptr, 10);
  }
  return -1;
}

}  // namespace

uint64_t split_lock_config(const std::string& cpuinfo) {
  const long family = info(cpuinfo, "cpu family"), model = info(cpuinfo, "model");
  if (cpuinfo.find("AuthenticAMD") != std::string::npos) return family >= 0x17 ? 0x0125 : 0;  // LsLocks, bus locks
  if (cpuinfo.find("GenuineIntel") == std::string::npos || family != 6) return 0;
  // SQ_MISC moved from event 0xF4 to 0x2C with Golden Cove.
  static const long moved[] = {0x8f, 0xcf, 0x97, 0x9a, 0xb7, 0xba, 0xbf, 0xaa,
                               0xac, 0xad, 0xae, 0xb5, 0xc5, 0xc6, 0xbd};
  if (std::find(std::begin(moved), std::end(moved), model) != std::end(moved)) return 0x102c;
  // Sandy Bridge to Cascade Lake count split locks, Ice Lake bus locks, under the same code.
  static const long old[] = {0x2a, 0x2d, 0x3a, 0x3e, 0x3c, 0x3f, 0x45, 0x46, 0x3d, 0x47, 0x4f, 0x56, 0x4e, 0x5e,
                             0x55, 0x8e, 0x9e, 0xa5, 0xa6, 0x66, 0x7d, 0x7e, 0x6a, 0x6c, 0x8c, 0x8d, 0xa7};
  return std::find(std::begin(old), std::end(old), model) != std::end(old) ? 0x10f4 : 0;
}

}  // namespace ktop
