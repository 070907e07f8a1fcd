// Hands the records of a perf.data file to a sink in the order of their times.
#pragma once
#include <memory>
#include <string>
#include <vector>

#include "file.h"
#include "perf/merge.h"
#include "perf/record.h"
#include "rounds.h"
#include "trace/tracing_frames.h"

namespace ktop {

// Which samples to hand over, and as what.
struct ReaderWish {
  std::vector<int> slots;  // by index of the file's events; -1: not wanted
  bool no_user = false, no_kernel = false, no_guest = false, no_host = false;  // of samples of where CPUs are
  const Symbols* symbols = nullptr;                                            // of the recorded kernel
};

class PerfDataReader {
 public:
  PerfDataReader(std::shared_ptr<const PerfDataFile> file, ReaderWish wish);

  enum Progress : uint8_t { kReached, kWorking, kEnd };
  // Hands over what is older than `until`. kReached: that was all of it; kWorking: `most` records were looked at, call
  // again; kEnd: the file has no more.
  Progress run(RecordSink& sink, Nanos until, uint32_t most);
  // After kReached: the time of the record that comes next.
  Nanos next_time() const { return rounds_.front()->time; }
  Nanos last_time() const { return order_.last; }

  uint64_t lost() const { return lost_; }
  uint64_t late() const { return order_.late; }
  // What is odd, a sentence each.
  std::vector<std::string> notes() const;

 private:
  void look_at(const RawRecord& record, RecordSink& sink);
  void deliver(const Rounds::Entry& entry, RecordSink& sink);
  void deliver_sample(const RawRecord& record, int event, Nanos time, RecordSink& sink);
  void deliver_other(const RawRecord& record, int event, Nanos time, RecordSink& sink);
  void deliver_task(const RawRecord& record, int event, Nanos time, RecordSink& sink);
  void lost(const RawRecord& record, int event, Nanos time, RecordSink& sink);
  void finish(RecordSink& sink);
  bool set_tracepoint(const Sample& sample, const FileEvent& event);
  bool set_position(const Sample& sample, const FileEvent& event, uint16_t misc);
  void set_frames(const Sample& sample);
  Nanos& seen_on(uint32_t cpu);

  const std::shared_ptr<const PerfDataFile> file_;
  const ReaderWish wish_;
  RecordStream stream_;
  Rounds rounds_;
  Order order_;
  TracingFrames tracing_;
  bool at_end_ = false, finished_ = false;
  uint32_t since_check_ = 0;
  std::vector<Nanos> seen_;  // by CPU: time of its last record
  Record record_;
  uint64_t ip_ = 0;
  std::vector<uint64_t> scratch_;
  char comm_[16] = {};
  uint64_t lost_ = 0;
  uint64_t told_ = 0, counted_ = 0;  // of the lost: by the kernel when it happened, by perf in the end
  uint64_t malformed_ = 0, foreign_ = 0, throttled_ = 0;
};

}  // namespace ktop
