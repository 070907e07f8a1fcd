#include "rounds.h"

#include <algorithm>

namespace ktop {
namespace {

bool earlier(const Rounds::Entry& a, const Rounds::Entry& b) { return a.time < b.time; }

}  // namespace

void Rounds::add(const Entry& entry) {
  newest_ = std::max(newest_, entry.time);
  fresh_.push_back(entry);
}

// A round is as many ordered runs as there are CPUs, so runs are found and merged, two neighbours at a time.
void Rounds::sort() {
  if (fresh_.empty()) return;
  // What is left of before goes first: it stood before the fresh ones in the file.
  sorted_.erase(sorted_.begin(), sorted_.begin() + static_cast<std::ptrdiff_t>(at_));
  ready_ -= std::min(ready_, at_);
  at_ = 0;
  runs_.assign(1, 0);
  const size_t first = std::max<size_t>(sorted_.size(), 1);
  sorted_.insert(sorted_.end(), fresh_.begin(), fresh_.end());
  fresh_.clear();
  for (size_t i = first; i < sorted_.size(); i++)
    if (earlier(sorted_[i], sorted_[i - 1])) runs_.push_back(i);
  runs_.push_back(sorted_.size());
  merged_.resize(sorted_.size());
  while (runs_.size() > 2) {
    size_t kept = 1;
    for (size_t i = 0; i + 1 < runs_.size(); i += 2) {
      const bool alone = i + 2 >= runs_.size();
      const auto from = sorted_.begin();
      const auto a = static_cast<std::ptrdiff_t>(runs_[i]), b = static_cast<std::ptrdiff_t>(runs_[i + 1]);
      const auto c = alone ? b : static_cast<std::ptrdiff_t>(runs_[i + 2]);
      std::merge(from + a, from + b, from + b, from + c, merged_.begin() + a, earlier);
      runs_[kept++] = static_cast<size_t>(c);
    }
    runs_.resize(kept);
    sorted_.swap(merged_);
  }
}

void Rounds::make_ready(Nanos limit) {
  sort();
  const auto end = std::upper_bound(sorted_.begin() + static_cast<std::ptrdiff_t>(at_), sorted_.end(), limit,
                                    [](Nanos time, const Entry& entry) { return time < entry.time; });
  ready_ = std::max(ready_, static_cast<size_t>(end - sorted_.begin()));
}

void Rounds::finish_round() {
  make_ready(limits_[0]);
  limits_[0] = limits_[1];
  limits_[1] = newest_;
}

void Rounds::finish() { make_ready(UINT64_MAX); }

void Rounds::halve() {
  sort();
  if (at_ == sorted_.size()) return;
  const Nanos first = sorted_[at_].time, last = sorted_.back().time;
  make_ready(first + (last - first) / 2);
}

void Rounds::pop() { at_++; }

}  // namespace ktop
