#include "file_symbols.h"

#include <sys/utsname.h>

#include <algorithm>
#include <cstdio>
#include <unordered_map>

#include "perf/transport.h"
#include "symbols/build_id.h"
#include "trace/tracefs.h"

namespace ktop {
namespace {

constexpr std::string_view kKernel = "[kernel.kallsyms]";

std::string raw(uint64_t address) {
  char text[32];
  std::snprintf(text, sizeof text, "0x%llx", static_cast<unsigned long long>(address));
  return text;
}

// The symbol whose place the map tells: "_text" of "[kernel.kallsyms]_text".
std::string reference_of(const KernelMap& map) {
  return map.name.compare(0, kKernel.size(), kKernel) == 0 ? map.name.substr(kKernel.size()) : "";
}

// "/lib/modules/…/nvme-core.ko.xz", "[nvme_core]" → "nvme_core"
std::string module_of(const std::string& path) {
  std::string name = path.substr(path.rfind('/') + 1);
  if (!name.empty() && name[0] == '[') name = name.substr(1, name.find(']') - 1);
  name = name.substr(0, name.find(".ko"));
  std::replace(name.begin(), name.end(), '-', '_');
  return name;
}

// Name → address of its code, of the modules loaded here.
std::unordered_map<std::string, uint64_t> modules_here() {
  std::unordered_map<std::string, uint64_t> found;
  std::string text;
  try {
    text = read_file("/proc/modules");
  } catch (const Failure&) {
    return found;
  }
  for (size_t at = 0; at < text.size();) {
    const size_t end = std::min(text.find('\n', at), text.size());
    const std::string line = text.substr(at, end - at);
    at = end + 1;
    char name[128];
    unsigned long long address = 0;
    // name size references users state address
    if (std::sscanf(line.c_str(), "%127s %*s %*s %*s %*s %llx", name, &address) == 2 && address)
      found.emplace(name, address);
  }
  return found;
}

std::string hex(const std::string& bytes) {
  std::string text;
  char two[3];
  for (const char c : bytes) {
    std::snprintf(two, sizeof two, "%02x", static_cast<unsigned char>(c));
    text += two;
  }
  return text;
}

}  // namespace

FileSymbols::Table::Table(const PerfDataFile& file) {
  if (!file.tracing.kallsyms.empty()) {
    own = std::make_unique<Kallsyms>(std::string_view(file.tracing.kallsyms));
    if (own->empty()) own.reset();
  }
  match_this_host(file);
  std::stable_sort(ranges.begin(), ranges.end(), [](auto& a, auto& b) { return a.start < b.start; });
  if (own) why_not.clear();
}

void FileSymbols::Table::match_this_host(const PerfDataFile& file) {
  bool same = false;
  utsname name{};
  uname(&name);
  if (!file.kernel_build_id.empty()) {
    same = file.kernel_build_id == this_kernel_build_id();
    if (!same) why_not = "the file is of another kernel (build id " + hex(file.kernel_build_id).substr(0, 12) + "…)";
  } else if (file.release == name.release) {
    // Without a build id only a kernel at the same place in memory is surely the same: this very boot.
    for (const KernelMap& map : file.kernel_maps) {
      const std::string reference = reference_of(map);
      same |= !reference.empty() && map.offset != 0 && Kallsyms::get().address(reference) == map.offset;
    }
    if (!same) why_not = "the file does not say which build of the kernel it is of";
  } else {
    why_not = "the file is of another kernel" + (file.release.empty() ? "" : " (" + file.release + ")");
  }
  if (same && Kallsyms::get().empty()) {
    same = false;
    why_not = "/proc/kallsyms hides its addresses without root";
  }
  bool placed = false;
  for (const KernelMap& map : file.kernel_maps) {
    if (reference_of(map).empty())
      add_module(map, same);
    else
      add_kernel(map, same);
  }
  for (const Range& range : ranges) placed |= range.here;
  if (same && !placed) why_not = "the file does not say where its kernel was in memory";
}

void FileSymbols::Table::add_kernel(const KernelMap& map, bool same) {
  Range range;
  range.start = map.start;
  range.end = map.start + map.length;
  const uint64_t here = same ? Kallsyms::get().address(reference_of(map)) : 0;
  if (here != 0 && map.offset != 0) {
    range.here = true;
    range.shift = map.offset - here;
  }
  ranges.push_back(range);
}

void FileSymbols::Table::add_module(const KernelMap& map, bool same) {
  static const std::unordered_map<std::string, uint64_t> here = modules_here();
  Range range;
  range.start = map.start;
  range.end = map.start + map.length;
  range.module = module_of(map.name);
  const auto found = here.find(range.module);
  if (same && found != here.end()) {
    range.here = true;
    range.shift = map.start - found->second;
  }
  ranges.push_back(std::move(range));
}

const FileSymbols::Range* FileSymbols::Table::range_of(uint64_t address) const {
  auto after = std::upper_bound(ranges.begin(), ranges.end(), address,
                                [](uint64_t value, const Range& range) { return value < range.start; });
  if (after == ranges.begin() || address >= after[-1].end) return nullptr;
  return &after[-1];
}

const FileSymbols::Table& FileSymbols::table() const {
  if (!table_) table_ = std::make_unique<const Table>(*file_);
  return *table_;
}

uint64_t FileSymbols::address(const std::string& symbol) const {
  if (table().own) return table().own->address(symbol);
  for (const Range& range : table().ranges)
    if (range.here && range.module.empty()) {
      const uint64_t here = Kallsyms::get().address(symbol);
      return here ? here + range.shift : 0;
    }
  return 0;
}

std::string FileSymbols::name(uint64_t address, bool offset) const {
  if (table().own) return table().own->name(address, offset);
  const Range* range = table().range_of(address);
  if (range && range->here) {
    std::string name = Kallsyms::get().name(address - range->shift, offset);
    if (name.compare(0, 2, "0x") != 0) return name;
  }
  return raw(address) + (range && !range->module.empty() ? " [" + range->module + "]" : "");
}

}  // namespace ktop
