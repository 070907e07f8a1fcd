// Orders the records of several sources by time.
#pragma once
#include <cstdint>
#include <vector>

#include "record.h"
#include "ring.h"

namespace ktop {

// What has gone out so far: time never steps back.
struct Order {
  Nanos last = 0;
  uint64_t late = 0;
  Nanos pass(Nanos time) {
    if (__builtin_expect(time < last, 0)) {
      late++;
      return last;
    }
    last = time;
    return time;
  }
};

// A source of records, ordered in itself. The merge looks at `time` only, and lets the source deliver a whole run of
// records without a call for each.
class Cursor {
 public:
  virtual ~Cursor() = default;
  Nanos time = kNever;  // of the next record; kNever: none
  // Makes visible what has arrived since; updates `time`.
  virtual void refill() = 0;
  // Delivers every record up to and including `limit`, at least the first; updates `time`.
  virtual void run(RecordSink& sink, Nanos limit, Order& order) = 0;
  // Gives the space of what was delivered back to the kernel.
  virtual void release() = 0;
};

// Delivers everything up to and including `horizon` in time order.
void merge(const std::vector<Cursor*>& cursors, Nanos horizon, RecordSink& sink, Order& order);

}  // namespace ktop
