// Load shedding as a ladder of rungs, each with less of what is watched than the one before. Pure: costs in, rung out.
#pragma once
#include <cstddef>
#include <cstdint>
#include <vector>

namespace ktop {

struct Rung {
  enum Kind : uint8_t {
    kFull,
    kLean,    // without secondary events and call chains
    kFilter,  // only what a narrower kernel filter lets pass
    kDuty,    // only for a share of the time
    kOff,     // nothing; now and then it is tried again
  } kind = kFull;
  double duty = 1;  // share of the time: 1 but for kDuty; kOff: 0
};

// Steps down after two ticks over budget, back up when ten ticks in a row would have stayed below half of it. What came
// back too early waits twice as long the next time.
class Ladder {
 public:
  static constexpr int kOverTicks = 2, kCalmTicks = 10, kRetryTicks = 75;

  // `rungs` begins with kFull and gets ever cheaper. `budget`: of one CPU, 0.05 = 5 %; 0: without bound.
  explicit Ladder(std::vector<Rung> rungs = {Rung()}, double budget = 0);

  // A tick is over. Of one CPU: what watching took in it, and what it would have taken had all of it been watched (more
  // only where it was watched for a share of the time). True: another rung holds from now on.
  bool tick(double cost, double all_time);

  const Rung& rung() const { return rungs_[at_]; }
  size_t level() const { return at_; }
  bool lowest() const { return at_ + 1 == rungs_.size(); }
  double budget() const { return budget_; }
  // Of one CPU: what all of it would cost, as far as that is known.
  double whole() const { return whole_; }
  // Too much, and there is nothing left to be shed.
  bool over() const { return over_ >= kOverTicks; }
  // kOff: ticks until it is tried again.
  int until_retry() const { return retry_ - waited_; }

 private:
  static constexpr int kLong = 1'000'000;
  double estimate(size_t level, double base) const;
  bool move(size_t level);
  bool wait_for_retry();
  size_t base_level() const;

  std::vector<Rung> rungs_;
  double budget_;
  size_t at_ = 0;
  std::vector<double> saves_;  // by rung: the cost of the one before divided by its own, as measured when it was taken
  double before_ = 0;          // cost on the rung before, until that is known
  double whole_ = 0;
  size_t calmest_ = 0;  // the best rung that every tick of a calm would have borne
  int over_ = 0, calm_ = 0, calm_wanted_ = kCalmTicks;
  int settling_ = 0;   // ticks that are still mixed
  int since_ = kLong;  // ticks since it last came back up
  bool trial_ = false;
  int retry_ = kRetryTicks, waited_ = 0;
};

}  // namespace ktop
