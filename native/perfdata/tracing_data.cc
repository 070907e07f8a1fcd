#include "tracing_data.h"

#include "bytes.h"
#include "trace/text.h"

namespace ktop {
namespace {

constexpr std::string_view kMagic("\027\010\104tracing", 10);
constexpr size_t kMostFormats = 65536, kMostNames = 65536, kLongestName = 256;

// "name: sched_switch\nID: 372\n…" Anything else has no id, and no record will be of it.
FormatText format_of(std::string_view system, std::string_view text) {
  FormatText format{std::string(system.substr(0, kLongestName)), "", 0, std::string(text)};
  for (std::string_view rest = text; !rest.empty() && format.id == 0;) {
    const size_t end = rest.find('\n');
    const std::string_view line = rest.substr(0, end);
    rest = end == rest.npos ? std::string_view() : rest.substr(end + 1);
    if (starts_with(line, "name:")) format.name = std::string(trim(line.substr(5)).substr(0, kLongestName));
    if (!starts_with(line, "ID:")) continue;
    uint32_t id = 0;
    for (const char c : trim(line.substr(3)))
      if (is_digit(c) && id < 65536) id = id * 10 + static_cast<uint32_t>(c - '0');
    format.id = id < 65536 ? static_cast<uint16_t>(id) : 0;
  }
  return format;
}

// "372 name\n…"
void parse_names(std::string_view text, std::vector<std::pair<uint32_t, std::string>>* names) {
  while (!text.empty() && names->size() < kMostNames) {
    const size_t end = text.find('\n');
    const std::string_view line = text.substr(0, end);
    text = end == text.npos ? std::string_view() : text.substr(end + 1);
    uint32_t tid = 0;
    size_t digits = 0;
    while (digits < line.size() && is_digit(line[digits]) && tid < 1u << 24)
      tid = tid * 10 + static_cast<uint32_t>(line[digits++] - '0');
    if (digits == 0 || digits + 1 >= line.size() || line[digits] != ' ') continue;
    names->emplace_back(tid, std::string(line.substr(digits + 1, 15)));
  }
}

}  // namespace

void TracingData::add(FormatText format) {
  if (formats.size() >= kMostFormats) return;
  by_id_.emplace(format.id, formats.size());
  formats.push_back(std::move(format));
}

const FormatText* TracingData::find(uint64_t id) const {
  const auto found = by_id_.find(id);
  return found == by_id_.end() ? nullptr : &formats[found->second];
}

const FormatText* TracingData::find(const std::string& system, const std::string& name) const {
  for (const FormatText& format : formats)
    if (format.name == name && format.system == system) return &format;
  return nullptr;
}

TracingData parse_tracing_data(std::string_view bytes) {
  TracingData data;
  Span in(bytes);
  const auto sized = [&] { return in.bytes(in.take<uint64_t>()); };
  if (in.bytes(kMagic.size()) != kMagic) {
    data.damage = "its tracing data begin with something else";
    return data;
  }
  const std::string_view version = in.text();
  if (in.take<uint8_t>() != 0) {
    data.damage = "its tracing data are in the other byte order";
    return data;
  }
  in.take<uint8_t>();   // bytes of a long
  in.take<uint32_t>();  // bytes of a page
  for (const char* part : {"header_page", "header_event"}) {
    if (in.text() != part && in.ok()) {
      data.damage = std::string("its tracing data have no ") + part;
      return data;
    }
    sized();
  }
  // Formats of ftrace's own events, then those of every system.
  uint32_t count = in.take<uint32_t>();
  for (uint32_t i = 0; i < count && in.ok(); i++) {
    const std::string_view text = sized();
    if (in.ok()) data.add(format_of("ftrace", text));
  }
  const uint32_t systems = in.take<uint32_t>();
  for (uint32_t i = 0; i < systems && in.ok(); i++) {
    const std::string_view system = in.text();
    count = in.take<uint32_t>();
    for (uint32_t j = 0; j < count && in.ok(); j++) {
      const std::string_view text = sized();
      if (in.ok()) data.add(format_of(system, text));
    }
  }
  if (!in.ok()) {
    data.damage = "its tracing data are cut off: formats of events are missing";
    return data;
  }
  data.kallsyms = std::string(in.bytes(in.take<uint32_t>()));
  in.bytes(in.take<uint32_t>());  // texts of trace_printk()
  if (version >= "0.6") parse_names(sized(), &data.names);
  return data;
}

}  // namespace ktop
