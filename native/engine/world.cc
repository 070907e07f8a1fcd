#include "world.h"

#include <cstdio>
#include <unordered_map>

#include "proc/files.h"
#include "symbols/kallsyms.h"

namespace ktop {
namespace {

class ThisHost final : public World {
 public:
  bool here() const override { return true; }
  const Symbols& symbols() const override { return Kallsyms::get(); }

  std::string device(uint32_t dev) const override {
    char path[64];
    std::snprintf(path, sizeof path, "/sys/dev/block/%u:%u/uevent", dev >> 20, dev & 0xfffff);
    static std::unordered_map<uint32_t, std::string> known;  // only the snapshot thread comes here
    std::string& name = known[dev];
    if (!name.empty()) return name;
    const std::string uevent = slurp(path);
    const size_t at = uevent.find("DEVNAME=");
    if (at != std::string::npos) name = uevent.substr(at + 8, uevent.find('\n', at) - at - 8);
    if (name.empty()) name = device_number(dev);
    return name;
  }

  std::string wait_channel(uint32_t tid) const override {
    char path[48];
    std::snprintf(path, sizeof path, "/proc/%u/wchan", tid);
    const std::string name = slurp(path);
    return name == "0" ? "" : name;
  }
};

}  // namespace

const World& World::this_host() {
  static const ThisHost host;
  return host;
}

std::string device_number(uint32_t dev) { return std::to_string(dev >> 20) + ":" + std::to_string(dev & 0xfffff); }

}  // namespace ktop
