// Storage I/O per process: /proc for the living, taskstats for threads that ended between two readings.
//
// /proc/<pid>/io also holds what the process's reaped children did, so a shell would be billed for every command it
// ran. It only tells here that something changed; what is billed are the threads' own counters.
#include <dirent.h>
#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <unordered_map>

#include "files.h"
#include "poll.h"
#include "taskstats.h"

namespace ktop {
namespace {

constexpr size_t kFields = 5;
constexpr const char* kColumns[kFields] = {"read_bytes", "write_bytes", "cancelled", "rchar", "wchar"};
using Counts = std::array<uint64_t, kFields>;

// False when the file cannot be read; *denied is counted up when permission is the reason.
bool read_io(const char* path, Counts* counts, size_t* denied) {
  static const char* labels[kFields] = {"read_bytes:", "write_bytes:", "cancelled_write_bytes:", "rchar:", "wchar:"};
  const int fd = open(path, O_RDONLY | O_CLOEXEC);
  char text[512];
  const ssize_t got = fd < 0 ? -1 : read(fd, text, sizeof text);
  if (got < 0 && (errno == EACCES || errno == EPERM)) ++*denied;
  if (fd >= 0) close(fd);
  if (got <= 0) return false;
  for (size_t i = 0; i < kFields; i++)
    (*counts)[i] = static_cast<uint64_t>(number_after({text, static_cast<size_t>(got)}, labels[i], 0));
  return true;
}

template <typename F>
void numbers_in(const char* path, F each) {
  DIR* dir = opendir(path);
  if (!dir) return;
  while (dirent* entry = readdir(dir))
    if (entry->d_name[0] >= '1' && entry->d_name[0] <= '9')
      each(static_cast<uint32_t>(std::strtoul(entry->d_name, nullptr, 10)));
  closedir(dir);
}

class ProcessIo final : public Poll {
 public:
  ProcessIo() {
    // Deltas of this first pass are what happened before we looked: dropped.
    std::unordered_map<uint32_t, Billed> past;
    visit_living(past);
  }

  void read(const std::string& name, SnapshotData& out, Tasks& tasks) override {
    std::unordered_map<uint32_t, Billed> billed;
    collect_exits(billed, out);
    visit_living(billed);
    TableData table;
    table.name = name;
    table.key = {"pid"};
    ColumnData& pids = table.number("pid");
    ColumnData& ppids = table.number("ppid");
    ColumnData& uids = table.number("uid");
    ColumnData& comms = table.text("comm");
    std::array<ColumnData*, kFields> fields{};
    for (size_t i = 0; i < kFields; i++) fields[i] = &table.number(kColumns[i]);
    for (auto& [pid, each] : billed) {
      if (each.counts == Counts{}) continue;
      if (each.comm.empty() || groups_.count(pid)) {
        const Task& task = tasks.verify(pid);
        each.ppid = task.ppid;
        each.uid = task.uid;
        each.comm = tasks.strings().text(task.comm);
      }
      pids.add(pid);
      ppids.add(each.ppid);
      uids.add(each.uid == UINT32_MAX ? kUnknown : each.uid);
      comms.add_text(each.comm);
      for (size_t i = 0; i < kFields; i++) fields[i]->add(static_cast<double>(each.counts[i]));
      table.length++;
    }
    out.tables.push_back(std::move(table));
    if (denied_)
      out.notes.push_back(
          "I/O of " + std::to_string(denied_) + (denied_ == 1 ? " process" : " processes") +
          " is not permitted to be read" +
          (geteuid() == 0 ? "" : "; run as root, or with CAP_SYS_PTRACE and CAP_DAC_READ_SEARCH, to see them"));
  }

 private:
  struct Billed {
    Counts counts{};
    uint32_t ppid = 0, uid = UINT32_MAX;
    std::string comm;  // of an ended process
  };
  struct Group {
    Counts counts{};
    uint64_t pass = 0;
  };
  struct Thread {
    Counts counts{};
    uint64_t pass = 0;
  };

  // `unit`: what the counters were rounded down to.
  void bill(Billed& billed, uint32_t tid, const Counts& now, uint64_t unit = 1) {
    Thread& thread = threads_[tid];
    bool reused = false;  // counters never go back: the number belongs to another thread now
    for (size_t i = 0; i < kFields; i++) reused |= now[i] + (unit - 1) < thread.counts[i];
    for (size_t i = 0; i < kFields; i++) {
      const uint64_t before = reused ? 0 : thread.counts[i];
      billed.counts[i] += now[i] > before ? now[i] - before : 0;
    }
    thread.counts = now;
    thread.pass = pass_;
  }

  void visit_living(std::unordered_map<uint32_t, Billed>& billed) {
    pass_++;
    denied_ = 0;
    numbers_in("/proc", [&](uint32_t pid) {
      char path[64];
      std::snprintf(path, sizeof path, "/proc/%u/io", pid);
      Counts counts;
      if (!read_io(path, &counts, &denied_)) return;
      auto [found, fresh] = groups_.try_emplace(pid);
      found->second.pass = pass_;
      if (!fresh && found->second.counts == counts) return;
      found->second.counts = counts;
      std::snprintf(path, sizeof path, "/proc/%u/task", pid);
      numbers_in(path, [&](uint32_t tid) {
        size_t ignored = 0;
        std::snprintf(path, sizeof path, "/proc/%u/task/%u/io", pid, tid);
        if (read_io(path, &counts, &ignored)) bill(billed[pid], tid, counts);
      });
    });
    for (auto it = groups_.begin(); it != groups_.end();)
      it = it->second.pass == pass_ ? std::next(it) : groups_.erase(it);
    // Ended threads whose exit record never came (overflow). Idle ones are met at every change of their group only.
    if (pass_ % 64 == 0)
      for (auto it = threads_.begin(); it != threads_.end();) {
        char path[64];
        std::snprintf(path, sizeof path, "/proc/%u", it->first);
        it = it->second.pass == pass_ || access(path, F_OK) == 0 ? std::next(it) : threads_.erase(it);
      }
  }

  void collect_exits(std::unordered_map<uint32_t, Billed>& billed, SnapshotData& out) {
    if (!exits_.ok()) {
      out.notes.push_back("I/O of processes that end between two readings is missing: taskstats: " + exits_.why());
      return;
    }
    const bool whole = exits_.read([&](const ExitRecord& record) {
      Billed& each = billed[record.pid];
      if (record.tid == record.pid || each.comm.empty()) each.comm = record.comm;
      each.ppid = record.ppid;
      each.uid = record.uid;
      // taskstats tells whole KiB.
      bill(each, record.tid, {record.read_bytes, record.write_bytes, record.cancelled, record.rchar, record.wchar},
           1024);
      threads_.erase(record.tid);
    });
    if (!whole) out.notes.push_back("more threads ended than could be accounted: the I/O of some is missing");
  }

  TaskstatsListener exits_;
  std::unordered_map<uint32_t, Group> groups_;
  std::unordered_map<uint32_t, Thread> threads_;
  uint64_t pass_ = 0;
  size_t denied_ = 0;
};

}  // namespace

std::unique_ptr<Poll> make_process_io() { return std::make_unique<ProcessIo>(); }

}  // namespace ktop
