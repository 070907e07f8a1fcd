// Texts of system calls, copied by the kernel that runs. Needs root, and a kernel that takes BPF programs.
#include "trace/call_texts.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <algorithm>
#include <map>

#include "live.h"

using namespace ktop_test;

namespace {

constexpr int kChildren = 200;

TransportSpec texts_spec() {
  TransportSpec spec;
  spec.texts = std::make_shared<CallTexts>(
      tracefs(),
      std::vector<std::pair<int64_t, std::string>>{{SYS_openat, "fsxx"}, {SYS_rename, "ss"}, {SYS_execve, "sxx"}});
  spec.events = {{"ktop", "texts", CallTexts::kType, "", false}, request("raw_syscalls", "sys_enter", "id == 257")};
  return spec;
}

// "index text" of each call, by thread.
std::multimap<uint32_t, std::string> texts_of(const CollectSink& sink) {
  const EventFormat format = parse_format("ktop", CallTexts::format());
  std::multimap<uint32_t, std::string> texts;
  for (const Seen& s : sink.all) {
    if (s.kind != Seen::kEvent || s.slot != 0) continue;
    const uint32_t size = static_cast<uint32_t>(s.raw.size());
    const auto number = [&](const char* field) { return read_integer(*format.find(field), s.raw.data(), size); };
    texts.emplace(s.tid, std::to_string(number("index")) + (number("late") ? " late " : " ") +
                             std::string(read_text(*format.find("text"), s.raw.data(), size)));
  }
  return texts;
}

}  // namespace

TEST(live_texts_of_processes_that_end_at_once) {
  if (!is_root()) return;
  for (Opener open : kOpeners) {
    const TransportSpec spec = texts_spec();
    CollectSink sink;
    std::map<uint32_t, std::string> wanted;
    observe(open, spec, &sink, [&] {
      for (int i = 0; i < kChildren; i++) {
        const std::string path = "/tmp/ktop-no-such-" + std::to_string(i);
        const pid_t child = fork();
        if (child == 0) {
          syscall(SYS_openat, AT_FDCWD, path.c_str(), O_RDONLY);
          syscall(SYS_exit_group, 0);
        }
        wanted[static_cast<uint32_t>(child)] = "1 " + path;
        waitpid(child, nullptr, 0);
      }
    });
    const auto texts = texts_of(sink);
    for (auto& [pid, text] : wanted) {
      CHECK_EQ(texts.count(pid), 1u);
      const auto found = texts.find(pid);
      CHECK_EQ(found == texts.end() ? "none" : found->second, text);
    }
    CHECK(sink.ordered());
  }
}

TEST(live_texts_that_are_not_in_memory_come_with_the_end_of_the_call) {
  if (!is_root()) return;
  // A text in a page of a file that nobody has touched yet.
  char name[] = "/tmp/ktop-texts-XXXXXX";
  const int file = mkstemp(name);
  const std::string text = "/tmp/ktop-no-such-page";
  CHECK_EQ(write(file, text.c_str(), text.size() + 1), static_cast<ssize_t>(text.size() + 1));
  uint32_t pid = 0;
  CollectSink sink;
  observe(open_perf_transport, texts_spec(), &sink, [&] {
    const pid_t child = fork();
    if (child == 0) {
      const char* page = static_cast<const char*>(mmap(nullptr, 4096, PROT_READ, MAP_PRIVATE, file, 0));
      syscall(SYS_rename, page, "/tmp/ktop-no-such-target");
      syscall(SYS_openat, AT_FDCWD, nullptr, O_RDONLY);  // no text at all
      syscall(SYS_exit_group, 0);
    }
    pid = static_cast<uint32_t>(child);
    waitpid(child, nullptr, 0);
  });
  close(file);
  unlink(name);
  std::vector<std::string> seen;
  for (auto& [tid, each] : texts_of(sink))
    if (tid == pid) seen.push_back(each);
  std::sort(seen.begin(), seen.end());
  CHECK_EQ(seen.size(), 2u);
  CHECK_EQ(seen.size() == 2 ? seen[0] : "", "0 late " + text);
  // A child's memory of files is filled anew, so this one may come late as well.
  CHECK_HAS(seen.size() == 2 ? seen[1] : "", "/tmp/ktop-no-such-target");
}
