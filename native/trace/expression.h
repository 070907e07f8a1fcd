// The C expressions of a print fmt: their tree, and the value of a tree for a record.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "format.h"
#include "value.h"

namespace ktop {

using SymbolTable = std::vector<std::pair<uint64_t, std::string>>;

struct Expression {
  enum Kind : uint8_t {
    kUnknown,      // something this parser does not know
    kNumber,       // value
    kText,         // text
    kField,        // REC->text, __get_str(text), __get_dynamic_array(text)
    kFieldLength,  // __get_dynamic_array_len(text), sizeof(REC->text)
    kUnary,        // op a
    kBinary,       // a op b
    kTernary,      // a ? b : c
    kCast,         // (int of `element` bytes) a
    kPointerCast,  // (type of `element` bytes *) a
    kIndex,        // a[b]
    kDereference,  // *a
    kSymbolic,     // __print_symbolic(a, table)
    kFlags,        // __print_flags(a, text, table)
    kHex,          // __print_hex(a, b), __print_hex_str: text is what stands between bytes
    kArray,        // __print_array(a, b, element bytes c)
    kMask,         // __get_cpumask(text) as a list of bits
    kSeconds,      // __print_ns_to_secs(a)
  };
  Kind kind = kUnknown;
  bool is_signed = false;  // casts
  uint8_t element = 0;     // casts: bytes
  uint16_t height = 1;
  int op = 0;
  int a = -1, b = -1, c = -1;  // children
  Value value;
  std::string text;
  SymbolTable table;
};

using Expressions = std::vector<Expression>;

// What an expression comes to.
struct Result {
  enum Kind : uint8_t { kUnknown, kInteger, kText, kBytes } kind = kUnknown;
  Value value;             // kInteger
  std::string text;        // kText
  std::string_view bytes;  // kBytes: an array in the record
  uint32_t element = 1;    // kBytes
  bool element_signed = false;
};

struct RecordView {
  const EventFormat& format;
  const uint8_t* raw;
  uint32_t size;
};

Result evaluate(const Expressions& tree, int node, const RecordView& record);
bool mentions(const Expressions& tree, int node, std::string_view field);
// The first node below `node`, itself included, of these kinds whose value shows the field; -1 when there is none.
int find_table(const Expressions& tree, int node, std::string_view field);
// Bits of a mask as "0-3,7".
std::string list_bits(std::string_view mask);

}  // namespace ktop
