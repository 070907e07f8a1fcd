// BTF: the types of a kernel as the kernel itself carries them (/sys/kernel/btf).
#pragma once
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace ktop {

class Btf {
 public:
  enum Kind : uint8_t {
    kStruct = 4,
    kUnion = 5,
    kEnum = 6,
    kTypedef = 8,
    kFunction = 12,
    kPrototype = 13,
    kEnum64 = 19
  };
  struct Type {
    uint32_t name = 0;  // see text()
    uint8_t kind = 0;
    bool flag = false;        // enums: signed
    uint16_t count = 0;       // members, enumerators, parameters
    uint32_t size = 0;        // bytes, or the type that this one refers to
    std::string_view detail;  // what follows, its length checked: `count` entries, or what the kind has
  };

  // `bytes`: a whole BTF blob. `base`: of the kernel, for that of a module; must outlive this one. What is not BTF, or
  // not to its end, has fewer types, at worst none. Never trusts the bytes.
  explicit Btf(std::string bytes, const Btf* base = nullptr);

  // Every type of its own, in order.
  void each(const std::function<void(const Type&)>& visit) const;
  // A name by its offset; "" past the end.
  std::string_view text(uint32_t offset) const;
  // Where these names stand, as far as they do: types and their entries refer to them so.
  std::unordered_map<uint32_t, std::string> offsets_of(const std::vector<std::string>& names) const;

 private:
  std::string bytes_;
  const Btf* base_;
  std::string_view types_, strings_;
};

// Enumerator → value. One that several enums have with different values is left out.
using Enumerators = std::map<std::string, int64_t, std::less<>>;

Enumerators find_enumerators(const Btf& btf, const std::vector<std::string>& names);

// Of this kernel and its modules, as far as there are such names. Each name is looked for once per process; looking
// takes some milliseconds.
Enumerators kernel_enumerators(const std::vector<std::string>& names);

}  // namespace ktop
