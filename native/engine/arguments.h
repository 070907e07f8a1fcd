// The arguments of a program, from the stack that the kernel gave it.
#pragma once
#include <string>
#include <string_view>

#include "perf/record.h"

namespace ktop {

// "ls -l 'a b'" of the stack of a program that has just begun. The kernel leaves a gap between the pointers and the
// texts, and what perf takes of a stack may end there: then `cmdline`, of /proc/PID, stands in if its arguments are as
// long as the pointers say, and otherwise it is "". A text longer than 4 KiB is cut and ends in " \u2026".
std::string arguments_of(const UserStack& stack, const std::string& cmdline);
// Whether the stack alone tells them.
bool has_arguments(const UserStack& stack);
// Of /proc/PID/cmdline alone: every argument ends in a NUL.
std::string arguments_of(const std::string& cmdline);

}  // namespace ktop
