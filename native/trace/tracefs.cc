#include "tracefs.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <algorithm>

#include "perf/transport.h"
#include "text.h"

namespace ktop {
namespace {

constexpr long kTracefsMagic = 0x74726163;

bool is_tracefs(const char* path) {
  struct statfs fs;
  return statfs(path, &fs) == 0 && fs.f_type == kTracefsMagic;
}

std::vector<std::string> directories(const std::string& path) {
  std::vector<std::string> names;
  DIR* dir = opendir(path.c_str());
  if (!dir) return names;
  while (const dirent* entry = readdir(dir))
    if (entry->d_name[0] != '.' && (entry->d_type == DT_DIR || entry->d_type == DT_UNKNOWN))
      names.emplace_back(entry->d_name);
  closedir(dir);
  std::sort(names.begin(), names.end());
  return names;
}

// A path component from the user: nothing that leads elsewhere.
bool is_event_word(const std::string& word) {
  return !word.empty() && word[0] != '.' && word.find('/') == word.npos && word.find('\0') == word.npos;
}

[[noreturn]] void no_event(const std::string& tracefs, const std::string& system, const std::string& name) {
  const std::string events = tracefs + "/events";
  const std::string wanted = system + ":" + name;
  std::vector<std::string> candidates;
  const auto add = [&](const std::string& s) {
    for (const std::string& n : directories(events + "/" + s)) candidates.push_back(s + ":" + n);
  };
  struct stat st;
  std::string best;
  if (is_event_word(system) && stat((events + "/" + system).c_str(), &st) == 0) {
    add(system);
    best = nearest(wanted, candidates);
  }
  if (best.empty() || edit_distance(best, wanted) > 3) {  // maybe the system is wrong, or the event has moved
    for (const std::string& s : directories(events))
      if (s != system) add(s);
    const auto same = std::find_if(candidates.begin(), candidates.end(), [&](const std::string& c) {
      return c.size() > name.size() && c.compare(c.size() - name.size(), name.size(), name) == 0 &&
             c[c.size() - name.size() - 1] == ':';
    });
    const std::string other = same != candidates.end() ? *same : nearest(wanted, candidates);
    if (best.empty() || same != candidates.end() || edit_distance(other, wanted) < edit_distance(best, wanted))
      best = other;
  }
  throw Failure(Failure::kHost, "no event \"" + wanted + "\" on this kernel" +
                                    (best.empty() ? "; see " + events : "; nearest: \"" + best + "\""));
}

// A probe prints where it is as a number; the function says more.
std::string name_places(std::string text) {
  const size_t print = text.find("print fmt: \"(%lx");
  if (print == text.npos || text.find("REC->__probe_", print) == text.npos) return text;
  text.replace(print + 13, 3, "%pS");
  const size_t end = text.find(')', print), from = text.find(" <- %lx", print);
  if (from != text.npos && from < end) text.replace(from + 4, 3, "%pS");
  return text;
}

}  // namespace

std::string find_tracefs(bool mount, bool* mounted) {
  if (mounted) *mounted = false;
  static const char* const kPlaces[] = {"/sys/kernel/tracing", "/sys/kernel/debug/tracing"};
  for (const char* path : kPlaces)
    if (is_tracefs(path)) return path;
  const std::string table = [] {
    try {
      return read_file("/proc/self/mounts");
    } catch (const Failure&) {
      return std::string();
    }
  }();
  for (std::string_view rest = table; !rest.empty();) {  // "nodev /a/path tracefs rw 0 0"
    const std::string_view line = rest.substr(0, rest.find('\n'));
    rest.remove_prefix(std::min(rest.size(), line.size() + 1));
    const size_t a = line.find(' '), b = line.find(' ', a + 1);
    if (b != line.npos && starts_with(line.substr(b + 1), "tracefs "))
      return std::string(line.substr(a + 1, b - a - 1));
  }
  if (mount && geteuid() == 0 &&
      ::mount("nodev", kPlaces[0], "tracefs", MS_NOSUID | MS_NODEV | MS_NOEXEC, nullptr) == 0) {
    if (mounted) *mounted = true;
    return kPlaces[0];
  }
  return {};
}

bool may(const std::string& path, int mode) { return faccessat(AT_FDCWD, path.c_str(), mode, AT_EACCESS) == 0; }

std::string read_file(const std::string& path) {
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  const auto fail = [&](int error) {
    std::string remedy;
    if (error == EACCES || error == EPERM) remedy = "; run ktop as root";
    if (error == EMFILE || error == ENFILE) remedy = "; raise the limit (ulimit -n)";
    throw Failure(Failure::kHost, "cannot read " + path + ": " + strerror(error) + remedy);
  };
  if (fd < 0) fail(errno);
  std::string text;
  char buffer[16384];
  for (;;) {
    const ssize_t n = read(fd, buffer, sizeof buffer);
    if (n == 0) break;
    if (n < 0) {
      if (errno == EINTR) continue;
      const int error = errno;
      close(fd);
      fail(error);
    }
    text.append(buffer, static_cast<size_t>(n));
  }
  close(fd);
  return text;
}

EventFormat load_format(const std::string& tracefs, const std::string& system, const std::string& name) {
  if (tracefs.empty())
    throw Failure(Failure::kHost, "no tracefs is mounted; as root: mount -t tracefs nodev /sys/kernel/tracing");
  const std::string events = tracefs + "/events";
  if (!may(events, X_OK)) {
    const int error = errno;
    if (error == ENOENT)
      throw Failure(Failure::kHost, "no " + events + ": this kernel has no event tracing, or " + tracefs +
                                        " is no tracefs; as root: mount -t tracefs nodev /sys/kernel/tracing");
    throw Failure(Failure::kHost, "cannot read " + events + ": " + strerror(error) +
                                      "; run ktop as root, or see docs/privileges.md for the rights it needs");
  }
  if (!is_event_word(system) || !is_event_word(name) || !has_event(tracefs, system, name))
    no_event(tracefs, system, name);
  return parse_format(system, name_places(read_file(events + "/" + system + "/" + name + "/format")));
}

bool has_event(const std::string& tracefs, const std::string& system, const std::string& name) {
  if (!is_event_word(system) || !is_event_word(name)) return false;
  struct stat st;
  return stat((tracefs + "/events/" + system + "/" + name + "/format").c_str(), &st) == 0 && S_ISREG(st.st_mode);
}

void sweep_instances(const std::string& tracefs) {
  const std::string root = tracefs + "/instances";
  for (const std::string& name : directories(root)) {
    std::string_view rest = name;
    if (!starts_with(rest, "ktop_")) continue;
    rest.remove_prefix(5);
    long pid = 0;
    size_t digits = 0;
    while (digits < rest.size() && is_digit(rest[digits]) && pid < 100000000) pid = pid * 10 + (rest[digits++] - '0');
    if (digits == 0 || (digits < rest.size() && rest[digits] != '_') || pid == getpid()) continue;
    if (kill(static_cast<pid_t>(pid), 0) == 0 || errno != ESRCH) continue;
    rmdir((root + "/" + name).c_str());
  }
}

}  // namespace ktop
