#include "file.h"

#include <algorithm>

#include "perf/transport.h"

namespace ktop {
namespace {

constexpr uint64_t kMagic = 0x32454c4946524550;       // "PERFILE2"
constexpr uint64_t kSwapped = 0x50455246494c4532;     // the same on a machine of the other byte order
constexpr uint64_t kFirstMagic = 0x454c494646524550;  // "PERFFILE", until Linux 2.6.35
constexpr size_t kHeaderBytes = 104, kPipeHeaderBytes = 16, kSmallestAttr = 64;
constexpr size_t kMostEvents = 65536, kMostIds = 1 << 22, kMostMaps = 65536;
constexpr uint64_t kMostFeatureBytes = 256 << 20;
constexpr uint16_t kBuildIdSize = 1 << 15, kMmapBuildId = 1 << 14;  // bits of header.misc

// Bits of the header, in the order of their sections (tools/perf/util/header.h).
enum Feature : uint32_t {
  kTracingData = 1,
  kBuildId = 2,
  kHostname = 3,
  kOsRelease = 4,
  kVersion = 5,
  kArch = 6,
  kCpus = 7,
  kCommand = 11,
  kEventDesc = 12,
  kSampleTime = 21,
  kClockData = 29,
  kMostFeatures = 256,
};

struct Section {
  uint64_t offset = 0, size = 0;
};

Section section(Span& in) {
  Section found;
  found.offset = in.take<uint64_t>();
  found.size = in.take<uint64_t>();
  return found;
}

// u32 length, then the text, padded with NULs.
std::string counted(Span& in) { return std::string(until_nul(in.bytes(in.take<uint32_t>()))); }

perf_event_attr attr_of(std::string_view bytes) {
  perf_event_attr attr{};
  memcpy(&attr, bytes.data(), std::min(bytes.size(), sizeof attr));
  return attr;
}

// perf's names of the events that have one without a description.
const char* well_known(const perf_event_attr& attr) {
  if (attr.type == PERF_TYPE_SOFTWARE) {
    switch (attr.config) {
      case PERF_COUNT_SW_CPU_CLOCK:
        return "cpu-clock";
      case PERF_COUNT_SW_TASK_CLOCK:
        return "task-clock";
      case PERF_COUNT_SW_PAGE_FAULTS:
        return "page-faults";
      case PERF_COUNT_SW_CONTEXT_SWITCHES:
        return "context-switches";
      case PERF_COUNT_SW_DUMMY:
        return "dummy";
    }
  }
  if (attr.type == PERF_TYPE_HARDWARE) {
    switch (attr.config & 0xffffffff) {
      case PERF_COUNT_HW_CPU_CYCLES:
        return "cycles";
      case PERF_COUNT_HW_INSTRUCTIONS:
        return "instructions";
      case PERF_COUNT_HW_REF_CPU_CYCLES:
        return "ref-cycles";
    }
  }
  return "";
}

}  // namespace

int FileEvent::sampler_rank() const {
  if (is_tracepoint() || attr.sample_period == 0 || !layout.has(PERF_SAMPLE_IP)) return 0;
  if (attr.type == PERF_TYPE_SOFTWARE)
    return attr.config == PERF_COUNT_SW_CPU_CLOCK ? 3 : attr.config == PERF_COUNT_SW_TASK_CLOCK ? 4 : 0;
  if (attr.type == PERF_TYPE_HARDWARE) {
    const uint64_t which = attr.config & 0xffffffff;  // above it: which kind of core
    if (which == PERF_COUNT_HW_REF_CPU_CYCLES) return 1;
    if (which == PERF_COUNT_HW_CPU_CYCLES) return 2;
  }
  return 5;
}

class FileParser {
 public:
  FileParser(std::shared_ptr<const ByteSource> bytes, const std::string& path, uint64_t changed)
      : file_(std::make_shared<PerfDataFile>()), bytes_(*bytes), changed_(changed) {
    file_->path = path;
    file_->bytes_ = std::move(bytes);
  }

  std::shared_ptr<const PerfDataFile> parse() {
    uint64_t start[2] = {};
    const size_t got = bytes_.read(0, start, sizeof start);
    if (got == 0) fail("it is empty; perf writes its header when the recording ends well");
    if (start[0] == kSwapped) fail("it was recorded on a machine of the other byte order; open it on such a machine");
    if (start[0] == kFirstMagic) fail("its format is that of Linux 2.6.35 and before; record it with a newer perf");
    if (got < sizeof start || start[0] != kMagic) fail("it is no perf.data file; make one with perf record");
    if (start[1] == kPipeHeaderBytes)
      parse_pipe();
    else
      parse_header(start[1]);
    if (file_->events.empty() && !file_->pipe) fail("there is no event in it; record it again with perf record -e …");
    scan();
    settle_clock();
    return file_;
  }

