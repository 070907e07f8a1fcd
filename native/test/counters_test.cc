// Counting without samples, on this host.
#include "perf/counters.h"

#include "live.h"

using namespace ktop_test;

// With a PMU they count what this process does; without one they are absent, with a reason, and nothing fails.
TEST(live_cycles_count_or_are_absent) {
  Counters counters({"pmu:cycles-user", "pmu:cycles-kernel", "sw:context-switches"}, {}, tracefs());
  CHECK_EQ(counters.present(0), counters.present(1));
  CHECK_EQ(counters.present(2), true);
  volatile uint64_t work = 0;
  for (int i = 0; i < 20000000; i++) work = work + 1;
  for (int i = 0; i < 50; i++) nap(100);
  uint64_t user = 0, switches = 0;
  for (const auto& cpu : counters.read()) {
    user += cpu[0];
    switches += cpu[2];
  }
  CHECK_EQ(switches > 0, true);
  if (counters.present(0))
    CHECK_EQ(user > 10000000, true);
  else
    CHECK_EQ(counters.why_absent(0).empty() || user != 0, false);
}
