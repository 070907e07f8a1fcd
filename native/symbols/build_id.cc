#include "build_id.h"

#include <cstdint>
#include <cstring>

#include "proc/files.h"

namespace ktop {

std::string this_kernel_build_id() { return build_id_in(slurp("/sys/kernel/notes")); }

std::string build_id_in(std::string_view notes) {
  constexpr uint32_t kGnuBuildId = 3;
  const auto padded = [](uint64_t n) { return (n + 3) / 4 * 4; };
  while (notes.size() >= 12) {
    uint32_t head[3];  // bytes of the name, bytes of the text, type
    memcpy(head, notes.data(), sizeof head);
    notes.remove_prefix(sizeof head);
    const uint64_t whole = padded(head[0]) + padded(head[1]);
    if (whole > notes.size() && padded(head[0]) + head[1] > notes.size()) break;
    const std::string_view name = notes.substr(0, head[0]);
    const std::string_view text = notes.substr(padded(head[0]), head[1]);
    if (head[2] == kGnuBuildId && name == std::string_view("GNU\0", 4)) return std::string(text);
    notes.remove_prefix(whole < notes.size() ? whole : notes.size());
  }
  return {};
}

}  // namespace ktop