 private:
  [[noreturn]] void fail(const std::string& why) const {
    throw Failure(Failure::kInternal, "cannot read " + file_->path + ": " + why);
  }
  void damaged(const std::string& what) { file_->damage.push_back(what); }

  std::string read(Section from, uint64_t most) const {
    const uint64_t end = bytes_.size();
    if (from.offset >= end) return {};
    std::string text(std::min({from.size, most, end - from.offset}), '\0');
    text.resize(bytes_.read(from.offset, text.data(), text.size()));
    return text;
  }

  void parse_pipe() {
    file_->pipe = true;
    file_->data_begin_ = kPipeHeaderBytes;
    file_->data_end_ = bytes_.size();
  }

  void parse_header(uint64_t header_size) {
    const std::string text = read({0, kHeaderBytes}, kHeaderBytes);
    Span in(text);
    in.take<uint64_t>();
    in.take<uint64_t>();
    const uint64_t attr_size = in.take<uint64_t>();
    const Section attrs = section(in), data = section(in);
    section(in);  // event types, of old
    uint64_t features[4];
    for (uint64_t& word : features) word = in.take<uint64_t>();
    if (!in.ok()) fail("it is cut off within its header; copy it again");
    if (header_size < kHeaderBytes || attr_size < kSmallestAttr + sizeof(Section) || attr_size > 4096)
      fail("its header makes no sense; record it again");
    if (data.offset + data.size < data.offset) fail("its header makes no sense; record it again");
    parse_attrs(attrs, attr_size);
    file_->data_begin_ = data.offset;
    file_->data_end_ = data.offset + data.size;
    if (data.size == 0) {
      // perf fills in the size when it ends, and only then writes what the features say.
      file_->data_end_ = bytes_.size();
      damaged("perf record did not end: the file has no length, names of events and host are missing");
      return;
    }
    parse_features(file_->data_end_, features);
  }

  void parse_attrs(Section attrs, uint64_t attr_size) {
    const uint64_t count = std::min<uint64_t>(attrs.size / attr_size, kMostEvents);
    const std::string text = read(attrs, count * attr_size);
    Span in(text);
    for (uint64_t i = 0; i < count; i++) {
      const std::string_view attr = in.bytes(attr_size - sizeof(Section));
      const Section ids = section(in);
      if (!in.ok()) fail("it is cut off within its list of events; copy it again");
      add_event(attr, read(ids, 8 * kMostIds));
    }
  }

  void add_event(std::string_view attr, std::string_view ids) {
    if (file_->events.size() >= kMostEvents) return;
    const int index = static_cast<int>(file_->events.size());
    file_->events.emplace_back(attr_of(attr));
    const FileEvent& event = file_->events.back();
    name(file_->events.back());
    // The place of the id must be the same in all records, for it says what the rest of a record is.
    if (index == 0) {
      file_->id_word_ = event.layout.id_in_sample();
      file_->id_from_end_ = event.layout.id_from_end();
    } else if (file_->id_word_ < 0 || event.layout.id_in_sample() != file_->id_word_ ||
               event.layout.id_from_end() != file_->id_from_end_) {
      fail("its events cannot be told from one another; record it with a perf of 2014 or later");
    }
    Span in(ids);
    while (in.left() >= 8 && file_->ids_.size() < kMostIds) file_->ids_.add(in.take<uint64_t>(), index);
  }

  void parse_features(uint64_t at, const uint64_t (&features)[4]) {
    for (uint32_t i = 0; i < kMostFeatures; i++) {
      if (!(features[i / 64] >> (i % 64) & 1)) continue;
      const std::string text = read({at, sizeof(Section)}, sizeof(Section));
      Span in(text);
      const Section where = section(in);
      if (!in.ok()) {
        damaged("the end of the file is missing, and with it names and formats of events");
        return;
      }
      at += sizeof(Section);
      if (!wanted(i)) continue;
      const std::string body = read(where, kMostFeatureBytes);
      if (body.size() < where.size) damaged("the end of the file is missing: feature " + std::to_string(i));
      feature(i, body);
    }
  }

