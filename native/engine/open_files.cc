#include "engine/open_files.h"

#include <fcntl.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>

#include "proc/files.h"
#include "proc/task_now.h"
#include "proc/tasks.h"

namespace ktop {

void OpenFiles::read_link(OpenFile& file, uint32_t pid, int64_t fd) {
  if (!here_) return;
  file.known->link = file_of(pid, fd);
  if (!file.known->link.empty()) file.known->link_read = now_ns();
}

void OpenFiles::read_directory(uint32_t pid, Process& of) {
  char path[48], target[4096];
  std::snprintf(path, sizeof path, "/proc/%u/cwd", pid);
  const ssize_t size = here_ ? readlink(path, target, sizeof target) : -1;
  if (size <= 0) return;
  of.directory.assign(target, static_cast<size_t>(size));
  of.directory_read = now_ns();
}

void OpenFiles::seed(uint32_t pid, Nanos now) {
  if (processes_.size() >= kMostProcesses) return;
  Process& of = processes_[pid];
  of.threads.insert(pid);
  if (!here_) return;
  char path[48];
  std::snprintf(path, sizeof path, "/proc/%u/task", pid);
  numbers_in(path, [&](uint32_t tid) { of.threads.insert(tid); });
  read_directory(pid, of);
  std::snprintf(path, sizeof path, "/proc/%u/fd", pid);
  numbers_in(path, [&](uint32_t fd) {
    auto file = std::make_shared<OpenFile>();
    read_link(*file, pid, fd);
    if (file->known->link.empty()) return;
    file->pid = file->tid = pid;
    file->fd = static_cast<int>(fd);
    file->opened = now;
    file->descriptors = 1;
    (*of.map)[static_cast<int>(fd)] = {file, Descriptor::kUnknown};
  });
}

OpenFiles::Process* OpenFiles::process(uint32_t pid) {
  const auto found = processes_.find(pid);
  return found == processes_.end() ? nullptr : &found->second;
}

DescriptorMap& OpenFiles::own(uint32_t pid, Process& of) {
  if (of.map.use_count() == 1 && !of.borrowed) return *of.map;
  of.borrowed = false;
  auto copy = std::make_shared<DescriptorMap>(*of.map);
  std::unordered_map<const OpenFile*, OpenFileRef> copies;
  for (auto& [fd, descriptor] : *copy) {
    // The files stay with the process that opened them; whoever else changes its descriptors gets files of its own.
    if (!descriptor.file || descriptor.file->pid == pid) continue;
    OpenFileRef& file = copies[descriptor.file.get()];
    if (!file) {
      file = std::make_shared<OpenFile>();
      file->pid = file->tid = pid;
      file->fd = fd;
      file->known = descriptor.file->known;
      file->opened = descriptor.file->opened;
      file->flags = descriptor.file->flags;
      file->named = descriptor.file->named;
      file->inherited = true;
    }
    file->descriptors++;
    descriptor.file = file;
  }
  of.map = std::move(copy);
  return *of.map;
}

OpenFileRef OpenFiles::find(uint32_t pid, int64_t fd, Nanos now) {
  if (fd < 0 || fd >= kMostFd) return nullptr;
  Process* of = process(pid);
  if (!of) {
    seed(pid, now);
    of = process(pid);
    if (!of) return nullptr;
  }
  const auto found = of->map->find(static_cast<int>(fd));
  if (found != of->map->end()) {
    if (found->second.file->pid == pid) return found->second.file;
    return own(pid, *of).at(static_cast<int>(fd)).file;
  }
  // Made by a call that does not say so (a pipe, a descriptor received): look now, and see whether it stands.
  auto file = std::make_shared<OpenFile>();
  read_link(*file, pid, fd);
  if (file->known->link.empty()) return nullptr;
  file->pid = file->tid = pid;
  file->fd = static_cast<int>(fd);
  file->opened = now;
  file->descriptors = 1;
  own(pid, *of)[static_cast<int>(fd)] = {file, Descriptor::kUnknown};
  return file;
}

void OpenFiles::drop(DescriptorMap& map, DescriptorMap::iterator at, Nanos time, const char* how) {
  const OpenFileRef file = at->second.file;
  map.erase(at);
  // What /proc said after this was said of somebody else.
  if (!file->inherited && file->known->link_read > time) file->known->link_read = 0;
  if (--file->descriptors > 0) return;
  file->closed = time;
  if (ended_) ended_(file, time, how);
}

void OpenFiles::open(uint32_t pid, int64_t fd, Descriptor::CloseOnExec on_exec, OpenFileRef file, Nanos time,
                     Nanos now) {
  if (fd < 0 || fd >= kMostFd) return;
  if (!process(pid)) seed(pid, now);
  Process* of = process(pid);
  if (!of) return;
  DescriptorMap& map = own(pid, *of);
  // Its end was not told (a pipe's other descriptor, a range that was closed by other means).
  const auto old = map.find(static_cast<int>(fd));
  if (old != map.end()) drop(map, old, time, "");
  file->pid = pid;
  file->fd = static_cast<int>(fd);
  file->opened = time;
  file->descriptors = 1;
  read_link(*file, pid, fd);
  map[static_cast<int>(fd)] = {std::move(file), on_exec};
}

void OpenFiles::close(uint32_t pid, int64_t fd, Nanos time, const char* how) {
  Process* of = process(pid);
  if (!of || fd < 0 || fd >= kMostFd || of->map->count(static_cast<int>(fd)) == 0) return;
  DescriptorMap& map = own(pid, *of);
  drop(map, map.find(static_cast<int>(fd)), time, how);
}

void OpenFiles::close_range(uint32_t pid, uint64_t first, uint64_t last, Nanos time) {
  Process* of = process(pid);
  if (!of || first >= static_cast<uint64_t>(kMostFd)) return;
  DescriptorMap& map = own(pid, *of);
  for (auto at = map.lower_bound(static_cast<int>(first)); at != map.end() && static_cast<uint64_t>(at->first) <= last;)
    drop(map, at++, time, "close_range");
}

void OpenFiles::duplicate(uint32_t pid, int64_t from, int64_t to, Descriptor::CloseOnExec on_exec, Nanos time,
                          Nanos now) {
  if (from == to || to < 0 || to >= kMostFd) return;
  const OpenFileRef file = find(pid, from, now);
  Process* of = process(pid);
  if (!of) return;
  DescriptorMap& map = own(pid, *of);
  const auto old = map.find(static_cast<int>(to));
  if (old != map.end()) drop(map, old, time, "dup2");
  // With files of its own, `from` may be another one now.
  const auto source = map.find(static_cast<int>(from));
  if (source == map.end()) return;
  source->second.file->descriptors++;
  map[static_cast<int>(to)] = {source->second.file, on_exec};
}

void OpenFiles::set_on_exec(uint32_t pid, int64_t fd, Descriptor::CloseOnExec on_exec) {
  Process* of = process(pid);
  if (!of || fd < 0 || fd >= kMostFd || of->map->count(static_cast<int>(fd)) == 0) return;
  own(pid, *of).at(static_cast<int>(fd)).on_exec = on_exec;
}

void OpenFiles::exec(uint32_t pid, Nanos time) {
  Process* of = process(pid);
  if (!of) return;
  of->threads = {pid};
  DescriptorMap& map = own(pid, *of);
  for (auto at = map.begin(); at != map.end();) {
    const auto here = at++;
    if (here->second.on_exec == Descriptor::kYes)
      drop(map, here, time, "exec");
    else if (here->second.on_exec == Descriptor::kUnknown)
      drop(map, here, time, "");  // it will be looked up when it is used
  }
}

void OpenFiles::fork(uint32_t parent, uint32_t pid, uint32_t tid) {
  if (parent == pid) {
    if (Process* of = process(pid)) of->threads.insert(tid);
    return;
  }
  processes_.erase(pid);
  const Process* from = process(parent);
  if (!from || processes_.size() >= kMostProcesses) return;
  Process child = *from;
  child.threads = {tid};
  child.borrowed = true;
  processes_[pid] = std::move(child);
}

void OpenFiles::exit(uint32_t pid, uint32_t tid, Nanos time) {
  Process* of = process(pid);
  if (!of) return;
  of->threads.erase(tid);
  if (!of->threads.empty()) return;
  end_all(pid, time, "exit");
  processes_.erase(pid);
}

void OpenFiles::end_all(uint32_t pid, Nanos time, const char* how) {
  Process& of = *process(pid);
  // Of files that it only inherited, and never changed, nothing is to be told.
  if (of.borrowed) return;
  DescriptorMap& map = own(pid, of);
  while (!map.empty()) drop(map, map.begin(), time, how);
}

std::string OpenFiles::absolute(uint32_t pid, int64_t directory, const std::string& path, Nanos time, Nanos passed) {
  if (!path.empty() && path[0] == '/') return path;
  if (path.empty()) return path;
  std::string base;
  if (directory == AT_FDCWD) {
    Process* of = process(pid);
    if (of && of->directory.empty()) read_directory(pid, *of);
    if (of && of->directory_read <= time) base = of->directory;
  } else if (const OpenFileRef file = find(pid, directory, time); file && file->settled(passed)) {
    base = file->name();
  }
  if (base.empty() || base[0] != '/') return path;
  size_t from = 0;
  while (path.compare(from, 2, "./") == 0) from += 2;
  if (path.compare(from, std::string::npos, ".") == 0) return base;
  return base + (base.back() == '/' ? "" : "/") + path.substr(from);
}

void OpenFiles::changed_directory(uint32_t pid, const std::string& path, Nanos time) {
  Process* of = process(pid);
  if (!of) return;
  of->directory = !path.empty() && path[0] == '/' ? path : "";
  of->directory_read = of->directory.empty() ? 0 : time;
}

}  // namespace ktop
