// An open monitor: transport, reader thread, operators, polls. Knows a plan, never a monitor's name.
#pragma once
#include <atomic>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "engine/pipeline.h"
#include "engine/priority.h"
#include "engine/shedder.h"
#include "perf/transport.h"
#include "proc/command.h"
#include "proc/poll.h"

namespace ktop {

// What this host can do; found once per process (probe_perf takes tens of milliseconds).
struct Host {
  std::string tracefs;
  bool mounted = false;  // by us, now
  bool root = false;
  bool tracepoints = false, hardware = false, clock = false, loses_idle = false;
  int paranoid = -2;
  std::string why;
  static const Host& get(bool mount);
};

struct PlanCheck {
  bool ok = true;
  std::string backend, why;
  std::vector<std::pair<std::string, std::string>> missing;  // event, note when optional
};

// Opens nothing that lasts.
PlanCheck check_plan(const Plan& plan);

class Session final {
 public:
  // Throws Failure.
  explicit Session(const Plan& plan);
  ~Session();
  // Everything up to now. Clears what is per interval.
  SnapshotData snapshot();
  // Stops the flow, then the last, exactly accounted snapshot.
  SnapshotData close();

 private:
  void choose_plan();
  void start_command();
  void resolve_events();
  void open_transport(bool tracefs);
  void start_flow();
  void start_reader();
  void stop_reader();
  void leave_perf(uint64_t unseen);
  bool only_by_tracefs() const;
  void follow_cpus();
  TransportSpec wanted(Rung::Kind* kind);
  bool replace_transport(std::unique_ptr<Transport> next, uint64_t lost, Rung::Kind kind);
  void take_turn(Priority& priority);
  void turn_windows();
  void change_rung(const Rung& before);
  bool reopen();
  EventCounts settle(bool last);
  void note_once(const std::string& note);
  SnapshotData build(bool last);
  void add_counts(SnapshotData& out, bool last);

  Plan plan_;
  TransportSpec spec_;
  std::vector<SlotUse> uses_;  // by slot
  std::unique_ptr<Shedder> shedder_;
  Nanos unwatched_from_ = 0;  // while nothing is watched
  bool back_ = false;         // everything is watched again: what tasks do meanwhile is not known
  bool ordinary_ = false;     // the reader has lost its priority
  std::unique_ptr<Pipeline> pipeline_;
  std::vector<std::unique_ptr<Poll>> polls_;
  std::unique_ptr<Command> command_;
  bool command_told_ = false;
  std::vector<std::shared_ptr<DynamicEvent>> probes_;
  std::unique_ptr<Transport> transport_;
  std::thread reader_;
  std::atomic<bool> stopping_{false};
  std::mutex mutex_;  // pipeline and transport
  std::vector<std::string> standing_notes_;
  std::vector<int> online_;    // as of the last snapshot
  std::string cpu_note_;       // of the last change of them
  EventCounts before_, base_;  // totals at the last snapshot; of transports that were replaced
  uint64_t late_before_ = 0, late_base_ = 0;
  Nanos last_ = 0;
};

}  // namespace ktop
