// What perf can do on this host, found by doing it.
#include <errno.h>
#include <sched.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <set>
#include <string>
#include <system_error>
#include <thread>

#include "closer.h"
#include "cpus.h"
#include "event_fd.h"
#include "trace/tracefs.h"
#include "transport.h"

namespace ktop {
namespace {

constexpr size_t kMostCpus = 64;

constexpr Nanos kBudget = 40000000;  // for a busy machine, whose CPUs seldom idle

// Notes the CPUs that delivered an event from a hardware interrupt of their idle task.
class IdleSink final : public RecordSink {
 public:
  explicit IdleSink(const EventFormat& format) : flags_(format.find("common_flags")) {}
  void on_event(const Record& record) override {
    constexpr int64_t kHardIrq = 8;
    if (record.tid == 0 && flags_ && (read_integer(*flags_, record.raw, record.size) & kHardIrq))
      sound_.insert(record.cpu);
  }
  void on_task(const TaskRecord&) override {}
  void on_lost(const LostWindow&) override {}
  size_t sound_cpus() const { return sound_.size(); }

 private:
  const Field* flags_;
  std::set<uint32_t> sound_;
};

// Opens and closes again; 0 or errno.
int try_once(perf_event_attr attr, int cpu) {
  const int fd = try_open_event(&attr, cpu, -1);
  if (fd < 0) return -fd;
  close_later({{fd}, {}});
  return 0;
}

// Lets every CPU go idle and come back, a few times.
void visit(const std::vector<int>& cpus) {
  const timespec nap = {0, 250000};
  for (int cpu : cpus) {
    if (cpu >= CPU_SETSIZE) continue;
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(cpu, &set);
    if (sched_setaffinity(0, sizeof set, &set) != 0) continue;
    for (int i = 0; i < (cpus.size() <= 8 ? 3 : 1); i++) nanosleep(&nap, nullptr);
  }
}

// sched_wakeup fires in the timer interrupt that ends the idling; where the kernel counts it and delivers nothing,
// samples of the idle task vanish. A CPU too busy to idle within the budget proves nothing: taken for unsound, because
// it will idle later, and what then vanishes is missing from every state machine.
bool loses_idle_samples(const std::string& tracefs, const EventFormat& format, std::vector<int> cpus) {
  if (cpus.size() > kMostCpus) cpus.resize(kMostCpus);
  TransportSpec spec;
  spec.events.push_back({"sched", "sched_wakeup", format.type, "", false});
  spec.cpus = cpus;
  spec.pages = 16;
  const auto transport = open_perf_transport(spec, tracefs);
  IdleSink sink(format);
  const auto vanished = [&] {
    transport->drain(sink, true);
    return transport->counts()[0].unseen > 0;
  };
  transport->start();
  // In a thread of its own: our affinity stays as it is.
  std::thread([&] {
    const Nanos until = monotonic_now() + kBudget;
    do visit(cpus);
    while (!vanished() && sink.sound_cpus() < cpus.size() && monotonic_now() < until);
  }).join();
  transport->stop();
  return vanished() || sink.sound_cpus() < cpus.size();
}

}  // namespace

PerfProbe probe_perf(const std::string& tracefs) {
  PerfProbe probe;
  try {
    probe.paranoid = std::stoi(read_file("/proc/sys/kernel/perf_event_paranoid"));
  } catch (const std::exception&) {
    probe.why = "no kernel.perf_event_paranoid: this kernel has no perf events";
  }
  const std::vector<int> cpus = online_cpus();
  SamplerSpec sampler;
  sampler.frequency = 99;
  perf_event_attr attr = sampler_attr(sampler);
  int error = try_once(attr, cpus[0]);
  probe.clock = error == 0;
  if (error) probe.why = std::string("cpu-clock: ") + strerror(error);
  sampler.source = SamplerSpec::kCycles;
  probe.hardware = try_once(sampler_attr(sampler), cpus[0]) == 0;
  attr = side_band_attr(false);
  attr.read_format = kFormatLost;
  probe.format_lost = try_once(attr, cpus[0]) == 0;
  try {
    const EventFormat format = load_format(tracefs, "sched", "sched_wakeup");
    attr = tracepoint_attr(format.type, EventUse::kPlain);
    error = try_once(attr, cpus[0]);
    probe.tracepoints = error == 0;
    if (error)
      probe.why = std::string("sched:sched_wakeup: ") + strerror(error);
    else
      probe.loses_idle = loses_idle_samples(tracefs, format, cpus);
  } catch (const std::exception& failure) {
    // Where perf itself is refused, that is the cause to name.
    if (probe.why.empty()) probe.why = failure.what();
  }
  return probe;
}

}  // namespace ktop
