// Puts bytes together: records of tracepoints, of perf rings, of trace pages.
#pragma once
#include <linux/perf_event.h>

#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

namespace ktop_test {

class Bytes {
 public:
  std::vector<uint8_t> data;

  template <typename T>
  Bytes& add(T value) {
    const size_t at = data.size();
    data.resize(at + sizeof value);
    memcpy(&data[at], &value, sizeof value);
    return *this;
  }
  template <typename T>
  Bytes& set(size_t offset, T value) {
    if (data.size() < offset + sizeof value) data.resize(offset + sizeof value);
    memcpy(&data[offset], &value, sizeof value);
    return *this;
  }
  Bytes& text(size_t offset, const std::string& value) {
    if (data.size() < offset + value.size()) data.resize(offset + value.size());
    memcpy(&data[offset], value.data(), value.size());
    return *this;
  }
  Bytes& append(const Bytes& other) {
    data.insert(data.end(), other.data.begin(), other.data.end());
    return *this;
  }
  const uint8_t* raw() const { return data.data(); }
  uint32_t size() const { return static_cast<uint32_t>(data.size()); }
};

// A tracepoint's record: common fields and one u64.
inline Bytes tracepoint(uint16_t type, uint32_t pid, uint64_t value) {
  Bytes b;
  b.add(type).add<uint8_t>(0).add<uint8_t>(0).add(pid).add(value);
  return b;
}

inline Bytes perf_record(uint32_t type, uint16_t misc, const Bytes& body) {
  Bytes b;
  b.add(type).add(misc).add(static_cast<uint16_t>(8 + body.size()));
  return b.append(body);
}

// RAW|TIME; the raw part padded so that the record is a multiple of 8 bytes.
inline Bytes plain_sample(uint64_t time, const Bytes& raw) {
  Bytes body;
  const uint32_t padded = (raw.size() + 4 + 7) / 8 * 8 - 4;
  body.add(time).add(padded).append(raw);
  body.data.resize(8 + 4 + padded);
  return perf_record(PERF_RECORD_SAMPLE, 1, body);
}

inline Bytes stack_sample(uint64_t time, const std::vector<uint64_t>& chain, const Bytes& raw) {
  Bytes body;
  const uint32_t padded = (raw.size() + 4 + 7) / 8 * 8 - 4;
  body.add(time).add<uint64_t>(chain.size());
  for (uint64_t ip : chain) body.add(ip);
  body.add(padded).append(raw);
  body.data.resize(16 + 8 * chain.size() + 4 + padded);
  return perf_record(PERF_RECORD_SAMPLE, 1, body);
}

inline Bytes lost_record(uint64_t count, uint64_t time) {
  Bytes body;
  body.add<uint64_t>(1).add(count).add(time);
  return perf_record(PERF_RECORD_LOST, 0, body);
}

inline Bytes comm_record(uint32_t pid, uint32_t tid, const std::string& comm, uint64_t time, bool exec) {
  Bytes body;
  body.add(pid).add(tid);
  Bytes name;
  name.text(0, comm);
  name.data.resize((comm.size() + 8) / 8 * 8);
  body.append(name).add(time);
  return perf_record(PERF_RECORD_COMM, exec ? PERF_RECORD_MISC_COMM_EXEC : 0, body);
}

inline Bytes fork_record(uint32_t type, uint32_t pid, uint32_t ppid, uint32_t tid, uint32_t ptid, uint64_t time) {
  Bytes body;
  body.add(pid).add(ppid).add(tid).add(ptid).add(time).add(time);
  return perf_record(type, 0, body);
}

// A ring with what the kernel would have written: `head` is a running count, the tail the count at the first byte.
struct Ring {
  explicit Ring(size_t size, uint64_t start = 0) : words(size / 8), tail(start), head(start) {}
  std::vector<uint64_t> words;
  uint64_t tail, head;
  uint8_t* base() { return reinterpret_cast<uint8_t*>(words.data()); }
  uint64_t size() const { return words.size() * 8; }
  void write(const Bytes& record) {
    for (uint8_t byte : record.data) base()[head++ % size()] = byte;
  }
};

// A page of a trace buffer.
class Page {
 public:
  explicit Page(uint64_t time) { bytes_.add(time).add<uint64_t>(0); }
  Page& event(uint32_t delta, const Bytes& record) {
    const uint32_t words = (record.size() + 3) / 4;
    if (words <= 28) {
      bytes_.add<uint32_t>(words | delta << 5);
    } else {
      bytes_.add<uint32_t>(0 | delta << 5).add<uint32_t>(4 + words * 4);
    }
    bytes_.append(record);
    while (bytes_.size() % 4) bytes_.add<uint8_t>(0);
    return *this;
  }
  Page& extend(uint64_t delta) { return word(30, delta & 0x7ffffff, delta >> 27); }
  Page& absolute(uint64_t time) { return word(31, time & 0x7ffffff, time >> 27); }
  Page& discarded(uint32_t delta, uint32_t body_words) {
    bytes_.add<uint32_t>(29 | delta << 5).add<uint32_t>(4 * body_words);
    bytes_.data.resize(bytes_.size() + 4 * (body_words - 1));
    return *this;
  }
  Page& padding() {
    bytes_.add<uint32_t>(29);
    return *this;
  }
  std::vector<uint8_t> finish(uint64_t flags = 0, uint64_t missed = 0) {
    std::vector<uint8_t> page = bytes_.data;
    const uint64_t commit = (page.size() - 16) | flags;
    memcpy(&page[8], &commit, 8);
    const size_t end = page.size();
    page.resize(4096);
    if (flags) memcpy(&page[end], &missed, 8);
    return page;
  }

 private:
  Page& word(uint32_t type, uint64_t low, uint64_t high) {
    bytes_.add<uint32_t>(type | static_cast<uint32_t>(low) << 5).add<uint32_t>(static_cast<uint32_t>(high));
    return *this;
  }
  Bytes bytes_;
};

}  // namespace ktop_test
