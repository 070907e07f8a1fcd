#include "stream.h"

#include <algorithm>

namespace ktop {
namespace {

constexpr size_t kRoomToInflate = 128 << 10;

}  // namespace

RecordStream::RecordStream(std::shared_ptr<const ByteSource> bytes, uint64_t from, uint64_t to)
    : bytes_(std::move(bytes)), position_(from), end_(to) {}

size_t RecordStream::held() const {
  size_t sum = 0;
  for (const Chunk& chunk : chunks_) sum += chunk.held ? kChunk : 0;
  return sum;
}

uint32_t RecordStream::fresh() {
  for (size_t i = 0; i < chunks_.size(); i++) {
    Chunk& chunk = chunks_[i];
    if (chunk.held || &chunk == outer_.chunk || &chunk == inner_.chunk) continue;
    chunk.size = 0;
    return static_cast<uint32_t>(i);
  }
  chunks_.emplace_back().bytes.reset(new uint8_t[kChunk]);
  return static_cast<uint32_t>(chunks_.size() - 1);
}

bool RecordStream::broken(const std::string& why) {
  broken_ = true;
  if (damage_.empty()) damage_ = why + ": what follows is not read";
  return false;
}

// What is left of a window moves to the front of another chunk: records never lie across two.
void RecordStream::carry_over(Window& window) {
  const uint32_t number = fresh();
  Chunk* to = &chunks_[number];
  to->size = window.left();
  if (to->size) memcpy(to->bytes.get(), window.chunk->bytes.get() + window.at, to->size);
  window = {to, number, 0};
}

// Takes the record at the front. False: there is no whole one.
bool RecordStream::take(Window& window, RawRecord* out) {
  const size_t left = window.left();
  if (left < sizeof(perf_event_header)) return false;
  const uint8_t* at = window.chunk->bytes.get() + window.at;
  perf_event_header header;
  memcpy(&header, at, sizeof header);
  if (header.size < sizeof header) {
    const uint64_t place = position_ - outer_.left();
    return broken((&window == &inner_ ? "compressed data before byte " : "byte ") + std::to_string(place) +
                  " begins no record");
  }
  if (header.size > left) return false;
  out->type = header.type;
  out->misc = header.misc;
  out->body = at + sizeof header;
  out->size = static_cast<uint32_t>(header.size - sizeof header);
  out->chunk = window.number;
  window.at += header.size;
  return true;
}

bool RecordStream::refill() {
  if (short_ || broken_ || position_ >= end_) return false;
  carry_over(outer_);
  Chunk* chunk = outer_.chunk;
  const size_t wanted = static_cast<size_t>(std::min<uint64_t>(kChunk - chunk->size, end_ - position_));
  const size_t got = bytes_->read(position_, chunk->bytes.get() + chunk->size, wanted);
  chunk->size += got;
  position_ += got;
  if (got < wanted) {
    short_ = true;
    damage_ = "the file is cut off: its data should go on to byte " + std::to_string(end_) + ", it ends at byte " +
              std::to_string(position_);
  }
  return got > 0;
}

bool RecordStream::next_outer(RawRecord* out) {
  while (!take(outer_, out))
    if (broken_ || !refill()) return false;
  return true;
}

// More of the compressed record at hand. False: nothing came of it.
bool RecordStream::inflate() {
  if (packed_at_ == packed_.size() && !more_packed_) return false;
  if (!inner_.chunk || kChunk - inner_.chunk->size < kRoomToInflate) carry_over(inner_);
  Chunk* chunk = inner_.chunk;
  const uint8_t* in = packed_.data() + packed_at_;
  uint8_t* out = chunk->bytes.get() + chunk->size;
  uint8_t* const before = out;
  const bool good = zstd_.decompress(in, packed_.data() + packed_.size(), out, chunk->bytes.get() + kChunk);
  packed_at_ = static_cast<size_t>(in - packed_.data());
  chunk->size += static_cast<size_t>(out - before);
  more_packed_ = chunk->size == kChunk;
  if (!good)
    return broken("the compressed record before byte " + std::to_string(position_ - outer_.left()) +
                  " cannot be decompressed");
  return out > before;
}

bool RecordStream::next_inner(RawRecord* out) {
  while (!take(inner_, out))
    if (broken_ || !inflate()) return false;
  return true;
}

// Steps over the data behind a record, which are no records.
bool RecordStream::skip_data(RawRecord* out) {
  Span body(out->body, out->size);
  out->follows_size = out->type == kAuxtrace ? body.take<uint64_t>() : body.take<uint32_t>();
  out->follows = position_ - outer_.left();
  const uint64_t end = std::min(end_, bytes_->size());
  if (out->follows > end || out->follows_size > end - out->follows)
    return broken("the file is cut off: it ends at byte " + std::to_string(end) + ", within the data of a record");
  const uint64_t here = std::min<uint64_t>(out->follows_size, outer_.left());
  outer_.at += static_cast<size_t>(here);
  position_ += out->follows_size - here;
  return true;
}

bool RecordStream::unpack(const RawRecord& record) {
  std::string_view packed(reinterpret_cast<const char*>(record.body), record.size);
  if (record.type == kCompressed2) {
    Span body(record.body, record.size);
    const uint64_t size = body.take<uint64_t>();
    packed = body.bytes(size);
    if (!body.ok())
      return broken("the compressed record before byte " + std::to_string(position_ - outer_.left()) +
                    " is shorter than it says");
  }
  packed_.assign(packed.begin(), packed.end());
  packed_at_ = 0;
  return true;
}

bool RecordStream::next(RawRecord* out) {
  while (!broken_) {
    if (next_inner(out)) return true;
    if (broken_ || !next_outer(out)) break;
    out->follows = out->follows_size = 0;
    if (out->type == kHeaderTracingData || out->type == kAuxtrace) return skip_data(out);
    if (out->type != kCompressed && out->type != kCompressed2) return true;
    if (!unpack(*out)) break;
  }
  if (damage_.empty() && outer_.left() + inner_.left() > 0) damage_ = "the last record is cut off";
  return false;
}

}  // namespace ktop
