// Where did every event go: the sums behind Transport::counts(), and loss that no record announced.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "session.h"
#include "transport.h"

namespace ktop {

// `waiting`: events still in the rings; they are no loss. `reported`: the sum of LOST records where the kernel counts
// no loss per event (before Linux 6.0); it is then shared out by shortfall.
std::vector<EventCounts> account(const std::vector<KernelCount>& kernel, const std::vector<uint64_t>& received,
                                 const std::vector<uint64_t>& waiting, const uint64_t* reported);

// After the last record: tells of losses that no later record could announce. Once per session (`done`).
void close_losses(const PerfSession& session, RecordSink& sink, bool* done);

void add_fault_notes(const PerfSession& session, std::vector<std::string>* notes);

// Records up to here can be put in order: later ones may still be under way on another CPU. Read before the rings'
// heads.
Nanos drain_horizon();

}  // namespace ktop
