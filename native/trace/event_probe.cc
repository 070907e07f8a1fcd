#include "event_probe.h"

#include "perf/transport.h"
#include "tracefs.h"

namespace ktop {

bool is_event_probe(const std::string& tracefs, const std::string& system, const std::string& name) {
  std::string text;
  try {
    text = "\n" + read_file(tracefs + "/dynamic_events");
  } catch (const Failure&) {
    return false;
  }
  return text.find("\ne:" + system + "/" + name + " ") != text.npos;  // "e:group/name system.event …"
}

}  // namespace ktop
