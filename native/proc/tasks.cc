#include "tasks.h"

#include <dirent.h>
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "files.h"

namespace ktop {
namespace {

constexpr size_t kNamesAtStart = 4000;  // tasks whose /proc files are read at start; beyond it, on first sight

// The CPU that a task was on last, from its stat, whose third field is at `state`; 0 where it does not say.
uint32_t last_cpu(const std::string& stat, size_t state) {
  size_t at = state;
  for (int field = 3; field < 39 && at != std::string::npos; field++) at = stat.find(' ', at + 1);
  return at == std::string::npos ? 0 : static_cast<uint32_t>(std::strtoul(stat.c_str() + at, nullptr, 10));
}

}  // namespace

void numbers_in(const char* path, const std::function<void(uint32_t)>& visit) {
  DIR* dir = opendir(path);
  if (!dir) return;
  while (dirent* entry = readdir(dir)) {
    if (entry->d_name[0] < '0' || entry->d_name[0] > '9') continue;
    visit(static_cast<uint32_t>(std::strtoul(entry->d_name, nullptr, 10)));
  }
  closedir(dir);
}

void each_thread(const std::function<void(uint32_t, uint32_t)>& visit) {
  numbers_in("/proc", [&](uint32_t pid) {
    char path[64];
    std::snprintf(path, sizeof path, "/proc/%u/task", pid);
    numbers_in(path, [&](uint32_t tid) { visit(pid, tid); });
  });
}

void Tasks::scan(const std::function<void(uint32_t, char, uint32_t)>& visit, bool states) {
  if (!here_) return;
  size_t read_count = 0;
  each_thread([&](uint32_t pid, uint32_t tid) {
    Task& task = tasks_[tid];
    if (task.pid == 0) task.pid = pid;
    if (read_count < kNamesAtStart && !task.read) {
      read_count++;
      read(tid, task);
    }
    if (!states) return;
    char path[64];
    std::snprintf(path, sizeof path, "/proc/%u/stat", tid);
    const std::string stat = slurp(path);
    const size_t end = stat.rfind(')');
    if (end != std::string::npos && end + 2 < stat.size()) visit(tid, stat[end + 2], last_cpu(stat, end + 2));
  });
}

void Tasks::read(uint32_t tid, Task& task) {
  char path[64];
  std::snprintf(path, sizeof path, "/proc/%u/status", tid);
  const std::string status = here_ ? slurp(path) : "";
  task.read = true;
  if (status.empty()) {
    if (task.pid == 0) task.pid = tid;
    if (task.comm == 0) task.comm = strings_.id("?");
    return;
  }
  task.verified = true;
  task.pid = static_cast<uint32_t>(number_after(status, "Tgid:", tid));
  task.ppid = static_cast<uint32_t>(number_after(status, "PPid:", 0));
  task.uid = static_cast<uint32_t>(number_after(status, "Uid:", UINT32_MAX));
  // status escapes control characters of the name; comm does not, and events carry it unescaped too.
  std::snprintf(path, sizeof path, "/proc/%u/comm", tid);
  std::string comm = slurp(path);
  if (!comm.empty() && comm.back() == '\n') comm.pop_back();
  if (!comm.empty()) task.comm = strings_.id(comm);
}

void Tasks::on_task(const TaskRecord& record) {
  switch (record.kind) {
    case TaskRecord::kFork: {
      Task child;
      const bool followed = follow_some_ && this->followed(record.ptid);
      const auto parent = tasks_.find(record.ptid);
      if (parent != tasks_.end()) child = parent->second;
      // A process is its creator's child; a thread has its process's parent.
      if (record.pid != record.ppid || child.ppid == 0) child.ppid = record.ppid;
      child.pid = record.pid;
      child.gone = 0;
      child.follow = followed ? Task::kFollowed : Task::kUnasked;
      child.verified = false;
      child.read = child.comm != 0;
      tasks_[record.tid] = child;
      hot_[record.tid % hot_.size()] = {};
      break;
    }
    case TaskRecord::kExit: {
      Task& task = tasks_[record.tid];
      hot_[record.tid % hot_.size()] = {};
      if (task.pid == 0) task.pid = record.pid;
      task.gone = record.time ? record.time : 1;
      ended_.push_back({task.gone, record.tid});
      break;
    }
    case TaskRecord::kComm: {
      Task& task = tasks_[record.tid];
      task.pid = record.pid;
      task.comm = strings_.id(record.comm);
      task.gone = 0;
      if (record.exec) task.abi = Task::kAfterExec;
      break;
    }
  }
}

void Tasks::follow_only(const std::vector<int64_t>& pids) {
  follow_some_ = true;
  following_ = pids;
}

bool Tasks::decide(uint32_t tid) {
  const uint32_t pid = get(tid).pid;
  const auto is_one = [&](int64_t each) { return each == pid || each == tid; };
  const bool followed = std::any_of(following_.begin(), following_.end(), is_one);
  tasks_[tid].follow = followed ? Task::kFollowed : Task::kNot;
  return followed;
}

// The class of the program's ELF file. Of a task that is gone, or of another time, it is taken to be the usual one.
bool Tasks::read_abi(uint32_t tid) {
  Task& task = tasks_[tid];
  char path[48];
  std::snprintf(path, sizeof path, "/proc/%u/exe", tid);
  const int fd = here_ && task.gone == 0 ? open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK) : -1;
  unsigned char head[5] = {};
  const bool is_elf = fd >= 0 && ::read(fd, head, sizeof head) == sizeof head && std::memcmp(head, "\177ELF", 4) == 0;
  if (fd >= 0) close(fd);
  task.abi = is_elf && head[4] == 1 ? Task::kCompat : Task::kNative;
  return task.abi == Task::kCompat;
}

const Task& Tasks::look_up(uint32_t tid) {
  Task& task = tasks_[tid];
  hot_[tid % hot_.size()] = {tid, &task};
  if (tid == 0) {
    if (!task.read) {
      task.read = task.verified = true;
      task.uid = 0;
      task.comm = strings_.id("swapper");
    }
    return task;
  }
  if (!task.read && task.gone == 0) read(tid, task);
  if (task.pid == 0) task.pid = tid;
  if (task.comm == 0) task.comm = strings_.id("?");
  return task;
}

const Task& Tasks::verify(uint32_t tid) {
  get(tid);
  Task& task = tasks_[tid];
  if (!task.verified && task.gone == 0 && tid != 0) {
    const uint32_t comm = task.comm;
    read(tid, task);
    if (!task.verified) task.comm = comm;
    task.verified = true;
  }
  return task;
}

void Tasks::forget(Nanos before) {
  if (ended_.empty() || ended_.front().time >= before) return;
  hot_.fill({});
  for (; !ended_.empty() && ended_.front().time < before; ended_.pop_front()) {
    const auto it = tasks_.find(ended_.front().tid);
    // Its number may have been given to another since.
    if (it != tasks_.end() && it->second.gone == ended_.front().time) tasks_.erase(it);
  }
}

}  // namespace ktop
