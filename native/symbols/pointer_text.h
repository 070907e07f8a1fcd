// Addresses of the kernel as text. They tell where it lies in memory, which an attacker needs: shown only when asked.
#pragma once
#include <cstdint>
#include <string>

namespace ktop {

// From then on kernel addresses become names that are the same for the same address as long as this process lives.
void hide_pointers(bool hide);
// 0x… ; of the kernel's half of the addresses, when they are hidden: ptr_… with 32 bits of a keyed hash.
std::string pointer_text(uint64_t address);

}  // namespace ktop
