#include "poll.h"

#include <dirent.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <map>
#include <sstream>

#include "files.h"
#include "nfs_mounts.h"
#include "perf/transport.h"

namespace ktop {
namespace {

// A table of counters by name; its rows are the differences to the reading before.
class Deltas : public Poll {
 public:
  // `from_zero`: what was not there at the reading before has counted from 0 since.
  Deltas(std::string key, std::vector<std::string> columns, bool from_zero = true)
      : key_(std::move(key)), columns_(std::move(columns)), from_zero_(from_zero) {}

  void read(const std::string& name, SnapshotData& out, Tasks&) override {
    const Reading now = counters();
    TableData table;
    table.name = name;
    table.key = {key_};
    ColumnData& id = table.text(key_);
    std::vector<ColumnData*> values;
    for (const std::string& column : columns_) values.push_back(&table.number(column));
    for (auto& [row, counts] : now) {
      const auto before = before_.find(row);
      id.add_text(row);
      for (size_t i = 0; i < columns_.size(); i++) {
        const double was = before == before_.end() ? (from_zero_ ? 0 : counts[i]) : before->second[i];
        // A counter that went back belongs to a device that came anew.
        values[i]->add(counts[i] >= was ? counts[i] - was : counts[i]);
      }
      table.length++;
    }
    facts(table, now);
    before_ = now;
    out.tables.push_back(std::move(table));
  }

 protected:
  using Reading = std::map<std::string, std::vector<double>>;
  virtual Reading counters() = 0;
  // Columns that are no counters, one entry per row of the reading.
  virtual void facts(TableData&, const Reading&) {}
  void begin() { before_ = counters(); }

 private:
  std::string key_;
  std::vector<std::string> columns_;
  const bool from_zero_;
  Reading before_;
};

class CpuTimes final : public Deltas {
 public:
  explicit CpuTimes(const std::vector<int>& cpus)
      : Deltas("cpu", {"user", "nice", "system", "idle", "iowait", "irq", "softirq", "steal", "guest", "guest_nice"},
               false),  // a CPU that comes online goes on counting from where it was
        cpus_(cpus) {
    begin();
  }

 private:
  Reading counters() override {
    Reading reading;
    std::ifstream file("/proc/stat");
    for (std::string line; std::getline(file, line) && line.compare(0, 3, "cpu") == 0;) {
      std::istringstream words(line.substr(3));
      std::string cpu = "all";
      if (line[3] != ' ') words >> cpu;
      if (cpu != "all" && !cpus_.empty()) {
        bool wanted = false;
        for (int each : cpus_) wanted |= cpu == std::to_string(each);
        if (!wanted) continue;
      }
      std::vector<double> counts(10);
      for (double& count : counts) words >> count;
      reading[cpu] = counts;
    }
    return reading;
  }
  const std::vector<int> cpus_;
};

class NetDevices final : public Deltas {
 public:
  NetDevices()
      : Deltas("dev", {"rx_packets", "tx_packets", "rx_bytes", "tx_bytes", "rx_errors", "tx_errors", "rx_dropped",
                       "tx_dropped"}) {
    begin();
  }

 private:
  Reading counters() override {
    // Where each of the columns stands in a line.
    static const size_t places[] = {1, 9, 0, 8, 2, 10, 3, 11};
    Reading reading;
    // One file for all devices: /sys has one per counter, which takes a host of many devices milliseconds.
    std::ifstream file("/proc/net/dev");
    for (std::string line; std::getline(file, line);) {
      const size_t colon = line.find(':');
      if (colon == std::string::npos) continue;
      std::istringstream words(line.substr(colon + 1));
      std::vector<double> all(16), counts;
      for (double& count : all) words >> count;
      for (size_t place : places) counts.push_back(all[place]);
      const size_t name = line.find_first_not_of(' ');
      reading[line.substr(name, colon - name)] = counts;
    }
    return reading;
  }
};

// Counters of the network stack, of this network namespace: "Tcp:RetransSegs", "TcpExt:ListenDrops".
class NetCounters final : public Deltas {
 public:
  explicit NetCounters(std::vector<std::string> wanted) : Deltas("counter", {"count"}), wanted_(std::move(wanted)) {
    begin();
  }

