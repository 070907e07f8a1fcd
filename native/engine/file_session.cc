#include "file_session.h"

#include <algorithm>
#include <cstdio>

#include "proc/files.h"

namespace ktop {
namespace {

constexpr uint32_t kBatch = 4096;        // records between two looks at the clock
constexpr uint64_t kMostEmpty = 10'000;  // intervals without a record before time is let jump
constexpr uint32_t kMostCpus = 65536;

// What a poll reads, for the note that it was not.
std::string reads(const PollSpec& poll) {
  static const std::pair<const char*, const char*> kReadings[] = {
      {"cpu-times", "CPU times"},        {"process-io", "I/O of processes"},     {"net-devices", "traffic of devices"},
      {"disk-devices", "block devices"}, {"counters", "counters of events"},     {"kernel-log", "the kernel log"},
      {"nfs-mounts", "NFS mounts"},      {"watchdog", "the watchdog's settings"}};
  for (auto& [name, what] : kReadings)
    if (poll.poll == name) return what;
  return poll.poll;
}

std::string listed(const std::vector<std::string>& texts) {
  std::string all;
  for (const std::string& text : texts) all += (all.empty() ? "" : ", ") + text;
  return all;
}

// Events of the file for a message, at most five.
std::string holdings(const PerfDataFile& file) {
  std::vector<std::string> names;
  for (const FileEvent& event : file.events) {
    const bool dummy = event.attr.type == PERF_TYPE_SOFTWARE && event.attr.config == PERF_COUNT_SW_DUMMY;
    if (!dummy && !event.name.empty() && std::find(names.begin(), names.end(), event.name) == names.end())
      names.push_back(event.name);
  }
  const size_t more = names.size() > 5 ? names.size() - 5 : 0;
  names.resize(names.size() - more);
  return names.empty() ? "no event that it names"
                       : listed(names) + (more ? " and " + std::to_string(more) + " more" : "");
}

std::string called(const EventSpec& event) {
  return event.names.empty() ? "probe " + event.probe.definition : event.names[0];
}

// Distance of the samples of a clock in ns; 0 for what counts something else.
uint64_t clock_period(const FileEvent& event) {
  if (event.attr.type != PERF_TYPE_SOFTWARE || event.attr.sample_period == 0) return 0;
  return event.attr.freq ? 1'000'000'000 / event.attr.sample_freq : event.attr.sample_period;
}

bool is_recorded(const PerfDataFile& file, const FormatText& format) {
  return std::any_of(file.events.begin(), file.events.end(),
                     [&](const FileEvent& event) { return event.is_tracepoint() && event.attr.config == format.id; });
}

// The format of the first of the names that was recorded, null when none was.
const FormatText* find_event(const PerfDataFile& file, const EventSpec& event) {
  for (const std::string& name : event.names) {
    const size_t colon = name.find(':');
    if (colon == std::string::npos) continue;
    const FormatText* format = file.tracing.find(name.substr(0, colon), name.substr(colon + 1));
    if (format && is_recorded(file, *format)) return format;
  }
  return nullptr;
}

// The event whose samples tell best where the CPUs were; -1 when there is none.
int find_sampler(const PerfDataFile& file, const Plan& plan) {
  if (!plan.sampler.on() || !plan.sampler_counter.empty()) return -1;
  int best = -1;
  for (size_t i = 0; i < file.events.size(); i++) {
    const int rank = file.events[i].sampler_rank();
    // Ticks of a clock are wanted, not of work.
    if (rank == 0 || (!plan.sample_hardware && rank != 3)) continue;
    if (best < 0 || rank < file.events[static_cast<size_t>(best)].sampler_rank()) best = static_cast<int>(i);
  }
  return best;
}

std::string no_event(const PerfDataFile& file, const Plan& plan, const std::string& what) {
  const bool tracepoints =
      std::any_of(file.events.begin(), file.events.end(), [](const FileEvent& event) { return event.is_tracepoint(); });
  if (tracepoints && file.tracing.formats.empty())
    return file.path +
           " has no tracing data: it does not say what its events are; end perf record with Ctrl-C, and "
           "copy the file whole";
  return file.path + " has no " + what + " (it has " + holdings(file) + "); record it with: " + record_command(plan);
}

std::string no_samples(const PerfDataFile& file, const Plan& plan) {
  return no_event(file, plan, plan.sample_hardware ? "samples of cycles or cpu-clock" : "samples of cpu-clock");
}

bool serves_nothing(const Plan& plan, const PerfDataFile& file) {
  for (const EventSpec& event : plan.events)
    if (find_event(file, event)) return false;
  return find_sampler(file, plan) < 0;
}

// The silence of a CPU is seen only where it is known whose ticks they are.
bool lacks_cpus(const Plan& plan, const PerfDataFile& file) {
  const auto by_cpu = [](const OperatorSpec& op) { return op.op == "gap"; };
  const auto blind = [](const FileEvent& event) {
    return (event.is_tracepoint() || event.sampler_rank()) && !event.layout.has(PERF_SAMPLE_CPU);
  };
  return std::any_of(plan.operators.begin(), plan.operators.end(), by_cpu) &&
         std::any_of(file.events.begin(), file.events.end(), blind);
}

constexpr const char* kNoCpus = "it does not say on which CPU its events were; record it with: perf record -a";

// Names of functions appear in what the plan shows.
bool shows_symbols(const Plan& plan) {
  const auto mentions = [](const Named& named) {
    return std::any_of(named.begin(), named.end(), [](auto& each) {
      return each.second.find("ksym") != std::string::npos || each.second == "$stack";
    });
  };
  for (const OperatorSpec& op : plan.operators) {
    if (op.op == "outstanding" || mentions(op.group)) return true;
    for (const ClauseSpec& on : op.on)
      if (mentions(on.key) || mentions(on.group) || on.where.find("ksym(") != std::string::npos) return true;
  }
  return std::any_of(plan.events.begin(), plan.events.end(), [](const EventSpec& event) { return event.stack; });
}

}  // namespace

std::string record_command(const Plan& plan) {
  std::string command = "perf record -a -k mono";
  bool stacks = plan.sampler.on() && plan.sampler.stack;
  for (const EventSpec& event : plan.events) stacks |= event.stack;
  if (stacks) command += " -g";
  if (plan.sampler.on() && plan.sampler_counter.empty())
    command += plan.sampler.frequency ? " -e cpu-clock/freq=" + std::to_string(plan.sampler.frequency) + "/"
                                      : " -e cpu-clock/period=" + std::to_string(plan.sampler.period) + "/";
  std::vector<std::string> names;
  for (const EventSpec& event : plan.events)
    if (!event.names.empty() && !(event.is_optional && event.optional.empty()) &&
        std::find(names.begin(), names.end(), event.names[0]) == names.end())
      names.push_back(event.names[0]);
  for (const std::string& name : names) command += " -e " + name;
  return command;
}

double sampling_frequency(const PerfDataFile& file) {
  const FileEvent* best = nullptr;
  for (const FileEvent& event : file.events)
    if (event.sampler_rank() && (!best || event.sampler_rank() < best->sampler_rank())) best = &event;
  if (!best) return 0;
  if (best->attr.freq) return static_cast<double>(best->attr.sample_freq);
  const uint64_t period = clock_period(*best);
  return period ? 1e9 / static_cast<double>(period) : 0;
}

PlanCheck check_plan(const Plan& plan, const PerfDataFile& file) {
  PlanCheck check;
  check.backend = "perf.data";
  const auto no = [&check](const std::string& why) {
    if (check.ok) check.why = why;
    check.ok = false;
  };
  for (const EventSpec& event : plan.events) {
    if (find_event(file, event)) continue;
    if (!event.is_optional || !event.optional.empty()) check.missing.emplace_back(called(event), event.optional);
    if (!event.is_optional) no(no_event(file, plan, called(event)));
  }
  if (plan.sampler.on() && find_sampler(file, plan) < 0)
    check.missing.emplace_back("cpu-clock", "no samples of what the CPUs run");
  if (plan.events.empty() && (!plan.sampler.on() || !plan.sampler_counter.empty()))
    no("it is made of readings of /proc, and a perf.data file has none");
  else if (serves_nothing(plan, file))
    no(plan.events.empty() ? no_samples(file, plan) : no_event(file, plan, called(plan.events[0])));
  else if (lacks_cpus(plan, file))
    no(kNoCpus);
  for (const PollSpec& poll : plan.polls)
    check.missing.emplace_back("readings of /proc", reads(poll) + " are not in a perf.data file");
  return check;
}

// The machine of the file.
class FileSession::FileWorld final : public World {
 public:
  explicit FileWorld(std::shared_ptr<const PerfDataFile> file) : symbols_(std::move(file)) {}
  bool here() const override { return false; }
  const FileSymbols& symbols() const override { return symbols_; }
  std::string device(uint32_t dev) const override { return device_number(dev); }
  std::string wait_channel(uint32_t) const override { return {}; }

