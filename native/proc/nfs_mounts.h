// Counters of NFS mounts, from the text of /proc/self/mountstats.
#pragma once
#include <map>
#include <string>
#include <vector>

namespace ktop {

// ops, sent_requests, timeouts, sent, received (bytes), queue_ms, rtt_ms, exec_ms (sums), errors.
std::vector<std::string> nfs_columns();
// By mount point, in the order of the columns, summed over the operations.
std::map<std::string, std::vector<double>> nfs_mounts(const std::string& text);

}  // namespace ktop
