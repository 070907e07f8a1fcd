#include "pointer_text.h"

#include <sys/random.h>

#include <atomic>
#include <cinttypes>
#include <cstdio>

namespace ktop {
namespace {

std::atomic<bool> hidden{false};

struct Key {
  uint64_t half[2] = {};
  Key() {
    // Before the kernel has gathered any randomness it waits; for a moment at boot.
    if (getrandom(half, sizeof half, 0) != sizeof half) half[0] = reinterpret_cast<uint64_t>(this);
  }
};

constexpr uint64_t rotate(uint64_t v, int by) { return v << by | v >> (64 - by); }

// SipHash-2-4 of eight bytes.
uint64_t hash(const Key& key, uint64_t word) {
  uint64_t a = key.half[0] ^ 0x736f6d6570736575, b = key.half[1] ^ 0x646f72616e646f6d;
  uint64_t c = key.half[0] ^ 0x6c7967656e657261, d = key.half[1] ^ 0x7465646279746573;
  const auto rounds = [&](int n) {
    for (; n > 0; n--) {
      a += b, b = rotate(b, 13) ^ a, a = rotate(a, 32);
      c += d, d = rotate(d, 16) ^ c;
      a += d, d = rotate(d, 21) ^ a;
      c += b, b = rotate(b, 17) ^ c, c = rotate(c, 32);
    }
  };
  for (const uint64_t block : {word, UINT64_C(8) << 56}) {
    d ^= block;
    rounds(2);
    a ^= block;
  }
  c ^= 0xff;
  rounds(4);
  return a ^ b ^ c ^ d;
}

}  // namespace

void hide_pointers(bool hide) { hidden = hide; }

std::string pointer_text(uint64_t address) {
  char text[24];
  if (hidden && address >> 63) {
    static const Key key;
    std::snprintf(text, sizeof text, "ptr_%08" PRIx32, static_cast<uint32_t>(hash(key, address)));
  } else {
    std::snprintf(text, sizeof text, "0x%" PRIx64, address);
  }
  return text;
}

}  // namespace ktop
