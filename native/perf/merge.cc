#include "merge.h"

#include <algorithm>

namespace ktop {
namespace {

constexpr size_t kScanLimit = 8;  // up to here looking at every cursor beats a heap

void merge_by_scan(const std::vector<Cursor*>& cursors, Nanos horizon, RecordSink& sink, Order& order) {
  for (;;) {
    Cursor* first = nullptr;
    Nanos best = kNever, second = kNever;
    for (Cursor* cursor : cursors) {
      if (cursor->time < best) {
        second = best;
        best = cursor->time;
        first = cursor;
      } else if (cursor->time < second) {
        second = cursor->time;
      }
    }
    if (!first || best > horizon) return;
    first->run(sink, std::min(second, horizon), order);
  }
}

void merge_by_heap(const std::vector<Cursor*>& cursors, Nanos horizon, RecordSink& sink, Order& order) {
  struct Entry {
    Nanos time;
    Cursor* cursor;
  };
  std::vector<Entry> heap;
  heap.reserve(cursors.size());
  const auto later = [](const Entry& a, const Entry& b) { return a.time > b.time; };
  for (Cursor* cursor : cursors)
    if (cursor->time <= horizon && cursor->time != kNever) heap.push_back({cursor->time, cursor});
  std::make_heap(heap.begin(), heap.end(), later);
  while (!heap.empty()) {
    const size_t n = heap.size();
    Nanos second = kNever;
    if (n > 1) second = heap[1].time;
    if (n > 2) second = std::min(second, heap[2].time);
    Cursor* cursor = heap[0].cursor;
    cursor->run(sink, std::min(second, horizon), order);
    Entry moved{cursor->time, cursor};
    size_t end = n;
    if (moved.time > horizon || moved.time == kNever) {
      moved = heap.back();
      heap.pop_back();
      end = n - 1;
      if (end == 0) return;
    }
    size_t hole = 0;  // let `moved` sink from the top
    for (;;) {
      size_t child = 2 * hole + 1;
      if (child >= end) break;
      if (child + 1 < end && heap[child + 1].time < heap[child].time) child++;
      if (heap[child].time >= moved.time) break;
      heap[hole] = heap[child];
      hole = child;
    }
    heap[hole] = moved;
  }
}

}  // namespace

void merge(const std::vector<Cursor*>& cursors, Nanos horizon, RecordSink& sink, Order& order) {
  horizon = std::min(horizon, kNever - 1);
  if (cursors.size() <= kScanLimit)
    merge_by_scan(cursors, horizon, sink, order);
  else
    merge_by_heap(cursors, horizon, sink, order);
}

}  // namespace ktop