 private:
  Reading counters() override {
    Reading reading;
    for (const char* path : {"/proc/net/snmp", "/proc/net/netstat"}) {
      std::ifstream file(path);
      // A line of names, a line of values.
      for (std::string names, values; std::getline(file, names) && std::getline(file, values);) {
        std::istringstream name(names), value(values);
        std::string group, same;
        name >> group;
        value >> same;
        if (group != same) break;
        double count;
        for (std::string each; name >> each && value >> count;) {
          const std::string id = group + each;
          if (wanted_.empty() || std::find(wanted_.begin(), wanted_.end(), id) != wanted_.end()) reading[id] = {count};
        }
      }
    }
    return reading;
  }
  const std::vector<std::string> wanted_;
};

class DiskDevices final : public Deltas {
 public:
  DiskDevices() : Deltas("device", {"reads", "read_bytes", "writes", "write_bytes", "busy_ms"}) { begin(); }

 private:
  Reading counters() override {
    Reading reading;
    std::ifstream file("/proc/diskstats");
    for (std::string line; std::getline(file, line);) {
      std::istringstream words(line);
      unsigned major, minor;
      std::string name;
      // Whole devices only: a partition's I/O is its disk's.
      if (access(("/sys/block/" + name).c_str(), F_OK) != 0) continue;
      double f[10];
      if (!(words >> major >> minor >> name)) continue;
      for (double& value : f) words >> value;
      if (!words) continue;
      reading[name] = {f[0], f[2] * 512, f[4], f[6] * 512, f[9]};
    }
    return reading;
  }

  void facts(TableData& table, const Reading& reading) override {
    ColumnData& number = table.text("number");    // "254:0"
    ColumnData& holders = table.text("holders");  // devices stacked on it, separated by blanks
    for (auto& [name, counts] : reading) {
      std::string dev = slurp(("/sys/block/" + name + "/dev").c_str());
      while (!dev.empty() && dev.back() == '\n') dev.pop_back();
      number.add_text(dev);
      std::string above;
      if (DIR* dir = opendir(("/sys/block/" + name + "/holders").c_str())) {
        while (dirent* entry = readdir(dir))
          if (entry->d_name[0] != '.') above += (above.empty() ? "" : " ") + std::string(entry->d_name);
        closedir(dir);
      }
      holders.add_text(above);
    }
  }
};

class NfsMounts final : public Deltas {
 public:
  NfsMounts() : Deltas("mount", nfs_columns()) { begin(); }

 private:
  Reading counters() override { return nfs_mounts(slurp_whole("/proc/self/mountstats")); }
};

}  // namespace

std::unique_ptr<Poll> make_poll(const PollSpec& spec, const std::vector<int>& cpus, const std::string& tracefs) {
  const std::string& kind = spec.poll;
  if (kind == "cpu-times") return std::make_unique<CpuTimes>(cpus);
  if (kind == "net-devices") return std::make_unique<NetDevices>();
  if (kind == "net-counters") return std::make_unique<NetCounters>(spec.match);
  if (kind == "disk-devices") return std::make_unique<DiskDevices>();
  if (kind == "nfs-mounts") return std::make_unique<NfsMounts>();
  if (kind == "process-io") return make_process_io();
  if (kind == "kernel-log") return make_kernel_log(spec.match);
  if (kind == "split-lock-test") return make_split_lock_test();
  if (kind == "watchdog") return make_watchdog();
  if (kind == "probes") return make_probe_poll(tracefs);
  if (kind == "counters") return make_counter_poll(spec, cpus, tracefs);
  throw Failure(Failure::kInternal, "unknown poll \"" + kind + "\"");
}

}  // namespace ktop
