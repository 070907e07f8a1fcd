// What a perf.data file says about itself: the machine, the events, their formats, the clock. Everything comes from the
// file, nothing from this host, and nothing in it is trusted.
#pragma once
#include <linux/perf_event.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "bytes.h"
#include "id_table.h"
#include "perf/record.h"
#include "sample.h"
#include "stream.h"
#include "tracing_data.h"

namespace ktop {

// One event as it was recorded.
struct FileEvent {
  explicit FileEvent(const perf_event_attr& from) : attr(from), layout(from) {}
  perf_event_attr attr;  // of this program's size: what the file has beyond it is left out
  SampleLayout layout;
  std::string name;  // "sched:sched_switch", "cpu-clock"; "" when the file does not say
  bool is_tracepoint() const { return attr.type == PERF_TYPE_TRACEPOINT; }
  // 0 = its samples do not tell where a CPU was; else the lower the better they do.
  int sampler_rank() const;
};

// Where the kernel or one of its modules lay in memory.
struct KernelMap {
  uint64_t start = 0, length = 0, offset = 0;
  std::string name;  // "[kernel.kallsyms]_text", "/lib/modules/…/nvme.ko"
};

class PerfDataFile {
 public:
  // Reads the header, and of the data what is needed to know events and clock. Throws Failure: cause; remedy.
  static std::shared_ptr<const PerfDataFile> open(const std::string& path);
  // `changed`: the file's date, ns since the epoch; 0 = not known.
  static std::shared_ptr<const PerfDataFile> read(std::shared_ptr<const ByteSource> bytes, const std::string& path,
                                                  uint64_t changed);

  std::string path;
  bool pipe = false;  // written to a pipe: what a header would say stands in the stream
  std::string host, release, perf_version, arch, command;
  uint32_t cpus_online = 0, cpus_available = 0;  // 0 = not known
  std::vector<FileEvent> events;
  TracingData tracing;
  std::string kernel_build_id;  // 20 bytes; "" = not known
  std::vector<KernelMap> kernel_maps;
  Nanos last_time = 0;              // on the file's own clock; 0 = nothing in it has a time
  int64_t wall_offset = 0;          // wall clock minus the file's clock, ns
  bool wall_exact = false;          // the file itself ties the two together; else its date does
  int clock = -1;                   // clockid_t, -1 = the scheduler's clock (about the time since boot)
  std::vector<std::string> damage;  // what is missing or makes no sense, a sentence each

  // The event a record belongs to (-1: none that is known) and its time (0: it has none).
  int locate(const RawRecord& record, Nanos* time) const {
    const bool sample = record.type == PERF_RECORD_SAMPLE;
    int index = 0;
    if (events.size() > 1) {
      const uint64_t id = sample ? SampleLayout::word(record.body, record.size, id_word_)
                                 : SampleLayout::word_from_end(record.body, record.size, id_from_end_);
      if (id) index = ids_.find(id);  // what perf made up itself has none, and the layout of the first
    }
    *time = 0;
    if (index < 0 || events.empty()) return -1;
    const SampleLayout& layout = events[static_cast<size_t>(index)].layout;
    *time = sample ? layout.time_of_sample(record.body, record.size) : layout.time_of_other(record.body, record.size);
    if (*time == UINT64_MAX) *time = 0;
    return index;
  }

  const std::shared_ptr<const ByteSource>& bytes() const { return bytes_; }
  uint64_t data_begin() const { return data_begin_; }
  uint64_t data_end() const { return data_end_; }

 private:
  friend class FileParser;
  std::shared_ptr<const ByteSource> bytes_;
  uint64_t data_begin_ = 0, data_end_ = 0;
  int id_word_ = -1, id_from_end_ = -1;
  IdTable ids_;
};

}  // namespace ktop
