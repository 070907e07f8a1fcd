// descriptors: system calls with the files they are about. As lines with the names that were right at the call, as sums
// per open file, and as a list of what was slow. The plan's names say what a call does: `arguments` by number a letter
// for each argument (f descriptor, s text), `effect` what it does to descriptors:
//   open D P F    opens: which arguments are directory, path and flags (- = none)
//   make          gives a descriptor, of no path
//   close, close_range, dup, dup2, fcntl, directory, fdirectory
//   read F, write F, other F    works on the file of descriptor F
//   move O I      from I to O
#include <fcntl.h>

#include <algorithm>
#include <array>

#include "engine/file_calls.h"
#include "engine/file_tables.h"
#include "engine/open_files.h"
#include "engine/operator.h"
#include "perf/transport.h"
#include "proc/files.h"
#include "proc/mounts.h"
#include "proc/task_now.h"

namespace ktop {
namespace {

constexpr Nanos kSplitAfter = 10'000'000;  // younger calls are told when they return
constexpr Nanos kMargin = 200'000;         // what is older than this has been told

// Which processes those are is said by `$followed`; `pids` are only those to look at beforehand.
OperatorSpec without_pids(OperatorSpec spec) {
  spec.pids.clear();
  return spec;
}

class Descriptors final : public Operator {
 public:
  Descriptors(const OperatorSpec& spec, std::vector<Clause> clauses, Engine& engine)
      : spec_(spec),
        clauses_(std::move(clauses)),
        filter_(without_pids(spec), engine),
        kinds_(engine),
        files_(engine.world.here()),
        cap_(spec.cap ? spec.cap : 1000) {
    for (const Clause& clause : clauses_) {
      Part part;
      part.role = clause.as == "start" ? kStart : clause.as == "end" ? kEnd : clause.as == "seen" ? kText : kWrong;
      if (part.role == kWrong)
        throw Failure(Failure::kInternal, spec.name + ": a clause of descriptors is start, end or seen");
      if (part.role == kStart) {
        part.number = &clause.input("call");
        part.shown = clause.find_input("shown");
        for (size_t i = 0; i < kArguments; i++) part.arguments[i] = &clause.input("arg" + std::to_string(i));
      }
      if (part.role == kEnd) part.result = &clause.input("result");
      if (part.role == kText) {
        has_texts_ = true;
        part.number = &clause.input("call");
        part.index = &clause.input("index");
        part.late = &clause.input("late");
        part.text = &clause.input("text");
      }
      parts_.push_back(part);
    }
    files_.on_end([this](const OpenFileRef& file, Nanos time, const char* how) { ended(file, time, how); });
  }

  bool wants_states() const override { return !spec_.pids.empty(); }
  // What it has open is read before anything is told of it.
  void on_initial_state(uint32_t tid, char, uint32_t, Nanos now, Engine& engine) override {
    const uint32_t pid = engine.tasks.pid(tid);
    if (std::find(spec_.pids.begin(), spec_.pids.end(), pid) != spec_.pids.end() && !files_.knows(pid))
      files_.seed(pid, now);
  }

  void on_event(uint32_t index, const Record& record, Engine& engine) override {
    const Clause& clause = clauses_[index];
    const Part& part = parts_[index];
    last_ = std::max(last_, record.time);
    if (part.role == kEnd) {
      const auto found = pending_.find(record.tid);
      if (found != pending_.end() && clause.passes(record, engine)) end(part, record, engine);
      return;
    }
    if (!filter_.passes(record.tid, engine) || !clause.passes(record, engine)) return;
    if (part.role == kStart)
      start(part, record, true, engine);
    else
      text(part, record, engine);
  }

  bool wants_open(uint32_t index) const override { return parts_[index].role == kStart; }
  void on_open(uint32_t index, const Record& record, Engine& engine) override {
    if (pending_.count(record.tid) != 0 || !filter_.passes(record.tid, engine)) return;
    if (clauses_[index].passes(record, engine)) start(parts_[index], record, false, engine);
  }

  void on_fork(const TaskRecord& task, Engine&) override { files_.fork(task.ppid, task.pid, task.tid); }

  void on_exit(uint32_t tid, Nanos time, Engine& engine) override {
    last_ = std::max(last_, time);
    const uint32_t pid = engine.tasks.pid(tid);
    finish_cut(tid, time);
    done_.erase(tid);
    stash_.erase(tid);
    files_.exit(pid, tid, time);
  }

