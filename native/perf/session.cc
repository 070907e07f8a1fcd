#include "session.h"

#include <errno.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>

#include "closer.h"
#include "cpus.h"
#include "symbols/kallsyms.h"
#include "trace/call_texts.h"
#include "trace/tracefs.h"

namespace ktop {
namespace {

constexpr size_t kGroupLimit = 256;  // events of one group; the kernel bounds the size of a group's read
constexpr uint32_t kLeastPages = 64, kClockPages = 128;

uint32_t default_pages(size_t cpus) {
  if (cpus <= 16) return 512;
  uint32_t pages = kLeastPages;
  while (pages < 512 && pages * 2 * 4096 * cpus <= (32u << 20)) pages *= 2;
  return pages;
}

uint32_t clamp_frequency(uint32_t wanted, std::vector<std::string>* notes) {
  try {
    const int limit = std::stoi(read_file("/proc/sys/kernel/perf_event_max_sample_rate"));
    if (limit > 0 && wanted > static_cast<uint32_t>(limit)) {
      notes->push_back("sampling at " + std::to_string(limit) + " Hz: kernel.perf_event_max_sample_rate");
      return static_cast<uint32_t>(limit);
    }
  } catch (const std::exception&) {  // unknown: let the kernel decide
  }
  return wanted;
}

}  // namespace

PerfSession::PerfSession(const TransportSpec& spec, const std::string& tracefs, Mode mode)
    : received_(spec.events.size() + 1) {
  if (spec.events.size() >= kNoSlot) throw Failure(Failure::kUsage, "too many events; choose fewer");
  for (size_t i = 0; i < spec.events.size(); i++) {
    const EventRequest& event = spec.events[i];
    if (table_[event.type] != kNoSlot)
      throw Failure(Failure::kInternal, event.system + ":" + event.name + " is asked for twice; please report this");
    table_.set(event.type, static_cast<uint16_t>(i));
  }
  if (spec.pages & (spec.pages - 1)) throw Failure(Failure::kUsage, "ring pages must be a power of two");
  const std::vector<int> cpus = choose_cpus(spec.cpus);
  pages_ = spec.pages ? spec.pages : default_pages(cpus.size());
  const uint32_t wanted = pages_;
  sampler_ = spec.sampler;
  texts_ = spec.texts;
  if (sampler_.frequency) sampler_.frequency = clamp_frequency(sampler_.frequency, &notes_);
  try {
    for (int cpu : cpus) open_cpu(spec, tracefs, mode, cpu);
  } catch (...) {
    close_all();
    throw;
  }
  if (pages_ < wanted)
    notes_.push_back("ring " + std::to_string(pages_) + " pages per CPU instead of " + std::to_string(wanted) +
                     ": memory lock limit");
}

PerfSession::~PerfSession() { close_all(); }

void PerfSession::close_all() {
  rings_.clear();
  ClosingWork work;
  for (const EventFd& e : fds_)
    if (e.fd >= 0) work.fds.push_back(e.fd);
  for (const Mapping& m : mappings_) work.mappings.emplace_back(m.address, m.bytes);
  fds_.clear();
  mappings_.clear();
  close_later(std::move(work));
}

size_t PerfSession::open_fd(perf_event_attr attr, int cpu, uint16_t slot, size_t group, const std::string& what) {
  const int leader = group == kNoGroup ? -1 : fds_[group].fd;
  if (group != kNoGroup) attr.disabled = 0;  // follows its leader
  int fd;
  for (;;) {
    attr.read_format = PERF_FORMAT_GROUP | PERF_FORMAT_ID | (format_lost_ ? kFormatLost : 0);
    fd = try_open_event(&attr, cpu, leader);
    if (fd != -EINVAL || !format_lost_) break;
    format_lost_ = false;  // before Linux 6.0
  }
  if (fd < 0) fail_open(-fd, what + " on CPU " + std::to_string(cpu));
  EventFd e{fd, static_cast<int>(group == kNoGroup ? fds_.size() : group), slot, 0, SIZE_MAX, {}, false, false};
  fds_.push_back(e);
  if (ioctl(fd, PERF_EVENT_IOC_ID, &fds_.back().id) != 0) fail_open(errno, what);
  return fds_.size() - 1;
}

void PerfSession::open_cpu(const TransportSpec& spec, const std::string& tracefs, Mode mode, int cpu) {
  // A dummy leads each ring: closing the ring's last reference then never waits for a tracepoint.
  uint32_t pages = mode == kSample ? pages_ : std::min(pages_, kClockPages);
  perf_event_attr attr = side_band_attr(true);
  set_watermark(&attr, pages);
  const size_t plain_ring = rings_.size();
  const size_t lead = open_fd(attr, cpu, kNoSlot, kNoGroup, "task events");
  add_ring<Layout::kPlain>(fds_[lead].fd, cpu, pages);

  size_t stack_ring = SIZE_MAX, user_ring = SIZE_MAX;
  // Events have leaders of their own, so that they can be paused in one go while the side band goes on.
  size_t group = kNoGroup, members = 0;
  for (size_t slot = 0; mode == kSample && slot < spec.events.size(); slot++) {
    const EventRequest& event = spec.events[slot];
    if (event.type == CallTexts::kType || !event.on) continue;
    const EventUse use = event.user_stack ? EventUse::kUser : event.stack ? EventUse::kStack : EventUse::kPlain;
    attr = tracepoint_attr(event.type, use, event.user_stack);
    // Such records are large: they fill a ring soon.
    set_watermark(&attr, use == EventUse::kUser ? std::max(pages_ / 8, 1u) : pages_);
    if (!event.apart && (group == kNoGroup || members >= kGroupLimit)) {
      group = open_fd(side_band_attr(false), cpu, kNoSlot, kNoGroup, "events");
      fds_[group].pausing = true;
      members = 1;
    }
    const size_t index = open_fd(attr, cpu, static_cast<uint16_t>(slot), event.apart ? kNoGroup : group,
                                 event.system + ":" + event.name);
    fds_[index].pausing = event.apart;
    members += !event.apart;
    const int fd = fds_[index].fd;
    set_filter(fd, event, tracefs);
    if (use == EventUse::kStack && stack_ring == SIZE_MAX) {
      perf_event_attr dummy = side_band_attr(false);
      set_watermark(&dummy, pages_);
      Kallsyms::prefetch();  // for TracingFrames
      stack_ring = rings_.size();
      add_ring<Layout::kStack>(fds_[open_fd(dummy, cpu, kNoSlot, kNoGroup, "stack ring")].fd, cpu, pages_);
    }
    if (use == EventUse::kUser && user_ring == SIZE_MAX) {
      perf_event_attr dummy = side_band_attr(false);
      set_watermark(&dummy, pages_);
      user_ring = rings_.size();
      add_ring<Layout::kUser>(fds_[open_fd(dummy, cpu, kNoSlot, kNoGroup, "user stack ring")].fd, cpu, pages_);
    }
    fds_[index].ring = use == EventUse::kUser ? user_ring : use == EventUse::kStack ? stack_ring : plain_ring;
    if (ioctl(fd, PERF_EVENT_IOC_SET_OUTPUT, poll_fds_[fds_[index].ring]) != 0)
      fail_open(errno, event.system + ":" + event.name);
  }

  for (size_t slot = 0; spec.texts && slot < spec.events.size(); slot++) {
    if (spec.events[slot].type != CallTexts::kType) continue;
    attr = texts_attr();
    set_watermark(&attr, pages);
    const size_t index = open_fd(attr, cpu, static_cast<uint16_t>(slot), kNoGroup, "texts of calls");
    fds_[index].ring = plain_ring;
    if (ioctl(fds_[index].fd, PERF_EVENT_IOC_SET_OUTPUT, poll_fds_[plain_ring]) != 0)
      fail_open(errno, "texts of calls");
    spec.texts->send_to(cpu, fds_[index].fd);
  }

  if (sampler_.on()) {
    attr = sampler_attr(sampler_);
    pages = std::min(pages_, kClockPages);
    set_watermark(&attr, pages);
    const size_t clock = open_fd(attr, cpu, static_cast<uint16_t>(spec.events.size()), kNoGroup,
                                 sampler_.source == SamplerSpec::kClock ? "cpu-clock" : "hardware counter");
    fds_[clock].pausing = true;
    if (sampler_.stack)
      add_ring<Layout::kClockStack>(fds_[clock].fd, cpu, pages);
    else
      add_ring<Layout::kClock>(fds_[clock].fd, cpu, pages);
  }
}

perf_event_mmap_page* PerfSession::map(int fd, uint32_t wanted, uint32_t* pages) {
  const size_t page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  for (*pages = wanted;; *pages /= 2) {
    const size_t bytes = (*pages + 1) * page;
    void* address = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (address != MAP_FAILED) {
      mappings_.push_back({address, bytes});
      return static_cast<perf_event_mmap_page*>(address);
    }
    if ((errno != EPERM && errno != ENOMEM) || *pages <= 8)
      throw Failure(Failure::kHost, "cannot map a ring of " + std::to_string(*pages) + " pages: " + strerror(errno) +
                                        "; raise RLIMIT_MEMLOCK or kernel.perf_event_mlock_kb, or run ktop as root");
  }
}

template <Layout L>
void PerfSession::add_ring(int fd, int cpu, uint32_t wanted) {
  uint32_t pages;
  perf_event_mmap_page* control = map(fd, wanted, &pages);
  if (pages < wanted) pages_ = pages;  // the next ones need not try more
  const size_t page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  rings_.push_back(std::make_unique<RingCursor<L>>(
      control, reinterpret_cast<const uint8_t*>(control) + page, static_cast<uint64_t>(pages) * page,
      static_cast<uint32_t>(cpu), &table_, static_cast<uint16_t>(received_.size() - 1), &received_, &tracing_));
  poll_fds_.push_back(fd);
  for (EventFd& e : fds_)
    if (e.fd == fd) e.ring = rings_.size() - 1;
}

void PerfSession::enable() {
  const Nanos now = monotonic_now();
  for (const auto& ring : rings_) ring->start_at(now);
  for (size_t i = 0; i < fds_.size(); i++) {
    if (fds_[i].leader != static_cast<int>(i)) continue;
    if (ioctl(fds_[i].fd, PERF_EVENT_IOC_ENABLE, PERF_IOC_FLAG_GROUP) != 0) fail_open(errno, "the events");
  }
  if (texts_) texts_->attach();
  enabled_ = true;
}

void PerfSession::switch_groups(unsigned long request) {
  // A group stops and goes with its leader.
  for (const EventFd& e : fds_)
    if (e.pausing && !e.off) ioctl(e.fd, request, 0);
}

void PerfSession::set_on(uint16_t slot, bool on) {
  if (stopped_) return;
  // One that follows a leader would come back only with the next time that one does.
  for (EventFd& e : fds_) {
    if (e.slot != slot || !e.pausing) continue;
    e.off = !on;
    if (!paused_) ioctl(e.fd, on ? PERF_EVENT_IOC_ENABLE : PERF_EVENT_IOC_DISABLE, 0);
  }
}

void PerfSession::pause() {
  if (enabled_ && !stopped_) switch_groups(PERF_EVENT_IOC_DISABLE);
  paused_ = true;
}

void PerfSession::resume() {
  if (enabled_ && !stopped_) switch_groups(PERF_EVENT_IOC_ENABLE);
  paused_ = false;
}

void PerfSession::disable() {
  if (stopped_) return;
  for (size_t i = 0; i < fds_.size(); i++)
    if (fds_[i].leader == static_cast<int>(i)) ioctl(fds_[i].fd, PERF_EVENT_IOC_DISABLE, PERF_IOC_FLAG_GROUP);
  stopped_at_ = monotonic_now();
  read_counts();
  stopped_ = true;
  ClosingWork work;
  for (EventFd& e : fds_) {
    work.fds.push_back(e.fd);
    e.fd = -1;
  }
  poll_fds_.clear();
  close_later(std::move(work));
}

void PerfSession::read_group(size_t leader) {
  const size_t words = format_lost_ ? 3 : 2;
  std::vector<uint64_t> buffer(1 + words * (kGroupLimit + 1));
  ssize_t n;
  do n = read(fds_[leader].fd, buffer.data(), buffer.size() * 8);
  while (n < 0 && errno == EINTR);
  if (n < 8) return;
  const size_t count = std::min<size_t>(buffer[0], (static_cast<size_t>(n) / 8 - 1) / words);
  size_t at = leader;  // members stand in the order of their opening
  for (size_t i = 0; i < count; i++) {
    const uint64_t* entry = &buffer[1 + i * words];
    for (size_t tries = 0; tries < fds_.size() && fds_[at].id != entry[1]; tries++) at = (at + 1) % fds_.size();
    if (fds_[at].id == entry[1]) fds_[at].last = {entry[0], format_lost_ ? entry[2] : 0};
  }
}

std::vector<KernelCount> PerfSession::read_counts() {
  std::vector<KernelCount> counts(received_.size());
  if (!stopped_)
    for (size_t i = 0; i < fds_.size(); i++)
      if (fds_[i].leader == static_cast<int>(i) && (fds_[i].slot != kNoSlot || fds_[i].pausing)) read_group(i);
  for (const EventFd& e : fds_) {
    if (e.slot == kNoSlot) continue;
    counts[e.slot].value += e.last.value;
    counts[e.slot].lost += e.last.lost;
  }
  return counts;
}

uint64_t PerfSession::kernel_lost_in(size_t ring) const {
  uint64_t lost = 0;
  for (const EventFd& e : fds_)
    if (e.ring == ring) lost += e.last.lost;
  return lost;
}

}  // namespace ktop
