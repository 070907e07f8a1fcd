#include "reader.h"

#include <algorithm>

namespace ktop {
namespace {

constexpr size_t kMostHeld = 256 << 20;  // bytes of records that wait for their turn
constexpr uint32_t kCheckEvery = 1024;   // records
constexpr uint32_t kMostCpus = 65536;    // more than any kernel has
constexpr Nanos kLatest = UINT64_MAX - 1;

RawRecord record_at(const Rounds::Entry& entry) {
  perf_event_header header;
  memcpy(&header, entry.at, sizeof header);
  RawRecord record;
  record.type = header.type;
  record.misc = header.misc;
  record.body = entry.at + sizeof header;
  record.size = static_cast<uint32_t>(header.size - sizeof header);
  return record;
}

bool is_task(uint32_t type) { return type == PERF_RECORD_COMM || type == PERF_RECORD_FORK || type == PERF_RECORD_EXIT; }

bool is_loss(uint32_t type) { return type == PERF_RECORD_LOST || type == PERF_RECORD_LOST_SAMPLES; }

}  // namespace

PerfDataReader::PerfDataReader(std::shared_ptr<const PerfDataFile> file, ReaderWish wish)
    : file_(std::move(file)),
      wish_(std::move(wish)),
      stream_(file_->bytes(), file_->data_begin(), file_->data_end()),
      tracing_(wish_.symbols) {}

PerfDataReader::Progress PerfDataReader::run(RecordSink& sink, Nanos until, uint32_t most) {
  for (uint32_t looked = 0; looked < most; looked++) {
    if (const Rounds::Entry* next = rounds_.front()) {
      if (next->time >= until) return kReached;
      deliver(*next, sink);
      stream_.release(next->chunk);
      rounds_.pop();
      continue;
    }
    if (at_end_) {
      finish(sink);
      return kEnd;
    }
    RawRecord record;
    if (stream_.next(&record)) {
      look_at(record, sink);
    } else {
      at_end_ = true;
      rounds_.finish();
    }
  }
  return kWorking;
}

void PerfDataReader::look_at(const RawRecord& record, RecordSink& sink) {
  if (record.type == kFinishedRound) return rounds_.finish_round();
  if (record.type >= kHeaderAttr) return;
  Nanos time;
  const int event = file_->locate(record, &time);
  if (event < 0) {
    foreign_++;
    return;
  }
  if (time == 0) {
    // What perf found out itself: the tasks that there were at the start, what the kernel counted as lost in the end.
    if (record.type == PERF_RECORD_SAMPLE)
      malformed_++;
    else
      deliver_other(record, event, 0, sink);
    return;
  }
  rounds_.add({time, record.body - sizeof(perf_event_header), record.chunk, event});
  stream_.hold(record.chunk);
  if (++since_check_ < kCheckEvery) return;
  since_check_ = 0;
  if (stream_.held() > kMostHeld) rounds_.halve();
}

void PerfDataReader::deliver(const Rounds::Entry& entry, RecordSink& sink) {
  const RawRecord record = record_at(entry);
  const Nanos time = std::min(entry.time, kLatest);
  order_.pass(time);
  if (__builtin_expect(record.type == PERF_RECORD_SAMPLE, 1))
    deliver_sample(record, entry.event, time, sink);
  else
    deliver_other(record, entry.event, time, sink);
}

Nanos& PerfDataReader::seen_on(uint32_t cpu) {
  if (cpu >= seen_.size()) seen_.resize(cpu + 1);
  return seen_[cpu];
}

void PerfDataReader::deliver_sample(const RawRecord& record, int index, Nanos time, RecordSink& sink) {
  const FileEvent& event = file_->events[static_cast<size_t>(index)];
  uint32_t cpu = 0;
  event.layout.cpu_of_sample(record.body, record.size, &cpu);
  if (cpu >= kMostCpus) {
    malformed_++;
    return;
  }
  seen_on(cpu) = time;
  const int slot = wish_.slots[static_cast<size_t>(index)];
  if (slot < 0) return;
  Sample sample;
  if (!event.layout.parse(record.body, record.size, &sample, &scratch_)) {
    malformed_++;
    return;
  }
  record_ = Record();
  record_.time = time;
  record_.cpu = cpu;
  record_.slot = static_cast<uint16_t>(slot);
  const bool wanted = event.is_tracepoint() ? set_tracepoint(sample, event) : set_position(sample, event, record.misc);
  if (wanted) sink.on_event(record_);
}

bool PerfDataReader::set_tracepoint(const Sample& sample, const FileEvent& event) {
  if (sample.raw_size < 8) {
    malformed_++;
    return false;
  }
  uint16_t type;
  memcpy(&type, sample.raw, sizeof type);
  if (type != event.attr.config) {
    foreign_++;
    return false;
  }
  memcpy(&record_.tid, sample.raw + 4, sizeof record_.tid);
  record_.raw = sample.raw;
  record_.size = sample.raw_size;
  if (!sample.chain) return true;
  set_frames(sample);
  const uint32_t skip = tracing_.count(record_.frames, record_.frame_count);
  record_.frames += skip;
  record_.frame_count -= skip;
  return true;
}

bool PerfDataReader::set_position(const Sample& sample, const FileEvent&, uint16_t misc) {
  const uint16_t mode = misc & PERF_RECORD_MISC_CPUMODE_MASK;
  const bool guest = mode == PERF_RECORD_MISC_GUEST_KERNEL || mode == PERF_RECORD_MISC_GUEST_USER;
  record_.user = mode == PERF_RECORD_MISC_USER || mode == PERF_RECORD_MISC_GUEST_USER;
  if ((wish_.no_user && record_.user) || (wish_.no_kernel && !record_.user) || (wish_.no_guest && guest) ||
      (wish_.no_host && !guest))
    return false;
  record_.tid = sample.tid;
  if (sample.chain) {
    set_frames(sample);
  } else if (!record_.user) {
    ip_ = sample.ip;
    record_.frames = &ip_;
    record_.frame_count = 1;
  }
  return true;
}

// Kernel frames follow PERF_CONTEXT_KERNEL and end at the next marker.
void PerfDataReader::set_frames(const Sample& sample) {
  const uint64_t* at = sample.chain;
  const uint64_t* const end = at + sample.chain_length;
  while (at < end && *at != static_cast<uint64_t>(PERF_CONTEXT_KERNEL)) at++;
  if (at < end) at++;
  record_.frames = at;
  while (at < end && *at < static_cast<uint64_t>(PERF_CONTEXT_MAX)) at++;
  record_.frame_count = static_cast<uint32_t>(at - record_.frames);
}

void PerfDataReader::deliver_other(const RawRecord& record, int event, Nanos time, RecordSink& sink) {
  if (is_task(record.type)) {
    deliver_task(record, event, time, sink);
  } else if (is_loss(record.type)) {
    lost(record, event, time, sink);
  } else if (record.type == PERF_RECORD_THROTTLE) {
    throttled_++;
  }
  uint32_t cpu;
  const SampleLayout& layout = file_->events[static_cast<size_t>(event)].layout;
  if (time && layout.cpu_of_other(record.body, record.size, &cpu) && cpu < kMostCpus) seen_on(cpu) = time;
}

void PerfDataReader::deliver_task(const RawRecord& record, int event, Nanos time, RecordSink& sink) {
  Span in(record.body, record.size);
  TaskRecord task;
  task.time = time;
  if (record.type == PERF_RECORD_COMM) {
    const uint32_t trailer = file_->events[static_cast<size_t>(event)].layout.trailer();
    task.kind = TaskRecord::kComm;
    task.exec = record.misc & PERF_RECORD_MISC_COMM_EXEC;
    task.pid = task.ppid = in.take<uint32_t>();
    task.tid = task.ptid = in.take<uint32_t>();
    const std::string_view name = until_nul(in.bytes(in.left() > trailer ? in.left() - trailer : 0));
    const size_t length = std::min(name.size(), sizeof comm_ - 1);
    memcpy(comm_, name.data(), length);
    comm_[length] = 0;
    task.comm = comm_;
  } else {
    task.kind = record.type == PERF_RECORD_FORK ? TaskRecord::kFork : TaskRecord::kExit;
    task.pid = in.take<uint32_t>();
    task.ppid = in.take<uint32_t>();
    task.tid = in.take<uint32_t>();
    task.ptid = in.take<uint32_t>();
  }
  if (in.ok())
    sink.on_task(task);
  else
    malformed_++;
}

void PerfDataReader::lost(const RawRecord& record, int event, Nanos time, RecordSink& sink) {
  Span in(record.body, record.size);
  if (record.type == PERF_RECORD_LOST) in.take<uint64_t>();
  const uint64_t count = in.take<uint64_t>();
  uint32_t cpu = 0;
  const SampleLayout& layout = file_->events[static_cast<size_t>(event)].layout;
  layout.cpu_of_other(record.body, record.size, &cpu);
  if (!in.ok() || cpu >= kMostCpus || count > UINT64_MAX / 4096) {
    malformed_++;
    return;
  }
  if (time == 0) {
    counted_ += count;  // of no CPU: perf leaves that out
    return;
  }
  if (record.type == PERF_RECORD_LOST) told_ += count;
  lost_ += count;
  sink.on_lost({cpu, seen_on(cpu), time, count});
}

// The kernel tells of a loss with the next record that has room. What it never came to tell perf counted in the end.
void PerfDataReader::finish(RecordSink& sink) {
  if (finished_) return;
  finished_ = true;
  if (counted_ <= told_) return;
  lost_ += counted_ - told_;
  Nanos from = order_.last;
  for (const Nanos seen : seen_)
    if (seen) from = std::min(from, seen);
  sink.on_lost({0, from, order_.last, counted_ - told_});
}

std::vector<std::string> PerfDataReader::notes() const {
  std::vector<std::string> notes;
  const auto note = [&](uint64_t count, const char* what) {
    if (count) notes.push_back(std::to_string(count) + what);
  };
  note(throttled_, " times the kernel throttled sampling");
  note(malformed_, " records of the file could not be read");
  note(foreign_, " records of the file are of an event that it does not describe");
  if (!stream_.damage().empty()) notes.push_back(stream_.damage());
  return notes;
}

}  // namespace ktop