  void on_comm(const TaskRecord& task, Engine&) override {
    if (!task.exec) return;
    // A thread that is not the first of its process makes an exec: it goes on under the number of the process.
    if (pending_.count(task.pid) == 0)
      for (auto at = pending_.begin(); at != pending_.end(); ++at) {
        if (at->second->pid != task.pid) continue;
        const FileCallRef call = at->second;
        pending_.erase(at);
        call->tid = task.pid;
        pending_[task.pid] = call;
        break;
      }
    files_.exec(task.pid, task.time);
  }

  void on_lost(const LostWindow& window, Engine&) override {
    for (auto at = pending_.begin(); at != pending_.end();) {
      if (at->second->start < window.to) {
        dropped_ += !window.unwatched;
        at = pending_.erase(at);
      } else {
        ++at;
      }
    }
    stash_.clear();
    files_.forget();
  }

  void snapshot(SnapshotData& out, Nanos now, Engine& engine) override {
    passed_ = std::max(last_, now > kMargin ? now - kMargin : 0);
    if (!spec_.lines.empty()) write_lines(out, now, engine);
    if (!spec_.files.empty()) write_files(out, now, engine);
    if (!spec_.slow.empty()) write_slow(out, now, engine);
    if (dropped_)
      out.notes.push_back(spec_.name + ": " + std::to_string(dropped_) +
                          " open calls dropped, events were lost; names are read anew");
    dropped_ = 0;
  }

 private:
  enum Role : uint8_t { kStart, kEnd, kText, kWrong };
  struct Part {
    Role role = kWrong;
    const Expr *number = nullptr, *shown = nullptr, *result = nullptr, *index = nullptr, *late = nullptr,
               *text = nullptr;
    std::array<const Expr*, kArguments> arguments{};
  };
  struct Stashed {
    int64_t number;
    size_t index;
    std::string text;
  };
  static constexpr size_t kMostPending = 1u << 18, kMostStashed = 4, kMostFiles = 65536, kMostSlow = 10000;

  static int32_t fd_of(int64_t argument) { return static_cast<int32_t>(argument); }

  void start(const Part& part, const Record& record, bool exact, Engine& engine) {
    if (pending_.size() >= kMostPending) return;
    auto call = std::make_shared<FileCall>();
    call->number = part.number->eval(record, engine);
    for (size_t i = 0; i < kArguments; i++) call->arguments[i] = part.arguments[i]->eval(record, engine);
    call->start = record.time;
    call->cpu = record.cpu;
    call->tid = record.tid;
    const Task& task = engine.tasks.get(record.tid);
    call->pid = task.pid;
    call->comm = task.comm;
    call->exact = exact;
    if (zero_ == 0) zero_ = record.time;
    call->shown = !spec_.lines.empty() && (!part.shown || part.shown->eval(record, engine) != 0);
    const CallKind& kind = kinds_.of(call->number);
    if (const auto found = stash_.find(record.tid); found != stash_.end()) {
      for (Stashed& each : found->second)
        if (each.number == call->number) call->texts[each.index] = {true, false, std::move(each.text)};
      stash_.erase(found);
    }
    for (size_t i = 0; i < kind.arguments.size() && i < kArguments; i++) {
      if (kind.arguments[i] == 'f') call->files[i] = files_.find(call->pid, fd_of(call->arguments[i]), record.time);
      // A call that has begun before we looked waits with its arguments; else this comes late.
      if (kind.arguments[i] == 's' && (!has_texts_ || !exact) && engine.world.here() && call->arguments[i] != 0)
        read_memory(*call, i);
    }
    // The number is free for others as soon as the call has begun.
    if (kind.effect.kind == CallEffect::kClose && exact)
      files_.close(call->pid, fd_of(call->arguments[0]), record.time, "close");
    pending_[record.tid] = std::move(call);
  }

  static void read_memory(FileCall& call, size_t index) {
    const std::string text = text_of_memory(call.tid, static_cast<uint64_t>(call.arguments[index]));
    const bool printable =
        std::all_of(text.begin(), text.end(), [](char c) { return static_cast<unsigned char>(c) >= ' ' && c != 127; });
    if (!text.empty() && printable) call.texts[index] = {true, true, text};
  }

