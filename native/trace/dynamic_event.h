// A probe of our own: an event that exists as long as this object. Its group is `ktop_<pid>`, so that other tools'
// probes are told from ours, and what a killed ktop has left behind is found and removed at the next start.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

namespace ktop {

struct ProbeSpec {
  std::string id;          // the event's name: a C identifier
  std::string kind;        // kprobe, kretprobe, uprobe, uretprobe, fprobe, tprobe, eprobe
  std::string definition;  // place and arguments, as tracefs takes them: "do_sys_openat2 file=+0(%si):ustring"
  std::vector<std::string> also = {};  // further places of the same event, with the same names and types of arguments
  long slots = 0;                      // of a return probe, at least
};

class DynamicEvent {
 public:
  // Arms it. Throws Failure: kUsage with the kernel's own reason and the place in the definition that it points at,
  // kHost where the kernel has no such probes.
  DynamicEvent(const std::string& tracefs, const ProbeSpec& probe);
  // Disarms it; close what uses the event before. Waits up to a second for users that are on their way out.
  ~DynamicEvent();
  DynamicEvent(const DynamicEvent&) = delete;
  DynamicEvent& operator=(const DynamicEvent&) = delete;

  const std::string& system() const { return system_; }
  const std::string& name() const { return name_; }

 private:
  std::string file_, system_, name_, removal_;
};

// How often it was hit, and not recorded because no instance was free (kretprobe) or it hit itself. The kernel tells it
// by the name alone: probes of one name are added up.
struct ProbeHits {
  bool known = false;
  uint64_t hits = 0, missed = 0;
};
ProbeHits probe_hits(const std::string& tracefs, const std::string& name);

// Removes probes of groups ktop_<pid> whose process is gone.
void sweep_dynamic_events(const std::string& tracefs);

}  // namespace ktop
