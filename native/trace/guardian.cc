#include "guardian.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <mutex>

namespace ktop {
namespace {

// A shell of its own rather than a clone sharing our memory: it shares no libc state with us, keeps none of our memory
// alive, and the OOM killer, which kills every sharer of an address space, takes it not along with us.
// It collects paths until we close our end, then removes what is left; EBUSY lasts while our fds are being closed.
constexpr char kScript[] =
    "trap '' INT TERM HUP QUIT\n"
    "set --\n"
    "while read -r path; do set -- \"$@\" \"$path\"; done\n"
    "tries=0\n"
    "while [ $tries -lt 200 ]; do\n"
    "  left=\n"
    "  for path do\n"
    "    case $path in\n"
    "    -:*)\n"  // "-:group/event file": appended, for the file is not ours alone
    "      event=${path%% *} file=${path#* }\n"
    "      grep -q \":${event#-:} \" \"$file\" 2>/dev/null || continue\n"
    "      { echo \"$event\" >>\"$file\"; } 2>/dev/null || left=1 ;;\n"
    "    @*)\n"  // a journal: the root of tracefs, then files and what was in them
    "      journal=${path#@} bad=\n"
    "      [ -f \"$journal\" ] || continue\n"
    "      { read -r root\n"
    "        while read -r file value; do echo \"$value\" >\"$root/$file\" || bad=1; done\n"
    "      } <\"$journal\" 2>/dev/null\n"
    "      [ -z \"$bad\" ] && rm -f \"$journal\" || left=1 ;;\n"
    "    *) [ ! -d \"$path\" ] || rmdir \"$path\" 2>/dev/null || left=1 ;;\n"
    "    esac\n"
    "  done\n"
    "  [ -n \"$left\" ] || exit 0\n"
    "  tries=$((tries + 1))\n"
    "  sleep 0.05 2>/dev/null || sleep 1\n"
    "done\n";

struct Guardian {
  std::mutex mutex;
  pid_t pid = -1;
  int socket = -1;
  int instances = 0;

  bool start() {
    int ends[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) return false;
    posix_spawn_file_actions_t files;
    posix_spawn_file_actions_init(&files);
    posix_spawn_file_actions_adddup2(&files, ends[1], 0);
    posix_spawn_file_actions_addopen(&files, 1, "/dev/null", O_WRONLY, 0);
    posix_spawn_file_actions_addopen(&files, 2, "/dev/null", O_WRONLY, 0);
    posix_spawn_file_actions_addchdir_np(&files, "/");
#if defined(__GLIBC_PREREQ)
#if __GLIBC_PREREQ(2, 34)
    posix_spawn_file_actions_addclosefrom_np(&files, 3);  // whatever was not opened close-on-exec
#endif
#endif
    posix_spawnattr_t attributes;
    posix_spawnattr_init(&attributes);
    sigset_t none, defaults;
    sigemptyset(&none);
    sigfillset(&defaults);
    sigdelset(&defaults, SIGKILL);
    sigdelset(&defaults, SIGSTOP);
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setsigdefault(&attributes, &defaults);
    // A session of its own: no signal from the terminal or to our process group reaches it.
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSID | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
    // Called sh: a busybox is what it is called.
    char shell[] = "sh", option[] = "-c", name[] = "ktop-guardian", path[] = "PATH=/usr/sbin:/usr/bin:/sbin:/bin";
    char* const arguments[] = {shell, option, const_cast<char*>(kScript), name, nullptr};
    char* const environment[] = {path, nullptr};
    const int error = posix_spawn(&pid, "/bin/sh", &files, &attributes, arguments, environment);
    posix_spawn_file_actions_destroy(&files);
    posix_spawnattr_destroy(&attributes);
    close(ends[1]);
    if (error) {
      close(ends[0]);
      pid = -1;
      return false;
    }
    socket = ends[0];
    return true;
  }

  void end() {
    close(socket);
    socket = -1;
    while (waitpid(pid, nullptr, 0) < 0 && errno == EINTR) {
    }
    pid = -1;
  }
};

Guardian& guardian() {
  static Guardian* const instance = new Guardian;  // outlives every thread
  return *instance;
}

}  // namespace

static bool guard(const std::string& entry) {
  Guardian& g = guardian();
  std::lock_guard<std::mutex> lock(g.mutex);
  g.instances++;
  const std::string line = entry + "\n";
  for (int tries = 0; tries < 2; tries++) {
    if (g.pid < 0 && !g.start()) return false;
    if (send(g.socket, line.data(), line.size(), MSG_NOSIGNAL) == static_cast<ssize_t>(line.size())) return true;
    g.end();  // it was killed: another one
  }
  return false;
}

bool guard_instance(const std::string& path) { return guard(path); }

bool guard_event(const std::string& file, const std::string& removal) { return guard(removal + " " + file); }

bool guard_settings(const std::string& journal) { return guard("@" + journal); }

void release_instance(const std::string&) {
  Guardian& g = guardian();
  std::lock_guard<std::mutex> lock(g.mutex);
  if (--g.instances == 0 && g.pid >= 0) g.end();
}

}  // namespace ktop
