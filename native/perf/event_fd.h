// perf_event_open with this project's conventions, and errors a user can act on.
#pragma once
#include <linux/perf_event.h>

#include <cstdint>
#include <string>

#include "transport.h"

namespace ktop {

constexpr uint64_t kFormatLost = 1u << 4;  // PERF_FORMAT_LOST, Linux 6.0; older headers lack it

enum class EventUse { kPlain, kStack, kUser };

// Attributes, all disabled at birth and on CLOCK_MONOTONIC.
// `user_stack`: bytes, for kUser.
perf_event_attr tracepoint_attr(uint16_t type, EventUse use, uint32_t user_stack = 0);
perf_event_attr side_band_attr(bool tasks);  // a dummy that leads a ring; with `tasks` it brings fork, exit and comm
perf_event_attr texts_attr();                // what CallTexts sends to
perf_event_attr sampler_attr(const SamplerSpec& sampler);
void set_watermark(perf_event_attr* attr, uint32_t pages);

// The fd, or -errno. Raises RLIMIT_NOFILE when it stands in the way.
int try_open_event(perf_event_attr* attr, int cpu, int group);
// Throws Failure in the words of `what` ("sched:sched_switch").
[[noreturn]] void fail_open(int error, const std::string& what);

// Sets the kernel's filter of an event; throws Failure(kUsage) with what is wrong with it.
void set_filter(int fd, const EventRequest& event, const std::string& tracefs);
// The sentence for a filter that the kernel rejected.
std::string explain_filter(const EventRequest& event, const std::string& tracefs, const std::string& reason);

}  // namespace ktop
