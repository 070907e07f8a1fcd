// The `print fmt` of a format file, parsed so that a record can be rendered as the kernel would.
#pragma once
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace ktop {

struct EventFormat;

class PrintFormat {
 public:
  virtual ~PrintFormat() = default;
  // The whole line as `trace` would print it (after "name: "). Parts it cannot render appear as field=value.
  virtual std::string render(const EventFormat& format, const uint8_t* raw, uint32_t size) const = 0;
  // The text that __print_symbolic/__print_flags gives for the argument that shows this field, taking the branch of any
  // ?: around it from the record (kvm_exit picks its table by isa). Unknown values: "0x..". Empty: no such argument.
  virtual std::string symbol(const EventFormat& format, std::string_view field, const uint8_t* raw,
                             uint32_t size) const = 0;
  // The value → text table of the first __print_flags/__print_symbolic that shows this field (prev_state: {1,"S"}, …).
  virtual std::vector<std::pair<uint64_t, std::string>> table(std::string_view field) const = 0;
};

// `text` is what follows "print fmt:". Null when there is no format string in it.
std::shared_ptr<const PrintFormat> parse_print_format(std::string_view text);

}  // namespace ktop
