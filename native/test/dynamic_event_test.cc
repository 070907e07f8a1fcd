// Probes of our own on a real kernel. Uprobes, for every kernel that tests run on has them. Needs root.
#include "trace/dynamic_event.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fstream>
#include <sstream>

#include "live.h"
#include "trace/event_probe.h"

using namespace ktop_test;

namespace {

extern "C" __attribute__((noinline)) int ktop_test_probed(int x) {
  asm volatile("" ::: "memory");
  return x + 1;
}

extern "C" __attribute__((noinline)) int ktop_test_other(int x, int y) {
  asm volatile("" ::: "memory");
  return x + y;
}

// "path:0xoffset" of a function in this program's file.
std::string place_of(uintptr_t wanted) {
  std::ifstream maps("/proc/self/maps");
  for (std::string line; std::getline(maps, line);) {
    std::istringstream words(line);
    std::string range, rights, offset, device, inode, path;
    words >> range >> rights >> offset >> device >> inode >> path;
    const uintptr_t from = std::stoull(range, nullptr, 16);
    const uintptr_t to = std::stoull(range.substr(range.find('-') + 1), nullptr, 16);
    if (wanted < from || wanted >= to) continue;
    std::ostringstream out;
    out << path << ":0x" << std::hex << wanted - from + std::stoull(offset, nullptr, 16);
    return out.str();
  }
  return {};
}

std::string place() { return place_of(reinterpret_cast<uintptr_t>(&ktop_test_probed)); }
std::string other_place() { return place_of(reinterpret_cast<uintptr_t>(&ktop_test_other)); }

std::string uprobes() { return read_file(tracefs() + "/uprobe_events"); }

// Not a stream: those write in parts, of which tracefs takes none.
void append(const std::string& line) {
  const int fd = open((tracefs() + "/uprobe_events").c_str(), O_WRONLY | O_APPEND);
  CHECK(write(fd, line.data(), line.size()) == static_cast<ssize_t>(line.size()));
  close(fd);
}

// A process id that is free: of a child that has ended.
pid_t dead_pid() {
  const pid_t child = fork();
  if (child == 0) _exit(0);
  waitpid(child, nullptr, 0);
  return child;
}

}  // namespace

TEST(live_a_probe_is_an_event_as_long_as_it_lives) {
  if (!is_root()) return;
  std::string line;
  {
    const DynamicEvent probe(tracefs(), {"probed", "uprobe", place() + " x=%di:s32"});
    line = probe.system() + "/" + probe.name();
    CHECK(uprobes().find("p:" + line + " ") != std::string::npos);
    CHECK(has_event(tracefs(), probe.system(), probe.name()));
    CHECK(load_format(tracefs(), probe.system(), probe.name()).find("x") != nullptr);
  }
  CHECK(uprobes().find(line) == std::string::npos);
}

TEST(live_a_probe_in_several_places_is_one_event) {
  std::string line;
  {
    const DynamicEvent probe(tracefs(), {"probed", "uprobe", place() + " x=%di:s32", {other_place() + " x=%si:s32"}});
    line = probe.system() + "/" + probe.name();
    const size_t first = uprobes().find("p:" + line + " ");
    CHECK(first != std::string::npos);
    CHECK(uprobes().find("p:" + line + " ", first + 1) != std::string::npos);
  }
  CHECK(uprobes().find(line) == std::string::npos);
  // One that is refused takes the others with it.
  const std::string before = uprobes();
  bool refused = false;
  try {
    const DynamicEvent probe(tracefs(), {"probed", "uprobe", place() + " x=%di:s32", {other_place() + " y=%si:s32"}});
  } catch (const Failure&) {
    refused = true;
  }
  CHECK(refused);
  CHECK(uprobes() == before);
}

TEST(live_what_the_kernel_refuses_is_told_in_its_words) {
  if (!is_root()) return;
  const auto why = [](const ProbeSpec& probe) -> std::string {
    try {
      const DynamicEvent event(tracefs(), probe);
    } catch (const Failure& failure) {
      return failure.what();
    }
    return {};
  };
  const std::string bad_register = why({"probed", "uprobe", place() + " x=%nothing"});
  CHECK(bad_register.find("nvalid register name") != std::string::npos);
  CHECK(bad_register.find("%nothing\"; ") != std::string::npos);
  CHECK(why({"1x", "uprobe", place()}).find("no name for a probe") != std::string::npos);
  CHECK(why({"x", "probe", place()}).find("no kind of probe") != std::string::npos);
  CHECK(why({"x", "uprobe", "a\nb"}).find("on one line") != std::string::npos);
  CHECK(!why({"x", "uprobe", "/nonexistent:0x10"}).empty());
}

TEST(live_what_a_killed_ktop_left_is_swept_and_nothing_else) {
  if (!is_root()) return;
  const std::string dead = "ktop_" + std::to_string(dead_pid()) + "_3/left";
  const std::string living = "ktop_" + std::to_string(getppid()) + "_0/other";
  const std::string foreign = "ktopper_1/theirs";
  for (const std::string& name : {dead, living, foreign}) append("p:" + name + " " + place() + "\n");
  sweep_dynamic_events(tracefs());
  const std::string left = uprobes();
  for (const std::string& name : {living, foreign}) append("-:" + name + "\n");
  CHECK(left.find(dead) == std::string::npos);
  CHECK(left.find(living) != std::string::npos);
  CHECK(left.find(foreign) != std::string::npos);
}

TEST(live_a_probe_goes_with_a_killed_process) {
  if (!is_root()) return;
  int ends[2];
  if (pipe(ends) != 0) return;
  finish_closing();
  const pid_t child = fork();
  if (child == 0) {
    const DynamicEvent probe(tracefs(), {"killed", "uprobe", place()});
    const std::string line = probe.system() + "/" + probe.name();
    (void)!write(ends[1], line.data(), line.size());
    pause();
    _exit(0);
  }
  close(ends[1]);
  char buffer[256];
  const ssize_t n = read(ends[0], buffer, sizeof buffer);
  close(ends[0]);
  const std::string line(buffer, n > 0 ? static_cast<size_t>(n) : 0);
  CHECK(!line.empty() && uprobes().find(line) != std::string::npos);
  kill(child, SIGKILL);
  waitpid(child, nullptr, 0);
  for (int tries = 0; tries < 200 && uprobes().find(line) != std::string::npos; tries++) usleep(50000);
  CHECK(uprobes().find(line) == std::string::npos);
}

TEST(event_probes_are_told_from_other_probes) {
  char directory[] = "/tmp/ktop-event-probe-XXXXXX";
  CHECK(mkdtemp(directory) != nullptr);
  const std::string file = std::string(directory) + "/dynamic_events";
  std::ofstream(file) << "p:kprobes/opened do_sys_openat2\n"
                         "e:ktop_keep/opened syscalls.sys_enter_openat file=+0($filename):ustring\n"
                         "s:synthetic/opened int pid\n";
  CHECK(is_event_probe(directory, "ktop_keep", "opened"));
  CHECK(!is_event_probe(directory, "kprobes", "opened"));
  CHECK(!is_event_probe(directory, "ktop_keep", "open"));
  CHECK(!is_event_probe(directory, "keep", "opened"));
  unlink(file.c_str());
  CHECK(!is_event_probe(directory, "ktop_keep", "opened"));
  rmdir(directory);
}
