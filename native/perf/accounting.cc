#include "accounting.h"

#include <algorithm>

#include "cpus.h"

namespace ktop {
namespace {

constexpr Nanos kGrace = 100000;  // from taking an event's time to its being visible, with room to spare

}  // namespace

Nanos drain_horizon() {
  const Nanos now = monotonic_now();
  return now > kGrace ? now - kGrace : 0;
}

std::vector<EventCounts> account(const std::vector<KernelCount>& kernel, const std::vector<uint64_t>& received,
                                 const std::vector<uint64_t>& waiting, const uint64_t* reported) {
  std::vector<EventCounts> counts(kernel.size());
  uint64_t to_share = reported ? *reported : 0;
  for (size_t i = 0; i < counts.size(); i++) {
    EventCounts& c = counts[i];
    c.received = received[i];
    if (i + 1 == counts.size()) {  // the clock: its counter holds nanoseconds, not samples
      c.lost = kernel[i].lost;
    } else {
      const uint64_t here = c.received + waiting[i];
      const uint64_t missing = kernel[i].value > here ? kernel[i].value - here : 0;
      c.lost = std::min(reported ? to_share : kernel[i].lost, missing);
      if (reported) to_share -= c.lost;
      c.unseen = missing - c.lost;
    }
    c.counted = c.received + c.lost + c.unseen;  // without those still waiting in the rings
  }
  return counts;
}

void close_losses(const PerfSession& session, RecordSink& sink, bool* done) {
  if (*done) return;
  *done = true;
  const auto& rings = session.rings();
  for (size_t i = 0; i < rings.size(); i++) {
    LostWindow window;
    const Nanos from = rings[i]->last_time();
    const uint64_t kernel = session.kernel_lost_in(i), reported = rings[i]->reported_lost();
    if (rings[i]->take_open_loss(session.stopped_at(), &window)) sink.on_lost(window);
    if (kernel > reported) sink.on_lost({rings[i]->cpu(), from, session.stopped_at(), kernel - reported});
  }
}

void add_fault_notes(const PerfSession& session, std::vector<std::string>* notes) {
  RingFaults sum;
  for (const auto& ring : session.rings()) {
    const RingFaults faults = ring->faults();
    sum.corrupt += faults.corrupt;
    sum.malformed += faults.malformed;
    sum.throttled += faults.throttled;
  }
  if (sum.throttled) notes->push_back("the kernel throttled sampling " + std::to_string(sum.throttled) + " times");
  if (sum.corrupt || sum.malformed)
    notes->push_back(std::to_string(sum.corrupt + sum.malformed) + " records could not be read");
}

}  // namespace ktop
