#include "saved_settings.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <mutex>
#include <sstream>

#include "directory.h"
#include "guardian.h"
#include "perf/transport.h"
#include "text.h"
#include "tracefs.h"

namespace ktop {
namespace {

const char* const kPlaces[] = {"/run", "/dev/shm", "/tmp"};
constexpr char kName[] = "ktop-tracing.";
constexpr size_t kMostFunctions = 1000;

// Only names below tracefs: a journal must not lead elsewhere.
bool is_setting(std::string_view file) {
  if (file.empty() || file.front() == '/' || file.find("..") != file.npos) return false;
  for (char c : file)
    if (!is_identifier(c) && c != '-' && c != '/') return false;
  return true;
}

std::string new_journal() {
  static unsigned counter = 0;
  for (const char* place : kPlaces) {
    const std::string path =
        std::string(place) + "/" + kName + std::to_string(getpid()) + "." + std::to_string(counter++);
    const int fd = open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0) continue;
    close(fd);
    return path;
  }
  throw Failure(Failure::kHost, "cannot write down the settings of tracing in /run, /dev/shm or /tmp: " +
                                    std::string(strerror(errno)) + "; make one of them writable");
}

// False: something could not be written (yet).
bool apply(const std::string& path, const std::string& tracefs) {
  std::istringstream lines(read_file(path));
  std::string root, line;
  std::getline(lines, root);
  if (root != tracefs) return true;
  bool done = true;
  while (std::getline(lines, line)) {
    const size_t blank = line.find(' ');
    const std::string file = line.substr(0, blank);
    if (blank == line.npos || !is_setting(file)) continue;
    done &= write_whole(tracefs + "/" + file, line.substr(blank + 1) + "\n", false);
  }
  return done;
}

}  // namespace

std::string setting_of(const std::string& text) {
  const size_t open = text.find('['), shut = text.find(']', open);
  if (open != text.npos && shut != text.npos && text.find('\n') >= text.size() - 1)
    return text.substr(open + 1, shut - open - 1);
  const std::string expanded = "(expanded: ";
  const size_t at = text.find(expanded);
  if (at != text.npos) return text.substr(at + expanded.size(), text.find(')', at) - at - expanded.size());
  std::istringstream lines(text);
  std::string all;
  for (std::string line; std::getline(lines, line);) {
    // Comments, and commands such as "schedule:traceoff:unlimited", which stay whatever is written.
    if (line.empty() || line[0] == '#' || line.find(':') != line.npos || line == "no pid") continue;
    const std::string word = line.substr(0, line.find(' '));
    all += (all.empty() ? "" : " ") + word;
  }
  return all;
}

SavedSettings::SavedSettings(const std::string& tracefs) : tracefs_(tracefs), journal_(new_journal()) {
  guarded_ = guard_settings(journal_);
}

SavedSettings::~SavedSettings() {
  const timespec nap = {0, 5000000};
  bool done = false;
  for (int tries = 0; tries < 400 && !done; tries++) {  // the tracer stays while a pipe is on its way out
    done = put_back();
    if (!done) nanosleep(&nap, nullptr);
  }
  if (done) unlink(journal_.c_str());  // else the guardian goes on
  release_instance(journal_);
}

bool SavedSettings::put_back() {
  bool done = true;
  for (size_t i = before_.size(); i-- > 0;)
    done &= write_whole(tracefs_ + "/" + before_[i].first, before_[i].second + "\n", false);
  return done;
}

void SavedSettings::save(const std::string& file) {
  for (auto& [known, text] : before_)
    if (known == file) return;
  const std::string before = setting_of(read_file(tracefs_ + "/" + file));
  size_t words = 1;
  for (char c : before) words += c == ' ';
  if (words > kMostFunctions)
    throw Failure(Failure::kHost, tracefs_ + "/" + file + " holds " + std::to_string(words) +
                                      " functions of another tool; clear it, or end that tool");
  before_.emplace_back(file, before);
  std::string text = tracefs_ + "\n";
  for (size_t i = before_.size(); i-- > 0;) text += before_[i].first + " " + before_[i].second + "\n";
  const size_t name = journal_.rfind('/') + 1;  // hidden: half a journal is none
  const std::string next = journal_.substr(0, name) + "." + journal_.substr(name);
  unlink(next.c_str());  // one of ours; what others have put there is not taken
  const int fd = open(next.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
  const bool written = fd >= 0 && ::write(fd, text.data(), text.size()) == static_cast<ssize_t>(text.size());
  if (fd >= 0) close(fd);
  if (!written || rename(next.c_str(), journal_.c_str()) != 0) {
    before_.pop_back();
    throw Failure(Failure::kHost,
                  "cannot write " + next + ": " + strerror(errno) + "; free some space, or nothing could be put back");
  }
}

bool SavedSettings::set(const std::string& file, const std::string& text, bool append) {
  if (!may(tracefs_ + "/" + file, W_OK)) return false;
  save(file);
  return write_whole(tracefs_ + "/" + file, text, append);
}

void sweep_saved_settings(const std::string& tracefs) {
  for (const char* place : kPlaces) {
    DIR* directory = opendir(place);
    if (!directory) continue;
    while (const dirent* entry = readdir(directory)) {
      if (!starts_with(entry->d_name, kName)) continue;
      const pid_t pid = static_cast<pid_t>(atol(entry->d_name + sizeof kName - 1));
      if (pid <= 0 || pid == getpid() || kill(pid, 0) == 0 || errno != ESRCH) continue;
      const std::string path = std::string(place) + "/" + entry->d_name;
      struct stat st;
      // What somebody else has put there is none of our word.
      if (lstat(path.c_str(), &st) != 0 || !S_ISREG(st.st_mode) || st.st_uid != geteuid() || (st.st_mode & 022))
        continue;
      try {
        if (apply(path, tracefs)) unlink(path.c_str());
      } catch (const Failure&) {  // gone: the guardian was faster
      }
    }
    closedir(directory);
  }
}

}  // namespace ktop