  void text(const Part& part, const Record& record, Engine& engine) {
    const int64_t number = part.number->eval(record, engine);
    const int64_t index = part.index->eval(record, engine);
    if (index < 0 || index >= static_cast<int64_t>(kArguments)) return;
    const size_t at = static_cast<size_t>(index);
    const std::string& text = engine.strings.text(static_cast<uint32_t>(part.text->eval(record, engine)));
    const auto fits = [&](const FileCallRef& call) { return call && call->number == number && !call->texts[at].known; };
    const auto pending = pending_.find(record.tid);
    if (pending != pending_.end() && fits(pending->second)) {
      pending->second->texts[at] = {true, false, text};
      return;
    }
    if (part.late->eval(record, engine) == 0) {
      auto& stash = stash_[record.tid];
      if (stash.size() >= kMostStashed) stash.clear();
      stash.push_back({number, at, text});
      return;
    }
    // Its call has returned a moment ago.
    const auto done = done_.find(record.tid);
    if (done == done_.end() || !fits(done->second)) return;
    FileCall& call = *done->second;
    call.texts[at] = {true, false, text};
    if (call.opened && call.opened->known->given.empty()) name(call, *call.opened, kinds_.of(number).effect);
  }

  // The name that an opening call was given.
  void name(const FileCall& call, OpenFile& file, const CallEffect& effect) {
    if (effect.second < 0 || !call.texts[static_cast<size_t>(effect.second)].known) return;
    const CallText& text = call.texts[static_cast<size_t>(effect.second)];
    const int64_t directory = effect.first < 0 ? AT_FDCWD : fd_of(call.arguments[static_cast<size_t>(effect.first)]);
    file.known->given = files_.absolute(call.pid, directory, text.text, call.start, passed_);
    file.known->unsure = text.unsure;
  }

  void end(const Part& part, const Record& record, Engine& engine) {
    const auto found = pending_.find(record.tid);
    const FileCallRef call = found->second;
    pending_.erase(found);
    if (record.time < call->start) return;
    call->took = record.time - call->start;
    call->result = part.result->eval(record, engine);
    call->end = FileCall::kReturned;
    done_[record.tid] = call;
    take_effect(call, record.time);
    if (call->shown) add_line(call);
  }

  void finish_cut(uint32_t tid, Nanos time) {
    const auto found = pending_.find(tid);
    if (found == pending_.end()) return;
    const FileCallRef call = found->second;
    pending_.erase(found);
    call->took = time > call->start ? time - call->start : 0;
    call->end = FileCall::kCut;
    if (call->shown) add_line(call);
  }

  void add_line(const FileCallRef& call) {
    if (lines_.size() >= cap_) {
      lines_.pop_front();
      unshown_++;
    }
    lines_.push_back(call);
  }

  void take_effect(const FileCallRef& ref, Nanos time) {
    FileCall& call = *ref;
    const CallEffect& effect = kinds_.of(call.number).effect;
    const bool failed = call.result < 0;
    const auto argument = [&](int which) { return call.arguments[static_cast<size_t>(which < 0 ? 0 : which)]; };
    const auto on_exec = [](bool yes) { return yes ? Descriptor::kYes : Descriptor::kNo; };
    switch (effect.kind) {
      case CallEffect::kNone:
        return;
      case CallEffect::kOpen:
      case CallEffect::kMake: {
        const bool by_name = effect.kind == CallEffect::kOpen;
        if (!failed) {
          auto file = std::make_shared<OpenFile>();
          file->tid = call.tid;
          file->seen = true;
          file->named = by_name;
          file->open_took = call.took;
          if (by_name && effect.third >= 0) file->flags = argument(effect.third);
          const auto closes = file->flags < 0 ? Descriptor::kUnknown : on_exec((file->flags & O_CLOEXEC) != 0);
          if (by_name) name(call, *file, effect);
          call.opened = file;
          files_.open(call.pid, call.result, closes, file, time, time);
        }
        if (by_name && spec_.than_ns != 0 && call.took >= spec_.than_ns)
          add_slow({SlowFile::kOpening, call.start, call.took, call.pid, call.tid, call.comm, call.number, call.result,
                    call.opened, ref, ""});
        return;
      }
      case CallEffect::kClose:
        if (call.files[0]) work(call.files[0], ref, nullptr, nullptr);
        return;
      case CallEffect::kCloseRange:
        if (!failed && (argument(2) & 4) == 0)  // CLOSE_RANGE_CLOEXEC closes nothing yet
          files_.close_range(call.pid, static_cast<uint32_t>(argument(0)), static_cast<uint32_t>(argument(1)), time);
        return;
      case CallEffect::kDup:
        if (!failed) files_.duplicate(call.pid, fd_of(argument(0)), call.result, Descriptor::kNo, time, time);
        return;
      case CallEffect::kDup2:
        if (!failed)
          files_.duplicate(call.pid, fd_of(argument(0)), call.result,
                           on_exec(kinds_.of(call.number).arguments.size() > 2 && (argument(2) & O_CLOEXEC) != 0), time,
                           time);
        return;
      case CallEffect::kFcntl: {
        const int64_t command = argument(1);
        if (failed) return;
        if (command == F_DUPFD || command == F_DUPFD_CLOEXEC)
          files_.duplicate(call.pid, fd_of(argument(0)), call.result, on_exec(command == F_DUPFD_CLOEXEC), time, time);
        if (command == F_SETFD)
          files_.set_on_exec(call.pid, fd_of(argument(0)), on_exec((argument(2) & FD_CLOEXEC) != 0));
        return;
      }
      case CallEffect::kDirectory:
        if (!failed)
          files_.changed_directory(
              call.pid,
              call.texts[0].known ? files_.absolute(call.pid, AT_FDCWD, call.texts[0].text, call.start, passed_) : "",
              time);
        return;
      case CallEffect::kFileDirectory:
        if (!failed)
          files_.changed_directory(call.pid,
                                   call.files[0] && call.files[0]->settled(passed_) ? call.files[0]->name() : "", time);
        return;
      case CallEffect::kRead:
      case CallEffect::kWrite:
      case CallEffect::kOther: {
        const OpenFileRef& file = call.files[static_cast<size_t>(effect.first)];
        if (file)
          work(file, ref,
               effect.kind == CallEffect::kRead    ? &OpenFile::Sums::reads
               : effect.kind == CallEffect::kWrite ? &OpenFile::Sums::writes
                                                   : &OpenFile::Sums::others,
               effect.kind == CallEffect::kRead    ? &OpenFile::Sums::read_bytes
               : effect.kind == CallEffect::kWrite ? &OpenFile::Sums::write_bytes
                                                   : nullptr);
        return;
      }
      case CallEffect::kMove: {
        const OpenFileRef& to = call.files[static_cast<size_t>(effect.first)];
        const OpenFileRef& from = call.files[static_cast<size_t>(effect.second)];
        if (to) work(to, ref, &OpenFile::Sums::writes, &OpenFile::Sums::write_bytes);
        if (from) work(from, ref, &OpenFile::Sums::reads, &OpenFile::Sums::read_bytes);
        return;
      }
    }
  }

