#include "engine/arguments.h"

#include <algorithm>
#include <cstring>
#include <string_view>
#include <vector>

namespace ktop {
namespace {

constexpr size_t kMostText = 4096;  // bytes of all arguments together
constexpr uint64_t kMostArguments = 1 << 20;
const char kCut[] = " \u2026";

// As a shell would have to be given it.
void append_quoted(std::string& out, std::string_view word) {
  if (!out.empty()) out += ' ';
  const auto plain = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           static_cast<signed char>(c) < 0 || (c != '\0' && std::strchr("_@%+=:,./-^", c) != nullptr);
  };
  bool bare = !word.empty();
  for (char c : word) bare &= plain(c);
  if (bare) {
    out += word;
    return;
  }
  out += '\'';
  for (char c : word) {
    if (c == '\'')
      out += "'\\''";
    else
      out += c;
  }
  out += '\'';
}

bool too_long(std::string& out) {
  if (out.size() <= kMostText) return false;
  out.resize(kMostText);
  out += kCut;
  return true;
}

// Where each argument begins, from the first on, and behind the last where the texts of the environment begin, or 0.
struct Pointers {
  bool sound = false;
  std::vector<uint64_t> at;
};

Pointers pointers_of(const UserStack& stack) {
  const uint32_t word = stack.narrow ? 4 : 8;
  const auto value = [&](uint64_t index, uint64_t* out) {
    if ((index + 1) * word > stack.size) return false;
    *out = 0;
    std::memcpy(out, stack.bytes + index * word, word);
    return true;
  };
  Pointers pointers;
  uint64_t count, at;
  // argc, that many pointers, a null one, those of the environment.
  if (!value(0, &count) || count > kMostArguments || !value(count + 1, &at) || at != 0) return pointers;
  for (uint64_t i = 0; i <= count; i++) {
    if (!value(i < count ? 1 + i : 2 + count, &at)) at = 0;
    if (i < count && (at < stack.pointer || (i && at <= pointers.at.back()))) return pointers;
    pointers.at.push_back(at);
  }
  pointers.sound = true;
  return pointers;
}

std::vector<std::string_view> words_of(const std::string& cmdline) {
  std::vector<std::string_view> words;
  for (size_t at = 0; at < cmdline.size();) {
    const size_t end = std::min(cmdline.find('\0', at), cmdline.size());
    words.push_back(std::string_view(cmdline).substr(at, end - at));
    at = end + 1;
  }
  return words;
}

// The arguments as they lie in the stack; false when they are not all in it.
bool words_of(const UserStack& stack, const Pointers& pointers, std::vector<std::string_view>* words) {
  for (size_t i = 0; i + 1 < pointers.at.size(); i++) {
    const uint64_t offset = pointers.at[i] - stack.pointer;
    if (offset >= stack.size) return false;
    const char* text = reinterpret_cast<const char*>(stack.bytes + offset);
    const size_t room = stack.size - static_cast<size_t>(offset);
    const size_t length = strnlen(text, room);
    if (length == room) return false;
    words->push_back({text, length});
  }
  return true;
}

std::string joined(const std::vector<std::string_view>& words) {
  std::string out;
  for (const std::string_view word : words) {
    append_quoted(out, word);
    if (too_long(out)) break;
  }
  return out;
}

}  // namespace

bool has_arguments(const UserStack& stack) {
  const Pointers pointers = pointers_of(stack);
  std::vector<std::string_view> words;
  return pointers.sound && words_of(stack, pointers, &words);
}

std::string arguments_of(const UserStack& stack, const std::string& cmdline) {
  const Pointers pointers = pointers_of(stack);
  if (!pointers.sound) return "";
  std::vector<std::string_view> words;
  if (words_of(stack, pointers, &words)) return joined(words);
  const std::vector<std::string_view> shown = words_of(cmdline);
  if (shown.size() + 1 != pointers.at.size()) return "";
  for (size_t i = 0; i < shown.size(); i++)
    if (pointers.at[i + 1] != 0 && pointers.at[i + 1] - pointers.at[i] != shown[i].size() + 1) return "";
  return joined(shown);
}

std::string arguments_of(const std::string& cmdline) { return joined(words_of(cmdline)); }

}  // namespace ktop
