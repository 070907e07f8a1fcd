// A transport brings the records of a set of events from the kernel, ordered by time across CPUs.
// Two exist: perf rings (perf_transport) and a private tracefs instance (trace_transport).
#pragma once
#include <cstdint>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "record.h"

namespace ktop {

// Something that the user must hear in one sentence. kUsage: the request is wrong; kHost: not possible on this host.
class Failure : public std::runtime_error {
 public:
  enum Kind { kUsage, kHost, kInternal };
  Failure(Kind kind, const std::string& text) : std::runtime_error(text), kind(kind) {}
  Kind kind;
};

class CallTexts;

struct EventRequest {
  std::string system, name;  // "sched", "sched_switch"
  uint16_t type = 0;         // common_type = tracepoint id; CallTexts::kType: TransportSpec::texts
  std::string filter;        // kernel filter, may be empty
  bool stack = false;        // kernel call chain with each event
  uint32_t user_stack = 0;   // bytes of the user stack with each event, where the transport can
  bool on = true;            // false: its slot stays empty
  bool apart = false;        // may be switched with set_on()
};

// Samples of where the CPUs are. On the CPU clock (an hrtimer) or a hardware counter.
struct SamplerSpec {
  enum Source : uint8_t { kClock, kRefCycles, kCycles, kRaw } source = kClock;
  uint32_t frequency = 0;   // per second and CPU; or
  uint64_t period = 0;      // ns of the clock, counts of a counter
  uint64_t raw_config = 0;  // kRaw
  bool stack = false;
  bool exclude_user = false, exclude_kernel = false, exclude_guest = false, exclude_host = false, exclude_idle = false;
  bool on() const { return frequency != 0 || period != 0; }
};

// The first of ref-cycles, cycles and CPU clock whose samples really arrive; `note` tells why when it is the clock.
SamplerSpec choose_sampler(SamplerSpec wanted, std::string* note);

// "" when such a sampler can be opened on this host, else why not.
std::string why_not_sampler(const SamplerSpec& sampler);

// Calls of kernel functions, as the events ftrace:funcgraph_entry and ftrace:funcgraph_exit (tracefs only).
struct GraphSpec {
  bool on = false;
  std::vector<std::string> functions;  // globs, ":mod:NAME"; empty: all
  std::vector<std::string> subtrees;   // only what these call
  uint32_t depth = 0;                  // of calls, 0 = any
  uint64_t than_us = 0;                // only returns of calls that took longer
  std::vector<int> pids;               // only these processes and what they start; empty: all but our own
};

struct TransportSpec {
  std::vector<EventRequest> events;  // slot = index; the same tracepoint may be asked for once only
  std::shared_ptr<CallTexts> texts;  // of one of the events
  GraphSpec graph;
  SamplerSpec sampler;    // its samples come in slot events.size()
  std::vector<int> cpus;  // empty: all online
  uint32_t pages = 0;     // ring pages per CPU, power of two; 0: 512, stepping down on EPERM
  bool steady = false;    // never wait for a CPU: where that is possible its counters are read at the end only
};

// Running totals since open. received + lost + unseen = what the kernel counted.
struct EventCounts {
  uint64_t counted = 0;  // the kernel's own counter (0 where the transport has none)
  uint64_t received = 0;
  uint64_t lost = 0;    // reported lost: ring full
  uint64_t unseen = 0;  // counted, neither received nor reported lost
};

class Transport {
 public:
  virtual ~Transport() = default;
  virtual const char* name() const = 0;  // "perf" | "tracefs"
  // Starts the flow (enable). Throws Failure.
  virtual void start() = 0;
  // Events and samples stop until resume(), at the cost of a system call per CPU; the side band goes on. What is not
  // told meanwhile is in no counter.
  virtual void pause() = 0;
  virtual void resume() = 0;
  // One event, off or on again, of those that were opened `apart`: the others go on meanwhile.
  virtual void set_on(uint16_t slot, bool on) = 0;
  // Waits until data is worth draining, `wake_fd` is readable, or the timeout. Called by the reader thread.
  virtual void wait(int timeout_ms) = 0;
  // Makes a wait() return at once; callable from any thread.
  virtual void wake() = 0;
  // Hands over everything older than the horizon in time order. With `all`, everything that is there now.
  virtual void drain(RecordSink& sink, bool all) = 0;
  // Per slot; reads the kernel's counters.
  virtual std::vector<EventCounts> counts() = 0;
  // Received so far per slot, and lost as far as the records say so: cheap, asks no other CPU.
  virtual std::vector<uint64_t> received() const = 0;
  virtual uint64_t reported_lost() const = 0;
  virtual uint64_t late() const = 0;
  // Disables at once; the slow close goes to a helper thread. After it, drain(all) still yields what was in the rings.
  virtual void stop() = 0;
  // Facts for the user, e.g. "ring 128 pages: memory lock limit".
  virtual std::vector<std::string> notes() const = 0;
};

// Throw Failure. tracefs is the mount point ("/sys/kernel/tracing").
std::unique_ptr<Transport> open_perf_transport(const TransportSpec& spec, const std::string& tracefs);
std::unique_ptr<Transport> open_trace_transport(const TransportSpec& spec, const std::string& tracefs);

// Waits for every slow close that stop() handed over. Call before the process ends.
void finish_closing();

}  // namespace ktop
