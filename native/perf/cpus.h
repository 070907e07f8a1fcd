// Which CPUs there are.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "record.h"

namespace ktop {

std::vector<int> parse_cpu_list(std::string_view text);     // "0-3,7"
std::string format_cpu_list(const std::vector<int>& cpus);  // the other way round
std::vector<int> online_cpus();
// `wanted`, or all online ones when it is empty. Throws Failure(kUsage) when one is not online.
std::vector<int> choose_cpus(const std::vector<int>& wanted);

Nanos monotonic_now();

}  // namespace ktop
