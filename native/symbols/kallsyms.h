// Kernel symbols as /proc/kallsyms lists them: this host's, read once per process on first use, or those of a file.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "symbols.h"

namespace ktop {

class Kallsyms final : public Symbols {
 public:
  // The process-wide table. Empty (every name is the raw address) where kptr_restrict hides the addresses.
  static const Kallsyms& get();
  // Starts reading on a thread of its own: 40 ms that no snapshot should wait for.
  static void prefetch();
  bool empty() const { return addresses_.empty(); }
  uint64_t address(const std::string& symbol) const override;
  std::string name(uint64_t address, bool offset) const override;

  // The table of another kernel, in the words of its /proc/kallsyms.
  explicit Kallsyms(std::string_view text);

 private:
  using Found = std::vector<std::pair<uint64_t, uint32_t>>;  // address, offset into pool_
  Kallsyms();
  void add(std::string_view line, Found* found);
  void sort(Found* found);
  std::vector<uint64_t> addresses_;
  std::vector<uint32_t> names_;  // offset into pool_
  std::string pool_;
};

}  // namespace ktop
