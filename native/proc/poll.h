// Readings of /proc and /sys that come with a snapshot: tables of what changed since the one before.
#pragma once
#include <memory>
#include <string>
#include <vector>

#include "engine/plan.h"
#include "engine/snapshot.h"
#include "proc/tasks.h"

namespace ktop {

class Poll {
 public:
  virtual ~Poll() = default;
  // Adds one table named `name`. The first call after the constructor covers the time since then.
  virtual void read(const std::string& name, SnapshotData& out, Tasks& tasks) = 0;
};

// By PollSpec::poll; throws Failure(kInternal) for an unknown one, kHost when it is not possible here.
std::unique_ptr<Poll> make_poll(const PollSpec& spec, const std::vector<int>& cpus, const std::string& tracefs);
std::unique_ptr<Poll> make_process_io();
std::unique_ptr<Poll> make_kernel_log(const std::vector<std::string>& match);
std::unique_ptr<Poll> make_watchdog();
std::unique_ptr<Poll> make_probe_poll(const std::string& tracefs);
std::unique_ptr<Poll> make_split_lock_test();
// Why counters of the processor are missing here, and what serves instead; "" when they do not or none is asked for.
std::string why_no_hardware_count(const PollSpec& spec, const std::string& tracefs);
std::unique_ptr<Poll> make_counter_poll(const PollSpec& spec, const std::vector<int>& cpus, const std::string& tracefs);

}  // namespace ktop