  static bool wanted(uint32_t id) {
    switch (id) {
      case kTracingData:
      case kBuildId:
      case kHostname:
      case kOsRelease:
      case kVersion:
      case kArch:
      case kCpus:
      case kCommand:
      case kEventDesc:
      case kSampleTime:
      case kClockData:
        return true;
    }
    return false;
  }

  void feature(uint32_t id, std::string_view body) {
    Span in(body);
    PerfDataFile& file = *file_;
    switch (id) {
      case kTracingData:
        tracing_data(body);
        break;
      case kBuildId:
        build_ids(in);
        break;
      case kHostname:
        file.host = counted(in);
        break;
      case kOsRelease:
        file.release = counted(in);
        break;
      case kVersion:
        file.perf_version = counted(in);
        break;
      case kArch:
        file.arch = counted(in);
        break;
      case kCpus:
        file.cpus_available = in.take<uint32_t>();
        file.cpus_online = in.take<uint32_t>();
        break;
      case kCommand: {
        const uint32_t words = in.take<uint32_t>();
        file.command.clear();
        for (uint32_t i = 0; i < words && in.ok() && i < 4096; i++) {
          const std::string word = counted(in);
          // perf stores its own path.
          file.command += i ? " " + word : word.substr(word.rfind('/') + 1);
        }
        break;
      }
      case kEventDesc:
        event_names(in);
        break;
      case kSampleTime:
        in.take<uint64_t>();
        file.last_time = in.take<uint64_t>();
        break;
      case kClockData: {
        in.take<uint32_t>();  // version
        const uint32_t clock = in.take<uint32_t>();
        const uint64_t wall = in.take<uint64_t>(), own = in.take<uint64_t>();
        if (!in.ok() || wall > INT64_MAX || own > INT64_MAX) break;
        file.clock = static_cast<int>(clock & 0xff);
        file.wall_offset = static_cast<int64_t>(wall) - static_cast<int64_t>(own);
        file.wall_exact = true;
        break;
      }
    }
  }

  void tracing_data(std::string_view body) {
    if (!file_->tracing.formats.empty()) return;
    file_->tracing = parse_tracing_data(body);
    if (!file_->tracing.damage.empty()) damaged(file_->tracing.damage);
    for (FileEvent& event : file_->events) name(event);
  }

  // A record for each file: header, pid, 24 bytes of build id, path.
  void build_ids(Span& in) {
    while (in.left() >= sizeof(perf_event_header)) {
      const perf_event_header header = in.take<perf_event_header>();
      if (header.size < sizeof header) return;
      build_id(header.misc, in.bytes(header.size - sizeof header));
    }
  }

  void build_id(uint16_t misc, std::string_view body) {
    Span in(body);
    in.take<uint32_t>();
    const std::string_view id = in.bytes(24);
    const std::string_view path = until_nul(in.bytes(in.left()));
    if (!in.ok() || (misc & PERF_RECORD_MISC_CPUMODE_MASK) != PERF_RECORD_MISC_KERNEL) return;
    if (path.substr(0, 16) == "[kernel.kallsyms") remember_build_id(id, misc & kBuildIdSize ? id[20] : 20);
  }

  void remember_build_id(std::string_view id, size_t size) {
    id = id.substr(0, std::min<size_t>(size, 20));
    if (id.find_first_not_of('\0') != id.npos) file_->kernel_build_id = std::string(id);
  }

  void event_names(Span& in) {
    const uint32_t count = in.take<uint32_t>();
    const uint32_t attr_size = in.take<uint32_t>();
    for (uint32_t i = 0; i < count && in.ok() && i < kMostEvents; i++) {
      in.bytes(attr_size);
      const uint32_t ids = in.take<uint32_t>();
      const std::string name = counted(in);
      int event = i < file_->events.size() ? static_cast<int>(i) : -1;
      for (uint32_t j = 0; j < ids && in.ok(); j++) {
        const int owner = file_->ids_.find(in.take<uint64_t>());
        if (j == 0 && owner >= 0) event = owner;
      }
      if (in.ok() && event >= 0) file_->events[static_cast<size_t>(event)].name = name;
    }
  }

  void name(FileEvent& event) const {
    const FormatText* format = event.is_tracepoint() ? file_->tracing.find(event.attr.config) : nullptr;
    if (format)
      event.name = format->system + ":" + format->name;
    else if (event.name.empty())
      event.name = well_known(event.attr);
  }

