// Load shedding of one session: measures what watching costs, tick by tick, and says what is to be watched, and when.
// Knows a plan and a transport's counters; whoever reads the transport does what it says.
#pragma once
#include <string>
#include <vector>

#include "engine/ladder.h"
#include "engine/plan.h"
#include "engine/snapshot.h"
#include "perf/record.h"
#include "perf/transport.h"

namespace ktop {

// What a slot's event is to its plan.
struct SlotUse {
  bool is_secondary = false;
  std::string missing;  // without it
  std::string sample;   // narrower filter
  std::string probe;    // kind
};

class Shedder {
 public:
  static constexpr Nanos kTick = 400'000'000, kPeriod = 200'000'000;

  // `spec`: what is opened when nothing is shed; `uses` by slot.
  Shedder(const Plan& plan, const TransportSpec& spec, std::vector<SlotUse> uses);

  bool on() const { return on_; }
  const Rung& rung() const { return ladder_.rung(); }

  // What is to be opened on this rung.
  TransportSpec apply(TransportSpec all) const;
  // Whether that differs from what is open on another by more than secondary events and time.
  bool needs_other(const Rung& than) const { return opens(than.kind) != opens(rung().kind); }
  bool wants_secondary() const { return rung().kind == Rung::kFull; }
  // Slots of the events that are left out first.
  std::vector<uint16_t> secondary() const;

  // The flow begins, or goes on from another transport: its counters begin anew.
  void begin(Nanos now, const Transport& transport);
  // The flow stops or goes on: now it does.
  void set_watching(Nanos now, bool watching);
  bool watching() const { return watching_; }
  // A duty window is to begin (true, while nothing is watched) or to end.
  bool window_due(Nanos now) const;
  // Until something is due, at most `most`.
  int wait_ms(Nanos now, int most) const;

  // CPU time, ns, that reading took in another thread.
  void add_cpu(Nanos ns) { other_cpu_ += ns; }
  bool tick_due(Nanos now) const { return now >= tick_at_; }
  // `cpu`: the reader's own time so far, ns. True: another rung holds.
  bool tick(Nanos now, Nanos cpu, const Transport& transport);
  // What the reader used in the last tick, of a CPU.
  double reader_cpu() const { return reader_cpu_; }

  // Scale, notes and facts of the interval that ends now, and begins the next one.
  void snapshot(Nanos now, SnapshotData& out);

 private:
  Nanos watched(Nanos now) const { return watched_ + (watching_ ? now - since_ : 0); }
  int opens(Rung::Kind kind) const;
  bool has_filters() const;
  bool sheds_stacks() const { return has_stacks_ && !spec_.keeps_stacks; }
  double kernel_ns(size_t slot, bool tracefs) const;
  struct Cost {
    double took, all_time;  // of one CPU
  };
  Cost cost_of(const Transport& transport, Nanos passed, Nanos cpu, double open);
  std::string sentence() const;
  std::string left_out() const;
  std::string budget_text() const;

  ShedSpec spec_;
  std::vector<SlotUse> uses_;
  std::vector<bool> stacks_, user_stacks_;  // by slot
  bool clock_stacks_ = false, has_stacks_ = false, on_ = false;
  Ladder ladder_;
  double budget_ = 0;

  bool watching_ = false;
  Nanos since_ = 0, watched_ = 0;  // the window that is open; ns of those before
  Nanos window_at_ = 0;            // when this window or pause ends
  Nanos tick_at_ = 0, tick_from_ = 0, tick_watched_ = 0, tick_cpu_ = 0, other_cpu_ = 0;
  double reader_cpu_ = 0;
  std::vector<uint64_t> received_;
  uint64_t lost_ = 0;

  Nanos interval_from_ = 0, interval_watched_ = 0;
  std::string text_;                         // of the rung that holds
  bool returned_ = false;                    // to everything, since the last snapshot
  bool keeps_ = false, has_scaled_ = false;  // totals since the start; what is in them is scaled in part
};

}  // namespace ktop
