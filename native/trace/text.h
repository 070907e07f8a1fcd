// Small helpers for reading text.
#pragma once
#include <string>
#include <string_view>
#include <vector>

namespace ktop {

inline bool is_digit(char c) { return c >= '0' && c <= '9'; }
inline bool is_space(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }
inline bool is_identifier(char c) {
  return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}
inline bool starts_with(std::string_view text, std::string_view prefix) {
  return text.substr(0, prefix.size()) == prefix;
}

inline std::string_view trim(std::string_view text) {
  while (!text.empty() && is_space(text.front())) text.remove_prefix(1);
  while (!text.empty() && is_space(text.back())) text.remove_suffix(1);
  return text;
}

// Removes and returns the identifier at the front; empty when there is none.
inline std::string_view take_identifier(std::string_view& text) {
  size_t n = 0;
  if (text.empty() || is_digit(text[0])) return {};
  while (n < text.size() && is_identifier(text[n])) n++;
  const std::string_view word = text.substr(0, n);
  text.remove_prefix(n);
  return word;
}

// Number of single edits (insert, delete, replace, swap of neighbours) between two words.
size_t edit_distance(std::string_view a, std::string_view b);
// The candidate most like `word`; empty when none is alike.
std::string nearest(std::string_view word, const std::vector<std::string>& candidates);

}  // namespace ktop
