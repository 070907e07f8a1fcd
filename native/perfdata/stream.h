// The records of a perf.data file in the order of the file, those in compressed ones included.
#pragma once
#include <linux/perf_event.h>

#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "bytes.h"
#include "zstd.h"

namespace ktop {

// Records of perf's own, not of the kernel (tools/lib/perf/include/perf/event.h).
enum UserRecord : uint32_t {
  kHeaderAttr = 64,
  kHeaderTracingData = 66,
  kHeaderBuildId = 67,
  kFinishedRound = 68,
  kAuxtrace = 71,
  kEventUpdate = 78,
  kHeaderFeature = 80,
  kCompressed = 81,
  kFinishedInit = 82,
  kCompressed2 = 83,
};

// Memory that records lie in. It stays while somebody holds records of it.
struct Chunk {
  std::unique_ptr<uint8_t[]> bytes;
  size_t size = 0;  // filled
  size_t held = 0;  // records that are still to be delivered
};

struct RawRecord {
  uint32_t type = 0;
  uint16_t misc = 0;
  const uint8_t* body = nullptr;  // what follows the header
  uint32_t size = 0;              // bytes of the body
  uint32_t chunk = 0;
  // kHeaderTracingData, kAuxtrace: where in the file the data behind the record are.
  uint64_t follows = 0, follows_size = 0;
};

class RecordStream {
 public:
  // Reads from `from` up to `to`, or up to the end of the bytes when that comes first.
  RecordStream(std::shared_ptr<const ByteSource> bytes, uint64_t from, uint64_t to);

  // The next record; it is valid until the next call, or as long as its chunk is held. False: the end.
  bool next(RawRecord* out);
  // Why the end came before `to`: one sentence, "" when all was read.
  const std::string& damage() const { return damage_; }
  // Keeps the chunk of a record until it is released as often.
  void hold(uint32_t chunk) { chunks_[chunk].held++; }
  void release(uint32_t chunk) { chunks_[chunk].held--; }
  // Bytes of the chunks that are held.
  size_t held() const;

  static constexpr size_t kChunk = 1 << 20;

 private:
  // The part of a chunk that has not been taken yet.
  struct Window {
    Chunk* chunk = nullptr;
    uint32_t number = 0;
    size_t at = 0;
    size_t left() const { return chunk ? chunk->size - at : 0; }
  };
  uint32_t fresh();
  void carry_over(Window& window);
  bool take(Window& window, RawRecord* out);
  bool refill();
  bool inflate();
  bool next_outer(RawRecord* out);
  bool next_inner(RawRecord* out);
  bool skip_data(RawRecord* out);
  bool unpack(const RawRecord& record);
  // What follows makes no sense.
  bool broken(const std::string& why);

  const std::shared_ptr<const ByteSource> bytes_;
  uint64_t position_;  // in the file: the first byte that is not yet in outer_'s chunk
  const uint64_t end_;
  bool short_ = false, broken_ = false;
  std::string damage_;
  std::deque<Chunk> chunks_;
  Window outer_, inner_;  // of the file; of what compressed records hold
  ZstdStream zstd_;
  std::vector<uint8_t> packed_;  // the compressed record that is being read
  size_t packed_at_ = 0;
  bool more_packed_ = false;  // the decompressor holds more
};

}  // namespace ktop
