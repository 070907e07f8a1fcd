// Finding and reading tracefs.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "format.h"

namespace ktop {

// The mount point, "" when there is none. With `mount`, root mounts /sys/kernel/tracing if needed (*mounted tells).
std::string find_tracefs(bool mount, bool* mounted);
// What this process may do with its effective user and capabilities, as access(2) asks for the real user, without any.
bool may(const std::string& path, int mode);
// Whole file; throws Failure(kHost) with the path and the reason.
std::string read_file(const std::string& path);
// Throws Failure(kHost): no tracefs, no permission, no such event (with the nearest name).
EventFormat load_format(const std::string& tracefs, const std::string& system, const std::string& name);
bool has_event(const std::string& tracefs, const std::string& system, const std::string& name);
// Removes instances ktop_<pid> whose process is gone.
void sweep_instances(const std::string& tracefs);

// What perf can do here, found by doing.
struct PerfProbe {
  bool tracepoints = false;  // a system-wide tracepoint can be sampled
  bool hardware = false;     // a hardware cycle counter opens
  bool clock = false;        // cpu-clock sampling opens
  bool loses_idle = false;   // samples taken while a CPU idles vanish (neither delivered nor reported lost)
  bool format_lost = false;  // PERF_FORMAT_LOST
  int paranoid = 0;
  std::string why;  // errno text of what failed
};
PerfProbe probe_perf(const std::string& tracefs);

}  // namespace ktop
