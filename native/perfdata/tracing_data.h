// The part of a perf.data file that describes tracepoints: the format files of the recorded kernel.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

namespace ktop {

struct FormatText {
  std::string system, name;
  uint16_t id = 0;
  std::string text;  // as in tracefs
};

struct TracingData {
  std::vector<FormatText> formats;
  std::string kallsyms;                                 // usually empty: perf has long left it out
  std::vector<std::pair<uint32_t, std::string>> names;  // tid → name, as the kernel remembered them
  std::string damage;                                   // why not all of it was read; "" = all was

  const FormatText* find(uint64_t id) const;
  const FormatText* find(const std::string& system, const std::string& name) const;
  void add(FormatText format);

 private:
  std::unordered_map<uint64_t, size_t> by_id_;
};

TracingData parse_tracing_data(std::string_view bytes);

}  // namespace ktop
