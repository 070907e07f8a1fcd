// Which field of an event identifies the object that it allocates or frees, where nobody has said so.
#pragma once
#include <string>
#include <vector>

#include "trace/format.h"

namespace ktop {

// Of `ptr`, the only field of a pointer type, and a field with a telling name (addr, page, pfn, …), the first that
// there is and that is not one of several; `others`, the events it is paired with, decide between several. Throws
// Failure(kUsage) with the event's fields when none or more than one remains.
std::string pointer_field(const EventFormat& format, const std::vector<const EventFormat*>& others);

}  // namespace ktop