  // The data up to the first sample; all of it where that is the only way to know when it ends.
  void scan() {
    const bool to_the_end = file_->pipe || (file_->last_time == 0 && !file_->wall_exact);
    Nanos last = 0;
    RecordStream stream(file_->bytes_, file_->data_begin_, file_->data_end_);
    RawRecord record;
    while (stream.next(&record)) {
      if (record.type >= kHeaderAttr) {
        if (file_->pipe) header_record(record);
        continue;
      }
      if (record.type == PERF_RECORD_SAMPLE && !to_the_end) return;
      if (record.type == PERF_RECORD_MMAP || record.type == PERF_RECORD_MMAP2) kernel_map(record);
      Nanos time;
      if (file_->locate(record, &time) >= 0) last = std::max(last, time);
    }
    if (!stream.damage().empty()) damaged(stream.damage());
    if (file_->events.empty()) fail("there is no event in it; record it again with perf record -e …");
    if (last) file_->last_time = last;
  }

  // In a pipe the parts of the header are records.
  void header_record(const RawRecord& record) {
    Span in(record.body, record.size);
    switch (record.type) {
      case kHeaderAttr: {
        Span look(record.body, record.size);
        look.take<uint32_t>();
        const uint32_t size = look.take<uint32_t>();
        if (size < kSmallestAttr || size > record.size) break;
        const std::string_view attr = in.bytes(size);
        add_event(attr, in.bytes(in.left()));
        break;
      }
      case kHeaderFeature: {
        const uint64_t id = in.take<uint64_t>();
        // At the start of a recording the time of its last sample is not known.
        if (id < kMostFeatures && id != kSampleTime && wanted(static_cast<uint32_t>(id)))
          feature(static_cast<uint32_t>(id), in.bytes(in.left()));
        break;
      }
      case kHeaderTracingData:
        tracing_data(read({record.follows, record.follows_size}, kMostFeatureBytes));
        break;
      case kHeaderBuildId:
        build_id(record.misc, in.bytes(in.left()));
        break;
      case kEventUpdate: {
        constexpr uint64_t kName = 2;
        const uint64_t what = in.take<uint64_t>();
        const int event = file_->ids_.find(in.take<uint64_t>());
        if (what == kName && event >= 0)
          file_->events[static_cast<size_t>(event)].name = std::string(until_nul(in.bytes(in.left())));
        break;
      }
    }
  }

  void kernel_map(const RawRecord& record) {
    if ((record.misc & PERF_RECORD_MISC_CPUMODE_MASK) != PERF_RECORD_MISC_KERNEL) return;
    if (file_->kernel_maps.size() >= kMostMaps) return;
    Span in(record.body, record.size);
    in.take<uint64_t>();  // pid, tid
    KernelMap map;
    map.start = in.take<uint64_t>();
    map.length = in.take<uint64_t>();
    map.offset = in.take<uint64_t>();
    std::string_view id;
    if (record.type == PERF_RECORD_MMAP2) {
      const std::string_view which = in.bytes(24);  // device and inode, or the build id
      if ((record.misc & kMmapBuildId) && in.ok()) id = which;
      in.take<uint64_t>();  // prot, flags
    }
    map.name = std::string(until_nul(in.bytes(in.left())));
    if (!in.ok() || map.name.empty()) return;
    if (!id.empty() && map.name.compare(0, 16, "[kernel.kallsyms") == 0)
      remember_build_id(id.substr(4), static_cast<uint8_t>(id[0]));
    file_->kernel_maps.push_back(std::move(map));
  }

  void settle_clock() {
    PerfDataFile& file = *file_;
    if (file.wall_exact) return;
    // perf writes to the end of the file when the last sample has come.
    const uint64_t last = std::min<uint64_t>(file.last_time, INT64_MAX);
    file.wall_offset = static_cast<int64_t>(std::min<uint64_t>(changed_, INT64_MAX)) - static_cast<int64_t>(last);
  }

  std::shared_ptr<PerfDataFile> file_;
  const ByteSource& bytes_;
  const uint64_t changed_;
};

std::shared_ptr<const PerfDataFile> PerfDataFile::open(const std::string& path) {
  auto bytes = std::make_shared<FileBytes>(path);
  const uint64_t changed = bytes->changed();
  return read(std::move(bytes), path, changed);
}

std::shared_ptr<const PerfDataFile> PerfDataFile::read(std::shared_ptr<const ByteSource> bytes, const std::string& path,
                                                       uint64_t changed) {
  return FileParser(std::move(bytes), path, changed).parse();
}

}  // namespace ktop
