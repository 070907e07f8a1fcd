// Events that eprobes make of others: perf attaches to them and delivers nothing, only tracefs has their records.
#pragma once
#include <string>

namespace ktop {

bool is_event_probe(const std::string& tracefs, const std::string& system, const std::string& name);

}  // namespace ktop
