#include "kallsyms.h"

#include <algorithm>
#include <cctype>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <thread>

#include "pointer_text.h"

namespace ktop {

constexpr uint64_t kLongest = 1 << 20;
constexpr size_t kLargestPool = 64 << 20;

const Kallsyms& Kallsyms::get() {
  // Never destroyed: a prefetch may still be reading when the process ends.
  static const Kallsyms* const symbols = new Kallsyms;
  return *symbols;
}

void Kallsyms::prefetch() {
  static std::once_flag once;
  std::call_once(once, [] { std::thread([] { get(); }).detach(); });
}

Kallsyms::Kallsyms() {
  FILE* file = std::fopen("/proc/kallsyms", "re");
  if (!file) return;
  Found found;
  found.reserve(200000);
  char* line = nullptr;
  size_t room = 0;
  for (ssize_t n; (n = getline(&line, &room, file)) > 0;) add({line, static_cast<size_t>(n)}, &found);
  std::free(line);
  std::fclose(file);
  sort(&found);
}

Kallsyms::Kallsyms(std::string_view text) {
  Found found;
  while (!text.empty() && pool_.size() < kLargestPool) {
    const size_t end = text.find('\n');
    add(text.substr(0, end), &found);
    text = end == text.npos ? std::string_view() : text.substr(end + 1);
  }
  sort(&found);
}

// "ffffffff81000000 T _text" or "… t nvme_init\t[nvme]", with or without a line feed.
void Kallsyms::add(std::string_view line, Found* found) {
  uint64_t address = 0;
  size_t at = 0;
  for (; at < line.size() && std::isxdigit(static_cast<unsigned char>(line[at])) && at < 16; at++)
    address = address << 4 | static_cast<uint64_t>(line[at] <= '9' ? line[at] - '0' : (line[at] | 0x20) - 'a' + 10);
  if (address == 0 || at + 3 >= line.size() || line[at] != ' ' || line[at + 2] != ' ') return;
  const char type = line[at + 1];
  // Code only: data symbols would swallow addresses past the last function.
  if (type != 't' && type != 'T' && type != 'w' && type != 'W') return;
  const std::string_view name = line.substr(at + 3, line.find('\n') - at - 3);
  found->emplace_back(address, static_cast<uint32_t>(pool_.size()));
  for (const char c : name) pool_ += c == '\t' ? ' ' : c;
  pool_ += '\0';
}

void Kallsyms::sort(Found* found) {
  std::stable_sort(found->begin(), found->end(), [](auto& a, auto& b) { return a.first < b.first; });
  addresses_.reserve(found->size());
  names_.reserve(found->size());
  for (auto& [address, name] : *found) {
    addresses_.push_back(address);
    names_.push_back(name);
  }
  pool_.shrink_to_fit();
}

uint64_t Kallsyms::address(const std::string& symbol) const {
  for (size_t i = 0; i < names_.size(); i++)
    if (symbol == pool_.c_str() + names_[i]) return addresses_[i];
  return 0;
}

std::string Kallsyms::name(uint64_t address, bool offset) const {
  char text[32];
  const auto after = std::upper_bound(addresses_.begin(), addresses_.end(), address);
  // No function is that long: the address is in none that is listed.
  if (after == addresses_.begin() || address - after[-1] >= kLongest) return pointer_text(address);
  const size_t i = static_cast<size_t>(after - addresses_.begin()) - 1;
  std::string name = pool_.c_str() + names_[i];
  if (!offset) return name;
  std::snprintf(text, sizeof text, "+0x%llx", static_cast<unsigned long long>(address - addresses_[i]));
  const size_t module = name.find(' ');
  return module == std::string::npos ? name + text : name.substr(0, module) + text + name.substr(module);
}

}  // namespace ktop
