// A monitor's plan over a perf.data file: the same operators as over a live kernel, at the pace of whoever asks.
#pragma once
#include <memory>
#include <string>
#include <vector>

#include "engine/pipeline.h"
#include "engine/session.h"
#include "perfdata/file.h"
#include "perfdata/file_symbols.h"
#include "perfdata/reader.h"
#include "trace/event_filter.h"

namespace ktop {

// Whether the file has what the plan needs.
PlanCheck check_plan(const Plan& plan, const PerfDataFile& file);
// How to record what the plan needs: "perf record -a …".
std::string record_command(const Plan& plan);
// Samples a second of where each CPU was; 0 = none, or not at a steady rate.
double sampling_frequency(const PerfDataFile& file);

class FileSession final {
 public:
  // Throws Failure: an event that the plan needs is not in the file, an option cannot be applied to it.
  FileSession(const Plan& plan, std::shared_ptr<const PerfDataFile> file);
  ~FileSession();

  // Works for about `budget` ns. True: `out` is the snapshot of the next `interval` ns of the file; the last one may be
  // shorter, and then ended() holds. False: call again.
  bool advance(Nanos interval, Nanos budget, SnapshotData* out);
  bool ended() const { return ended_; }

 private:
  class FileWorld;
  class Sieve;
  void resolve_events();
  void resolve_sampler(size_t slot);
  void check_cpus() const;
  void fit_gaps(uint64_t period);
  void make_notes();
  int slot_of(const EventSpec& event, std::vector<std::unique_ptr<EventFormat>>* formats);
  SnapshotData build(Nanos now, Nanos interval);
  void note_once(const std::string& note);

  Plan plan_;
  const std::shared_ptr<const PerfDataFile> file_;
  std::unique_ptr<FileWorld> world_;
  ReaderWish wish_;
  std::vector<std::string> filters_;  // by slot
  std::unique_ptr<Pipeline> pipeline_;
  std::unique_ptr<Sieve> sieve_;
  std::unique_ptr<PerfDataReader> reader_;
  std::vector<std::string> notes_;
  bool started_ = false, ended_ = false;
  bool stacks_missing_ = false;
  Nanos last_ = 0;
  uint64_t events_before_ = 0, lost_before_ = 0, late_before_ = 0;
};

}  // namespace ktop
