#include <algorithm>
#include <cstring>

#include "perf/transport.h"
#include "targets.h"
#include "trace/format.h"
#include "trace/print_format.h"

namespace ktop_fuzz {

void format(const uint8_t* data, size_t size) {
  using namespace ktop;
  const uint8_t* const end = std::find(data, data + size, 0);
  const std::string_view text(reinterpret_cast<const char*>(data), static_cast<size_t>(end - data));
  // A copy of its own size: reading past its end is found.
  const std::vector<uint8_t> record(end == data + size ? end : end + 1, data + size);
  const uint32_t length = static_cast<uint32_t>(std::min<size_t>(record.size(), 65535));
  try {
    const EventFormat f = parse_format("fuzz", text);
    for (const Field& field : f.fields) {
      read_integer(field, record.data(), length);
      const std::string_view words = read_text(field, record.data(), length);
      touch(words.data(), words.size());
      const std::string_view bytes = read_bytes(field, record.data(), length);
      touch(bytes.data(), bytes.size());
    }
    if (!f.print) return;
    f.print->render(f, record.data(), length);
    for (size_t i = 0; i < f.fields.size() && i < 16; i++) {
      f.print->symbol(f, f.fields[i].name, record.data(), length);
      f.print->table(f.fields[i].name);
    }
  } catch (const Failure&) {
  }
}

}  // namespace ktop_fuzz
