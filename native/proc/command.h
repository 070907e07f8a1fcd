// A program started for a monitor: made and held before its first step, so that nothing of it is missed.
#pragma once
#include <sys/types.h>

#include <string>
#include <vector>

namespace ktop {

class Command {
 public:
  // `to_file`: what it says goes to a new file in /tmp instead of our stderr, and it reads nothing. Throws Failure.
  Command(const std::vector<std::string>& argv, bool to_file);
  ~Command();  // SIGTERM when it still runs
  Command(const Command&) = delete;
  Command& operator=(const Command&) = delete;

  pid_t pid() const { return pid_; }
  void go();     // the program begins
  bool ended();  // asks, does not wait
  // "ls ended with exit code 2", "ls was ended by signal 9"; "" while it runs.
  const std::string& end() const { return end_; }
  const std::string& output() const { return output_; }  // the file

 private:
  std::string name_, output_, end_;
  pid_t pid_ = -1;
  int gate_ = -1;
};

}  // namespace ktop
