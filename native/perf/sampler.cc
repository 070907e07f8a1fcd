// Which sampler serves on this host: found by waiting for a sample, because some hypervisors let a counter be opened
// and then never deliver.
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "closer.h"
#include "cpus.h"
#include "event_fd.h"

namespace ktop {
namespace {

constexpr Nanos kPatience = 30'000'000;  // of busy running

// "" when samples of this thread arrive, else why not.
std::string why_no_samples(SamplerSpec sampler) {
  sampler.period = 0;
  sampler.frequency = 2000;
  sampler.exclude_user = sampler.exclude_kernel = sampler.exclude_guest = sampler.exclude_host = false;
  sampler.stack = false;
  perf_event_attr attr = sampler_attr(sampler);
  // This thread, on whichever CPU: it is the one that will be busy.
  const long fd = syscall(SYS_perf_event_open, &attr, 0, -1, -1, PERF_FLAG_FD_CLOEXEC);
  if (fd < 0) return std::strerror(errno);
  const size_t page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  void* ring = mmap(nullptr, 2 * page, PROT_READ | PROT_WRITE, MAP_SHARED, static_cast<int>(fd), 0);
  std::string why;
  if (ring == MAP_FAILED) {
    why = std::strerror(errno);
  } else {
    ioctl(static_cast<int>(fd), PERF_EVENT_IOC_ENABLE, 0);
    const auto* head = &static_cast<perf_event_mmap_page*>(ring)->data_head;
    const Nanos until = monotonic_now() + kPatience;
    while (__atomic_load_n(head, __ATOMIC_ACQUIRE) == 0 && monotonic_now() < until) {
    }
    if (__atomic_load_n(head, __ATOMIC_ACQUIRE) == 0) why = "it opens, but no sample arrives";
    munmap(ring, 2 * page);
  }
  close(static_cast<int>(fd));
  return why;
}

}  // namespace

std::string why_not_sampler(const SamplerSpec& sampler) {
  perf_event_attr attr = sampler_attr(sampler);
  const int fd = try_open_event(&attr, online_cpus().at(0), -1);
  if (fd < 0) return std::strerror(-fd);
  close(fd);
  return {};
}

SamplerSpec choose_sampler(SamplerSpec wanted, std::string* note) {
  // A property of the machine: asked once.
  static const std::string no_ref = [] {
    SamplerSpec spec;
    spec.source = SamplerSpec::kRefCycles;
    return why_no_samples(spec);
  }();
  static const std::string no_cycles = [] {
    SamplerSpec spec;
    spec.source = SamplerSpec::kCycles;
    return why_no_samples(spec);
  }();
  if (no_ref.empty() || no_cycles.empty()) {
    wanted.source = no_ref.empty() ? SamplerSpec::kRefCycles : SamplerSpec::kCycles;
    return wanted;
  }
  wanted.source = SamplerSpec::kClock;
  // A clock knows no guest and no host.
  const bool guests = wanted.exclude_guest || wanted.exclude_host;
  wanted.exclude_guest = wanted.exclude_host = false;
  *note = "no hardware counter on this host (" + no_cycles +
          "): the CPU clock samples instead; code that runs with interrupts off is seen where it turns them on again";
  if (guests) *note += "; guest and host cannot be told apart";
  return wanted;
}

}  // namespace ktop
