#include "instance.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <atomic>
#include <mutex>

#include "guardian.h"
#include "perf/transport.h"
#include "tracefs.h"

namespace ktop {

TraceInstance::TraceInstance(const std::string& tracefs) {
  static std::once_flag swept;
  std::call_once(swept, [&] { sweep_instances(tracefs); });
  static std::atomic<unsigned> counter{0};
  const std::string base = tracefs + "/instances/ktop_" + std::to_string(getpid());
  for (int tries = 0; tries < 1000; tries++) {
    const unsigned n = counter++;
    path_ = n == 0 ? base : base + "_" + std::to_string(n);
    struct stat st;
    if (stat(path_.c_str(), &st) == 0) continue;  // of a process with our pid in another namespace
    guarded_ = guard_instance(path_);
    if (mkdir(path_.c_str(), 0750) == 0) return;
    const int error = errno;
    release_instance(path_);
    if (error == EEXIST) continue;
    std::string remedy = "; run ktop as root";
    if (error == EROFS) remedy = "; remount it writable";
    if (error == ENOENT) remedy = "; mount tracefs, or use a kernel with CONFIG_TRACING";
    if (error == ENOMEM) remedy = "; free some memory";
    throw Failure(Failure::kHost,
                  "cannot create a trace instance in " + tracefs + "/instances: " + strerror(error) + remedy);
  }
  throw Failure(Failure::kHost,
                "no free name for a trace instance in " + tracefs + "/instances; remove those named ktop_*");
}

TraceInstance::~TraceInstance() {
  // rmdir disables the events itself. It is refused while a reader's last reference is on its way out.
  const timespec nap = {0, 5000000};
  for (int tries = 0; tries < 200 && rmdir(path_.c_str()) != 0 && errno == EBUSY; tries++) nanosleep(&nap, nullptr);
  release_instance(path_);
}

}  // namespace ktop