  using Counter = uint64_t OpenFile::Sums::*;

  void work(const OpenFileRef& file, const FileCallRef& call, Counter counter, Counter bytes) {
    if (!call->exact) return;
    touch(file);
    for (OpenFile::Sums* sums : {&file->now, &file->all}) {
      if (counter) (sums->*counter)++;
      if (call->result < 0)
        sums->errors++;
      else if (bytes)
        sums->*bytes += static_cast<uint64_t>(call->result);
      sums->io_ns += call->took;
      sums->longest_ns = std::max<uint64_t>(sums->longest_ns, call->took);
    }
    if (spec_.age_ns != 0 && call->took >= spec_.age_ns)
      add_slow({SlowFile::kWork, call->start, call->took, call->pid, call->tid, call->comm, call->number, call->result,
                file, call, ""});
  }

  void touch(const OpenFileRef& file) {
    if (file->touched || spec_.files.empty()) return;
    if (touched_.size() >= kMostFiles) {
      overflow_++;
      return;
    }
    file->touched = true;
    touched_.push_back(file);
  }

  void ended(const OpenFileRef& file, Nanos time, const char* how) {
    if (!file->seen || file->inherited || *how == '\0') return;
    if (spec_.than_ns == 0 || time < file->opened || time - file->opened < spec_.than_ns) return;
    add_slow(
        {SlowFile::kLifetime, file->opened, time - file->opened, file->pid, file->tid, 0, -1, 0, file, nullptr, how});
  }

  void add_slow(SlowFile slow) {
    if (spec_.slow.empty()) return;
    if (slow_.size() >= kMostSlow)
      overflow_++;
    else
      slow_.push_back(std::move(slow));
  }

  bool settled(const FileCall& call) const {
    for (const OpenFileRef& file : call.files)
      if (file && !file->settled(passed_)) return false;
    return !call.opened || call.opened->settled(passed_);
  }

  void write_lines(SnapshotData& out, Nanos now, Engine& engine) {
    TableData table;
    table.name = spec_.lines;
    table.key = {"tid"};
    CallRows rows(table, kinds_, zero_);
    while (!lines_.empty() && settled(*lines_.front())) {
      rows.add(*lines_.front(), engine, now);
      lines_.pop_front();
    }
    // What is in flight is told once, in its turn.
    if (lines_.empty()) {
      std::vector<FileCallRef> open;
      for (auto& [tid, call] : pending_)
        if (call->shown && !call->told && call->start + kSplitAfter <= now && settled(*call)) open.push_back(call);
      std::sort(open.begin(), open.end(),
                [](const FileCallRef& a, const FileCallRef& b) { return a->start < b->start; });
      for (const FileCallRef& call : open) {
        rows.add(*call, engine, now);
        call->told = true;
      }
    }
    out.tables.push_back(std::move(table));
    if (unshown_)
      out.notes.push_back(std::to_string(unshown_) +
                          " calls are not shown as lines; -p, -e or --than shows what matters");
    unshown_ = 0;
  }

