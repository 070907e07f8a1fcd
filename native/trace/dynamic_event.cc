#include "dynamic_event.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <mutex>
#include <sstream>
#include <vector>

#include "guardian.h"
#include "perf/transport.h"
#include "text.h"
#include "tracefs.h"

namespace ktop {
namespace {

struct Kind {
  const char* name;
  const char* letter;
  const char* file;
};

constexpr Kind kKinds[] = {
    {"kprobe", "p", "kprobe_events"},    {"kretprobe", "r", "kprobe_events"}, {"uprobe", "p", "uprobe_events"},
    {"uretprobe", "r", "uprobe_events"}, {"fprobe", "f", "dynamic_events"},   {"tprobe", "t", "dynamic_events"},
    {"eprobe", "e", "dynamic_events"},
};

const Kind& kind_of(const std::string& name) {
  for (const Kind& kind : kKinds)
    if (name == kind.name) return kind;
  throw Failure(Failure::kUsage, "\"" + name + "\" is no kind of probe; use kprobe, kretprobe, uprobe, uretprobe, " +
                                     "fprobe, tprobe or eprobe");
}

bool exists(const std::string& path) {
  struct stat st;
  return stat(path.c_str(), &st) == 0;
}

// The files are shared with other tools: always append, a truncating open would remove every probe there is.
int append(const std::string& file, const std::string& line) {
  const int fd = open(file.c_str(), O_WRONLY | O_APPEND | O_CLOEXEC);
  if (fd < 0) return errno;
  ssize_t n;
  do n = write(fd, line.data(), line.size());
  while (n < 0 && errno == EINTR);
  const int error = n < 0 ? errno : 0;
  close(fd);
  return error;
}

// Slots of a kretprobe: with the kernel's default of a few, sleeping functions miss most returns.
std::string return_slots(const std::string& letter, const ProbeSpec& probe) {
  if (letter != "r" || probe.kind != "kretprobe") return letter;
  const long cpus = sysconf(_SC_NPROCESSORS_CONF);
  return letter + std::to_string(std::max({64L, 8 * cpus, probe.slots}));
}

struct Reason {
  std::string text, at;
};

// The newest entry of error_log about our line: the kernel's words, and the part of the line its caret stands under.
Reason kernel_reason(const std::string& tracefs, const std::string& line) {
  std::string log;
  try {
    log = read_file(tracefs + "/error_log");
  } catch (const Failure&) {
    return {};
  }
  std::vector<std::string> lines;
  std::istringstream in(log);
  for (std::string each; std::getline(in, each);) lines.push_back(each);
  static const std::string kCommand = "  Command: ";
  for (size_t i = lines.size(); i-- > 1;) {
    if (lines[i].compare(0, kCommand.size(), kCommand) != 0 || lines[i].substr(kCommand.size()) != line) continue;
    Reason reason;
    const size_t said = lines[i - 1].find("error: ");
    if (said != std::string::npos) reason.text = std::string(trim(lines[i - 1].substr(said + 7)));
    const size_t caret = i + 1 < lines.size() ? lines[i + 1].find('^') : std::string::npos;
    if (caret != std::string::npos && caret >= kCommand.size() && caret - kCommand.size() < line.size()) {
      const std::string rest = line.substr(caret - kCommand.size());
      reason.at = rest.substr(0, rest.find(' '));
    }
    return reason;
  }
  return {};
}

const char* remedy_of(int error) {
  switch (error) {
    case EACCES:
    case EPERM:
      return "run ktop as root; a locked-down kernel takes no probes";
    case ENOENT:
      return "see /proc/kallsyms for the functions of this kernel; one that was inlined has no entry";
    case EILSEQ:
      return "the offset is not the start of an instruction; use that of a line, or the entry";
    case EADDRNOTAVAIL:
      return "several functions have this name; name the module, or an address";
    case EEXIST:
      return "arguments must be the same for all places of one probe";
    case EBUSY:
      return "it is in use; try again";
    case ENOMEM:
      return "free some memory";
    default:
      return "correct the definition";
  }
}

pid_t owner_of(std::string_view group) {
  if (!starts_with(group, "ktop_")) return 0;
  group.remove_prefix(5);
  long pid = 0;
  size_t digits = 0;
  while (digits < group.size() && is_digit(group[digits]) && pid < 100000000) pid = pid * 10 + (group[digits++] - '0');
  const bool ends = digits == group.size() || group[digits] == '_';
  return digits > 0 && ends ? static_cast<pid_t>(pid) : 0;
}

}  // namespace

DynamicEvent::DynamicEvent(const std::string& tracefs, const ProbeSpec& probe) {
  static std::once_flag swept;
  std::call_once(swept, [&] { sweep_dynamic_events(tracefs); });
  static std::atomic<unsigned> counter{0};
  const Kind& kind = kind_of(probe.kind);
  std::string_view id = probe.id;
  if (take_identifier(id).empty() || !id.empty())
    throw Failure(Failure::kUsage, "\"" + probe.id + "\" is no name for a probe; use letters, digits and _");
  std::vector<std::string> definitions = probe.also;
  definitions.insert(definitions.begin(), probe.definition);
  for (const std::string& each : definitions)
    if (each.empty() || each.find('\n') != std::string::npos)
      throw Failure(Failure::kUsage, "a probe needs a place on one line, such as a function");
  file_ = tracefs + "/" + kind.file;
  if (!exists(file_))
    throw Failure(Failure::kHost, "this kernel has no " + probe.kind + "s (no " + file_ +
                                      "); it must be built with CONFIG_KPROBE_EVENTS, CONFIG_UPROBE_EVENTS or " +
                                      "CONFIG_DYNAMIC_EVENTS");
  name_ = probe.id;
  // A group each: the same id may be armed again while the last one is still being closed.
  system_ = "ktop_" + std::to_string(getpid()) + "_" + std::to_string(counter++);
  removal_ = "-:" + system_ + "/" + name_;
  guard_event(file_, removal_);
  bool armed = false;
  for (const std::string& each : definitions) {
    const std::string line = return_slots(kind.letter, probe) + ":" + system_ + "/" + name_ + " " + each;
    const int error = append(file_, line);
    if (error == 0) {
      armed = true;
      continue;
    }
    const Reason reason = kernel_reason(tracefs, line);
    // The places before it go with the event.
    if (armed) append(file_, removal_);
    release_instance(file_);
    const bool ours = error == EACCES || error == EPERM || error == ENOMEM;
    throw Failure(ours ? Failure::kHost : Failure::kUsage,
                  "the kernel refuses the " + probe.kind + " \"" + each +
                      "\": " + (reason.text.empty() ? strerror(error) : reason.text) +
                      (reason.at.empty() ? "" : ", at \"" + reason.at + "\"") + "; " + remedy_of(error));
  }
}

DynamicEvent::~DynamicEvent() {
  const timespec nap = {0, 5000000};
  for (int tries = 0; tries < 200 && append(file_, removal_) == EBUSY; tries++) nanosleep(&nap, nullptr);
  release_instance(file_);
}

ProbeHits probe_hits(const std::string& tracefs, const std::string& name) {
  for (const char* file : {"/kprobe_profile", "/uprobe_profile"}) {
    std::string text;
    try {
      text = read_file(tracefs + file);
    } catch (const Failure&) {
      continue;
    }
    std::istringstream lines(text);
    ProbeHits all;
    for (std::string line; std::getline(lines, line);) {
      std::istringstream words(line);
      std::string first, event;
      ProbeHits one;
      // uprobes: "path name hits"; kprobes: "name hits missed". Names stand without their group.
      words >> first;
      if (file[1] == 'u') words >> event;
      if ((file[1] == 'u' ? event : first) != name || !(words >> one.hits)) continue;
      if (file[1] == 'k' && !(words >> one.missed)) continue;
      all.known = true;
      all.hits += one.hits;
      all.missed += one.missed;
    }
    if (all.known) return all;
  }
  return {};
}

void sweep_dynamic_events(const std::string& tracefs) {
  for (const char* name : {"/kprobe_events", "/uprobe_events", "/dynamic_events"}) {
    const std::string file = tracefs + name;
    std::string text;
    try {
      text = read_file(file);
    } catch (const Failure&) {
      continue;
    }
    std::istringstream lines(text);
    for (std::string line; std::getline(lines, line);) {  // "p:ktop_812_0/open do_sys_openat2 …"
      const size_t colon = line.find(':'), slash = line.find('/'), blank = line.find(' ');
      if (colon == line.npos || slash == line.npos || slash < colon || slash > blank) continue;
      const pid_t pid = owner_of(std::string_view(line).substr(colon + 1, slash - colon - 1));
      if (pid == 0 || pid == getpid() || kill(pid, 0) == 0 || errno != ESRCH) continue;
      append(file, "-:" + line.substr(colon + 1, std::min(blank, line.size()) - colon - 1));
    }
  }
}

}  // namespace ktop
