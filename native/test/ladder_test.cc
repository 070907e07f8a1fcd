// The ladder of load shedding, with made-up costs.
#include "engine/ladder.h"

#include "check.h"

using namespace ktop;

namespace {

// A load of which watching everything costs `whole`; each rung costs its share of that.
struct Load {
  Ladder ladder;
  std::vector<double> shares;  // by rung
  std::vector<size_t> levels = {};
  void run(double whole, int ticks) {
    for (int i = 0; i < ticks; i++) {
      const Rung& rung = ladder.rung();
      const double cost = whole * shares[ladder.level()];
      ladder.tick(cost, rung.kind == Rung::kDuty ? cost / rung.duty : cost);
      levels.push_back(ladder.level());
    }
  }
  int moves() const {
    int count = 0;
    for (size_t i = 1; i < levels.size(); i++) count += levels[i] != levels[i - 1];
    return count;
  }
};

Load load_of(double budget = 0.05) {
  const std::vector<Rung> rungs = {
      {Rung::kFull, 1}, {Rung::kLean, 1}, {Rung::kDuty, 0.1}, {Rung::kDuty, 0.02}, {Rung::kOff, 0}};
  return {Ladder(rungs, budget), {1, 0.5, 0.05, 0.01, 0}};
}

}  // namespace

TEST(ladder_sheds_nothing_within_the_budget) {
  Load load = load_of();
  load.run(0.049, 500);
  CHECK_EQ(load.ladder.level(), 0u);
  CHECK_EQ(load.moves(), 0);
}

TEST(ladder_bears_one_tick_and_no_more) {
  Load load = load_of();
  for (int i = 0; i < 50; i++) {
    load.run(0.2, 1);
    load.run(0.01, 1);
  }
  CHECK_EQ(load.ladder.level(), 0u);
  load.run(0.2, 2);
  CHECK_EQ(load.ladder.level(), 1u);
}

TEST(ladder_goes_down_as_far_as_it_must) {
  struct Case {
    double whole;
    size_t level;
  };
  for (const Case& each : {Case{0.09, 1}, Case{0.9, 2}, Case{3, 3}, Case{10, 4}}) {
    Load load = load_of();
    load.run(each.whole, 40);
    CHECK_EQ(load.ladder.level(), each.level);
    CHECK(each.level == 4 || std::abs(load.ladder.whole() - each.whole) < 0.01 * each.whole);
  }
}

TEST(ladder_comes_back_when_it_calms_and_not_before) {
  Load load = load_of();
  load.run(0.9, 40);
  CHECK_EQ(load.ladder.level(), 2u);
  // Half of the budget is not yet calm; lean would cost half of the whole.
  load.run(0.06, 100);
  CHECK_EQ(load.ladder.level(), 2u);
  load.run(0.04, 9);
  CHECK_EQ(load.ladder.level(), 2u);
  load.run(0.04, 1);
  CHECK_EQ(load.ladder.level(), 1u);
  load.run(0.04, 100);
  CHECK_EQ(load.ladder.level(), 1u);
  load.run(0.02, 11);
  CHECK_EQ(load.ladder.level(), 0u);
}

TEST(ladder_comes_back_at_once_from_far_down) {
  Load load = load_of();
  load.run(3, 40);
  CHECK_EQ(load.ladder.level(), 3u);
  load.run(0.001, 10);
  CHECK_EQ(load.ladder.level(), 0u);
}

TEST(ladder_does_not_swing_on_a_steady_load) {
  // Any load, from nothing to far too much: after it has settled it moves no more.
  for (double whole = 0.001; whole < 4; whole *= 1.07) {
    Load load = load_of();
    load.run(whole, 50);
    load.levels.clear();
    load.run(whole, 1000);
    CHECK_EQ(load.moves(), 0);
  }
}

TEST(ladder_swings_ever_less_when_the_load_does) {
  // Calm for just long enough, again and again.
  Load load = load_of();
  for (int round = 0; round < 60; round++) {
    load.run(0.9, 10);
    load.run(0.001, 12);
  }
  CHECK(load.moves() < 12);
  // And forgets it in time.
  load.run(0.001, 1500);
  load.run(0.9, 10);
  CHECK(load.ladder.level() >= 2u);
  load.run(0.001, 10);
  CHECK_EQ(load.ladder.level(), 0u);
}

TEST(ladder_tries_again_rarely_when_off) {
  Load load{Ladder({{Rung::kFull, 1}, {Rung::kOff, 0}}, 0.05), {1, 0}};
  load.run(1, 5000);
  // Each trial is two moves, each wait at least twice as long as the one before.
  CHECK(load.moves() >= 8);
  CHECK(load.moves() <= 16);
  int watched = 0;
  for (size_t level : load.levels) watched += level == 0;
  CHECK(watched < 50);
  load.run(0.001, 1600);
  CHECK_EQ(load.ladder.level(), 0u);
}

TEST(ladder_without_budget_or_rungs_sheds_nothing) {
  Load load = load_of(0);
  load.run(10, 100);
  CHECK_EQ(load.ladder.level(), 0u);
  Load exact{Ladder({Rung()}, 0.05), {1}};
  exact.run(1, 100);
  CHECK_EQ(exact.ladder.level(), 0u);
  CHECK(exact.ladder.over());
  exact.run(0.01, 1);
  CHECK(!exact.ladder.over());
}

TEST(ladder_is_not_fooled_by_a_load_that_ends_at_the_step) {
  Load load = load_of();
  load.run(0.2, 2);
  CHECK_EQ(load.ladder.level(), 1u);
  load.run(0.0005, 11);
  CHECK_EQ(load.ladder.level(), 0u);
}
