// Puts perf.data files together, byte by byte, as perf would write them.
#pragma once
#include <linux/perf_event.h>

#include <memory>
#include <string>
#include <vector>

#include "perfdata/file.h"
#include "perfdata/file_symbols.h"
#include "perfdata/reader.h"
#include "record_builder.h"

namespace ktop_test {

using namespace ktop;

constexpr uint64_t kTracepointSample = PERF_SAMPLE_IDENTIFIER | PERF_SAMPLE_IP | PERF_SAMPLE_TID | PERF_SAMPLE_TIME |
                                       PERF_SAMPLE_CPU | PERF_SAMPLE_PERIOD | PERF_SAMPLE_RAW;

inline perf_event_attr tracepoint_attr(uint64_t id, uint64_t sample_type = kTracepointSample) {
  perf_event_attr attr{};
  attr.type = PERF_TYPE_TRACEPOINT;
  attr.size = sizeof attr;
  attr.config = id;
  attr.sample_period = 1;
  attr.sample_type = sample_type;
  attr.sample_id_all = 1;
  return attr;
}

inline perf_event_attr clock_attr(uint64_t frequency, bool stacks) {
  perf_event_attr attr{};
  attr.type = PERF_TYPE_SOFTWARE;
  attr.size = sizeof attr;
  attr.config = PERF_COUNT_SW_CPU_CLOCK;
  attr.sample_freq = frequency;
  attr.freq = 1;
  attr.sample_type = PERF_SAMPLE_IDENTIFIER | PERF_SAMPLE_IP | PERF_SAMPLE_TID | PERF_SAMPLE_TIME | PERF_SAMPLE_CPU |
                     PERF_SAMPLE_PERIOD | (stacks ? PERF_SAMPLE_CALLCHAIN : 0);
  attr.sample_id_all = 1;
  return attr;
}

struct From {
  uint64_t id = 0, time = 0;
  uint32_t pid = 1, tid = 1, cpu = 0;
};

// The trailer of records that are no samples, for the sample types above.
inline Bytes& trailer(Bytes& body, const From& from) {
  return body.add(from.pid).add(from.tid).add(from.time).add(from.cpu).add<uint32_t>(0).add(from.id);
}

inline Bytes raw_part(const Bytes& raw) {
  Bytes part;
  const uint32_t padded = (raw.size() + 4 + 7) / 8 * 8 - 4;
  part.add(padded).append(raw);
  part.data.resize(4 + padded);
  return part;
}

// A sample of a tracepoint: one u64 after the common fields.
inline Bytes sample_of(const From& from, uint16_t type, uint64_t value) {
  Bytes body;
  body.add(from.id).add<uint64_t>(0xffffffff81000000).add(from.pid).add(from.tid).add(from.time);
  body.add(from.cpu).add<uint32_t>(0).add<uint64_t>(1).append(raw_part(tracepoint(type, from.tid, value)));
  return perf_record(PERF_RECORD_SAMPLE, PERF_RECORD_MISC_KERNEL, body);
}

inline Bytes clock_sample(const From& from, bool user, uint64_t ip, const std::vector<uint64_t>* chain = nullptr) {
  Bytes body;
  body.add(from.id).add(ip).add(from.pid).add(from.tid).add(from.time);
  body.add(from.cpu).add<uint32_t>(0).add<uint64_t>(1);
  if (chain) {
    body.add<uint64_t>(chain->size());
    for (const uint64_t each : *chain) body.add(each);
  }
  return perf_record(PERF_RECORD_SAMPLE, user ? PERF_RECORD_MISC_USER : PERF_RECORD_MISC_KERNEL, body);
}

inline Bytes comm_of(const From& from, const std::string& name) {
  Bytes body, padded;
  body.add(from.pid).add(from.tid);
  padded.text(0, name);
  padded.data.resize((name.size() + 8) / 8 * 8);
  body.append(padded);
  return perf_record(PERF_RECORD_COMM, 0, trailer(body, from));
}

inline Bytes fork_of(const From& from, uint32_t parent) {
  Bytes body;
  body.add(from.pid).add(parent).add(from.tid).add(parent).add(from.time);
  return perf_record(PERF_RECORD_FORK, 0, trailer(body, from));
}

inline Bytes lost_of(const From& from, uint64_t count) {
  Bytes body;
  body.add(from.id).add(count);
  return perf_record(PERF_RECORD_LOST, 0, trailer(body, from));
}

inline Bytes lost_samples_of(const From& from, uint64_t count) {
  Bytes body;
  body.add(count);
  return perf_record(PERF_RECORD_LOST_SAMPLES, 0, trailer(body, from));
}

inline Bytes kernel_map_of(const std::string& name, uint64_t start, uint64_t length, uint64_t offset) {
  Bytes body, padded;
  body.add<uint32_t>(0xffffffff).add<uint32_t>(0).add(start).add(length).add(offset);
  padded.text(0, name);
  padded.data.resize((name.size() + 8) / 8 * 8);
  body.append(padded);
  return perf_record(PERF_RECORD_MMAP, PERF_RECORD_MISC_KERNEL, trailer(body, {}));
}

inline Bytes round_end() { return perf_record(kFinishedRound, 0, Bytes()); }

inline Bytes text_feature(const std::string& value) {
  Bytes b, padded;
  padded.text(0, value);
  padded.data.resize((value.size() + 64) / 64 * 64);
  return b.add(static_cast<uint32_t>(padded.size())).append(padded);
}

// The format file of a made-up tracepoint with one 8-byte field.
inline std::string format_text(const std::string& name, uint16_t id, const std::string& field) {
  return "name: " + name + "\nID: " + std::to_string(id) +
         "\nformat:\n"
         "\tfield:unsigned short common_type;\toffset:0;\tsize:2;\tsigned:0;\n"
         "\tfield:unsigned char common_flags;\toffset:2;\tsize:1;\tsigned:0;\n"
         "\tfield:unsigned char common_preempt_count;\toffset:3;\tsize:1;\tsigned:0;\n"
         "\tfield:int common_pid;\toffset:4;\tsize:4;\tsigned:1;\n\n"
         "\tfield:long " +
         field + ";\toffset:8;\tsize:8;\tsigned:1;\n\nprint fmt: \"" + field + "=%ld\", REC->" + field + "\n";
}

struct MadeFormat {
  std::string system, name;
  uint16_t id;
};

inline Bytes tracing_data(const std::vector<MadeFormat>& formats, const std::string& kallsyms = "",
                          const std::string& names = "") {
  Bytes b;
  const auto text = [&b](const std::string& value) { b.text(b.size(), value); };
  const auto sized = [&](const std::string& value) {
    b.add<uint64_t>(value.size());
    text(value);
  };
  const auto zero = [&] { b.add<uint8_t>(0); };
  text("\027\010\104tracing");
  text("0.6");
  zero();
  b.add<uint8_t>(0).add<uint8_t>(8).add<uint32_t>(4096);
  text("header_page");
  zero();
  sized("");
  text("header_event");
  zero();
  sized("");
  b.add<uint32_t>(0);
  b.add<uint32_t>(static_cast<uint32_t>(formats.size()));
  for (const MadeFormat& each : formats) {
    text(each.system);
    zero();
    b.add<uint32_t>(1);
    sized(format_text(each.name, each.id, "value"));
  }
  b.add<uint32_t>(static_cast<uint32_t>(kallsyms.size()));
  text(kallsyms);
  b.add<uint32_t>(0);
  sized(names);
  return b;
}

class PerfFile {
 public:
  struct Event {
    perf_event_attr attr;
    std::vector<uint64_t> ids;
  };
  std::vector<Event> events;
  Bytes data;
  std::vector<std::pair<uint32_t, Bytes>> features;  // by number, ascending

