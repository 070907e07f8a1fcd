// Small readings of /proc and /sys without streams or allocations per line.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>

namespace ktop {

// Up to 64 KiB of a /proc or /sys file; empty when it cannot be read.
std::string slurp(const char* path);
// The same of files that may be long (tables of mounts).
std::string slurp_whole(const char* path);
// The number after "Name:" at the start of a line, or `missing`.
int64_t number_after(std::string_view text, std::string_view name, int64_t missing);
// CLOCK_MONOTONIC, ns.
uint64_t now_ns();

}  // namespace ktop
