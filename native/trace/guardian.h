// A process that removes this process's trace instances and probes when this one dies without doing so (kill -9).
#pragma once
#include <string>

namespace ktop {

// Call before the instance is created. False: there is no guardian, the instance would outlive a kill -9.
bool guard_instance(const std::string& path);
// Call before a probe is defined in `file` (…/kprobe_events); `removal` is the line that takes it away again.
bool guard_event(const std::string& file, const std::string& removal);
// Call before settings of others are changed; `journal` says how they were (saved_settings.h).
bool guard_settings(const std::string& journal);
// Call after it was removed (or never created). Ends the guardian with its last instance and reaps it.
void release_instance(const std::string& path);

}  // namespace ktop