  PerfFile& event(const perf_event_attr& attr, const std::vector<uint64_t>& ids) {
    events.push_back({attr, ids});
    return *this;
  }
  PerfFile& add(const Bytes& record) {
    data.append(record);
    return *this;
  }
  PerfFile& feature(uint32_t id, const Bytes& body) {
    features.emplace_back(id, body);
    return *this;
  }
  // HOSTNAME, OSRELEASE, NRCPUS, SAMPLE_TIME; tracing data first.
  PerfFile& usual(const std::vector<MadeFormat>& formats, uint64_t first, uint64_t last) {
    feature(1, tracing_data(formats));
    feature(3, text_feature("elsewhere")).feature(4, text_feature("4.2.0-test"));
    feature(7, Bytes().add<uint32_t>(4).add<uint32_t>(2));
    return feature(21, Bytes().add(first).add(last));
  }

  std::vector<uint8_t> finish() const {
    constexpr uint64_t kHeader = 104, kAttr = sizeof(perf_event_attr) + 16;
    Bytes ids, attrs;
    for (const Event& each : events) {
      attrs.add(each.attr).add<uint64_t>(kHeader + ids.size()).add<uint64_t>(each.ids.size() * 8);
      for (const uint64_t id : each.ids) ids.add(id);
    }
    const uint64_t attrs_at = kHeader + ids.size(), data_at = attrs_at + attrs.size();
    uint64_t bits[4] = {};
    for (auto& [id, body] : features) bits[id / 64] |= uint64_t{1} << (id % 64);
    Bytes file;
    file.add<uint64_t>(0x32454c4946524550).add(kHeader).add(kAttr).add(attrs_at).add<uint64_t>(attrs.size());
    file.add(data_at).add<uint64_t>(data.size()).add<uint64_t>(0).add<uint64_t>(0);
    for (const uint64_t word : bits) file.add(word);
    file.append(ids).append(attrs).append(data);
    uint64_t at = file.size() + 16 * features.size();
    for (auto& [id, body] : features) {
      file.add(at).add<uint64_t>(body.size());
      at += body.size();
    }
    for (auto& [id, body] : features) file.append(body);
    return file.data;
  }

