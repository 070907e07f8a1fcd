// Names of the kernel code in a perf.data file. A file has addresses only; names are known where it carries a symbol
// table, or where this host runs the very same kernel. Any other host's names would be wrong, so there are none then.
#pragma once
#include <memory>
#include <string>
#include <vector>

#include "file.h"
#include "symbols/kallsyms.h"

namespace ktop {

class FileSymbols final : public Symbols {
 public:
  explicit FileSymbols(std::shared_ptr<const PerfDataFile> file) : file_(std::move(file)) {}
  uint64_t address(const std::string& symbol) const override;
  std::string name(uint64_t address, bool offset) const override;
  // Why there are no names; "" when there are.
  const std::string& why_not() const { return table().why_not; }

 private:
  // A range of the recorded kernel's memory. `shift`: its address there minus the address here, where it is here too.
  struct Range {
    uint64_t start = 0, end = 0;
    bool here = false;
    uint64_t shift = 0;
    std::string module;  // "" = the kernel
  };
  struct Table {
    explicit Table(const PerfDataFile& file);
    void match_this_host(const PerfDataFile& file);
    void add_kernel(const KernelMap& map, bool same);
    void add_module(const KernelMap& map, bool same);
    const Range* range_of(uint64_t address) const;
    std::unique_ptr<Kallsyms> own;
    std::vector<Range> ranges;  // by start
    std::string why_not;
  };
  // Made when it is first needed: this host's symbols take tens of milliseconds.
  const Table& table() const;

  const std::shared_ptr<const PerfDataFile> file_;
  mutable std::unique_ptr<const Table> table_;
};

}  // namespace ktop
