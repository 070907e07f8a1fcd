// What of this host only system calls tell, found by making them and undoing it.
#pragma once
#include <string>

namespace ktop {

// Each is "" where it works, else the kernel's reason.
struct HostFacts {
  std::string taskstats;    // records of processes that end
  std::string bpf;          // loading a program
  std::string format_lost;  // perf counts per event what a full ring dropped (PERF_FORMAT_LOST)
};

HostFacts host_facts();

}  // namespace ktop