 private:
  const FileSymbols symbols_;
};

// Between reader and operators: what the options leave of the records, for a recording knows nothing of them.
class FileSession::Sieve final : public RecordSink {
 public:
  Sieve(Pipeline& pipeline, const std::vector<int>& cpus, bool no_idle, uint16_t clock_slot)
      : pipeline_(pipeline), all_cpus_(cpus.empty()), no_idle_(no_idle), clock_slot_(clock_slot) {
    for (const int cpu : cpus)
      if (cpu >= 0 && cpu < static_cast<int>(kMostCpus)) {
        if (cpus_.size() <= static_cast<size_t>(cpu)) cpus_.resize(static_cast<size_t>(cpu) + 1);
        cpus_[static_cast<size_t>(cpu)] = true;
      }
  }

  void filter(uint16_t slot, EventFilter filter) {
    if (filters_.size() <= slot) filters_.resize(slot + 1u);
    filters_[slot] = std::make_unique<const EventFilter>(std::move(filter));
  }
  uint64_t events() const { return events_; }

  void on_event(const Record& record) override {
    if (!all_cpus_ && (record.cpu >= cpus_.size() || !cpus_[record.cpu])) return;
    if (record.slot == clock_slot_) {
      if (no_idle_ && record.tid == 0) return;
    } else if (record.slot < filters_.size() && filters_[record.slot]) {
      const auto comm = [&]() -> std::string_view {
        Tasks& tasks = pipeline_.tasks();
        return tasks.strings().text(tasks.get(record.tid).comm);
      };
      if (!filters_[record.slot]->passes(record.raw, record.size, record.cpu, comm)) return;
    }
    events_++;
    pipeline_.on_event(record);
  }
  void on_task(const TaskRecord& task) override { pipeline_.on_task(task); }
  void on_lost(const LostWindow& window) override { pipeline_.on_lost(window); }

