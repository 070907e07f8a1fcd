// The perf events of one transport: fds, groups, rings, counters. Knows nothing of ordering.
#pragma once
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "event_fd.h"
#include "ring_cursor.h"
#include "transport.h"

namespace ktop {

// The kernel's counters of one slot, summed over the CPUs.
struct KernelCount {
  uint64_t value = 0;
  uint64_t lost = 0;
};

class PerfSession {
 public:
  enum Mode {
    kSample,    // the events of the spec come through the rings
    kSideBand,  // they come by other means; the rings carry side band and clock samples
  };
  // Throws Failure.
  PerfSession(const TransportSpec& spec, const std::string& tracefs, Mode mode);
  ~PerfSession();
  PerfSession(const PerfSession&) = delete;
  PerfSession& operator=(const PerfSession&) = delete;

  const std::vector<std::unique_ptr<RingSource>>& rings() const { return rings_; }
  const std::vector<int>& poll_fds() const { return poll_fds_; }
  size_t slots() const { return received_.size(); }  // the clock's included

  void enable();
  // Events and samples; the side band goes on.
  void pause();
  void resume();
  void set_on(uint16_t slot, bool on);
  // Stops the flow, takes the last counters and hands the fds over to be closed.
  void disable();
  bool enabled() const { return enabled_; }
  bool stopped() const { return stopped_; }
  Nanos stopped_at() const { return stopped_at_; }

  std::vector<KernelCount> read_counts();  // per slot
  bool has_format_lost() const { return format_lost_; }
  uint64_t kernel_lost_in(size_t ring) const;  // as of the last read_counts()
  const std::vector<uint64_t>& received() const { return received_; }
  const std::vector<std::string>& notes() const { return notes_; }

 private:
  struct EventFd {
    int fd;
    int leader;  // index into fds_ of the group's leader
    uint16_t slot;
    uint64_t id;
    size_t ring;  // index into rings_ of where its records go
    KernelCount last;
    bool pausing = false;  // a leader whose group is paused
    bool off = false;      // by set_on()
  };
  struct Mapping {
    void* address;
    size_t bytes;
  };

  void open_cpu(const TransportSpec& spec, const std::string& tracefs, Mode mode, int cpu);
  size_t open_fd(perf_event_attr attr, int cpu, uint16_t slot, size_t group, const std::string& what);
  perf_event_mmap_page* map(int fd, uint32_t wanted, uint32_t* pages);
  void switch_groups(unsigned long request);
  template <Layout L>
  void add_ring(int fd, int cpu, uint32_t pages);
  void read_group(size_t leader);
  void close_all();

  static constexpr size_t kNoGroup = SIZE_MAX;
  std::vector<EventFd> fds_;
  std::vector<int> poll_fds_;
  std::vector<Mapping> mappings_;
  std::vector<std::unique_ptr<RingSource>> rings_;
  SlotTable table_;
  TracingFrames tracing_;
  std::vector<uint64_t> received_;
  std::vector<std::string> notes_;
  uint32_t pages_ = 512;
  SamplerSpec sampler_;
  std::shared_ptr<CallTexts> texts_;
  bool format_lost_ = true;
  bool enabled_ = false, paused_ = false, stopped_ = false;
  Nanos stopped_at_ = 0;
};

}  // namespace ktop
