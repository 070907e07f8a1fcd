#include "command.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <sstream>

#include "perf/transport.h"

namespace ktop {
namespace {

// As a shell would look for it; "" when there is none.
std::string find_program(const std::string& name) {
  if (name.find('/') != name.npos) return access(name.c_str(), X_OK) == 0 ? name : "";
  const char* path = getenv("PATH");
  std::istringstream places(path ? path : "/usr/bin:/bin");
  for (std::string place; std::getline(places, place, ':');) {
    const std::string file = (place.empty() ? "." : place) + "/" + name;
    if (access(file.c_str(), X_OK) == 0) return file;
  }
  return "";
}

// Between fork and exec: only what is safe in a process that had several threads.
[[noreturn]] void become(const char* file, char* const* argv, int gate, int in, int out) {
  for (int signal = 1; signal < NSIG; signal++) ::signal(signal, SIG_DFL);  // ignored ones stay ignored over exec
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
  if (in >= 0) dup2(in, STDIN_FILENO);
  dup2(out, STDOUT_FILENO);
  if (in >= 0) dup2(out, STDERR_FILENO);
  char go;
  ssize_t n;
  do n = read(gate, &go, 1);
  while (n < 0 && errno == EINTR);
  if (n != 1) _exit(125);  // it will not be traced after all
  execv(file, argv);
  _exit(errno == ENOENT ? 127 : 126);
}

}  // namespace

Command::Command(const std::vector<std::string>& argv, bool to_file) : name_(argv.at(0)) {
  const std::string file = find_program(name_);
  if (file.empty())
    throw Failure(Failure::kUsage, "no program \"" + name_ + "\" that can be run; give its path behind --");
  int out = STDERR_FILENO, in = -1, gate[2];
  if (to_file) {
    char path[] = "/tmp/ktop-command-XXXXXX";
    out = mkostemp(path, O_CLOEXEC);
    in = open("/dev/null", O_RDONLY | O_CLOEXEC);
    if (out < 0 || in < 0)
      throw Failure(Failure::kHost, std::string("no file in /tmp for what the command says: ") + strerror(errno) +
                                        "; free some space, or use --plain");
    output_ = path;
  }
  if (pipe2(gate, O_CLOEXEC) != 0)
    throw Failure(Failure::kHost, std::string("no pipe for the command: ") + strerror(errno) + "; try again");
  std::vector<std::string> words = argv;
  std::vector<char*> pointers;
  for (std::string& word : words) pointers.push_back(&word[0]);
  pointers.push_back(nullptr);
  pid_ = fork();
  const int error = errno;
  if (pid_ == 0) become(file.c_str(), pointers.data(), gate[0], in, out);
  close(gate[0]);
  gate_ = gate[1];
  if (to_file) {
    close(out);
    close(in);
  }
  if (pid_ < 0) {
    close(gate_);
    throw Failure(Failure::kHost, "cannot start " + name_ + ": " + strerror(error) + "; try again");
  }
}

Command::~Command() {
  if (gate_ >= 0) close(gate_);
  if (ended()) return;
  kill(pid_, SIGTERM);
  for (int tries = 0; tries < 100 && !ended(); tries++) usleep(5000);
}

void Command::go() {
  if (gate_ < 0) return;
  (void)!write(gate_, "g", 1);
  close(gate_);
  gate_ = -1;
}

bool Command::ended() {
  if (!end_.empty()) return true;
  int status = 0;
  const pid_t got = waitpid(pid_, &status, WNOHANG);
  if (got == 0 || (got < 0 && errno == EINTR)) return false;
  if (got < 0)
    end_ = name_ + " ended";
  else if (WIFSIGNALED(status))
    end_ = name_ + " was ended by signal " + std::to_string(WTERMSIG(status));
  else
    end_ = name_ + " ended with exit code " + std::to_string(WEXITSTATUS(status));
  return true;
}

}  // namespace ktop
