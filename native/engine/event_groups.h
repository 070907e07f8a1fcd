// "ext4:*" in a plan: all events of a system, or those of it whose names match. Each becomes an event of its own.
#pragma once
#include <string>
#include <vector>

#include "engine/plan.h"

namespace ktop {

bool is_group(const EventSpec& event);
// Clauses on a group are had for each of its events, with the key "" as the event's name. One without `as` is an
// `enter` or an `exit` where the system has both (x_enter and x_exit, _begin and _end, _start and _done), named by what
// they share; else, and as "event", it is just that.
// Returns patterns of groups that match nothing.
std::vector<std::string> expand_groups(Plan* plan, const std::string& tracefs);

}  // namespace ktop
