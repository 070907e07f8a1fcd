// Which file each descriptor of each process is, at the moment of a call: from opening, duplicating and closing calls,
// and from /proc for what was open before. A name that is read from /proc is true only of a descriptor that nobody
// closed or replaced until then; whether somebody did is known once the events up to that moment have been told. So a
// name is read at once, and shown when it has stood the test.
#pragma once
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <unordered_map>

#include "perf/record.h"

namespace ktop {

// What is known of a file's name; shared by those who inherit the file.
struct FileName {
  std::string given;    // as the call was given it, made absolute where that is possible
  std::string link;     // what /proc said
  bool unsure = false;  // `given` was read from the memory of the process, late
  Nanos link_read = 0;  // when; 0 = not read, or it was of another file
};

// An open file of one process, however many of its descriptors refer to it.
struct OpenFile {
  uint32_t pid = 0, tid = 0;  // who opened it
  int fd = -1;                // the first descriptor
  std::shared_ptr<FileName> known = std::make_shared<FileName>();
  Nanos opened = 0;
  bool seen = false;   // its opening was
  bool named = false;  // it was opened by a name: neither a socket nor a pipe made by a call
  bool inherited = false;
  int64_t flags = -1;  // of open; -1 = not known
  uint64_t open_took = 0;
  int descriptors = 0;

  // What was done with it since the last snapshot, and in all.
  struct Sums {
    uint64_t reads = 0, writes = 0, others = 0, errors = 0, read_bytes = 0, write_bytes = 0, io_ns = 0, longest_ns = 0;
  } now, all;
  bool touched = false;
  Nanos closed = 0;

  bool settled(Nanos passed) const { return known->link_read == 0 || known->link_read <= passed; }
  // To be asked once it is settled.
  const std::string& name() const { return known->link_read != 0 ? known->link : known->given; }
  bool unsure() const { return known->link_read == 0 && known->unsure; }
  // Files on which one waits for a device or a disk, not for somebody at the other end.
  bool is_path() const { return !name().empty() ? name()[0] == '/' : named; }
};
using OpenFileRef = std::shared_ptr<OpenFile>;

struct Descriptor {
  OpenFileRef file;
  enum CloseOnExec : uint8_t { kNo, kYes, kUnknown } on_exec = kUnknown;
};

// The descriptors of a process. Shared with its children until one of them changes something.
using DescriptorMap = std::map<int, Descriptor>;

class OpenFiles {
 public:
  // `here`: /proc tells of these processes.
  explicit OpenFiles(bool here) : here_(here) {}
  // Called with each file that a process has no descriptor of any more.
  using Ended = std::function<void(const OpenFileRef&, Nanos, const char* how)>;
  void on_end(Ended ended) { ended_ = std::move(ended); }

  // Everything that is open now; to be called when the process is new to us.
  void seed(uint32_t pid, Nanos now);
  bool knows(uint32_t pid) const { return processes_.count(pid) != 0; }
  // Null: nothing is known of it, or it is no descriptor.
  OpenFileRef find(uint32_t pid, int64_t fd, Nanos now);
  // The process has got a new descriptor, at `time`, of a file that `file` describes so far.
  void open(uint32_t pid, int64_t fd, Descriptor::CloseOnExec on_exec, OpenFileRef file, Nanos time, Nanos now);
  void close(uint32_t pid, int64_t fd, Nanos time, const char* how);
  void close_range(uint32_t pid, uint64_t first, uint64_t last, Nanos time);
  void duplicate(uint32_t pid, int64_t from, int64_t to, Descriptor::CloseOnExec on_exec, Nanos time, Nanos now);
  void set_on_exec(uint32_t pid, int64_t fd, Descriptor::CloseOnExec on_exec);
  void exec(uint32_t pid, Nanos time);
  // A new thread or a new process.
  void fork(uint32_t parent, uint32_t pid, uint32_t tid);
  void exit(uint32_t pid, uint32_t tid, Nanos time);
  // Made absolute; as given where the directory is not known for sure at `time`. `directory` is a descriptor or
  // AT_FDCWD.
  std::string absolute(uint32_t pid, int64_t directory, const std::string& path, Nanos time, Nanos passed);
  void changed_directory(uint32_t pid, const std::string& path, Nanos time);
  // Events are missing: nothing that was known is sure.
  void forget() { processes_.clear(); }

 private:
  struct Process {
    std::shared_ptr<DescriptorMap> map = std::make_shared<DescriptorMap>();
    std::set<uint32_t> threads;
    std::string directory;  // "" = not known
    Nanos directory_read = 0;
    bool borrowed = false;  // its map is of its parent, and so are the files
  };
  static constexpr size_t kMostProcesses = 65536;
  static constexpr int64_t kMostFd = 1 << 20;
  Process* process(uint32_t pid);
  // A map of its own, and files of its own: what a child does is not its parent's.
  DescriptorMap& own(uint32_t pid, Process& of);
  void drop(DescriptorMap& map, DescriptorMap::iterator at, Nanos time, const char* how);
  void end_all(uint32_t pid, Nanos time, const char* how);
  void read_link(OpenFile& file, uint32_t pid, int64_t fd);
  void read_directory(uint32_t pid, Process& of);
  const bool here_;
  Ended ended_;
  std::unordered_map<uint32_t, Process> processes_;
};

}  // namespace ktop