 private:
  Pipeline& pipeline_;
  const bool all_cpus_, no_idle_;
  const uint16_t clock_slot_;
  std::vector<bool> cpus_;
  std::vector<std::unique_ptr<const EventFilter>> filters_;  // by slot
  uint64_t events_ = 0;
};

FileSession::FileSession(const Plan& plan, std::shared_ptr<const PerfDataFile> file)
    : plan_(plan), file_(std::move(file)), world_(std::make_unique<FileWorld>(file_)) {
  if (plan_.events.empty() && (!plan_.sampler.on() || !plan_.sampler_counter.empty()))
    throw Failure(Failure::kHost, file_->path +
                                      " cannot serve this monitor: it is made of readings of /proc, and a "
                                      "perf.data file has none; run it on the host itself");
  check_cpus();
  resolve_events();
  if (lacks_cpus(plan_, *file_)) throw Failure(Failure::kHost, file_->path + " cannot serve this monitor: " + kNoCpus);
  make_notes();
  reader_ = std::make_unique<PerfDataReader>(file_, wish_);
  for (auto& [tid, name] : file_->tracing.names) {
    TaskRecord task;
    task.kind = TaskRecord::kComm;
    task.pid = task.ppid = task.tid = task.ptid = tid;
    task.comm = name.c_str();
    pipeline_->on_task(task);
  }
}

FileSession::~FileSession() = default;

void FileSession::note_once(const std::string& note) {
  if (std::find(notes_.begin(), notes_.end(), note) == notes_.end()) notes_.push_back(note);
}

void FileSession::check_cpus() const {
  if (plan_.cpus.empty()) return;
  const uint32_t count = std::max(file_->cpus_available, file_->cpus_online);
  for (const int cpu : plan_.cpus)
    if (count && static_cast<uint32_t>(cpu) >= count)
      throw Failure(Failure::kUsage, "-C/--cpu: the machine of " + file_->path + " has no CPU " + std::to_string(cpu) +
                                         "; it has 0-" + std::to_string(count - 1));
  for (const FileEvent& event : file_->events)
    if ((event.is_tracepoint() || event.sampler_rank()) && !event.layout.has(PERF_SAMPLE_CPU))
      throw Failure(Failure::kUsage, "-C/--cpu: " + file_->path +
                                         " does not say on which CPU its events were; record it with: perf record -a");
}

// The slot of an event, made when it is new; -1 when the file does not have it and need not.
int FileSession::slot_of(const EventSpec& event, std::vector<std::unique_ptr<EventFormat>>* formats) {
  const FormatText* text = find_event(*file_, event);
  if (!text) {
    if (!event.is_optional) throw Failure(Failure::kHost, no_event(*file_, plan_, called(event)));
    // Without a note its absence takes nothing away.
    if (!event.optional.empty()) note_once(called(event) + " is not in the file: " + event.optional);
    return -1;
  }
  for (size_t i = 0; i < formats->size(); i++) {
    if ((*formats)[i]->type != text->id) continue;
    if (filters_[i] != event.filter)
      throw Failure(Failure::kInternal, called(event) + " is asked for twice with different filters");
    return static_cast<int>(i);
  }
  auto format = std::make_unique<EventFormat>(parse_format(text->system, text->text));
  format->symbols = &world_->symbols();
  const int slot = static_cast<int>(formats->size());
  for (size_t i = 0; i < file_->events.size(); i++) {
    const FileEvent& recorded = file_->events[i];
    if (!recorded.is_tracepoint() || recorded.attr.config != text->id) continue;
    if (!recorded.layout.has(PERF_SAMPLE_RAW)) {
      note_once(recorded.name + " was recorded without its fields: perf record -R");
      continue;
    }
    wish_.slots[i] = slot;
    if (recorded.attr.freq || recorded.attr.sample_period > 1)
      note_once(recorded.name + " was recorded now and then only (perf record -F or -c): what is counted is a part");
    stacks_missing_ |= event.stack && !recorded.layout.has(PERF_SAMPLE_CALLCHAIN);
  }
  formats->push_back(std::move(format));
  filters_.push_back(event.filter);
  return slot;
}

void FileSession::resolve_events() {
  wish_.slots.assign(file_->events.size(), -1);
  std::vector<std::unique_ptr<EventFormat>> formats;
  std::vector<int> slots;
  for (const EventSpec& event : plan_.events) slots.push_back(slot_of(event, &formats));
  if (serves_nothing(plan_, *file_))
    throw Failure(Failure::kHost,
                  plan_.events.empty() ? no_samples(*file_, plan_) : no_event(*file_, plan_, called(plan_.events[0])));
  const size_t clock_slot = formats.size();
  resolve_sampler(clock_slot);
  std::vector<const EventFormat*> views;
  for (auto& format : formats) views.push_back(format.get());
  wish_.symbols = &world_->symbols();
  pipeline_ = std::make_unique<Pipeline>(plan_, std::move(formats), slots, *world_);
  sieve_ = std::make_unique<Sieve>(*pipeline_, plan_.all_cpus ? std::vector<int>() : plan_.cpus,
                                   plan_.sampler.exclude_idle, static_cast<uint16_t>(clock_slot));
  for (size_t i = 0; i < views.size(); i++) {
    if (filters_[i].empty()) continue;
    sieve_->filter(static_cast<uint16_t>(i), EventFilter::compile(filters_[i], *views[i], world_->symbols()));
    note_once("filters are applied by ktop, to all that was recorded");
  }
}

void FileSession::resolve_sampler(size_t slot) {
  if (!plan_.sampler.on()) return;
  const int index = find_sampler(*file_, plan_);
  if (index < 0) {
    note_once("no samples of what the CPUs run are in the file: perf record -e cpu-clock brings them");
    return;
  }
  const FileEvent& event = file_->events[static_cast<size_t>(index)];
  wish_.slots[static_cast<size_t>(index)] = static_cast<int>(slot);
  wish_.no_user = plan_.sampler.exclude_user;
  wish_.no_kernel = plan_.sampler.exclude_kernel;
  wish_.no_guest = plan_.sampler.exclude_guest;
  wish_.no_host = plan_.sampler.exclude_host;
  const uint64_t rate = event.attr.sample_period;
  std::string how = event.attr.freq ? std::to_string(rate) + " times a second" : "every " + std::to_string(rate);
  if (!event.attr.freq) how += event.attr.type == PERF_TYPE_SOFTWARE ? " ns" : " counts";
  note_once("samples of " + (event.name.empty() ? "an event without a name" : event.name) + ", " + how);
  fit_gaps(clock_period(event));
  stacks_missing_ |= plan_.sampler.stack && !event.layout.has(PERF_SAMPLE_CALLCHAIN);
}

// Distances between ticks are measured against those that were recorded, not those that would be asked for here.
void FileSession::fit_gaps(uint64_t period) {
  for (OperatorSpec& op : plan_.operators) {
    if (op.op != "gap" || op.period_ns == 0 || period == 0) continue;
    op.period_ns = period;
    if (op.than_ns >= 2 * period) continue;
    char text[200];
    std::snprintf(
        text, sizeof text, " come every %.3f ms, too far apart for a limit of %.3f ms; give one of at least %.3f ms",
        static_cast<double>(period) / 1e6, static_cast<double>(op.than_ns) / 1e6, static_cast<double>(period) / 5e5);
    throw Failure(Failure::kUsage, "the ticks in " + file_->path + text + ", or record with: " + record_command(plan_));
  }
}

void FileSession::make_notes() {
  std::vector<std::string> standing;
  std::string from = "from " + file_->path;
  if (!file_->host.empty()) from += " of " + file_->host;
  if (!file_->release.empty()) from += ", Linux " + file_->release;
  standing.push_back(from);
  if (!file_->wall_exact)
    standing.push_back(
        "wall clock times are guessed from the file's date; perf record -k mono puts them into the file");
  for (const std::string& damage : file_->damage) standing.push_back(damage);
  notes_.insert(notes_.begin(), standing.begin(), standing.end());
  std::vector<std::string> unread;
  for (const PollSpec& poll : plan_.polls) unread.push_back(reads(poll));
  if (!unread.empty()) note_once("not in a perf.data file, so not shown: " + listed(unread));
  if (stacks_missing_) note_once("call chains were not recorded; perf record -g takes them");
  if (shows_symbols(plan_) && !world_->symbols().why_not().empty())
    note_once("functions are shown as addresses: " + world_->symbols().why_not());
  for (const OperatorSpec& op : plan_.operators)
    if (op.op == "gap" && op.than_ns) note_once("what a hypervisor took is not in the file, so not told apart");
  bool no_cpu = false;
  for (size_t i = 0; i < file_->events.size(); i++)
    no_cpu |= wish_.slots[i] >= 0 && !file_->events[i].layout.has(PERF_SAMPLE_CPU);
  if (no_cpu) note_once("the file does not say on which CPU its events were: all are shown as of CPU 0");
  bool timeless = false;
  for (size_t i = 0; i < file_->events.size(); i++)
    timeless |= wish_.slots[i] >= 0 && !file_->events[i].layout.has(PERF_SAMPLE_TIME);
  if (timeless)
    throw Failure(Failure::kHost, file_->path + " does not say when its events were; record it without --no-timestamp");
}

bool FileSession::advance(Nanos interval, Nanos budget, SnapshotData* out) {
  if (ended_) return false;
  const uint64_t deadline = now_ns() + budget;
  for (;;) {
    const Nanos until = !started_ ? 0 : interval > UINT64_MAX - last_ ? UINT64_MAX : last_ + interval;
    const PerfDataReader::Progress progress = reader_->run(*sieve_, until, kBatch);
    if (progress == PerfDataReader::kEnd) {
      ended_ = true;
      const Nanos now = started_ ? std::max(reader_->last_time(), last_) : 0;
      *out = build(now, now > last_ ? now - last_ : interval);
      return true;
    }
    if (progress == PerfDataReader::kReached) {
      const Nanos next = reader_->next_time();
      if (!started_) {
        started_ = true;
        last_ = next;
        continue;
      }
      *out = build(until, until - last_);
      last_ = until;
      if (next - last_ > kMostEmpty * interval) {
        note_once("times without any record were left out");
        last_ = next - (next - last_) % interval;
      }
      return true;
    }
    if (now_ns() >= deadline) return false;
  }
}

SnapshotData FileSession::build(Nanos now, Nanos interval) {
  SnapshotData out;
  out.mono_ms = static_cast<double>(now) / 1e6;
  out.interval_ms = static_cast<double>(interval) / 1e6;
  out.backend = "perf.data";
  out.events = static_cast<double>(sieve_->events() - events_before_);
  out.lost = static_cast<double>(reader_->lost() - lost_before_);
  out.late = static_cast<double>(reader_->late() - late_before_);
  events_before_ = sieve_->events();
  lost_before_ = reader_->lost();
  late_before_ = reader_->late();
  out.notes = notes_;
  for (const std::string& note : reader_->notes())
    if (std::find(out.notes.begin(), out.notes.end(), note) == out.notes.end()) out.notes.push_back(note);
  pipeline_->snapshot(out, now);
  return out;
}

}  // namespace ktop
