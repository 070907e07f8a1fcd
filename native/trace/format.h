// tracefs events/*/*/format: where the fields of a record are, and how the kernel prints them.
#pragma once
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace ktop {

struct Field {
  std::string name;
  std::string type;  // as written, "char", "unsigned long", "__data_loc char[]"
  uint32_t offset = 0;
  uint32_t size = 0;     // bytes in the record (4 for __data_loc)
  uint32_t element = 0;  // bytes of one element for arrays, else = size
  bool is_signed = false;
  bool is_text = false;  // char array, __data_loc/__rel_loc char[]
  enum Where : uint8_t { kInline, kDataLoc, kRelLoc } where = kInline;
};

// The value of an integer field (any size 1, 2, 4, 8; sign-extended when signed). 0 past the record's end.
int64_t read_integer(const Field& field, const uint8_t* raw, uint32_t size);
// The text of a text field up to the first NUL. Empty past the record's end.
std::string_view read_text(const Field& field, const uint8_t* raw, uint32_t size);
// All bytes of a field, those that a __data_loc/__rel_loc field points to included. Empty past the record's end.
std::string_view read_bytes(const Field& field, const uint8_t* raw, uint32_t size);

class PrintFormat;  // print_format.h
class Symbols;

struct EventFormat {
  std::string system, name;
  uint16_t type = 0;  // ID
  std::vector<Field> fields;
  std::shared_ptr<const PrintFormat> print;  // null when the print fmt could not be parsed
  const Symbols* symbols = nullptr;          // for addresses of functions; null: those of this host
  const Field* find(std::string_view field) const;
};

// Parses the text of a format file. Throws Failure(kInternal) with the line at fault. Never trusts the text.
EventFormat parse_format(const std::string& system, std::string_view text);

}  // namespace ktop