  // What `perf record -o -` writes.
  std::vector<uint8_t> finish_pipe() const {
    Bytes file;
    file.add<uint64_t>(0x32454c4946524550).add<uint64_t>(16);
    for (const Event& each : events) {
      Bytes body;
      body.add(each.attr);
      for (const uint64_t id : each.ids) body.add(id);
      file.append(perf_record(kHeaderAttr, 0, body));
    }
    for (auto& [id, body] : features) {
      if (id != 1) {
        Bytes padded;
        padded.add<uint64_t>(id).append(body);
        padded.data.resize((padded.size() + 7) / 8 * 8);
        file.append(perf_record(kHeaderFeature, 0, padded));
        continue;
      }
      Bytes padded = body;
      padded.data.resize((body.size() + 7) / 8 * 8);
      file.append(perf_record(kHeaderTracingData, 0, Bytes().add(padded.size()).add<uint32_t>(0)));
      file.append(padded);
    }
    return file.append(data).data;
  }
};

// Bytes that own what they hold.
class OwnBytes final : public ByteSource {
 public:
  explicit OwnBytes(std::vector<uint8_t> data) : data_(std::move(data)), view_(data_.data(), data_.size()) {}
  uint64_t size() const override { return view_.size(); }
  size_t read(uint64_t offset, void* to, size_t n) const override { return view_.read(offset, to, n); }

 private:
  const std::vector<uint8_t> data_;
  const MemoryBytes view_;
};

inline std::shared_ptr<const PerfDataFile> opened(std::vector<uint8_t> file, uint64_t changed = 0) {
  return PerfDataFile::read(std::make_shared<OwnBytes>(std::move(file)), "made.data", changed);
}

}  // namespace ktop_test
