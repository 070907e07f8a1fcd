// Decompresses one zstd stream. The library is the one in the running program (Node has it) or the system's.
#pragma once
#include <cstddef>
#include <cstdint>

namespace ktop {

class ZstdStream {
 public:
  ZstdStream() = default;
  ~ZstdStream();
  ZstdStream(const ZstdStream&) = delete;
  ZstdStream& operator=(const ZstdStream&) = delete;

  static bool available();
  // Takes from `in` (moved on) and gives to `out` (moved on) as far as either reaches. False: the bytes make no sense.
  bool decompress(const uint8_t*& in, const uint8_t* in_end, uint8_t*& out, uint8_t* out_end);

 private:
  void* stream_ = nullptr;
};

}  // namespace ktop
