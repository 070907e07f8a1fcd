// Names of kernel code: of this host, or of the one a file comes from.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "btf.h"

namespace ktop {

class Symbols {
 public:
  virtual ~Symbols() = default;
  // 0 when there is no function of that name.
  virtual uint64_t address(const std::string& symbol) const = 0;
  // "symbol" or "symbol [module]"; with `offset`, "symbol+0x1f". Unknown: "0x…".
  virtual std::string name(uint64_t address, bool offset) const = 0;
  // Values of enumerators, as far as they are known.
  virtual Enumerators enumerators(const std::vector<std::string>& /*names*/) const { return {}; }
};

}  // namespace ktop
