#include "guardian.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <mutex>

namespace ktop {
namespace {

// A program of its own rather than a clone sharing our memory: it shares no libc state with us, keeps none of our
// memory alive, and the OOM killer, which kills every sharer of an address space, takes it not along with us. No shell:
// what it does is written in native/guardian, compiled, and started from memory.
asm(".pushsection .rodata\n"
    ".balign 16\n"
    ".globl ktop_guardian_begin\n"
    ".hidden ktop_guardian_begin\n"
    "ktop_guardian_begin:\n"
    ".incbin \"" KTOP_GUARDIAN
    "\"\n"
    ".globl ktop_guardian_end\n"
    ".hidden ktop_guardian_end\n"
    "ktop_guardian_end:\n"
    ".byte 0\n"
    ".popsection\n");
extern "C" const char ktop_guardian_begin[], ktop_guardian_end[];

// A descriptor of the program; -1 where this kernel gives no memory that may be executed.
int program_in_memory() {
  constexpr unsigned kExecutable = 0x10;  // MFD_EXEC, since Linux 6.3
  int fd = static_cast<int>(syscall(SYS_memfd_create, "ktop-guardian", MFD_CLOEXEC | kExecutable));
  if (fd < 0 && errno == EINVAL) fd = static_cast<int>(syscall(SYS_memfd_create, "ktop-guardian", MFD_CLOEXEC));
  if (fd < 0) return -1;
  const char* from = ktop_guardian_begin;
  while (from < ktop_guardian_end) {
    const ssize_t n = write(fd, from, static_cast<size_t>(ktop_guardian_end - from));
    if (n <= 0) {
      close(fd);
      return -1;
    }
    from += n;
  }
  return fd;
}

struct Guardian {
  std::mutex mutex;
  pid_t pid = -1;
  int socket = -1;
  int instances = 0;

  bool start() {
    const int program = program_in_memory();
    if (program < 0) return false;
    int ends[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) {
      close(program);
      return false;
    }
    posix_spawn_file_actions_t files;
    posix_spawn_file_actions_init(&files);
    posix_spawn_file_actions_adddup2(&files, ends[1], 0);
    posix_spawn_file_actions_addopen(&files, 1, "/dev/null", O_WRONLY, 0);
    posix_spawn_file_actions_addopen(&files, 2, "/dev/null", O_WRONLY, 0);
    posix_spawn_file_actions_addchdir_np(&files, "/");
    posix_spawnattr_t attributes;
    posix_spawnattr_init(&attributes);
    sigset_t all, defaults;
    sigfillset(&all);
    sigfillset(&defaults);
    sigdelset(&defaults, SIGKILL);
    sigdelset(&defaults, SIGSTOP);
    posix_spawnattr_setsigmask(&attributes, &all);  // nothing but KILL ends it early
    posix_spawnattr_setsigdefault(&attributes, &defaults);
    // A session of its own: no signal from the terminal or to our process group reaches it.
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSID | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
    char name[] = "ktop-guardian";
    char* const arguments[] = {name, nullptr};
    char* const environment[] = {nullptr};
    const std::string path = "/proc/self/fd/" + std::to_string(program);
    const int error = posix_spawn(&pid, path.c_str(), &files, &attributes, arguments, environment);
    posix_spawn_file_actions_destroy(&files);
    posix_spawnattr_destroy(&attributes);
    close(ends[1]);
    close(program);
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
