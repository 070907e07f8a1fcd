// The words of a print fmt: names, strings, numbers, C types.
#pragma once
#include <initializer_list>
#include <string>
#include <string_view>

#include "expression.h"
#include "text.h"

namespace ktop {

struct CType {
  uint8_t size = 0;  // 0: not a type
  bool is_signed = true, pointer = false;
};

inline bool any_of(std::string_view word, std::initializer_list<std::string_view> words) {
  for (std::string_view w : words)
    if (w == word) return true;
  return false;
}

class PrintLexer {
 public:
  explicit PrintLexer(std::string_view text) : rest_(text) {}

 protected:
  void skip() {
    while (!rest_.empty() && is_space(rest_[0])) rest_.remove_prefix(1);
  }
  bool accept(std::string_view token) {
    skip();
    if (!starts_with(rest_, token)) return false;
    rest_.remove_prefix(token.size());
    return true;
  }
  bool expect(std::string_view token) { return accept(token) || fail(); }
  bool fail() {
    failed_ = true;
    return false;
  }
  std::string_view identifier() {
    skip();
    return take_identifier(rest_);
  }
  bool string(std::string* out);  // one or more adjacent string literals
  bool escape(char* out);         // after a backslash
  bool number(Value* out);
  // A run of words and stars, as a type. An unknown single word counts as one only with "_t" or as a struct tag.
  CType type_name();
  void skip_argument();  // past everything up to the next comma on this level

  std::string_view rest_;
  bool failed_ = false;
};

}  // namespace ktop
