// What the tests on the running kernel share.
#pragma once
#include <sched.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <memory>
#include <string>
#include <thread>

#include "check.h"
#include "collect_sink.h"
#include "perf/cpus.h"
#include "perf/transport.h"
#include "trace/format.h"
#include "trace/tracefs.h"

namespace ktop_test {

using namespace ktop;

using Opener = std::unique_ptr<Transport> (*)(const TransportSpec&, const std::string&);
const Opener kOpeners[] = {open_perf_transport, open_trace_transport};

inline std::string tracefs() { return find_tracefs(true, nullptr); }

inline EventRequest request(const std::string& system, const std::string& name, const std::string& filter = "",
                            bool stack = false) {
  return {system, name, load_format(tracefs(), system, name).type, filter, stack};
}

inline void pin(int cpu) {
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(cpu, &set);
  sched_setaffinity(0, sizeof set, &set);
}

inline void nap(int us) { usleep(static_cast<useconds_t>(us)); }

// Opens, runs `work` on a thread of its own while draining, stops, drains the rest.
template <typename Work>
std::unique_ptr<Transport> observe(Opener open, const TransportSpec& spec, CollectSink* sink, Work work) {
  auto transport = open(spec, tracefs());
  transport->start();
  std::atomic<bool> done{false};
  std::thread worker([&] {
    work();
    done = true;
    transport->wake();
  });
  while (!done) {
    transport->wait(20);
    transport->drain(*sink, false);
  }
  worker.join();
  transport->stop();
  transport->drain(*sink, true);
  return transport;
}

inline bool exists(const std::string& path) {
  struct stat st;
  return stat(path.c_str(), &st) == 0;
}

inline std::string failure_of(Opener open, const TransportSpec& spec) {
  try {
    open(spec, tracefs());
  } catch (const Failure& failure) {
    return std::to_string(failure.kind) + " " + failure.what();
  }
  return "none";
}

}  // namespace ktop_test
