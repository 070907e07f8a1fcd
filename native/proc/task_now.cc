#include "proc/task_now.h"

#include <sys/uio.h>
#include <unistd.h>

#include <cstdio>
#include <cstring>

#include "proc/files.h"

namespace ktop {
namespace {

std::string proc(uint32_t tid, const char* file) {
  char path[48];
  std::snprintf(path, sizeof path, "/proc/%u/%s", tid, file);
  return slurp(path);
}

}  // namespace

char task_state(uint32_t tid) {
  const std::string stat = proc(tid, "stat");
  const size_t end = stat.rfind(')');
  return end != std::string::npos && end + 2 < stat.size() ? stat[end + 2] : '\0';
}

std::vector<std::string> kernel_stack(uint32_t tid) {
  std::vector<std::string> frames;
  const std::string text = proc(tid, "stack");  // "[<0>] pipe_read+0x1d4/0x4a0"
  for (size_t at = 0; at < text.size();) {
    const size_t end = std::min(text.find('\n', at), text.size());
    const size_t name = text.find("] ", at);
    if (name < end) frames.push_back(text.substr(name + 2, end - name - 2));
    at = end + 1;
  }
  return frames;
}

std::string file_of(uint32_t tid, int64_t fd) {
  if (fd < 0 || fd > INT32_MAX) return "";
  char path[64], target[4096];
  std::snprintf(path, sizeof path, "/proc/%u/fd/%d", tid, static_cast<int>(fd));
  const ssize_t size = readlink(path, target, sizeof target);
  return size > 0 ? std::string(target, static_cast<size_t>(size)) : "";
}

std::string text_of_memory(uint32_t tid, uint64_t address) {
  char text[256];
  size_t size = 0;
  // Page by page: the text may end right before memory that is not there.
  while (address != 0 && size < sizeof text - 1) {
    const size_t part = std::min<size_t>(sizeof text - 1 - size, 4096 - (address + size) % 4096);
    iovec here{text + size, part}, there{reinterpret_cast<void*>(address + size), part};
    const ssize_t got = process_vm_readv(static_cast<pid_t>(tid), &here, 1, &there, 1, 0);
    if (got <= 0) break;
    const size_t end = strnlen(text + size, static_cast<size_t>(got));
    size += end;
    if (end < static_cast<size_t>(got)) break;
  }
  return std::string(text, size);
}

}  // namespace ktop
