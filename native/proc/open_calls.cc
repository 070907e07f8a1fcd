#include "proc/open_calls.h"

#include <array>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <vector>

#include "proc/files.h"
#include "proc/tasks.h"

namespace ktop {

void open_calls(const EventFormat& format, const std::function<void(Record&)>& visit) {
  const Field* id = format.find("id");
  const Field* args = format.find("args");
  const Field* tid_field = format.find("common_pid");
  if (format.system != "raw_syscalls" || format.name != "sys_enter" || !id || !args || !tid_field) return;
  std::vector<uint8_t> raw(args->offset + args->size);
  if (id->offset + id->size > raw.size() || tid_field->size != sizeof(uint32_t)) return;
  each_thread([&](uint32_t pid, uint32_t tid) {
    char path[64];
    std::snprintf(path, sizeof path, "/proc/%u/task/%u/syscall", pid, tid);
    const std::string text = slurp(path);  // "232 0x4 0x7ffc… 0x40 0xffffffff 0x0 0x0 0x7ffc… 0x7f1f…" or "running"
    const char* at = text.c_str();
    char* end = nullptr;
    const int64_t number = std::strtoll(at, &end, 10);
    if (end == at || number < 0) return;
    std::memcpy(raw.data() + tid_field->offset, &tid, sizeof tid);
    std::memcpy(raw.data() + id->offset, &number, std::min<size_t>(id->size, sizeof number));
    for (size_t i = 0; i < args->size / sizeof(uint64_t); i++) {
      const uint64_t value = std::strtoull(end, &end, 16);
      std::memcpy(raw.data() + args->offset + i * sizeof value, &value, sizeof value);
    }
    // A kernel thread is shown in call 0 with nothing but zeros; a program has a stack.
    if (std::strtoull(end, &end, 16) == 0) return;
    Record record;
    record.tid = tid;
    record.raw = raw.data();
    record.size = static_cast<uint32_t>(raw.size());
    visit(record);
  });
}

}  // namespace ktop
