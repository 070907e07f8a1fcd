#include "print_lexer.h"

#include <algorithm>

namespace ktop {
namespace {

constexpr size_t kMaxString = 16384;

}  // namespace

bool PrintLexer::string(std::string* out) {
  skip();
  if (rest_.empty() || rest_[0] != '"') return false;
  while (accept("\"")) {
    while (!rest_.empty() && rest_[0] != '"') {
      char c = rest_[0];
      rest_.remove_prefix(1);
      if (c == '\\' && !escape(&c)) return fail();
      if (out->size() >= kMaxString) return fail();
      *out += c;
    }
    if (rest_.empty()) return fail();
    rest_.remove_prefix(1);
  }
  return true;
}

bool PrintLexer::escape(char* out) {
  if (rest_.empty()) return false;
  const char c = rest_[0];
  rest_.remove_prefix(1);
  if (c >= '0' && c <= '7') {
    int v = c - '0';
    for (int i = 0; i < 2 && !rest_.empty() && rest_[0] >= '0' && rest_[0] <= '7'; i++, rest_.remove_prefix(1))
      v = v * 8 + rest_[0] - '0';
    *out = static_cast<char>(v);
  } else {
    *out = c == 'n' ? '\n' : c == 't' ? '\t' : c == 'r' ? '\r' : c;
  }
  return true;
}

bool PrintLexer::number(Value* out) {
  int base = 10;
  if (starts_with(rest_, "0x") || starts_with(rest_, "0X")) {
    base = 16;
    rest_.remove_prefix(2);
  } else if (rest_[0] == '0') {
    base = 8;
  }
  uint64_t v = 0;
  while (!rest_.empty()) {
    const char c = rest_[0];
    int digit = is_digit(c) ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : c >= 'A' && c <= 'F' ? c - 'A' + 10 : 99;
    if (digit >= base) break;
    v = v * base + digit;
    rest_.remove_prefix(1);
  }
  bool is_unsigned = false, wide = false;
  while (!rest_.empty() && is_identifier(rest_[0])) {
    const char c = rest_[0];
    if (c == 'u' || c == 'U')
      is_unsigned = true;
    else if (c == 'l' || c == 'L')
      wide = true;
    else
      return fail();
    rest_.remove_prefix(1);
  }
  if (v > 0xffffffff || (v > 0x7fffffff && base == 10 && !is_unsigned)) wide = true;
  if (!wide && v > 0x7fffffff) is_unsigned = true;
  if (wide && v > 0x7fffffffffffffff) is_unsigned = true;
  *out = Value::make(v, wide, is_unsigned);
  return true;
}

CType PrintLexer::type_name() {
  CType type;
  bool known = false, tagged = false;
  for (;;) {
    skip();
    const std::string_view before = rest_;
    const std::string_view word = identifier();
    if (word.empty()) break;
    if (any_of(word, {"const", "volatile", "__force", "__user", "__kernel"})) continue;
    if (any_of(word, {"struct", "union", "enum"})) {
      tagged = true;
      type.size = 4;
      continue;
    }
    if (word == "unsigned") {
      type.is_signed = false;
      if (!type.size) type.size = 4;
    } else if (word == "signed") {
      if (!type.size) type.size = 4;
    } else if (word == "int") {
      if (!type.size) type.size = 4;
    } else if (any_of(word, {"char", "s8", "__s8", "int8_t", "u8", "__u8", "uint8_t", "bool", "_Bool", "unchar"})) {
      type.size = 1;
      if (word != "char" && word[word[0] == '_' ? 2 : 0] != 's' && word != "int8_t") type.is_signed = false;
    } else if (any_of(word, {"short", "s16", "__s16", "int16_t"})) {
      type.size = 2;
    } else if (any_of(word, {"u16", "__u16", "uint16_t", "__be16", "__le16", "umode_t", "ushort"})) {
      type.size = 2, type.is_signed = false;
    } else if (any_of(word, {"s32", "__s32", "int32_t", "pid_t"})) {
      type.size = 4;
    } else if (any_of(word,
                      {"u32", "__u32", "uint32_t", "__be32", "__le32", "dev_t", "gfp_t", "uid_t", "gid_t", "uint"})) {
      type.size = 4, type.is_signed = false;
    } else if (any_of(word, {"long", "s64", "__s64", "int64_t", "ssize_t", "loff_t", "ktime_t"})) {
      type.size = 8;
    } else if (any_of(word,
                      {"u64", "__u64", "uint64_t", "size_t", "sector_t", "ulong", "uintptr_t", "__be64", "__le64"})) {
      type.size = 8, type.is_signed = false;
    } else if (word == "void") {
      type.size = 1, type.is_signed = false;
    } else if (tagged) {
      tagged = false;  // its tag
    } else if (!known && word.size() > 2 && word.substr(word.size() - 2) == "_t") {
      type.size = 8, type.is_signed = false;
    } else {
      rest_ = before;
      return {};
    }
    known = true;
  }
  while (accept("*")) type.pointer = true;
  return type;
}

void PrintLexer::skip_argument() {
  int level = 0;
  while (!rest_.empty()) {
    const char c = rest_[0];
    if (c == '"' || c == '\'') {
      rest_.remove_prefix(1);
      while (!rest_.empty() && rest_[0] != c)
        rest_.remove_prefix(std::min<size_t>(rest_[0] == '\\' ? 2 : 1, rest_.size()));
    } else if (c == '(' || c == '{' || c == '[') {
      level++;
    } else if (c == ')' || c == '}' || c == ']') {
      level--;
    } else if (c == ',' && level <= 0) {
      return;
    }
    if (!rest_.empty()) rest_.remove_prefix(1);
  }
}

}  // namespace ktop
