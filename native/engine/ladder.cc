#include "engine/ladder.h"

#include <algorithm>

namespace ktop {
namespace {

constexpr double kMostSaved = 20;  // of a rung: a load that ends just then says nothing of it
constexpr int kMostCalm = 160, kMostRetry = 1500;
constexpr int kTooEarly = 25;  // ticks within which a return was one

}  // namespace

Ladder::Ladder(std::vector<Rung> rungs, double budget)
    : rungs_(std::move(rungs)), budget_(budget), saves_(rungs_.size(), 1) {}

// The last rung that is no part of the time: what watching costs there follows from what it costs now.
size_t Ladder::base_level() const {
  size_t level = at_;
  while (rungs_[level].kind == Rung::kDuty) level--;
  return level;
}

double Ladder::estimate(size_t level, double base) const {
  if (rungs_[level].kind == Rung::kDuty) return base * rungs_[level].duty;
  double cost = base;
  for (size_t i = base_level(); i > level; i--) cost *= saves_[i];
  return cost;
}

bool Ladder::move(size_t level) {
  if (level < at_) since_ = 0;
  at_ = level;
  over_ = calm_ = 0;
  calmest_ = 0;
  settling_ = 1;
  waited_ = 0;
  return true;
}

bool Ladder::wait_for_retry() {
  if (++waited_ < retry_) return false;
  trial_ = true;
  return move(at_ - 1);
}

bool Ladder::tick(double cost, double all_time) {
  if (budget_ <= 0) return false;
  if (rung().kind == Rung::kOff) return wait_for_retry();
  if (settling_ > 0) {
    settling_--;
    return false;
  }
  since_ = std::min(since_ + 1, kLong);
  if (before_ > 0) {
    saves_[at_] = std::clamp(before_ / std::max(cost, before_ / kMostSaved), 1.0, kMostSaved);
    before_ = 0;
  }
  const double base = std::max(cost, all_time);
  whole_ = estimate(0, base);
  if (cost > budget_) {
    calm_ = 0;
    over_ = std::min(over_ + 1, kOverTicks);
    if (over_ < kOverTicks || lowest()) return false;
    const Rung::Kind next = rungs_[at_ + 1].kind;
    if (next == Rung::kLean || next == Rung::kFilter) before_ = cost;
    // It came back only to have to go again: the calm was not one.
    if (since_ < kTooEarly) calm_wanted_ = std::min(2 * calm_wanted_, kMostCalm);
    since_ = kLong;
    if (next == Rung::kOff) {
      retry_ = trial_ ? std::min(2 * retry_, kMostRetry) : kRetryTicks;
      trial_ = false;
    }
    return move(at_ + 1);
  }
  over_ = 0;
  if (trial_ && since_ >= kTooEarly) trial_ = false;
  if (at_ == 0) {
    if (since_ > 4 * calm_wanted_) calm_wanted_ = kCalmTicks;
    return false;
  }
  size_t best = at_;
  while (best > 0 && estimate(best - 1, base) < budget_ / 2) best--;
  if (best == at_) {
    calm_ = 0;
    return false;
  }
  calmest_ = calm_ == 0 ? best : std::max(calmest_, best);
  if (++calm_ < calm_wanted_) return false;
  return move(calmest_);
}

}  // namespace ktop