  void write_files(SnapshotData& out, Nanos now, Engine& engine) {
    TableData table;
    table.name = spec_.files;
    table.key = {"pid", "fd", "opened_ms"};
    OpenFileRows rows(table, mounts_);
    if (!touched_.empty()) mounts_.refresh();
    std::vector<OpenFileRef> later;
    for (const OpenFileRef& file : touched_) {
      // Its name may still turn out to be another's: the next picture tells of it.
      if (!file->settled(passed_)) {
        later.push_back(file);
        continue;
      }
      rows.add(*file, engine, now);
      file->now = {};
      file->touched = false;
    }
    touched_ = std::move(later);
    out.tables.push_back(std::move(table));
    note_overflow(out);
  }

  void note_overflow(SnapshotData& out) {
    if (overflow_) out.notes.push_back(spec_.name + ": " + std::to_string(overflow_) + " rows are not shown");
    overflow_ = 0;
  }

  void write_slow(SnapshotData& out, Nanos now, Engine& engine) {
    TableData table;
    table.name = spec_.slow;
    table.key = {"pid", "tid", "at_ms"};
    SlowRows rows(table, kinds_, mounts_, [this](const FileCall& call) {
      OpenFile file;
      name(call, file, kinds_.of(call.number).effect);
      return file;
    });
    mounts_.refresh();
    std::vector<SlowFile> later;
    for (const SlowFile& slow : slow_) {
      const bool ready = (!slow.file || slow.file->settled(passed_)) && (!slow.call || settled(*slow.call));
      if (!ready)
        later.push_back(slow);
      else
        rows.add(slow, false, engine);
    }
    slow_ = std::move(later);
    // In flight: opening now, and work that has not returned.
    size_t looks = 0;
    for (auto& [tid, call] : pending_) {
      const CallEffect& effect = kinds_.of(call->number).effect;
      const bool opening = effect.kind == CallEffect::kOpen;
      const uint64_t least = opening ? spec_.than_ns : spec_.age_ns;
      const int which = effect.kind == CallEffect::kClose ? 0 : effect.first;
      const OpenFileRef file = opening || which < 0 ? nullptr : call->files[static_cast<size_t>(which)];
      if (least == 0 || call->start + least > now || !settled(*call) || (!opening && (!file || !file->is_path())))
        continue;
      // It waits with its arguments, so its memory can be read as it is.
      if (opening && effect.second >= 0 && !call->texts[static_cast<size_t>(effect.second)].known && looks++ < 128 &&
          engine.world.here())
        read_memory(*call, static_cast<size_t>(effect.second));
      rows.add({opening ? SlowFile::kOpening : SlowFile::kWork, call->start, now - call->start, call->pid, tid,
                call->comm, call->number, 0, file, call, engine.world.here() ? engine.world.wait_channel(tid) : ""},
               true, engine);
    }
    out.tables.push_back(std::move(table));
    note_overflow(out);
  }

  const OperatorSpec spec_;
  const std::vector<Clause> clauses_;
  TaskFilter filter_;
  std::vector<Part> parts_;  // per clause
  bool has_texts_ = false;
  const CallKinds kinds_;
  OpenFiles files_;
  Mounts mounts_;
  std::unordered_map<uint32_t, FileCallRef> pending_, done_;  // by thread: in flight, the last that returned
  std::unordered_map<uint32_t, std::vector<Stashed>> stash_;  // texts of calls that have not been told yet
  std::deque<FileCallRef> lines_;
  std::vector<OpenFileRef> touched_;
  std::vector<SlowFile> slow_;
  const size_t cap_;
  uint64_t unshown_ = 0, overflow_ = 0, dropped_ = 0;
  Nanos zero_ = 0;               // of the first call
  Nanos last_ = 0, passed_ = 0;  // of the last event; up to here everything has been told
};

}  // namespace

std::unique_ptr<Operator> make_descriptors(const OperatorSpec& spec, std::vector<Clause> clauses, Engine& engine) {
  return std::make_unique<Descriptors>(spec, std::move(clauses), engine);
}

}  // namespace ktop
