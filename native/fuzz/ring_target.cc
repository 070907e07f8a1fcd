#include <algorithm>
#include <cstring>

#include "perf/ring.h"
#include "targets.h"

namespace ktop_fuzz {

uint64_t touch(const void* bytes, size_t size) {
  volatile uint64_t sum = 0;
  for (size_t i = 0; i < size; i++) sum = sum + static_cast<const uint8_t*>(bytes)[i];
  return sum;
}

namespace {

using namespace ktop;

template <Layout L>
void decode(const uint8_t* data, size_t size, uint64_t tail) {
  SlotTable table;
  for (uint16_t type = 0; type < 512; type++) table.set(type, type % 4);
  uint64_t bytes = 64;
  while (bytes < size && bytes < 65536) bytes *= 2;
  std::vector<uint64_t> ring(bytes / 8);
  memcpy(ring.data(), data, std::min<size_t>(size, bytes));
  RingDecoder<L> d(reinterpret_cast<const uint8_t*>(ring.data()), bytes, 1, &table, 4);
  tail &= ~UINT64_C(7);
  d.window(tail, tail + std::min<uint64_t>(size, bytes) / 2);
  for (int half = 0; half < 2; half++) {
    while (d.next()) {
      if (d.kind == ItemKind::kTask) {
        if (d.task.comm) touch(d.task.comm, strlen(d.task.comm));
        continue;
      }
      if (d.record.raw) touch(d.record.raw, d.record.size);
      touch(d.record.frames, d.record.frame_count * sizeof(uint64_t));
      if (d.record.slot > 4) __builtin_trap();
      if (d.has_lost) touch(&d.lost, sizeof d.lost);
    }
    d.extend(tail + std::min<uint64_t>(size, bytes));
  }
  if (d.consumed() > tail + bytes) __builtin_trap();
}

}  // namespace

void ring(const uint8_t* data, size_t size) {
  if (size < 9) return;
  uint64_t tail;
  memcpy(&tail, data + 1, 8);
  tail >>= 8;  // running counts do not overflow
  switch (data[0] % 4) {
    case 0:
      return decode<Layout::kPlain>(data + 9, size - 9, tail);
    case 1:
      return decode<Layout::kStack>(data + 9, size - 9, tail);
    case 2:
      return decode<Layout::kClock>(data + 9, size - 9, tail);
    default:
      return decode<Layout::kClockStack>(data + 9, size - 9, tail);
  }
}

}  // namespace ktop_fuzz
