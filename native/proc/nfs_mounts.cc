#include "nfs_mounts.h"

#include <sstream>

namespace ktop {

std::vector<std::string> nfs_columns() {
  return {"ops", "requests", "timeouts", "sent", "received", "queue_ms", "rtt_ms", "exec_ms", "errors"};
}

// "device server:/x mounted on /mnt with fstype nfs4 statvers=1.1", and behind "per-op statistics" for each operation
// "READ: ops requests timeouts sent received queue rtt execute [errors]"; errors since Linux 5.3.
std::map<std::string, std::vector<double>> nfs_mounts(const std::string& text) {
  std::map<std::string, std::vector<double>> mounts;
  std::istringstream lines(text);
  std::vector<double>* counts = nullptr;
  bool operations = false;
  for (std::string line; std::getline(lines, line);) {
    std::istringstream words(line);
    std::string first;
    words >> first;
    if (first == "device") {
      counts = nullptr;
      operations = false;
      const size_t on = line.find(" mounted on "), with = line.rfind(" with fstype ");
      if (on == line.npos || with == line.npos || with < on + 12) continue;
      const std::string type = line.substr(with + 13, 3);
      if (type != "nfs") continue;
      counts = &mounts[line.substr(on + 12, with - on - 12)];
      counts->assign(nfs_columns().size(), 0);
    } else if (first == "per-op") {
      operations = true;
    } else if (counts && operations && first.size() > 1 && first.back() == ':') {
      double value;
      for (size_t i = 0; i < counts->size() && words >> value; i++) (*counts)[i] += value;
    }
  }
  return mounts;
}

}  // namespace ktop
